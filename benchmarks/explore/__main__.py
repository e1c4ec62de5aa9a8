"""The explorer, its Python engine, the plain twin and Spin on one system, in one run; exits with 1 below the gates.

    python -m benchmarks.explore [--rounds N] [--small]

Spin must find exactly the same states (its count of transitions is one higher: the first state is one). All engines
run in turns, and a ratio is that of medians, so that a busy machine disturbs all of them; the share of a processor that
each run got tells how busy it was. Before every run memory is touched once and given back, as a virtual machine takes
time to get it from its host, which is no work of any engine. Needs Debian's `spin` and `gcc`.
"""

from __future__ import annotations

import argparse
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.explore.twin import Twin
from kvmlab.kvm.config import Config
from kvmlab.kvm.explore import explore
from kvmlab.kvm.policies import find_policy

MODEL = Path(__file__).with_name("model.pml")
LARGE = {"vcpus": 3, "gfns": 2, "pages": 2, "batch": 2, "zaps": 2}
SMALL = {"vcpus": 2, "gfns": 2, "pages": 2, "batch": 2, "zaps": 2}
WIDE = {"vcpus": 4, "gfns": 1, "pages": 4, "batch": 3, "zaps": 2}
"""States of two words; only their memory is looked at."""
GATES = (
    ("one thread / Spin", "kvmlab, 1 thread", "Spin", 8.0, 13.0),
    ("two threads / Spin", "kvmlab, 2 threads", "Spin", 14.0, 22.0),
    ("one thread / plain twin", "kvmlab, 1 thread", "plain twin, small", 30.0, 48.0),
    ("Python engine / Spin", "kvmlab in Python, small", "Spin, small", 0.35, 0.5),
)
MOST_BYTES = {1: 24.0, 2: 40.0}
AT_LEAST = 10_000_000
_TOUCHED, _TOUCHED_SMALL = 3 << 30, 1 << 30
"""Bytes that are touched before a run of a large and of a small system."""


@dataclass
class Engine:
    """What was measured of one engine.

    Args:
        states, transitions: what it found.
        rates: states a second, run by run.
        shares: of a processor, run by run.
        memory: bytes a state, 0 if not known; words: of a state.
    """

    states: int = 0
    transitions: int = 0
    rates: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    memory: float = 0.0
    words: int = 1

    def note(self, states: int, transitions: int, seconds: float) -> None:
        """Take down one run."""
        self.states, self.transitions = states, transitions
        self.rates.append(states / max(seconds, 1e-9))


@contextmanager
def measured(name: str, engine: Engine, touched: int) -> Iterator[None]:
    """Touch memory, then take down the share of a processor that the run gets; tell each run as it ends."""
    np.zeros(touched, np.uint8)[::4096] = 1

    def cpu() -> float:
        usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in usages)

    began, used = time.perf_counter(), cpu()
    yield
    engine.shares.append((cpu() - used) / max(time.perf_counter() - began, 1e-9))
    print(f"{name}: {engine.rates[-1]:,.0f} states/s, {engine.shares[-1]:.2f} processors", file=sys.stderr, flush=True)


