"""`python -m benchmarks.scan`: the fast scan side by side with grep, ripgrep, lnav, DuckDB and a naive parser.

Every round runs each of them once, one after the other, so that other work on the machine meets them all alike; the
table shows medians and, what counts, their ratios. Files are in the page cache.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.scan.logs import Truth, make
from benchmarks.scan.naive import parse
from kvmlab.report.scan import scan_log, scan_logs

MARKER = "BUG: Bad page"
_ENV = {**os.environ, "LC_ALL": "C"}


@dataclass(slots=True)
class Contender:
    """One way to read a log.

    Args:
        name: in the table.
        run: reads the log once.
        share: which part of the log it reads; its time is divided by it.
        times: seconds a round.
    """

    name: str
    run: Callable[[], object]
    share: float = 1.0
    times: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Median, for the whole log."""
        return statistics.median(self.times) / self.share


def command(*words: str) -> Callable[[], object]:
    """A command to run, silently."""
    return lambda: subprocess.run(words, env=_ENV, capture_output=True, check=False)


def duckdb_count(path: Path) -> int:
    """Lines with the marker, counted by DuckDB."""
    import duckdb

    options = "delim='\\x01', header=false, quote='', escape='', auto_detect=false, columns={'line': 'VARCHAR'}"
    query = f"select count(*) from read_csv('{path}', {options}) where contains(line, '{MARKER}')"
    found = duckdb.sql(query)
    return 0 if found is None else int(found.fetchall()[0][0])


def checked(path: Path, truth: Truth, engine: str, threads: int | None) -> None:
    """A full scan to a frame; what comes out must be what was put in."""
    frame = scan_log(path, engine=engine, threads=threads).df_bad_pages()
    pfns = int(frame["pfn"].sum())
    if (len(frame), pfns) != (truth.reports, truth.pfn_sum):
        sys.exit(f"{path}: {len(frame)} reports with pfns {pfns}, {truth.reports} with {truth.pfn_sum} were put in")


def contenders(path: Path, truth: Truth, args: argparse.Namespace, part: tuple[Path, Truth]) -> list[Contender]:
    """Everybody who takes part on one log; slow ones get a part of it."""
    small, small_truth = part
    share = small_truth.size / truth.size
    rows = [
        Contender("kvmlab numba, 1 thread", lambda: checked(path, truth, "numba", 1)),
        Contender("kvmlab numba, 2 threads", lambda: checked(path, truth, "numba", 2)),
        Contender("kvmlab without numba", lambda: checked(small, small_truth, "python", 1), share),
        Contender("naive line parser", lambda: parse(small), share),
        Contender("grep -c", command("grep", "-c", MARKER, str(path))),
        Contender("wc -l", command("wc", "-l", str(path))),
    ]
    if shutil.which("rg"):
        rows.append(Contender("rg -c", command("rg", "-c", MARKER, str(path))))
    if shutil.which("lnav") and not args.quick:
        words = ("lnav", "-n", "-c", f":filter-in {MARKER}", str(small))
        rows.append(Contender("lnav filter", command(*words), share))
    try:
        import duckdb  # noqa: F401
    except ImportError:
        pass
    else:
        rows.append(Contender("duckdb count", lambda: duckdb_count(path)))
    return rows


def rounds(rows: list[Contender], n: int) -> None:
    """Runs everybody `n` times, taking turns; the first round is not counted."""
    for i in range(n + 1):
        for row in rows:
            start = time.perf_counter()
            row.run()
            if i:
                row.times.append(time.perf_counter() - start)


def table(title: str, rows: list[Contender], size: int, base: str) -> dict[str, float]:
    """Prints one table; the seconds of everybody."""
    seconds = {row.name: row.seconds for row in rows}
    print(f"\n{title}")
    print(f"{'':28}{'s/GB':>9}{'MB/s':>9}{'x ' + base:>12}{'x naive':>10}")
    for name, value in sorted(seconds.items(), key=lambda item: item[1]):
        naive = seconds.get("naive line parser")
        shown = "" if naive is None else f"{naive / value:10.1f}"
        print(f"{name:28}{value / size * 1e9:9.3f}{size / value / 1e6:9.0f}{seconds[base] / value:12.2f}{shown}")
    return seconds


def gate(name: str, value: float, least: float, aim: float) -> bool:
    """Prints one gate; whether it holds."""
    held = value >= least
    print(f"{'ok  ' if held else 'MISS'} {name}: {value:.2f} (gate {least}, aim {aim})")
    return held


