"""Sweeps: the same buffer on many machines, by kernel, fragmentation and caching, as one frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import product
from time import perf_counter
from typing import TYPE_CHECKING, Any

from kvmlab.inquiry.ttm_kvm import kvm_view
from kvmlab.inquiry.ttm_workers import spread
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.policies import stock_policy
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmError, TtmNoMemory, TtmPool
from kvmlab.memory.ttm_buffer import highest_tail_share, scattered_tail_share
from kvmlab.memory.workload_age import Ageing, age

if TYPE_CHECKING:
    import pandas as pd

# Seconds of work from which on it pays to start processes, each of which takes a good part of one to import numpy.
PAYS = 2.0
# From this many machines on a progress bar is shown in a terminal and in a notebook.
LONG = 24


@dataclass(frozen=True, slots=True)
class Point:
    """One machine of a sweep: kernel, how it was aged, and the seed."""

    release: str
    free_share: float
    cluster: int
    seed: int


def sweep(
    *,
    size: str | int = "1GiB",
    releases: Sequence[str] = ("6.12",),
    free_shares: Sequence[float] = (0.1, 0.25, 0.5, 0.9),
    clusters: Sequence[int] = (1, 16, 256),
    pages: Sequence[int] = (8100,),
    cachings: Sequence[str] = ("cached",),
    seeds: Sequence[int] = (0,),
    pooled: int = 0,
    workers: int | None = None,
    progress: bool | None = None,
    engine: str = "auto",
) -> pd.DataFrame:
    """Age a machine for every combination, fill each buffer on a copy of it, and tell what came out.

    Args:
        size: memory of the machines.
        releases: kernels.
        free_shares: shares of the memory that are free.
        clusters: blocks freed together: 1 scatters the free memory, large numbers keep it in one piece.
        pages: sizes of the buffer, in pages.
        cachings: its caching modes.
        seeds: one machine each.
        pooled: buffers of the same size and mode that were filled and freed before.
        workers: how many machines are worked on side by side; None for one a core. The compiled engine works on
            threads, the plain one (`engine="python"`, or without Numba) on processes of their own. Sweeps too short to
            pay for them stay on one core. The frame is the same whichever way.
        progress: whether to show a bar; None for: in a terminal or a notebook, if there are many machines.
        engine: as for `Buddy`.

    Returns:
        One row for each combination: release, free_share, cluster, seed, pages, caching, blocks, tails, tail_share,
        highest_tail_share, scattered_tail_share (what independent single pages would give), runs, from_pool (blocks),
        refused (pages that a stock KVM of that release refuses), linear (pages that a guest can touch in order before
        that), failed, and blocks by order (`order_0` to `order_10`). Its attribute `size` is the memory asked for.

    Raises:
        TtmError, ZoneError, BuddyError, UnknownRelease: something that cannot be.
    """
    import pandas as pd

    points = [Point(*found) for found in product(releases, free_shares, clusters, seeds)]
    wanted = list(product(pages, cachings))
    if not points or not wanted:
        raise TtmError("the sweep has nothing to do: every list needs at least one value.")
    rows: dict[Point, list[dict[str, Any]]] = {}
    fresh = {release: Buddy.fresh(size, release=release, engine=engine) for release in releases}

    def one(point: Point) -> list[dict[str, Any]]:
        return _rows(fresh[point.release], point, wanted, pooled)

    # The first machine compiles what the others need.
    begun = perf_counter()
    rows[points[0]] = one(points[0])
    took = perf_counter() - begun
    cores = workers or os.cpu_count() or 1
    with _bar(len(points), progress) as step:
        step(1)
        if _stays_plain(engine) and (len(points) - 1) * took > PAYS and cores > 1:
            shared = Shared(size, engine, tuple(wanted), pooled)
            found = spread(rows_of_point, shared, points[1:], cores, step)
            rows |= dict(zip(points[1:], found, strict=True))
        else:
            _on_threads(one, points[1:], 1 if _stays_plain(engine) else cores, rows, step)
    frame = pd.DataFrame([row for point in points for row in rows[point]])
    frame.attrs = {"size": str(size)}
    return frame


@dataclass(frozen=True, slots=True)
class Shared:
    """What all machines of a sweep have in common, for the processes that work on them."""

    size: str | int
    engine: str
    wanted: tuple[tuple[int, str], ...]
    pooled: int


def rows_of_point(shared: Shared, point: Point) -> list[dict[str, Any]]:
    """The rows of one machine, made from nothing but its description."""
    return _rows(_fresh(shared.size, point.release, shared.engine), point, shared.wanted, shared.pooled)


@lru_cache(maxsize=4)
def _fresh(size: str | int, release: str, engine: str) -> Buddy:
    """The machine before it is aged; it is copied, never changed."""
    return Buddy.fresh(size, release=release, engine=engine)


def _stays_plain(engine: str) -> bool:
    """Whether an engine never compiles."""
    return engine == "python" or (engine == "auto" and find_spec("numba") is None)


def _on_threads(
    one: Callable[[Point], list[dict[str, Any]]],
    points: Sequence[Point],
    workers: int,
    rows: dict[Point, list[dict[str, Any]]],
    step: Callable[[int], None],
) -> None:
    with ThreadPoolExecutor(workers) as threads:
        waiting = {threads.submit(one, point): point for point in points}
        for done in as_completed(waiting):
            rows[waiting[done]] = done.result()
            step(1)


def _rows(fresh: Buddy, point: Point, wanted: Iterable[tuple[int, str]], pooled: int) -> list[dict[str, Any]]:
    machine = age(fresh, Ageing(point.free_share, point.cluster, seed=point.seed))
    return [_row(machine, point, pages, caching, pooled) for pages, caching in wanted]


def _row(machine: Buddy, point: Point, pages: int, caching: str, pooled: int) -> dict[str, Any]:
    pool = TtmPool(machine.copy())
    row: dict[str, Any] = {
        "release": point.release,
        "free_share": point.free_share,
        "cluster": point.cluster,
        "seed": point.seed,
        "pages": pages,
        "caching": caching,
        "highest_tail_share": highest_tail_share(pages),
        "scattered_tail_share": scattered_tail_share(pages, point.free_share, machine.managed_pages),
    }
    try:
        for buffer in [pool.alloc(pages, caching) for _ in range(pooled)]:
            pool.free(buffer)
        buffer = pool.alloc(pages, caching)
    except TtmNoMemory:
        nothing = dict.fromkeys(("blocks", "tails", "runs", "from_pool", "refused", "linear"), 0)
        orders = {f"order_{order}": 0 for order in range(11)}
        return {**row, **nothing, "tail_share": float("nan"), "failed": True, **orders}
    policy = stock_policy(KernelRelease.parse(point.release).version)
    view = None if policy is None else kvm_view(buffer, policy)
    row |= {
        "blocks": buffer.blocks,
        "tails": buffer.tails,
        "runs": buffer.runs,
        "from_pool": int(buffer.from_pool.sum()),
        "refused": 0 if view is None else view.refused,
        "linear": pages if view is None else view.linear(),
        "tail_share": buffer.tail_share,
        "failed": False,
    }
    return row | {f"order_{order}": n for order, n in enumerate(buffer.histogram())}


@contextmanager
def _bar(total: int, progress: bool | None) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error or below a notebook's cell, or nothing."""
    if progress is False or (progress is None and total < LONG):
        yield lambda _: None
        return
    from rich.console import Console

    console = Console(stderr=True)
    if progress is None and not (console.is_terminal or console.is_jupyter):
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("machines"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("machines", total=total)
        yield lambda n: shown.advance(task, n)
