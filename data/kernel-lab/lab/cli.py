"""The lab's commands: `captures` (all of it), `prepare` (fetch and build only), `boot` (one script in one machine)."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from .captures import capture
from .errors import LabError
from .hook import boot_script
from .kernels import KERNELS
from .machine import Shape
from .paths import HERE
from .ready import install_emulator, prepare
from .say import say
from .summary import describe_all


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="data/kernel-lab", description="Boot stock kernels in an emulator.")
    commands = parser.add_subparsers(dest="command", required=True)
    known = ", ".join(KERNELS)

    everything = commands.add_parser("captures", help="boot the kernels, run the experiments, keep what they print")
    everything.add_argument("--kernels", nargs="+", default=["6.1", "6.12", "7.3"], help=f"of {known}")
    everything.add_argument("--runs", nargs="+", default=["*"], help="names or patterns of runs.toml")
    everything.add_argument("--out", type=Path, default=HERE.parent / "captures", help="where RELEASE/RUN goes")
    everything.add_argument("--offline", action="store_true", help="only kernels that are in the cache")
    everything.add_argument("--again", action="store_true", help="run also what is already there")
    everything.set_defaults(run=_captures)

    told = commands.add_parser("summary", help="say what the storms below a folder of captures show")
    told.add_argument("folder", type=Path, nargs="?", default=HERE.parent / "captures")
    told.set_defaults(run=_summary)

    ready = commands.add_parser("prepare", help="fetch and build, boot nothing")
    ready.add_argument("--kernels", nargs="+", default=["6.1", "6.12", "7.3"], help=f"of {known}")
    ready.set_defaults(run=_prepare)

    hook = commands.add_parser("boot", help="run one shell script in an emulated machine and get back what it leaves")
    hook.add_argument("--kernel", default="6.12", help=f"one of {known}")
    hook.add_argument("--script", type=Path, required=True, help="a POSIX shell script (busybox sh in the machine)")
    hook.add_argument("--file", action="append", default=[], metavar="FILE[:NAME]", help="goes to /lab/NAME")
    hook.add_argument("--out", type=Path, required=True, help="folder for what the script left in /cap")
    hook.add_argument("--cpus", type=int, default=2)
    hook.add_argument("--memory", default="1G")
    hook.add_argument("--limit", type=float, default=180, help="seconds of wall time")
    hook.add_argument("--append", default="", help="more words for the kernel's command line")
    hook.add_argument("--modules", action="store_true", help="add the lab's own modules and program")
    hook.add_argument("--offline", action="store_true", help="only what is in the cache")
    hook.set_defaults(run=_boot)
    return parser


def _captures(args: argparse.Namespace) -> int:
    install_emulator()
    failures = capture(args.kernels, args.runs, args.out, offline=args.offline, again=args.again)
    for failure in failures:
        print(f"kernel-lab: {failure}", file=sys.stderr)
    say(
        f"{len(failures)} runs failed; the same command tries them again" if failures else f"captures are in {args.out}"
    )
    return 1 if failures else 0


def _summary(args: argparse.Namespace) -> int:
    print(describe_all(args.folder) or f"no storms below {args.folder}")
    return 0


def _prepare(args: argparse.Namespace) -> int:
    install_emulator()
    for name in args.kernels:
        say(f"{name}: {prepare(name).release} is ready")
    return 0


def _boot(args: argparse.Namespace) -> int:
    files = {}
    for given in args.file:
        path, _, name = given.partition(":")
        files[name or Path(path).name] = Path(path).read_bytes()
    shape = Shape(cpus=args.cpus, memory=args.memory, limit=args.limit, append=args.append)
    got = boot_script(
        args.script.read_text(),
        kernel=args.kernel,
        files=files,
        shape=shape,
        out=args.out,
        offline=args.offline,
        modules=args.modules,
    )
    say(f"{got.release}: {got.outcome.end} after {got.outcome.seconds:.0f} s, script status {got.status}")
    if got.status is None:
        return 1
    return got.status


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    args = _parser().parse_args(argv)
    # a plain kill, too, ends the machine that is running
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status: int = args.run(args)
    except LabError as error:
        print(f"kernel-lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("kernel-lab: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return status
