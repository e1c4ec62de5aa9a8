"""Random work on TTM's pools beside a bitmap that knows only whose each page is, with all invariants at each step."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from kvmlab.memory.buddy import Buddy
from kvmlab.memory.buddy_check import violations
from kvmlab.memory.ttm import TtmNoMemory, TtmPool
from kvmlab.memory.ttm_buffer import TtmBuffer
from kvmlab.memory.ttm_text import page_pool
from tests.memory.twins import Bitmap

START, PAGES = 0x100000, 4096
SIZES = (1, 3, 64, 100, 512, 1023, 1500, 2600)
REACHED: set[str] = set()


class Pools(RuleBasedStateMachine):
    """Buffers come and go; the bitmap agrees on which pages are taken after every step."""

    buffers = Bundle("buffers")
    release: ClassVar = "6.12"

    def __init__(self) -> None:
        super().__init__()
        self.pool = TtmPool(
            Buddy.fresh(PAGES, release=self.release, engine="python", batch=7, high=40), page_pool_size=1500
        )
        self.live: list[TtmBuffer] = []

    @rule(
        target=buffers,
        pages=st.sampled_from([1, 3, 64, 100, 512, 1023, 1500, 2600]),
        caching=st.sampled_from(["cached", "wc", "uc"]),
    )
    def fill(self, pages: int, caching: str) -> object:
        before = self.pool.buddy.free_pages + self.pool.buddy.pcp_pages + self.pool.pooled_pages
        try:
            buffer = self.pool.alloc(pages, caching)
        except TtmNoMemory:
            REACHED.add("rolled back")
            after = self.pool.buddy.free_pages + self.pool.buddy.pcp_pages + self.pool.pooled_pages
            assert before == after, "a buffer that was rolled back kept pages"
            return multiple()
        assert int((1 << buffer.order.astype(int)).sum()) == pages
        assert all(a >= b for a, b in zip(buffer.orders(), buffer.orders()[1:], strict=False)), "orders never rise"
        if caching == "cached":
            assert not buffer.from_pool.any()
        REACHED.update({"from a pool"} if buffer.from_pool.any() else ())
        self.live.append(buffer)
        return buffer

    @rule(buffer=consumes(buffers))
    def free(self, buffer: TtmBuffer) -> None:
        self.pool.free(buffer)
        self.live.remove(buffer)

    @rule(pages=st.integers(0, 600))
    def shrink(self, pages: int) -> None:
        pooled = self.pool.pooled_pages
        freed = self.pool.shrink(pages)
        assert pooled - freed == self.pool.pooled_pages
        assert freed >= min(pages, pooled)
        REACHED.update({"shrunk"} if freed else ())

    @rule()
    def drain(self) -> None:
        self.pool.buddy.drain_all()

    @invariant()
    def every_page_has_one_owner(self) -> None:
        taken = Bitmap(START, PAGES)
        for buffer in self.live:
            for pfn, order in zip(buffer.pfn.tolist(), buffer.orders(), strict=True):
                taken.take(pfn, order)
                assert self.pool.buddy.block(pfn).state == "allocated"
        for pfn, order in self.pool.pooled_blocks():
            taken.take(pfn, order)
            assert self.pool.buddy.block(pfn).state == "pooled"
        assert sum(taken.free) == self.pool.buddy.free_pages + self.pool.buddy.pcp_pages

    @invariant()
    def sound(self) -> None:
        assert violations(self.pool.buddy) == []
        assert sum(1 << order for _, order in self.pool.pooled_blocks()) == self.pool.pooled_pages <= 1500
        assert f"{self.pool.pooled_pages:>8} of" in page_pool(self.pool)

    @invariant()
    def heads_are_counted_and_tails_are_not(self) -> None:
        for buffer in self.live:
            pfn, order = int(buffer.pfn[0]), buffer.orders()[0]
            assert self.pool.buddy.refcounts(pfn, 1 << order).tolist() == [1] + [0] * ((1 << order) - 1)


class Pools515(Pools):
    release: ClassVar = "5.15"


class Pools61(Pools):
    release: ClassVar = "6.1"


class Pools73(Pools):
    release: ClassVar = "7.3"


_SETTINGS = settings(
    max_examples=30,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("machine", [Pools515, Pools61, Pools, Pools73], ids=lambda m: str(m.release))
def test_pools_beside_a_bitmap(machine: type[Pools]) -> None:
    REACHED.clear()
    case = machine.TestCase
    case.settings = _SETTINGS
    case("runTest").runTest()
    assert {"rolled back", "from a pool", "shrunk"} <= REACHED
