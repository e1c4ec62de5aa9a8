"""`python -m benchmarks.buddy`: requests a second, pages a second, bytes a simulated GiB, and ratios of one run."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.buddy.twin import Twin
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmPool

HERE = Path(__file__).parent
ORDERS = np.arange(11)
SHARES = [0.7, 0.08, 0.06, 0.04, 0.03, 0.02, 0.02, 0.01, 0.01, 0.02, 0.01]
LIVE = 0.7
# What `--check` asks for: over plain Python, over C, pages a second through the pool, bytes a GiB, bytes of 1 TiB.
OVER_TWIN, OVER_C, POOL_PAGES, BYTES_PER_GIB, BYTES_PER_TIB = 25.0, 0.5, 1e9, 2.5e6, 5e9


def seconds(calls: dict[str, tuple[Callable[[], object], Callable[[], object]]], rounds: int) -> dict[str, float]:
    """CPU seconds of each call, prepared unmeasured: the median of rounds in which all take turns."""
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (prepare, call) in calls.items():
            prepare()
            began = time.process_time()
            call()
            spent[name].append(time.process_time() - began)
    return {name: statistics.median(values) for name, values in spent.items()}


def reference(folder: Path) -> Any:
    """The C twin, compiled here and now."""
    library = folder / "reference.so"
    command = [os.environ.get("CC", "gcc"), "-O3", "-shared", "-fPIC", "-o", str(library), str(HERE / "reference.c")]
    subprocess.run(command, check=True)
    found = ctypes.CDLL(str(library))
    found.churn.restype = ctypes.c_int64
    return found


class Machine:
    """One simulated machine that can be put back to its first state.

    Args:
        gib: its memory.
        options: as for `Buddy`.
    """

    def __init__(self, gib: int, **options: Any) -> None:
        self.fresh = Buddy.fresh(f"{gib}GiB", engine="numba", **options)
        self.now = self.fresh.copy()

    def reset(self) -> None:
        """Copy the first state over the present one, so that its memory is not new."""
        arrays: list[Any] = list(self.now.state)
        for mine, first in zip(arrays, self.fresh.state, strict=True):
            mine[...] = first

    def churn(self, w: Workload) -> int:
        """The workload; a machine with migratetypes gets unmovable requests."""
        return int(self.now.engine.churn(self.now.state, 2, 0, 0, w.order, w.pick, w.cap, w.live, w.live_order))


class Workload:
    """The requests and frees: 70 % single pages, up to order 10; a live set of up to 70 % of memory.

    Args:
        gib: memory that they are for.
        ops: how many.
    """

    def __init__(self, gib: int, ops: int) -> None:
        rng = np.random.default_rng(1)
        self.order: NDArray[np.int64] = rng.choice(ORDERS, ops, p=SHARES).astype(np.int64)
        self.pick: NDArray[np.int64] = rng.integers(1, 1 << 40, ops)
        self.pages = gib << 18
        self.cap = int(self.pages * LIVE)
        self.live = np.zeros(self.pages, dtype=np.int32)
        self.live_order = np.zeros(self.pages, dtype=np.uint8)
        self.ops = ops

    def part(self, ops: int) -> Workload:
        """The first requests."""
        out = Workload.__new__(Workload)
        out.__dict__.update(self.__dict__)
        out.order, out.pick, out.ops = self.order[:ops].copy(), self.pick[:ops].copy(), ops
        return out

    def pointers(self) -> list[Any]:
        """The arrays as C takes them."""
        return [a.ctypes.data_as(ctypes.c_void_p) for a in (self.order, self.pick, self.live, self.live_order)]


def churn_rates(gib: int, ops: int, rounds: int, c: Any) -> dict[str, float]:
    """Requests and frees a second of every engine, and their ratios; all must end in the same state."""
    w = Workload(gib, ops)
    bare = {"pcp": False, "migratetypes": False}
    off, on, log = Machine(gib, **bare), Machine(gib), Machine(gib, log_rows=5 * ops)
    order, pick, live, live_order = w.pointers()
    few = w.part(max(ops // 20, 1))
    lists = few.order.tolist(), few.pick.tolist()
    twins: list[Twin] = []
    calls: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "off": (off.reset, lambda: off.churn(w)),
        "c": (
            lambda: c.boot(ctypes.c_int64(w.pages)),
            lambda: c.churn(ctypes.c_int64(ops), order, pick, ctypes.c_int64(w.cap), live, live_order),
        ),
        "on": (on.reset, lambda: on.churn(w)),
        "on_with_log": (log.reset, lambda: log.churn(w)),
        "off_few": (off.reset, lambda: off.churn(few)),
        "twin_few": (lambda: twins.append(Twin(w.pages)), lambda: twins[-1].churn(*lists, few.cap)),
    }
    off.churn(few)
    spent = seconds(calls, rounds)
    _same_end(off, w, few, c, twins[-1])
    rates = {f"{name}_mops": (few if name.endswith("few") else w).ops / spent[name] / 1e6 for name in spent}
    rates["off_over_c"] = spent["c"] / spent["off"]
    rates["on_over_c"] = spent["c"] / spent["on"]
    rates["off_over_twin"] = spent["twin_few"] / spent["off_few"]
    rates["on_over_twin"] = rates["on_mops"] / rates["twin_few_mops"]
    rates["events_lost"] = float(log.now.events_lost)
    return {f"{gib}gib_{name}": value for name, value in rates.items()}


def _same_end(machine: Machine, w: Workload, few: Workload, c: Any, twin: Twin) -> None:
    machine.reset()
    machine.churn(few)
    assert list(machine.now.nr_free()) == twin.nr_free(), "the twin ended elsewhere"
    machine.reset()
    used = machine.churn(w)
    order, pick, live, live_order = w.pointers()
    c.boot(ctypes.c_int64(w.pages))
    assert c.churn(ctypes.c_int64(w.ops), order, pick, ctypes.c_int64(w.cap), live, live_order) == used
    out = np.zeros(11, dtype=np.int64)
    c.counts(out.ctypes.data_as(ctypes.c_void_p))
    assert list(machine.now.nr_free()) == out.tolist(), "the C twin ended elsewhere"


def pool_rates(gib: int, rounds: int) -> dict[str, float]:
    """Pages a second that buffers get through the pool, filled and given back, by release."""
    out = {}
    for release in ("6.12", "7.3"):
        pool = TtmPool(Buddy.fresh(f"{gib}GiB", release=release, engine="numba"))
        rng = np.random.default_rng(1)
        pages = rng.integers(1, 8192, 400).astype(np.int64)
        pages = pages[: int(np.searchsorted(np.cumsum(pages), (gib << 18) * 0.45))]
        caching = np.where(np.arange(len(pages)) % 2 == 0, 1, 2).astype(np.int64)
        first = np.zeros(len(pages), dtype=np.int64)

        def cycle(pool: TtmPool = pool, pages: Any = pages, caching: Any = caching, first: Any = first) -> None:
            pool.buddy.engine.ttm_cycle(pool.buddy.state, pool.state, pages, caching, first, 0)

        cycle()
        spent = seconds({"cycle": (lambda: None, lambda c=cycle: [c() for _ in range(20)])}, rounds)["cycle"] / 20  # type: ignore[misc]
        out[f"pool_{release}_mpages_per_s"] = float(pages.sum()) / spent / 1e6
        out[f"pool_{release}_buffers_per_s"] = len(pages) / spent
    return out


def sizes(host: str) -> dict[str, float]:
    """Bytes of state for each simulated GiB, and of a large host that is booted and used."""
    import resource

    found = {"bytes_per_gib": Buddy.fresh("16GiB", engine="numba").nbytes / 16}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    big = TtmPool(Buddy.fresh(host, engine="numba"))
    big.free(big.alloc(262144, "wc"))
    found["host_boot_s"] = time.process_time() - began
    found["host_state_bytes"] = float(big.buddy.nbytes)
    found["host_peak_rss_bytes"] = float((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
    return found


def main(argv: list[str] | None = None) -> int:
    """Print the figures; with --check, 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.buddy", description=__doc__)
    parser.add_argument("--gib", type=int, nargs="+", default=[1, 16], help="memory of the simulated machines")
    parser.add_argument("--ops", type=int, default=4_000_000, help="requests and frees")
    parser.add_argument("--rounds", type=int, default=7, help="rounds; the median counts")
    parser.add_argument("--host", default="1TiB", help="memory of the large host")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--check", action="store_true", help="fail if a target is missed on the smallest machine")
    args = parser.parse_args(argv)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        c = reference(Path(folder))
        for gib in args.gib:
            found |= churn_rates(gib, args.ops, args.rounds, c)
    found |= pool_rates(4, args.rounds) | sizes(args.host)
    if args.json:
        json.dump({"schema": "kvmlab.benchmark/1", "room": "memory", "numpy": np.__version__, **found}, sys.stdout)
        print()
    else:
        for name, value in found.items():
            print(f"{name:32} {value:>16,.3f}" if value < 1000 else f"{name:32} {value:>16,.0f}")
    small = args.gib[0]
    missed = [
        found[f"{small}gib_off_over_twin"] < OVER_TWIN,
        found[f"{small}gib_off_over_c"] < OVER_C,
        min(v for k, v in found.items() if k.endswith("mpages_per_s")) * 1e6 < POOL_PAGES,
        found["bytes_per_gib"] > BYTES_PER_GIB,
        found["host_state_bytes"] > BYTES_PER_TIB,
    ]
    return int(args.check and any(missed))


if __name__ == "__main__":
    sys.exit(main())
