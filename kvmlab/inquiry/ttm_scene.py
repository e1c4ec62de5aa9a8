"""A machine with TTM pools that is played with: how it begins, what is done to it, and what that leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmError, TtmNoMemory, TtmPool
from kvmlab.memory.ttm_buffer import TtmBuffer
from kvmlab.memory.ttm_state import CACHED, Caching
from kvmlab.memory.workload import Step, run_workload, step_of
from kvmlab.memory.workload_age import Ageing, age

# How memory is broken up: blocks that were freed together, None for memory as after boot.
FRAGMENTATION: Final = {"whole": None, "coarse": 256, "medium": 16, "fine": 1}
# What waits in the pools: buffers that were filled and freed, as (how many, pages of each).
POOL_CONTENT: Final = {"empty": (), "a freed surface": ((1, 2025),), "freed uploads": ((64, 16), (64, 1))}


@dataclass(frozen=True, slots=True)
class Scene:
    """How a machine begins.

    Args:
        memory: its size.
        fragmentation: one of `FRAGMENTATION`.
        free_share: share of the memory that is free, where it is broken up.
        pool_content: one of `POOL_CONTENT`; in the pools for write-combined and for uncached pages alike.
        seed: of the ageing and of workloads.
    """

    memory: str = "256MiB"
    fragmentation: str = "whole"
    free_share: float = 0.5
    pool_content: str = "empty"
    seed: int = 1

    def __post_init__(self) -> None:
        for name, known in (("fragmentation", FRAGMENTATION), ("pool_content", POOL_CONTENT)):
            value = getattr(self, name)
            if value not in known:
                raise TtmError(f"{name.replace('_', ' ')} {str(value)[:40]!r} is none of {', '.join(known)}.")


@dataclass(frozen=True, slots=True)
class Fill:
    """Fill a buffer of so many pages in a caching mode (`cached`, `wc`, `uc`)."""

    pages: int
    caching: str = "cached"


@dataclass(frozen=True, slots=True)
class Free:
    """Give a live buffer back; `number` is its place among them, 0 is the oldest; others are not taken."""

    number: int


@dataclass(frozen=True, slots=True)
class Shrink:
    """Let the shrinker free at least so many pages of the pools."""

    pages: int


@dataclass(frozen=True, slots=True)
class Run:
    """Run a workload (`kvmlab.memory.workload`) for so many allocations."""

    workload: str
    steps: int


Action = Fill | Free | Shrink | Run


class Side:
    """One kernel on a scene: a pool, and what was done to it.

    Args:
        release: kernel release whose rules hold.
        scene: how it begins.

    Raises:
        UnknownRelease: no table covers the release.
        ZoneError, BuddyError: a machine that cannot be.

    >>> side = Side("6.12", Scene())
    >>> side.act(Fill(8100))
    >>> side.pool.buffers[0].blocks, len(side.steps)
    (12, 1)
    """

    def __init__(self, release: str, scene: Scene) -> None:
        self.release, self.scene = release, scene
        self.pool = TtmPool(_machine(release, scene).copy())
        self.steps: list[Step] = []
        for count, pages in POOL_CONTENT[scene.pool_content]:
            for caching in ("wc", "uc"):
                self._leave(count, pages, caching)

    def _leave(self, count: int, pages: int, caching: str) -> None:
        """Fill buffers and free them, as many as there is memory for."""
        live = []
        for _ in range(count):
            try:
                live.append(self.pool.alloc(pages, caching))
            except TtmNoMemory:
                break
        for buffer in live:
            self.pool.free(buffer)

    @property
    def live(self) -> tuple[TtmBuffer, ...]:
        """The live buffers, oldest first."""
        return self.pool.buffers

    def act(self, action: Action) -> None:
        """Do something to the machine and note it in `steps`.

        Raises:
            TtmNoMemory: a buffer could not be filled; that is noted, and the machine is as the roll-back leaves it.
            TtmError: a size, mode or workload that does not exist; nothing is changed or noted.
        """
        if isinstance(action, Fill):
            self._fill(action)
        elif isinstance(action, Run):
            offset = len(self.steps)
            for step in run_workload(self.pool, action.workload, action.steps, seed=self.scene.seed):
                self.steps.append(step.moved(offset))
        elif isinstance(action, Shrink):
            self.pool.shrink(action.pages)
            self._note("the shrinker", None, Caching(CACHED), 0)
        elif 0 <= action.number < len(self.live):
            buffer = self.live[action.number]
            self.pool.free(buffer)
            self._note("a buffer is freed", None, buffer.caching, 0)

    def _fill(self, action: Fill) -> None:
        try:
            buffer = self.pool.alloc(action.pages, action.caching)
        except TtmNoMemory:
            self._note("a buffer", None, Caching(CACHED), action.pages)
            raise
        self._note("a buffer", buffer, buffer.caching, action.pages)

    def _note(self, what: str, buffer: TtmBuffer | None, caching: Caching, pages: int) -> None:
        live = sum(b.pages for b in self.live)
        self.steps.append(step_of(len(self.steps), what, caching, pages, buffer, self.pool, live))

    def pooled_blocks(self) -> tuple[tuple[int, int], ...]:
        """The blocks of all pools as (first pfn, order)."""
        return self.pool.pooled_blocks()


@lru_cache(maxsize=8)
def _machine(release: str, scene: Scene) -> Buddy:
    """The machine before anything is in the pools; it is copied, never changed."""
    fresh = Buddy.fresh(scene.memory, release=release, engine="python")
    cluster = FRAGMENTATION[scene.fragmentation]
    return fresh if cluster is None else age(fresh, Ageing(scene.free_share, cluster, seed=scene.seed))


def perform(release: str, scene: Scene, actions: Sequence[Action]) -> Side:
    """A machine to which some things were done; buffers without memory are left out, as programs leave them out.

    Args:
        release: kernel release.
        scene: how it begins.
        actions: what is done, in order.

    Raises:
        UnknownRelease, ZoneError, BuddyError, TtmError: something that cannot be.
    """
    side = Side(release, scene)
    for action in actions:
        try:
            side.act(action)
        except TtmNoMemory:
            continue
    return side
