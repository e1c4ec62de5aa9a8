"""The explorer, its Python engine, the plain twin and Spin on one system, in one run; exits with 1 below the gates.

    python -m benchmarks.explore [--rounds N] [--small]

Spin must find exactly the same states (its count of transitions is one higher: the first state is one). All engines
run in turns, and a ratio is that of medians, so that a busy machine disturbs all of them. Needs Debian's `spin` and
`gcc`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.explore.twin import Twin
from kvmlab.kvm.config import Config
from kvmlab.kvm.explore import explore
from kvmlab.kvm.policies import find_policy

MODEL = Path(__file__).with_name("model.pml")
LARGE = {"vcpus": 3, "gfns": 2, "pages": 2, "batch": 2, "zaps": 2}
SMALL = {"vcpus": 2, "gfns": 2, "pages": 2, "batch": 2, "zaps": 2}
GATES = (
    ("one thread / Spin", 8.0, 13.0),
    ("two threads / Spin", 14.0, 22.0),
    ("one thread / plain twin", 30.0, 48.0),
    ("Python engine / Spin", 0.35, 0.5),
)
MOST_BYTES = 24.0
AT_LEAST = 10_000_000


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
    bound = known + known // 100
    with tempfile.TemporaryDirectory() as folder:
        pan = spin(settings, Path(folder))
        small_folder = Path(folder) / "small"
        small_folder.mkdir()
        small_pan = spin(SMALL, small_folder)
        rates: dict[str, list[float]] = {}
        counts: dict[str, tuple[int, int]] = {}
        memory: dict[str, float] = {}

        def note(name: str, states: int, transitions: int, seconds: float) -> None:
            rates.setdefault(name, []).append(states / max(seconds, 1e-9))
            counts[name] = states, transitions

        for _ in range(args.rounds):
            note("Spin", *run_spin(pan))
            for threads in (1, 2):
                answer = explore(config, engine="numba", threads=threads, max_states=bound)
                name = f"kvmlab, {threads} thread{'s' * (threads > 1)}"
                note(name, answer.states, answer.transitions, answer.seconds)
                memory[name] = answer.bytes_per_state or 0.0
            note("Spin, small", *run_spin(small_pan))
            answer = explore(small, engine="python")
            note("kvmlab in Python, small", answer.states, answer.transitions, answer.seconds)
            began = time.perf_counter()
            depths, transitions, _ = Twin("d", **SMALL).explore()
            note("plain twin, small", len(depths), transitions, time.perf_counter() - began)
    return judge(args.small, rates, counts, memory)


def judge(
    small: bool, rates: dict[str, list[float]], counts: dict[str, tuple[int, int]], memory: dict[str, float]
) -> int:
    """Print the tables; 1 if a count differs or a gate is missed."""
    print(f"{'engine':<26}{'states':>12}{'transitions':>14}{'states/s':>12}{'min':>12}{'max':>12}{'B/state':>9}")
    for name, found in rates.items():
        states, transitions = counts[name]
        row = f"{name:<26}{states:>12,}{transitions:>14,}{statistics.median(found):>12,.0f}{min(found):>12,.0f}"
        print(row + f"{max(found):>12,.0f}" + (f"{memory[name]:>9.1f}" if name in memory else ""))
    failed = []
    for group in (
        ("Spin", "kvmlab, 1 thread", "kvmlab, 2 threads"),
        ("Spin, small", "kvmlab in Python, small", "plain twin, small"),
    ):
        states, transitions = counts[group[0]]
        failed += [f"{name}: other counts than Spin" for name in group[1:] if counts[name] != (states, transitions - 1)]
    median = {name: statistics.median(found) for name, found in rates.items()}
    ratios = (
        median["kvmlab, 1 thread"] / median["Spin"],
        median["kvmlab, 2 threads"] / median["Spin"],
        median["kvmlab, 1 thread"] / median["plain twin, small"],
        median["kvmlab in Python, small"] / median["Spin, small"],
    )
    print()
    for (name, gate, aim), ratio in zip(GATES, ratios, strict=True):
        print(f"{name:<26}{ratio:>8.2f}   gate {gate:g}, aim {aim:g}" + ("" if small or ratio >= gate else "   BELOW"))
        if not small and ratio < gate:
            failed.append(f"{name}: {ratio:.2f} is below {gate:g}")
    if not small:
        if counts["Spin"][0] < AT_LEAST:
            failed.append(f"only {counts['Spin'][0]:,} states; the gates are meant for {AT_LEAST:,}")
        failed += [f"{name}: {used:.1f} bytes a state" for name, used in memory.items() if used > MOST_BYTES]
    for sentence in failed:
        print(f"FAILED: {sentence}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
