"""Workloads: mixes of graphics buffers, drawn from a seed and run through a pool one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kvmlab.memory import buddy_state as at
from kvmlab.memory.ttm import TtmError, TtmNoMemory, TtmPool
from kvmlab.memory.ttm_buffer import TtmBuffer
from kvmlab.memory.ttm_state import Caching
from kvmlab.memory.workload_data import GraphicsObject as GraphicsObject
from kvmlab.memory.workload_data import Part as Part
from kvmlab.memory.workload_data import Workload as Workload
from kvmlab.memory.workload_data import graphics_objects as graphics_objects
from kvmlab.memory.workload_data import workloads as workloads

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Step:
    """One allocation of a workload, or something else that was done to the pools (then `pages` is 0).

    Args:
        step: its number.
        object: name of the object, or what was done.
        caching: its mode.
        pages: pages of the buffer.
        blocks: blocks that it got, 0 if there was no memory.
        tails: pages without a reference.
        pool_blocks: blocks that came from a pool.
        orders: blocks by order.
        pooled_pages, free_pages: state of the machine afterwards.
        live_pages: pages in live buffers afterwards.
    """

    step: int
    object: str
    caching: Caching
    pages: int
    blocks: int
    tails: int
    pool_blocks: int
    orders: tuple[int, ...]
    pooled_pages: int
    free_pages: int
    live_pages: int

    @property
    def failed(self) -> bool:
        """Whether there was no memory."""
        return self.blocks == 0 < self.pages

    def moved(self, offset: int) -> Step:
        """The same step so many numbers later."""
        return replace(self, step=self.step + offset)


def run_workload(
    pool: TtmPool,
    workload: Workload | str,
    steps: int,
    *,
    seed: int = 0,
    on_step: Callable[[Step], None] | None = None,
) -> list[Step]:
    """Run a workload; `pool` keeps the state that it ends in.

    A buffer that finds no memory is left out, as the error goes to the program. The clock of the event log moves one
    millisecond an allocation: it orders events and measures nothing.

    Args:
        pool: the pools; what they hold already stays.
        workload: the workload or its name.
        steps: number of allocations.
        seed: of all draws.
        on_step: called after each step, for progress.

    Raises:
        TtmError: no workload has that name, or the number is negative.

    >>> from kvmlab.memory.buddy import Buddy
    >>> pool = TtmPool(Buddy.fresh("256MiB", engine="python"))
    >>> steps = run_workload(pool, "desktop", 20, seed=1)
    >>> len(steps), sum(step.failed for step in steps)
    (20, 0)
    """
    import numpy as np

    found = workloads().get(workload) if isinstance(workload, str) else workload
    if found is None or steps < 0 or seed < 0:
        raise TtmError(f"there is no workload {str(workload)[:40]!r}, or {steps} steps from seed {seed} make no sense.")
    rng = np.random.default_rng(seed)
    weights = np.array([part.weight for part in found.parts])
    kinds = rng.choice(len(found.parts), steps, p=weights / weights.sum()).tolist()
    ages = rng.exponential(1.0, steps).tolist()
    due: dict[int, list[TtmBuffer]] = {}
    out = []
    live = sum(buffer.pages for buffer in pool.buffers)
    for number in range(steps):
        for old in due.pop(number, ()):
            pool.free(old)
            live -= old.pages
        pool.buddy.state.ctx[at.C_NOW] = number * 1_000_000
        part = found.parts[kinds[number]]
        buffer = _alloc(pool, part)
        if buffer is not None:
            live += buffer.pages
            if part.lifetime:
                due.setdefault(number + 1 + int(ages[number] * part.lifetime), []).append(buffer)
        out.append(step_of(number, part.object.name, part.caching, part.object.pages, buffer, pool, live))
        if on_step is not None:
            on_step(out[-1])
    return out


def _alloc(pool: TtmPool, part: Part) -> TtmBuffer | None:
    if part.object.pages > pool.buddy.managed_pages:
        return None
    try:
        return pool.alloc(part.object.pages, part.caching)
    except TtmNoMemory:
        return None


def step_of(
    number: int, what: str, caching: Caching, pages: int, buffer: TtmBuffer | None, pool: TtmPool, live_pages: int
) -> Step:
    """A step as it stands now that it is done.

    Args:
        number: of the step.
        what: name of the object, or what was done.
        caching: the buffer's mode.
        pages: pages that were asked for, 0 if none were.
        buffer: what came of it, None if nothing did.
        pool: the pools, after the step.
        live_pages: pages in live buffers.
    """
    return Step(
        number,
        what,
        caching,
        pages,
        0 if buffer is None else buffer.blocks,
        0 if buffer is None else buffer.tails,
        0 if buffer is None else int(buffer.from_pool.sum()),
        (0,) * at.NR_ORDERS if buffer is None else buffer.histogram(),
        pool.pooled_pages,
        pool.buddy.free_pages,
        live_pages,
    )


def df_steps(steps: list[Step]) -> pd.DataFrame:
    """One row a step, with `tail_share` (NaN where there was no memory) and blocks by order (`order_0` to 10)."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "step": [s.step for s in steps],
            "object": pd.Categorical([s.object for s in steps]),
            "caching": pd.Categorical([s.caching.name.lower() for s in steps]),
            "pages": [s.pages for s in steps],
            "blocks": [s.blocks for s in steps],
            "tails": [s.tails for s in steps],
            "pool_blocks": [s.pool_blocks for s in steps],
            "pooled_pages": [s.pooled_pages for s in steps],
            "free_pages": [s.free_pages for s in steps],
            "live_pages": [s.live_pages for s in steps],
        }
    )
    frame["tail_share"] = (frame.tails / frame.pages.clip(1)).where(frame.blocks > 0)
    for order in range(at.NR_ORDERS):
        frame[f"order_{order}"] = [s.orders[order] for s in steps]
    return frame
