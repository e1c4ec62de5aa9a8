"""`python -m benchmarks.scan`: the fast scan side by side with grep, ripgrep, lnav, DuckDB and a naive parser.

Every round runs each of them once, one after the other, so that other work on the machine meets them all alike; the
table shows medians and, what counts, their ratios; every gate stands beside its figure. Files are in the page cache.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks.scan.logs import Truth, make
from benchmarks.scan.peers import MARKER, Contender, command, gate, peers, rounds, table
from kvmlab.report.scan import scan_log, scan_logs
from kvmlab.report.scan_many import gathered

# Kernel builds that the hosts of the fleet run.
KERNELS = 4
SHARES = {"storm": 0.95, "fleet": 0.10}


def made(
    path: Path, size: int, share: float, style: str, seed: int, kernel: int | None = None, kept: Path | None = None
) -> Truth:
    """A log, made anew unless it, or what is kept of it, is there already."""
    note = path.with_suffix(".json")
    if (kept or path).exists() and note.exists():
        return Truth(**json.loads(note.read_text()))
    truth = make(path, size, share, style=style, seed=seed, kernel=kernel)
    note.write_text(json.dumps(asdict(truth)))
    return truth


def checked(path: Path, truth: Truth, engine: str, threads: int | None) -> None:
    """A full scan to a frame; what comes out must be what was put in."""
    frame = scan_log(path, engine=engine, threads=threads).df_bad_pages()
    pfns = int(frame["pfn"].sum())
    if (len(frame), pfns) != (truth.reports, truth.pfn_sum):
        sys.exit(f"{path}: {len(frame)} reports with pfns {pfns}, {truth.reports} with {truth.pfn_sum} were put in")


def one_log(folder: Path, kind: str, style: str, args: argparse.Namespace) -> bool:
    """One kind of log in one style of prefixes; whether all its gates hold."""
    share = SHARES[kind]
    path, small = folder / f"{kind}-{style}-{args.mb}.log", folder / f"{kind}-{style}-part.log"
    truth = made(path, args.mb * 1_000_000, share, style, len(style))
    part = made(small, min(args.part_mb, args.mb) * 1_000_000, share, style, 7)
    of_all = part.size / truth.size
    rows = [
        Contender("kvmlab numba, 1 thread", lambda: checked(path, truth, "numba", 1)),
        Contender("kvmlab numba, 2 threads", lambda: checked(path, truth, "numba", 2)),
        Contender("kvmlab without numba, 1 core", lambda: checked(small, part, "python", 1), of_all),
        Contender("kvmlab without numba", lambda: checked(path, truth, "python", None)),
        *peers(path, small, of_all, args.quick),
    ]
    rounds(rows, args.rounds)
    title = f"{kind} ({share:.0%} reports), {style} prefixes: {truth.size / 1e6:.0f} MB"
    s = table(title, rows, truth.size, "grep -c")
    grep, naive = s["grep -c"], s["naive line parser"]
    one, two, plain, alone = (
        s[f"kvmlab {x}"] for x in ("numba, 1 thread", "numba, 2 threads", "without numba", "without numba, 1 core")
    )
    storm = kind == "storm"
    held = [
        gate(f"{kind} {style}, one core / grep", grep / one, 0.6 if storm else 1.2, 1.0 if storm else 2.0),
        gate(f"{kind} {style}, two threads / grep", grep / two, 1.0 if storm else 1.5, 1.5 if storm else 2.5),
        gate(f"{kind} {style}, without numba, all cores / naive (one core: {naive / alone:.2f})", naive / plain, 5, 7),
    ]
    if storm:
        held.append(gate(f"{kind} {style}, one core / naive", naive / one, 30, 50))
    for engine in ("numba", "python"):
        used = memory(path, engine) / (truth.size / 1e6)
        held.append(gate(f"{kind} {style}, {engine}, 0.3 GB a GB / own memory ({used:.2f} GB a GB)", 0.3 / used, 1, 2))
    if args.folder is None:
        path.unlink()
        small.unlink()
    return all(held)


def compressed(folder: Path, args: argparse.Namespace) -> bool:
    """Many gzip files of hosts that run a few kernel builds, and one big one: a full parse against ripgrep's count."""
    held = True
    for style in filter(None, args.packed_styles.split(",")):
        files, total, reports = [], 0, 0
        for i in range(args.files):
            name = f"part{i:03}" if style == "dmesg" else f"part{i:03}-{style}"
            path, packed = folder / f"{name}.log", folder / f"{name}.log.gz"
            truth = made(path, 4_000_000, 0.1 if i % 2 else 0.95, style, 100 + i, i % KERNELS, packed)
            total, reports = total + truth.size, reports + truth.reports
            if path.exists():
                packed.write_bytes(gzip.compress(path.read_bytes(), 6))
                path.unlink()
            files.append(packed)
        held &= against_ripgrep(f"{len(files)} gzip files, {style} prefixes", files, total, reports, args)
        if style == "dmesg":
            one = folder / "whole.log.gz"
            if not one.exists():
                with gzip.open(one, "wb", 6) as whole:
                    for file in files:
                        whole.write(gzip.decompress(file.read_bytes()))
            held &= against_ripgrep("one gzip file", [one], total, None, args)
        if args.folder is None:
            for file in files:
                file.unlink()
    return held