def compressed(folder: Path, args: argparse.Namespace) -> tuple[dict[str, float], int]:
    """Many gzip files: kvmlab's full parse against a count by ripgrep."""
    files, total = [], 0
    for i in range(args.files):
        path = folder / f"part{i:03}.log"
        truth = make(path, 4_000_000, 0.1 if i % 2 else 0.95, seed=100 + i)
        total += truth.size
        with path.open("rb") as source, gzip.open(f"{path}.gz", "wb", compresslevel=6) as target:
            shutil.copyfileobj(source, target)
        path.unlink()
        files.append(f"{path}.gz")

    def full() -> None:
        for scan in scan_logs(files, engine="numba", threads=2):
            scan.df_bad_pages()

    rows = [Contender("kvmlab, 2 threads", full)]
    if shutil.which("rg"):
        rows.append(Contender("rg -z -c", command("rg", "-z", "-c", MARKER, *files)))
    rows.append(Contender("zcat | grep -c", command("sh", "-c", f"zcat {folder}/part*.gz | grep -c '{MARKER}'")))
    rounds(rows, args.rounds)
    base = "rg -z -c" if shutil.which("rg") else "zcat | grep -c"
    return table(f"{len(files)} gzip files, {total / 1e6:.0f} MB of text", rows, total, base), total


def memory(path: Path) -> float:
    """Anonymous memory in MB that a scan to a frame adds at its peak, measured in a process of its own."""
    program = (
        "import sys, threading, time\n"
        "import pandas\n"
        "from kvmlab.report.scan import scan_log\n"
        "import kvmlab.report.fast_compiled\n"
        "def anon():\n"
        "    with open('/proc/self/status') as f:\n"
        "        return next(int(l.split()[1]) for l in f if l.startswith('RssAnon'))\n"
        "base = top = anon()\n"
        "done = False\n"
        "def watch():\n"
        "    global top\n"
        "    while not done:\n"
        "        top = max(top, anon()); time.sleep(.005)\n"
        "t = threading.Thread(target=watch); t.start()\n"
        "frame = scan_log(sys.argv[1], engine='numba', threads=2).df_bad_pages()\n"
        "done = True; t.join()\n"
        "print((max(top, anon()) - base) / 1024)\n"
    )
    found = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    return float(found.stdout)


def main() -> int:
    """Runs everything; 1 if a gate is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan", description=__doc__)
    parser.add_argument("--mb", type=int, default=1000, help="size of a log (default 1000)")
    parser.add_argument("--part-mb", type=int, default=60, help="size of the log for the slow ones (default 60)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default 5)")
    parser.add_argument("--files", type=int, default=96, help="gzip files of 4 MB (default 96)")
    parser.add_argument("--styles", default="dmesg,caller,syslog,short", help="prefix styles of the storms")
    parser.add_argument("--quick", action="store_true", help="leave out the slowest peers")
    parser.add_argument("--folder", type=Path, help="where to put the logs (default: a temporary folder)")
    args = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    held = True
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        for style in args.styles.split(","):
            for kind, share in (("storm", 0.95), ("fleet", 0.10)):
                if kind == "fleet" and style != "dmesg" and args.quick:
                    continue
                path, small = folder / f"{kind}.log", folder / f"{kind}-part.log"
                truth = make(path, args.mb * 1_000_000, share, style=style, seed=len(style))
                part = make(small, min(args.part_mb, args.mb) * 1_000_000, share, style=style, seed=7)
                rows = contenders(path, truth, args, (small, part))
                rounds(rows, args.rounds)
                title = f"{kind} ({share:.0%} reports), {style} prefixes: {truth.size / 1e6:.0f} MB"
                s = table(title, rows, truth.size, "grep -c")
                grep, naive = s["grep -c"], s["naive line parser"]
                one, two, plain = (s[f"kvmlab {x}"] for x in ("numba, 1 thread", "numba, 2 threads", "without numba"))
                if kind == "storm":
                    held &= gate(f"{kind} {style}, one core / grep", grep / one, 0.6, 1.0)
                    held &= gate(f"{kind} {style}, one core / naive", naive / one, 30, 50)
                    held &= gate(f"{kind} {style}, two threads / grep", grep / two, 1.0, 1.5)
                    if style == "dmesg":
                        used = memory(path)
                        held &= gate("own memory left of 0.3 GB, in MB", 300 - used, 0, 150)
                else:
                    held &= gate(f"{kind} {style}, one core / grep", grep / one, 1.2, 2.0)
                    held &= gate(f"{kind} {style}, two threads / grep", grep / two, 1.5, 2.5)
                held &= gate(f"{kind} {style}, without numba / naive", naive / plain, 5, 7)
                path.unlink()
                small.unlink()
        if args.files:
            s, _ = compressed(folder, args)
            if "rg -z -c" in s:
                held &= gate("gzip, full parse / rg -z -c", s["rg -z -c"] / s["kvmlab, 2 threads"], 3, 6)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
