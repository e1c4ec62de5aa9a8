"""The page allocator against its twins, step by step, and against what the kernel does in known situations."""

from __future__ import annotations

import random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from kvmlab.memory.buddy import Buddy
from kvmlab.memory.buddy_check import violations
from kvmlab.memory.buddy_pages import BuddyError
from kvmlab.memory.zone import Zone, zones_of_ram
from tests.memory.twins import Bitmap, Lists

UNMOVABLE, MOVABLE, RECLAIMABLE = 0xCC0, 0x100CCA, 0xCD0
START, PAGES = 0x100000, 8192


class TwoTwins(RuleBasedStateMachine):
    """Random requests on a small zone: the bitmap agrees on the free pages after every step, the invariants hold."""

    blocks = Bundle("blocks")
    options: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.buddy = Buddy([Zone.fresh(PAGES)], engine="python", cpus=2, batch=7, high=40, **self.options)
        self.bitmap = Bitmap(START, PAGES)
        self.reached: set[str] = set()

    @rule(
        target=blocks,
        order=st.integers(0, 10),
        gfp=st.sampled_from([UNMOVABLE, MOVABLE, RECLAIMABLE]),
        cpu=st.integers(0, 1),
    )
    def alloc(self, order: int, gfp: int, cpu: int) -> object:
        pfn = self.buddy.alloc(order, gfp=gfp, cpu=cpu)
        if pfn is None:
            return multiple()
        assert self.buddy.refcounts(pfn, 1 << order).tolist() == [1] + [0] * ((1 << order) - 1)
        self.bitmap.take(pfn, order)
        return (pfn, order)

    @rule(block=consumes(blocks), cpu=st.integers(0, 1))
    def free(self, block: tuple[int, int], cpu: int) -> None:
        self.buddy.free(block[0], cpu=cpu)
        self.bitmap.put(block[0], 1 << block[1])

    @rule(target=blocks, block=consumes(blocks))
    def split(self, block: tuple[int, int]) -> object:
        self.buddy.split_page(block[0])
        return multiple(
            *((block[0] + k, 0) for k in range(min(1 << block[1], 64))),
            *((block[0] + k, 0) for k in range(64, 1 << block[1])),
        )

    @rule(block=consumes(blocks), cpu=st.integers(0, 1))
    def free_pinned(self, block: tuple[int, int], cpu: int) -> None:
        self.buddy.get_page(block[0])
        self.buddy.free(block[0], cpu=cpu)
        assert self.buddy.block(block[0]).order == 0
        self.buddy.put_page(block[0], cpu=cpu)
        self.bitmap.put(block[0], 1 << block[1])

    @rule()
    def drain(self) -> None:
        self.buddy.drain_all()
        assert self.buddy.nr_free() == self.bitmap.nr_free()
        assert self.buddy.pcp_pages == 0

    @invariant()
    def sound(self) -> None:
        assert violations(self.buddy) == []
        assert self.buddy.free_pages + self.buddy.pcp_pages == sum(self.bitmap.free)

    def teardown(self) -> None:
        self.drain()


class OldRules(TwoTwins):
    options: ClassVar = {"release": "6.1"}


class NewRules(TwoTwins):
    options: ClassVar = {"release": "7.3"}


class OldestRules(TwoTwins):
    options: ClassVar = {"release": "5.15"}


class Bare(TwoTwins):
    options: ClassVar = {"release": "6.12", "pcp": False, "migratetypes": False}


