"""`python -m benchmarks.scan.others`: a storm of oopses, which only the tolerant parser reads, and what that costs.

The yardstick is the naive parser with a storm of bad pages of the same size, as it knows nothing of oopses.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.scan.logs import Maker, make
from benchmarks.scan.naive import parse
from benchmarks.scan.peers import Contender, rounds, table
from kvmlab.report.scan import scan_log

_NAMES = ("RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "R08", "R09", "R10", "R11", "R12", "R13", "R14", "R15")


def oops(maker: Maker, number: int) -> list[str]:
    """The messages of one oops, in the manner of 6.12.

    Args:
        maker: of the call traces and the modules.
        number: which one it is since boot.
    """
    rnd = maker.random
    trace = rnd.choice(maker.variants)
    words = [f"{name}: {rnd.getrandbits(64):016x}" for name in _NAMES]
    registers = [f"RSP: 0018:{rnd.getrandbits(64):016x} EFLAGS: 00010{rnd.getrandbits(12):03x}"]
    registers += [" ".join(words[i : i + 3]) for i in range(0, len(words), 3)]
    return [
        f"BUG: unable to handle page fault for address: {rnd.getrandbits(64):016x}",
        "#PF: supervisor read access in kernel mode",
        "#PF: error_code(0x0000) - not-present page",
        f"Oops: Oops: 0000 [#{number}] PREEMPT SMP NOPTI",
        f"CPU: {rnd.randrange(64)} UID: 0 PID: {rnd.randrange(300, 4000000)} Comm: bench Tainted: G      D  6.12.9 #17",
        f"RIP: 0010:{trace[0].strip()}",
        *registers,
        "Call Trace:",
        " <TASK>",
        *trace,
        " </TASK>",
        *maker.modules,
        "---[ end trace 0000000000000000 ]---",
        f"RIP: 0010:{trace[0].strip()}",
        *registers,
    ]


def pieces(size: int, style: str) -> Iterator[str]:
    """A log of about `size` bytes of oopses, some milliseconds apart, piece by piece."""
    maker = Maker(3, style)
    made = number = 0
    while made < size:
        number += 1
        piece = "".join(maker.lines(oops(maker, number)))
        maker.us += random.Random(number).randrange(1000, 400_000)
        made += len(piece)
        yield piece


def main() -> None:
    """Measure, and print a table for each style of prefixes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan.others", description=__doc__)
    parser.add_argument("--mb", type=int, default=20, help="size of each log")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for style in ("dmesg", "syslog"):
            path = Path(folder) / f"{style}.log"
            path.write_text("".join(pieces(args.mb * 1_000_000, style)))
            known = Path(folder) / f"{style}-bad.log"
            make(known, path.stat().st_size, 0.95, style=style)
            rows = [
                Contender("kvmlab", partial(scan_log, path, threads=1)),
                Contender("naive line parser", partial(parse, known)),
            ]
            rounds(rows, args.rounds)
            table(f"oopses, {style} prefixes: {args.mb} MB", rows, path.stat().st_size, "naive line parser")


if __name__ == "__main__":
    main()
