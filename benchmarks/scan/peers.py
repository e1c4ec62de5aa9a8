"""Those who read a log beside the fast scan, and how their time is taken: each once a round, taking turns."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.scan.naive import parse

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
        cpu: seconds of processor time a round, its own and its children's.
    """

    name: str
    run: Callable[[], object]
    share: float = 1.0
    times: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Median, for the whole log."""
        return statistics.median(self.times) / self.share

    @property
    def cpu_seconds(self) -> float:
        """Median of the processor time, for the whole log."""
        return statistics.median(self.cpu) / self.share


def processor_time() -> float:
    """Seconds of processor time that this process and its finished children have had."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


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


def peers(path: Path, small: Path, share: float, quick: bool) -> list[Contender]:
    """All others that are installed; those that are not are named.

    Args:
        path: the log.
        small: a part of it, for slow ones.
        share: which part.
        quick: whether to leave out the slowest.
    """
    rows = [
        Contender("naive line parser", lambda: parse(small), share),
        Contender("grep -c", command("grep", "-c", MARKER, str(path))),
        Contender("wc -l", command("wc", "-l", str(path))),
    ]
    if shutil.which("rg"):
        rows.append(Contender("rg -c", command("rg", "-c", MARKER, str(path))))
    else:
        print("ripgrep is not installed: left out")
    if not shutil.which("lnav"):
        print("lnav is not installed: left out")
    elif not quick:
        rows.append(Contender("lnav filter", command("lnav", "-n", "-c", f":filter-in {MARKER}", str(small)), share))
    try:
        import duckdb  # noqa: F401
    except ImportError:
        print("DuckDB is not installed: left out")
    else:
        rows.append(Contender("duckdb count", lambda: duckdb_count(path)))
    return rows


def rounds(rows: list[Contender], n: int) -> None:
    """Runs everybody `n` times, taking turns; the first round is not counted."""
    for i in range(n + 1):
        for row in rows:
            start, cpu = time.perf_counter(), processor_time()
            row.run()
            if i:
                row.times.append(time.perf_counter() - start)
                row.cpu.append(processor_time() - cpu)


def table(title: str, rows: list[Contender], size: int, base: str) -> dict[str, float]:
    """Prints one table; the seconds of everybody."""
    seconds = {row.name: row.seconds for row in rows}
    print(f"\n{title}")
    print(f"{'':28}{'s/GB':>9}{'cpu s/GB':>10}{'MB/s':>9}{'x ' + base:>12}{'x naive':>10}")
    for row in sorted(rows, key=lambda row: row.seconds):
        value, cpu = row.seconds / size * 1e9, row.cpu_seconds / size * 1e9
        naive = seconds.get("naive line parser")
        shown = "" if naive is None else f"{naive / row.seconds:10.1f}"
        print(f"{row.name:28}{value:9.3f}{cpu:10.3f}{1e3 / value:9.0f}{seconds[base] / row.seconds:12.2f}{shown}")
    return seconds


def gate(name: str, value: float, least: float, aim: float) -> bool:
    """Prints one gate; whether it holds."""
    held = value >= least
    print(f"{'ok  ' if held else 'MISS'} {name}: {value:.2f} (gate {least}, aim {aim})")
    return held