_SETTINGS = settings(
    max_examples=12,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
for _machine in (TwoTwins, OldRules, NewRules, OldestRules, Bare):
    _case = _machine.TestCase
    _case.settings = _SETTINGS
    globals()[f"Test{_machine.__name__}"] = _case
del _case, _machine


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_the_same_pfns_as_the_list_twin(engine: str) -> None:
    rng = random.Random(5)
    buddy = Buddy.fresh(PAGES, pcp=False, migratetypes=False, engine=engine)
    twin = Lists(START, PAGES)
    live: list[tuple[int, int]] = []
    deepest = 0
    for _ in range(6000):
        if live and rng.random() < 0.47:
            pfn, order = live.pop(rng.randrange(len(live)))
            buddy.free(pfn)
            twin.release(pfn, order)
        else:
            order = min(int(rng.expovariate(0.7)), 10)
            got = buddy.alloc(order)
            assert got == twin.alloc(order)
            if got is not None:
                live.append((got, order))
        deepest = max(deepest, buddy.nr_free()[0])
        assert buddy.nr_free() == twin.nr_free()
    assert deepest > 5


@pytest.mark.parametrize("release", ["5.15", "6.1", "6.6", "6.12", "6.18", "7.3"])
def test_plain_and_compiled_engines_agree(release: str) -> None:
    rng = random.Random(11)
    zones = zones_of_ram([(1, 0x9F), (0x100, 0x8FDD)])
    engines = [
        Buddy(zones, release=release, cpus=2, watermarks=True, drain=True, log_rows=50_000, engine=e)
        for e in ("python", "numba")
    ]
    live: list[int] = []
    for _ in range(2500):
        if live and rng.random() < 0.45:
            pfn, cpu = live.pop(rng.randrange(len(live))), rng.randrange(2)
            for b in engines:
                b.free(pfn, cpu=cpu)
        else:
            order = min(int(rng.expovariate(0.6)), 10)
            gfp = rng.choice([UNMOVABLE, MOVABLE, RECLAIMABLE, 0x396DC2, UNMOVABLE | 4, UNMOVABLE | 1])
            cpu = rng.randrange(2)
            first, second = (b.alloc(order, gfp=gfp, cpu=cpu) for b in engines)
            assert first == second
            if first is not None:
                live.append(first)
    assert engines[0] == engines[1]
    assert violations(engines[0]) == []
    assert engines[0].events_lost == 0
    assert engines[0].df_events().equals(engines[1].df_events())
    assert engines[0].state.ctx.tolist()[8:14] == engines[1].state.ctx.tolist()[8:14]
    assert engines[0].state.ctx[8] > 0, "no pageblock was ever claimed"


def test_copies_are_independent_and_equal_states_are_equal() -> None:
    b = Buddy.fresh("64MiB", engine="python")
    first = b.alloc(3)
    c = b.copy()
    assert b == c
    assert first is not None
    c.free(first)
    assert b != c
    c = b.copy()
    c.get_page(first)
    assert b != c
    assert b != 3


def test_pinned_head_keeps_one_page_and_frees_the_rest_in_parts() -> None:
    b = Buddy.fresh("64MiB", pcp=False, log_rows=100, engine="python")
    pfn = b.alloc(3)
    assert pfn is not None
    b.get_page(pfn)
    b.free(pfn)
    log = b.df_events()
    frees = log[log.op == 2]
    assert [(int(p) - pfn, int(o)) for p, o in zip(frees.pfn, frees.order, strict=True)] == [(4, 2), (2, 1), (1, 0)]
    assert (log.op == 13).sum() == 1
    assert b.refcounts(pfn, 8).tolist() == [1] + [0] * 7
    b.put_page(pfn)
    assert b.nr_free() == Buddy.fresh("64MiB", pcp=False, engine="python").nr_free()


def test_a_pinned_compound_block_stays_whole() -> None:
    b = Buddy.fresh("64MiB", pcp=False, engine="python")
    pfn = b.alloc(3, gfp=UNMOVABLE | 0x40000)
    assert pfn is not None
    b.get_page(pfn)
    b.free(pfn)
    assert (b.block(pfn + 5).order, b.block(pfn + 5).compound, b.block(pfn).refcount) == (3, True, 1)
    with pytest.raises(BuddyError, match="compound"):
        b.split_page(pfn)


def test_impossible_requests_change_nothing() -> None:
    b = Buddy.fresh("64MiB", engine="python")
    pfn = b.alloc(2)
    assert pfn is not None
    before = b.copy()
    for request in (
        lambda: b.alloc(11),
        lambda: b.alloc(-1),
        lambda: b.alloc(0, nid=1),
        lambda: b.alloc(0, cpu=1),
        lambda: b.free(pfn + 1),
        lambda: b.free(0),
        lambda: b.free(1 << 60),
        lambda: b.split_page(pfn + 8),
        lambda: b.get_page(pfn + 3),
        lambda: b.block(1 << 40),
        lambda: b.refcounts(0, 4),
        lambda: b.free(pfn, cpu=9),
    ):
        with pytest.raises(BuddyError, match=r"\.$"):
            request()
    assert b == before


def test_nothing_is_left_when_memory_ends() -> None:
    b = Buddy.fresh(2048, cpus=2, drain=True, engine="python")
    taken = []
    while (pfn := b.alloc(0)) is not None:
        taken.append(pfn)
    assert len(taken) == 2048
    assert b.alloc(0) is None
    for pfn in taken:
        b.free(pfn, cpu=1)
    assert b.alloc(10) is not None, "reclaim drains the per-CPU lists of every CPU"
    assert violations(b) == []


def test_without_a_drain_what_another_cpu_holds_is_out_of_reach() -> None:
    b = Buddy.fresh(2048, cpus=2, high=5000, engine="python")
    taken = [b.alloc(0) for _ in range(2048)]
    for pfn in taken:
        assert pfn is not None
        b.free(pfn, cpu=1)
    assert b.pcp_pages == 2048
    assert b.alloc(0, cpu=0) is None
    assert b.alloc(0, cpu=1) == taken[-1]


def test_the_log_counts_what_it_loses() -> None:
    b = Buddy.fresh("64MiB", log_rows=3, pcp=False, engine="python")
    for _ in range(5):
        b.alloc(0)
    assert len(b.df_events()) == 3
    assert b.events_lost > 0


def test_two_nodes_are_used_nearest_first() -> None:
    zones = [Zone.fresh(4096), Zone.fresh(4096, start=0x200000, nid=1)]
    b = Buddy(zones, engine="python", pcp=False)
    assert b.alloc(10, nid=1) == 0x200000
    for _ in range(3):
        assert b.alloc(10, nid=1) is not None
    assert b.alloc(10, nid=1) == 0x100000, "the other node serves when the near one is empty"
    assert b.alloc(10, nid=1, gfp=UNMOVABLE | 0x200000) is None, "__GFP_THISNODE stays on its node"


def test_memory_per_gib() -> None:
    b = Buddy.fresh("4GiB", engine="python")
    assert b.nbytes / 4 < 2.5e6
