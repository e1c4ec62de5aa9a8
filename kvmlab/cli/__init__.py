"""The command `kvmlab`: words to calls. One module for each command; nothing heavy is imported before it runs."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from kvmlab import __version__
from kvmlab.errors import KvmlabError

# In the order of the help text.
COMMANDS = ("triage", "explain", "replay", "explore", "kvm-matrix", "ttm", "pfns", "capture", "case")

EPILOG = """\
examples:
  kvmlab triage mail.txt                      what is in this text, report by report
  dmesg | kvmlab triage - --json              the same for programs
  kvmlab explain mail.txt --report 1          every number of one report, decoded
  kvmlab replay mail.txt                      the model's way to the reported page state

exit status: 0 done; 1 done, but the input held nothing to report; 2 unusable input or arguments.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands.

    >>> build_parser().parse_args(["triage", "-"]).files
    ['-']
    """
    parser = argparse.ArgumentParser(
        prog="kvmlab",
        description="What happened to this page, who dropped it, and which kernels can do it?",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kvmlab {__version__}")
    sub = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"kvmlab.cli.{name.replace('-', '_')}").add_parser(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        argv: the words after `kvmlab`; those of the process when None.
    """
    args = build_parser().parse_args(argv)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except KvmlabError as error:
        print(f"kvmlab: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader went away (`| head`): not an error of ours, and Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("kvmlab: interrupted", file=sys.stderr)
        return 130
    return status
