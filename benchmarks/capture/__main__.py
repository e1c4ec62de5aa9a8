"""`python -m benchmarks.capture`: figures and ratios of one run on one machine, medians of interleaved rounds."""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.capture.inputs import kmem_trace, kpageflags, page_owner
from kvmlab.capture.kpage import free_blocks, read_page_words
from kvmlab.capture.page_owner import parse_page_owner
from kvmlab.capture.trace import trace_of
from kvmlab.capture.trace_read import read_table
from kvmlab.kernel.kpf import BUDDY

# What one looks for by hand: one expression a line, a tuple of strings a match.
_NAIVE = re.compile(rb"\s*(.+)-(\d+)\s+\[(\d+)\]\s+\S+\s+(\d+)\.(\d+): (\w+): page=\S+ pfn=(\S+) order=(\d+)(.*)")


def naive(data: bytes) -> int:
    """The lines of a trace that a loop with one regular expression finds."""
    return sum(1 for line in data.split(b"\n") if _NAIVE.match(line))


def seconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """CPU seconds of each call: the median of rounds in which all take turns."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.process_time()
            call()
            spent[name].append(time.process_time() - began)
    return {name: statistics.median(values) for name, values in spent.items()}


def traces(lines: int, rounds: int) -> dict[str, float]:
    """Lines a second of both engines and of the naive loop, on the same text."""
    data = kmem_trace(lines)
    part = data[: data.index(b"\n", len(data) // 20) + 1]
    part_lines = part.count(b"\n")
    read_table(part, "fast")
    calls: dict[str, Callable[[], object]] = {
        "fast": lambda: read_table(data, "fast"),
        "fast_to_frame": lambda: trace_of(data, engine="fast").df_kmem(),
        "tolerant": lambda: read_table(part, "tolerant"),
        "naive": lambda: naive(part),
    }
    spent = seconds(calls, rounds)
    per = {"fast": lines, "fast_to_frame": lines, "tolerant": part_lines, "naive": part_lines}
    rates = {f"trace_{name}_lines_per_s": per[name] / spent[name] for name in calls}
    rates["trace_fast_over_tolerant"] = rates["trace_fast_lines_per_s"] / rates["trace_tolerant_lines_per_s"]
    rates["trace_fast_over_naive"] = rates["trace_fast_lines_per_s"] / rates["trace_naive_lines_per_s"]
    return rates


def frames(gib: int, rounds: int, folder: Path) -> dict[str, float]:
    """Seconds for the kpageflags of a machine of that size, and how that compares with summing the same words."""
    path = folder / "kpageflags"
    kpageflags(path, gib << 18)
    flags = read_page_words(path)
    calls: dict[str, Callable[[], object]] = {
        "open": lambda: read_page_words(path),
        "sum": lambda: flags.words.sum(),
        "runs": lambda: flags.runs(),
        "free_runs": lambda: flags.runs(BUDDY, BUDDY),
        "census": lambda: flags.census(),
        "free_blocks": lambda: free_blocks(flags),
    }
    spent = seconds(calls, rounds)
    found = {f"kpageflags_{gib}gib_{name}_s": value for name, value in spent.items()}
    found["kpageflags_runs_gb_per_s"] = flags.words.nbytes / spent["runs"] / 1e9
    found["kpageflags_runs_over_sum"] = spent["runs"] / max(spent["sum"], 1e-9)
    return found


def owners(records: int, rounds: int) -> dict[str, float]:
    """Records of page_owner a second."""
    data = page_owner(records)
    return {"page_owner_records_per_s": records / seconds({"x": lambda: parse_page_owner(data)}, rounds)["x"]}


def main(argv: list[str] | None = None) -> int:
    """Print the figures; with --check, 1 if the trace or the frames are slower than they should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capture", description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="event lines of the trace")
    parser.add_argument("--gib", type=int, default=64, help="memory of the host whose kpageflags are read")
    parser.add_argument("--records", type=int, default=20_000, help="records of page_owner")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the median counts")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--check", action="store_true", help="fail below 1 million lines a second and 10 times tolerant"
    )
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = traces(args.lines, args.rounds) | frames(args.gib, args.rounds, Path(folder)) | owners(args.records, 3)
    if args.json:
        json.dump({"schema": "kvmlab.benchmark/1", "room": "capture", "numpy": np.__version__, **found}, sys.stdout)
        print()
    else:
        for name, value in found.items():
            print(f"{name:40} {value:>14,.4g}" if value < 100 else f"{name:40} {value:>14,.0f}")
    slow = found["trace_fast_lines_per_s"] < 1e6 or found["trace_fast_over_tolerant"] < 10
    return int(args.check and slow)


if __name__ == "__main__":
    sys.exit(main())