def spin(settings: dict[str, int], folder: Path) -> Path:
    """Make and compile Spin's verifier for one configuration."""
    names = {"vcpus": "V", "gfns": "G", "pages": "P", "batch": "B", "zaps": "Z"}
    defines = [f"-D{names[key]}={value}" for key, value in settings.items()]
    subprocess.run(["spin", "-a", *defines, str(MODEL)], cwd=folder, check=True, capture_output=True)
    command = ["gcc", "-O2", "-DSAFETY", "-DNOREDUCE", "-w", "-o", "pan", "pan.c"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "pan"


def run_spin(pan: Path) -> tuple[int, int, float]:
    """States, transitions and seconds of one run of the verifier (its own clock)."""
    began = time.perf_counter()
    told = subprocess.run([str(pan), "-m10000000", "-w26"], cwd=pan.parent, check=True, capture_output=True, text=True)
    wall = time.perf_counter() - began
    states = re.search(r"(\d+) states, stored", told.stdout)
    transitions = re.search(r"(\d+) transitions", told.stdout)
    elapsed = re.search(r"elapsed time ([\d.]+) seconds", told.stdout)
    errors = re.search(r"errors: (\d+)", told.stdout)
    if states is None or transitions is None or errors is None or errors[1] != "0":
        raise SystemExit(f"Spin did not finish cleanly:\n{told.stdout[-800:]}")
    return int(states[1]), int(transitions[1]), float(elapsed[1]) if elapsed else wall


def main() -> int:
    """Run, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explore", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each engine (default: 3)")
    parser.add_argument("--small", action="store_true", help="a small system: checks the counts, judges no speed")
    args = parser.parse_args()
    for tool in ("spin", "gcc"):
        if shutil.which(tool) is None:
            print(f"benchmarks.explore: {tool} is not installed (apt-get install spin gcc)", file=sys.stderr)
            return 2
    settings = SMALL if args.small else LARGE
    config, small = Config(find_policy("d"), **settings), Config(find_policy("d"), **SMALL)  # type: ignore[arg-type]
    known = explore(config, engine="numba").states
    engines: dict[str, Engine] = {}
    with tempfile.TemporaryDirectory() as folder:
        pans = []
        for name, which in (("large", settings), ("small", SMALL)):
            (Path(folder) / name).mkdir()
            pans.append(spin(which, Path(folder) / name))
        for _ in range(args.rounds):
            measure(engines, pans, config, small, known + known // 100)
    if not args.small:
        wide = Config(find_policy("d"), **WIDE)  # type: ignore[arg-type]
        states = explore(wide, engine="numba", threads=2).states
        by_numba(engines, "kvmlab, two words", wide, 2, states + states // 100)
        engines["kvmlab, two words"].words = 2
    return judge(args.small, engines)


def by_numba(engines: dict[str, Engine], name: str, config: Config, threads: int, bound: int) -> None:
    """Run the compiled engine once."""
    engine = engines.setdefault(name, Engine())
    with measured(name, engine, _TOUCHED):
        answer = explore(config, engine="numba", threads=threads, max_states=bound)
        engine.note(answer.states, answer.transitions, answer.seconds)
    engine.memory = answer.bytes_per_state or 0.0


def measure(engines: dict[str, Engine], pans: list[Path], config: Config, small: Config, bound: int) -> None:
    """Run every engine once."""
    for name, pan in zip(("Spin", "Spin, small"), pans, strict=True):
        engine = engines.setdefault(name, Engine())
        with measured(name, engine, _TOUCHED if name == "Spin" else _TOUCHED_SMALL):
            engine.note(*run_spin(pan))
        if name == "Spin":
            for threads in (1, 2):
                by_numba(engines, f"kvmlab, {threads} thread{'s' * (threads > 1)}", config, threads, bound)
    python = engines.setdefault("kvmlab in Python, small", Engine())
    with measured("kvmlab in Python, small", python, _TOUCHED_SMALL):
        answer = explore(small, engine="python")
        python.note(answer.states, answer.transitions, answer.seconds)
    plain = engines.setdefault("plain twin, small", Engine())
    with measured("plain twin, small", plain, _TOUCHED_SMALL):
        began = time.perf_counter()
        depths, transitions, _ = Twin("d", **SMALL).explore()
        plain.note(len(depths), transitions, time.perf_counter() - began)


def judge(small: bool, engines: dict[str, Engine]) -> int:
    """Print the table and every gate; 1 if a count differs or a gate is missed."""
    print(
        f"{'engine':<26}{'states':>12}{'transitions':>14}{'states/s':>12}{'min':>12}{'max':>12}{'CPU':>6}{'B/state':>9}"
    )
    for name, e in engines.items():
        rates = f"{statistics.median(e.rates):>12,.0f}{min(e.rates):>12,.0f}{max(e.rates):>12,.0f}"
        row = f"{name:<26}{e.states:>12,}{e.transitions:>14,}{rates}{statistics.median(e.shares):>6.2f}"
        print(row + (f"{e.memory:>9.1f}" if e.memory else ""))
    print()
    held = True
    for spin_name, others in (
        ("Spin", ("kvmlab, 1 thread", "kvmlab, 2 threads")),
        ("Spin, small", ("kvmlab in Python, small", "plain twin, small")),
    ):
        of_spin = engines[spin_name].states, engines[spin_name].transitions - 1
        for name in others:
            same = (engines[name].states, engines[name].transitions) == of_spin
            held &= same
            print(f"{'ok  ' if same else 'MISS'} {name}: {'the' if same else 'NOT the'} states and transitions of Spin")
    if small:
        return 0 if held else 1
    enough = engines["Spin"].states >= AT_LEAST
    print(f"{'ok  ' if enough else 'MISS'} size: {engines['Spin'].states:,} states (gate {AT_LEAST:,})")
    held &= enough
    for name, above, below, gate, aim in GATES:
        ratio = statistics.median(engines[above].rates) / statistics.median(engines[below].rates)
        held &= ratio >= gate
        print(f"{'ok  ' if ratio >= gate else 'MISS'} {name}: {ratio:.2f} (gate {gate:g}, aim {aim:g})")
    for name, e in engines.items():
        if e.memory:
            most = MOST_BYTES[e.words]
            held &= e.memory <= most
            print(f"{'ok  ' if e.memory <= most else 'MISS'} {name}: {e.memory:.1f} bytes a state (gate {most:g})")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
