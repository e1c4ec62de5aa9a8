"""`kvmlab capture`: print a shell script that records memory state and a short trace on an affected host."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from kvmlab.capture.host_script import DEFAULT_EVENTS, GROUPS, LONGEST_SECONDS, ScriptSettings, host_script
from kvmlab.cli.arguments import add_json
from kvmlab.cli.output import print_json

EPILOG = """\
examples:
  kvmlab capture > capture.sh                       then, on the host and as root: sh capture.sh /tmp
  kvmlab capture --seconds 30 --stacks              with the stack of each event: who allocated, who freed
  kvmlab capture --events kvm,kvmmmu,page_ref       a kernel with CONFIG_DEBUG_PAGE_REF: every reference
  kvmlab capture --seconds 0 --pid 4711             no trace; the page frames behind a process's GPU buffers

The script needs a POSIX shell and nothing else. It writes one tar with a manifest, changes nothing but the
trace events that it switches on for the given time and off again, and never reads the two files of TTM
whose reading frees pages. Read it before you run it.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's words to the parser."""
    parser = sub.add_parser(
        "capture",
        help="print a shell script that records the state of a host",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seconds", type=int, default=10, metavar="N", help=f"how long events are on, 0 to {LONGEST_SECONDS} (10)"
    )
    parser.add_argument(
        "--events",
        default=",".join(DEFAULT_EVENTS),
        metavar="LIST",
        help=f"groups ({', '.join(GROUPS)}) and single events such as kvm/kvm_entry ({','.join(DEFAULT_EVENTS)})",
    )
    parser.add_argument("--stacks", action="store_true", help="a kernel stack under each event")
    parser.add_argument("--buffer-kb", type=int, default=8192, metavar="K", help="trace buffer of each CPU (8192)")
    parser.add_argument("--max-mb", type=int, default=256, metavar="M", help="largest single file (256)")
    parser.add_argument("--no-frames", action="store_true", help="without kpageflags and kpagecount")
    parser.add_argument("--no-page-owner", action="store_true", help="without page_owner")
    parser.add_argument("--kernel-log", action="store_true", help="with the kernel log (may name people and machines)")
    parser.add_argument(
        "--pid", type=int, default=0, metavar="PID", help="the frames behind this process's GPU buffers"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    settings = ScriptSettings(
        seconds=args.seconds,
        events=tuple(word for word in args.events.split(",") if word),
        stacks=args.stacks,
        buffer_kb=args.buffer_kb,
        max_mb=args.max_mb,
        frames=not args.no_frames,
        page_owner=not args.no_page_owner,
        kernel_log=args.kernel_log,
        pid=args.pid,
    )
    script = host_script(settings)
    if args.json:
        chosen = asdict(settings) | {"events": list(settings.event_names())}
        print_json({"schema": "kvmlab.capture-script/1", "settings": chosen, "script": script})
    else:
        sys.stdout.write(script)
    return 0