def against_ripgrep(what: str, files: list[Path], total: int, reports: int | None, args: argparse.Namespace) -> bool:
    """Gzip files to one frame of all their bad pages, and counted by others; whether the gate holds."""

    def full() -> None:
        n = len(gathered(scan_logs(files, engine="numba", threads=2)).df_bad_pages())
        if reports is not None and n != reports:
            sys.exit(f"{what}: {n} reports, {reports} were put in")

    names = [str(file) for file in files]
    rows = [Contender("kvmlab, 2 threads", full)]
    if shutil.which("rg"):
        rows.append(Contender("rg -z -c", command("rg", "-z", "-c", MARKER, *names)))
    if not args.quick:
        rows.append(Contender("zcat | grep -c", command("sh", "-c", f"zcat {' '.join(names)} | grep -c '{MARKER}'")))
    rounds(rows, args.rounds)
    s = table(f"{what}: {total / 1e6:.0f} MB of text", rows, total, rows[-1].name)
    return "rg -z -c" not in s or gate(f"{what}, full parse / rg -z -c", s["rg -z -c"] / s["kvmlab, 2 threads"], 3, 6)


def memory(path: Path, engine: str = "numba") -> float:
    """Anonymous memory in MB that a scan to a frame adds at its peak, with that of its processes, measured in one."""
    program = (
        "import os, sys, threading, time\n"
        "import pandas\n"
        "from kvmlab.report.scan import scan_log\n"
        "if sys.argv[2] == 'numba': import kvmlab.report.fast_compiled\n"
        "def of(pid):\n"
        "    try:\n"
        "        with open(f'/proc/{pid}/status') as f:\n"
        "            return next((int(l.split()[1]) for l in f if l.startswith('RssAnon')), 0)\n"
        "    except OSError:\n"
        "        return 0\n"
        "def anon():\n"
        "    threads = (f'/proc/self/task/{task}/children' for task in os.listdir('/proc/self/task'))\n"
        "    return of('self') + sum(of(pid) for name in threads for pid in read(name).split())\n"
        "def read(name):\n"
        "    try:\n"
        "        with open(name) as f:\n"
        "            return f.read()\n"
        "    except OSError:\n"
        "        return ''\n"
        "base = top = anon()\n"
        "done = False\n"
        "def watch():\n"
        "    global top\n"
        "    while not done:\n"
        "        top = max(top, anon()); time.sleep(.005)\n"
        "t = threading.Thread(target=watch); t.start()\n"
        "frame = scan_log(sys.argv[1], engine=sys.argv[2], threads=2).df_bad_pages()\n"
        "done = True; t.join()\n"
        "print((max(top, anon()) - base) / 1024)\n"
    )
    words = [sys.executable, "-c", program, str(path), engine]
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def main() -> int:
    """Runs everything; 1 if a gate is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan", description=__doc__)
    parser.add_argument("--mb", type=int, default=1000, help="size of a log (default 1000)")
    parser.add_argument("--part-mb", type=int, default=60, help="size of the log for the slow ones (default 60)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default 5)")
    parser.add_argument("--files", type=int, default=96, help="gzip files of 4 MB (default 96, 0 for none)")
    parser.add_argument("--packed-styles", default="dmesg,caller,syslog,iso,short", help="prefix styles of gzip files")
    parser.add_argument("--styles", default="dmesg,caller,syslog,iso,short", help="prefix styles")
    parser.add_argument("--kinds", default="storm,fleet", help="kinds of logs")
    parser.add_argument("--quick", action="store_true", help="leave out the slowest peers")
    parser.add_argument("--folder", type=Path, help="where to keep the logs (default: a temporary folder)")
    args = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    held = True
    with tempfile.TemporaryDirectory() as name:
        folder: Path = args.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        for style in filter(None, args.styles.split(",")):
            for kind in args.kinds.split(","):
                held &= one_log(folder, kind, style, args)
        if args.files:
            held &= compressed(folder, args)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
