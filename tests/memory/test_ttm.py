"""The TTM pool: known situations, the kernel's own unit tests, roll-back, limits, and both engines alike."""

from __future__ import annotations

import random

import numpy as np
import pytest

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.ttm import PRESETS, ttm_gfp
from kvmlab.memory import ttm_state as tt
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.buddy_check import violations
from kvmlab.memory.ttm import TtmDevice, TtmError, TtmNoMemory, TtmPool
from kvmlab.memory.ttm_buffer import TtmBuffer, buffer_pages, fewest_blocks, highest_tail_share, scattered_tail_share
from kvmlab.memory.ttm_state import Caching
from kvmlab.memory.ttm_text import device_page_pool, page_pool, read_page_pool_shrink
from kvmlab.memory.zone import Zone

GENERATIONS = ("5.15", "6.1", "6.12", "7.3")


def pool_on(size: str | int = "1GiB", release: str = "6.12", **options: object) -> TtmPool:
    own = {k: options.pop(k) for k in ("devices", "page_pool_size", "x86", "features") if k in options}
    return TtmPool(Buddy.fresh(size, release=release, engine="python", **options), **own)  # type: ignore[arg-type]


def blocks(buffer: TtmBuffer) -> list[tuple[int, int]]:
    return list(zip((int(p) for p in buffer.pfn), buffer.orders(), strict=True))


class TestKnownSituations:
    """A zone Normal from pfn 0x100000, 1 GiB, all free; one CPU."""

    def test_one_run_without_order_9_lists(self) -> None:
        pool = pool_on(thp=False)
        buffer = pool.alloc(8100)
        heads = [0x100000 + 0x400 * k for k in range(7)] + [0x101C00, 0x101E00, 0x101F00, 0x101F80, 0x101FA0]
        assert blocks(buffer) == list(zip(heads, (10,) * 7 + (9, 8, 7, 5, 2), strict=True))
        assert buffer.runs == 1
        assert pool.buddy.state.ctx[8] == 8, "claims"
        assert pool.buddy.pcp_pages == 56

    def test_two_runs_with_order_9_lists(self) -> None:
        pool = pool_on()
        buffer = pool.alloc(8100)
        assert blocks(buffer)[6:] == [
            (0x101800, 10),
            (0x101C00, 9),
            (0x102000, 8),
            (0x102100, 7),
            (0x102180, 5),
            (0x1021A0, 2),
        ]
        assert buffer.runs == 2
        assert pool.buddy.state.ctx[8] == 9
        assert pool.buddy.pcp_pages == 568
        assert pool.buddy.block(0x101E00).state == "pcp"
        types = pool.buddy.state.block & 7
        assert int((types == 0).sum()) == 2 * 9

    def test_cached_buffer_comes_back_reversed(self) -> None:
        pool = pool_on(thp=False)
        first = pool.alloc(8100)
        pool.free(first)
        second = pool.alloc(8100)
        assert [int(p) for p in second.pfn[:7]] == [int(p) for p in first.pfn[:7]][::-1]
        assert [int(p) for p in second.pfn[7:]] == [int(p) for p in first.pfn[7:]]

    @pytest.mark.parametrize(("release", "reversed_"), [("5.15", True), ("6.1", True), ("6.12", True), ("7.3", False)])
    def test_pool_order(self, release: str, reversed_: bool) -> None:
        pool = pool_on(release=release)
        first = pool.alloc(8100, "wc")
        pool.free(first)
        second = pool.alloc(8100, "wc")
        assert second.from_pool.all()
        heads = [int(p) for p in first.pfn]
        assert [int(p) for p in second.pfn] == (heads[6::-1] + heads[7:] if reversed_ else heads)

    def test_fewest_blocks_on_whole_memory(self) -> None:
        for thp in (True, False):
            fresh = pool_on("256MiB", thp=thp)
            for pages in [*range(1, 4097, 7), 8100, 32400]:
                pool = fresh.copy()
                buffer = pool.alloc(pages)
                assert buffer.blocks == fewest_blocks(pages)
                assert buffer.tail_share == pytest.approx(highest_tail_share(pages))
        assert violations(pool.buddy) == []

    @pytest.mark.parametrize(("loop", "last_from_pool"), [("A", True), ("B", True), ("C", False)])
    def test_loop_b_asks_the_pool_again_at_a_smaller_order(self, loop: str, last_from_pool: bool) -> None:
        pool = pool_on(features={"loop": loop})
        for buffer in [pool.alloc(3 * 1024 + 512, "wc")]:
            pool.free(buffer)
        assert (pool.count("wc", 10), pool.count("wc", 9)) == (3, 1)
        buffer = pool.alloc(5 * 1024 + 512, "wc")
        assert buffer.from_pool.tolist() == [True] * 3 + [False] * 2 + [last_from_pool]
        assert pool.count("wc", 9) == (0 if last_from_pool else 1)

    def test_text_of_the_pool(self) -> None:
        pool = pool_on()
        live = [pool.alloc(n, "wc") for n in (1, 1, 1, 512, 512)]
        for buffer in live:
            pool.free(buffer)
        text = page_pool(pool).splitlines()
        assert text[0] == "\t " + "".join(f" ---{o:2d}---" for o in range(11))
        assert text[1].split() == ["wc", ":", "3", *["0"] * 8, "2", "0"]
        assert text[5:] == ["", "total\t:     1027 of   131072"]


class TestKernelsOwnTests:
    """The cases of drivers/gpu/drm/ttm/tests/ttm_pool_test.c, which runs where only DMA pools keep pages."""

    @pytest.mark.parametrize("release", GENERATIONS)
    @pytest.mark.parametrize(
        ("order", "dma"),
        [(0, False), (2, False), (11, False), (0, True), (11, True)],
        ids=["one page", "more than one page", "above the limit", "one page, DMA", "above the limit, DMA"],
    )
    def test_alloc_basic(self, release: str, order: int, dma: bool) -> None:
        pool = pool_on("64MiB", release, devices=(TtmDevice(dma_alloc=dma),), x86=False)
        buffer = pool.alloc(1 << order, "uc")
        pfns = buffer.page_pfns()
        assert len(pfns) == 1 << order
        # page->private is the order (a record for DMA) on the first page of a block and 0 on the others.
        assert buffer.order[0] == min(order, 10)
        assert bool(buffer.is_tail()[-1]) == (order > 0)
        pool.free(buffer)
        pool.fini()
        assert pool.pooled_pages == 0

    @pytest.mark.parametrize("release", GENERATIONS)
    @pytest.mark.parametrize("order", [0, 2, 11])
    def test_alloc_basic_dma_addr(self, release: str, order: int) -> None:
        pool = pool_on("64MiB", release, devices=(TtmDevice(dma_alloc=True),), x86=False)
        buffer = pool.alloc(1 << order, "uc")
        addresses = buffer.dma_addresses()
        assert buffer.pages == len(addresses) == 1 << order
        assert addresses.all()
        assert (addresses >> np.uint64(12)).tolist() == buffer.page_pfns().tolist()

    @pytest.mark.parametrize("release", GENERATIONS)
    def test_pools_of_a_device(self, release: str) -> None:
        """Every list of a DMA pool is there and empty; a device that has none gets no list of its own."""
        pool = pool_on("64MiB", release, devices=(TtmDevice(dma_alloc=True),), x86=False)
        own = [kind for kind in pool.state.queue.tolist() if kind >= tt.GLOBAL_TYPES]
        assert len(own) == 33
        assert all(pool.pool_list(kind) == [] for kind in own)
        plain = pool_on("64MiB", release)
        assert [kind for kind in plain.state.queue.tolist() if kind >= tt.GLOBAL_TYPES] == []

    def test_sizes_that_are_not_whole_pages(self) -> None:
        assert (buffer_pages(4096), buffer_pages(8192 + 4096 - 1), buffer_pages(4096, extra_pages=2)) == (1, 3, 3)

    def pre_populated(self, release: str, pages: int, caching: str) -> TtmPool:
        pool = pool_on("64MiB", release, devices=(TtmDevice(dma_alloc=True),), x86=False)
        pool.free(pool.alloc(pages, caching))
        return pool

    @pytest.mark.parametrize("release", GENERATIONS)
    def test_order_caching_match(self, release: str) -> None:
        pool = self.pre_populated(release, 1, "uc")
        assert pool.count("uc", 0, device=0) == 1
        pool.alloc(1, "uc")
        assert pool.count("uc", 0, device=0) == 0

    @pytest.mark.parametrize("release", GENERATIONS)
    def test_caching_mismatch(self, release: str) -> None:
        pool = self.pre_populated(release, 1, "cached")
        assert (pool.count("cached", 0, device=0), pool.count("uc", 0, device=0)) == (1, 0)
        pool.free(pool.alloc(1, "uc"))
        assert (pool.count("cached", 0, device=0), pool.count("uc", 0, device=0)) == (1, 1)

    @pytest.mark.parametrize("release", GENERATIONS)
    def test_order_mismatch(self, release: str) -> None:
        pool = self.pre_populated(release, 4, "uc")
        assert (pool.count("uc", 2, device=0), pool.count("uc", 0, device=0)) == (1, 0)
        pool.free(pool.alloc(1, "uc"))
        assert (pool.count("uc", 2, device=0), pool.count("uc", 0, device=0)) == (1, 1)

    @pytest.mark.parametrize("release", GENERATIONS)
    def test_free_dma_alloc(self, release: str) -> None:
        pool = pool_on("64MiB", release, devices=(TtmDevice(dma_alloc=True),), x86=False)
        buffer = pool.alloc(4, "uc")
        assert pool.count("uc", 2, device=0) == 0
        pool.free(buffer)
        assert pool.count("uc", 2, device=0) == 1

    @pytest.mark.parametrize("release", GENERATIONS)
    def test_fini(self, release: str) -> None:
        pool = self.pre_populated(release, 1, "uc")
        pool.fini()
        assert pool.count("uc", 0, device=0) == 0
        assert violations(pool.buddy) == []

    def test_a_pool_that_is_not_for_dma_keeps_nothing_where_the_architecture_has_no_caching_modes(self) -> None:
        pool = pool_on("64MiB", x86=False)
        pool.free(pool.alloc(4, "uc"))
        assert pool.pooled_pages == 0
        assert device_page_pool(pool) == "unused\n"


def test_dma_pools_keep_cached_blocks_and_print_their_own_table() -> None:
    pool = pool_on("64MiB", devices=(TtmDevice(dma_alloc=True),))
    for caching in ("cached", "wc", "uc"):
        pool.free(pool.alloc(5, caching))
    rows = [line.split() for line in device_page_pool(pool).splitlines()]
    assert [(r[:-11], r[-11:][:3]) for r in rows[1:4]] == [
        (["DMA", "uc", ":"], ["1", "0", "1"]),
        (["DMA", "wc", ":"], ["1", "0", "1"]),
        (["DMA", ":"], ["1", "0", "1"]),
    ]
    assert "15 of" in page_pool(pool), "the footer counts the pages of all pools"


@pytest.mark.parametrize(("release", "pooled"), [("5.15", 0), ("6.1", 1024), ("6.12", 1024), ("7.3", 1024)])
def test_where_a_rolled_back_buffer_goes(release: str, pooled: int) -> None:
    pool = pool_on(4096, release)
    pool.free(pool.alloc(1024, "wc"))
    hold = pool.buddy.alloc(10)
    assert hold is not None
    with pytest.raises(TtmNoMemory):
        pool.alloc(4000, "wc")
    assert pool.pooled_pages == pooled
    assert pool.buffers == ()
    pool.buddy.drain_all()
    assert pool.buddy.free_pages == 3072 - pooled
    assert violations(pool.buddy) == []


@pytest.mark.parametrize("release", PRESETS)
def test_the_limit_shrinks_the_pools(release: str) -> None:
    pool = pool_on("64MiB", release, page_pool_size=100)
    live = [pool.alloc(70, c) for c in ("wc", "uc", "wc")]
    for buffer in live:
        pool.free(buffer)
        assert pool.pooled_pages <= 100
    assert pool.pooled_pages > 0
    assert violations(pool.buddy) == []


def test_new_kernels_shrink_more_than_was_asked() -> None:
    counts = {}
    for release in ("6.12", "7.3"):
        pool = pool_on("64MiB", release)
        live = [pool.alloc(64, "wc") for _ in range(8)]
        for buffer in live:
            pool.free(buffer)
        # The scan asks for 3 pages; the type whose turn it is has blocks of 64.
        counts[release] = pool.shrink(3)
    assert counts == {"6.12": 64, "7.3": 192}


def test_reading_page_pool_shrink_shrinks() -> None:
    pool = pool_on("64MiB", "6.12")
    assert read_page_pool_shrink(pool) == "18446744073709551614/18446744073709551615\n"
    pool.free(pool.alloc(3, "wc"))
    texts = {read_page_pool_shrink(pool) for _ in range(44)}
    assert pool.pooled_pages == 0
    assert "1/2\n" in texts
    new = pool_on("64MiB", "7.3")
    assert read_page_pool_shrink(new) == "0: 0/0\n"
    new.free(new.alloc(3, "wc"))
    assert read_page_pool_shrink(new) == "0: 3/3\n"


def test_dma32_pools_stay_below_4_gib_and_are_pooled_apart() -> None:
    zones = [Zone.fresh("64MiB", start=4096, name="DMA32"), Zone.fresh("64MiB")]
    pool = TtmPool(Buddy(zones, engine="python"), devices=(TtmDevice(dma32=True),))
    buffer = pool.alloc(600, "wc")
    assert int(buffer.page_pfns().max()) < 1 << 20
    pool.free(buffer)
    assert (pool.count("wc", 9, dma32=True), pool.count("wc", 9)) == (1, 0)


def test_pools_of_bound_devices_and_of_nodes() -> None:
    zones = [Zone.fresh(4096), Zone.fresh(4096, start=0x200000, nid=1)]
    old = TtmPool(Buddy(zones, release="6.12", engine="python"), devices=(TtmDevice(nid=1),))
    buffer = old.alloc(8, "wc")
    assert int(buffer.pfn[0]) >= 0x200000
    old.free(buffer)
    assert (old.count("wc", 3), old.count("wc", 3, device=0)) == (0, 1)
    new = TtmPool(Buddy(zones, release="7.3", engine="python"), devices=(TtmDevice(nid=1),))
    new.free(new.alloc(8, "wc"))
    assert new.count("wc", 3) == 1
    assert new.state.pooled.tolist() == [0, 8]
    assert page_pool(new).splitlines()[5:] == [
        "",
        "total node0\t:        0 of     2048",
        "",
        "total node1\t:        8 of     2048",
    ]


def test_masks_by_release() -> None:
    user = {"zero": True, "retry_mayfail": True}
    assert hex(ttm_gfp("6.1", 5, **user)) == "0x196dc2"
    assert hex(ttm_gfp("6.12", 5, **user)) == "0x396dc2"
    assert hex(ttm_gfp("6.12", 5, retry_mayfail=True)) == "0x396cc2"
    assert hex(ttm_gfp("6.12", 0, **user)) == "0x104dc2"
    assert hex(ttm_gfp("7.2", 0, **user)) == "0x106dc2"
    assert hex(ttm_gfp("7.2", 10, beneficial_order=9, **user)) == "0x3969c2"
    assert hex(ttm_gfp("7.3", 10, beneficial_order=9, **user)) == "0x3961c2"
    assert hex(ttm_gfp("7.3", 9, beneficial_order=9, **user)) == "0x386dc2"
    assert hex(ttm_gfp("6.12", 3, dma32=True)) == "0x392cc4"


def test_a_pinned_first_page_loses_its_block_when_a_cached_buffer_is_freed() -> None:
    pool = pool_on("64MiB")
    buffer = pool.alloc(8 + 1024)
    head = int(buffer.pfn[1])
    pool.buddy.get_page(head)
    pool.free(buffer)
    assert pool.buddy.block(head).order == 0
    assert pool.buddy.refcounts(head, 8).tolist() == [1] + [0] * 7
    pool.buddy.put_page(head)
    assert violations(pool.buddy) == []
    wc = pool.alloc(8, "wc")
    pool.buddy.get_page(int(wc.pfn[0]))
    pool.free(wc)
    assert pool.count("wc", 3) == 1, "a block that is pooled keeps its references"


def test_impossible_requests_change_nothing() -> None:
    pool = pool_on("64MiB")
    buffer = pool.alloc(3)
    other = pool_on("64MiB").alloc(4)
    before = pool.copy()
    for request in (
        lambda: pool.alloc(0),
        lambda: pool.alloc(-5),
        lambda: pool.alloc(1 << 60),
        lambda: pool.alloc(1, "writeback"),
        lambda: pool.alloc(1, device=1),
        lambda: pool.alloc(1, cpu=4),
        lambda: pool.free(other),
        lambda: pool.free(buffer, cpu=3),
        lambda: pool.shrink(-1),
        lambda: pool.shrink(1, nid=3),
    ):
        with pytest.raises(TtmError, match=r"\.$"):
            request()
    assert pool == before
    pool.free(buffer)
    with pytest.raises(TtmError, match="not live"):
        pool.free(buffer)
    for bad in (
        {"devices": ()},
        {"devices": (TtmDevice(), TtmDevice())},
        {"devices": (TtmDevice(nid=1),)},
        {"page_pool_size": -1},
    ):
        with pytest.raises(TtmError):
            pool_on("64MiB", **bad)
    with pytest.raises(UnknownRelease):
        pool_on("64MiB", features={"loop": "D"})
    with pytest.raises(UnknownRelease):
        pool_on("64MiB", features={"lop": "A"})


@pytest.mark.parametrize("release", PRESETS)
def test_plain_and_compiled_engines_agree(release: str) -> None:
    rng = random.Random(3)
    pools = [
        TtmPool(Buddy.fresh("64MiB", release=release, log_rows=60_000, cpus=2, engine=e), page_pool_size=900)
        for e in ("python", "numba")
    ]
    live: list[tuple[TtmBuffer, TtmBuffer]] = []
    refused = 0
    for _ in range(500):
        if live and rng.random() < 0.45:
            for pool, buffer in zip(pools, live.pop(rng.randrange(len(live))), strict=True):
                pool.free(buffer, cpu=len(live) & 1)
            continue
        pages, caching, cpu = min(int(rng.paretovariate(0.6)), 3000), rng.choice(list(Caching)), rng.randrange(2)
        try:
            both = [pool.alloc(pages, caching, cpu=cpu) for pool in pools]
        except TtmNoMemory:
            refused += 1
            with pytest.raises(TtmNoMemory):
                pools[1].alloc(pages, caching, cpu=cpu)
            continue
        assert both[0] == both[1]
        live.append((both[0], both[1]))
    assert pools[0] == pools[1]
    assert pools[0].state.rule[tt.T_POOL_HITS] > 50
    assert pools[0].state.rule[tt.T_SHRUNK] > 0
    assert violations(pools[0].buddy) == []
    first, second = (pool.buddy.df_events() for pool in pools)
    assert first.equals(second)
    assert set(first.op.unique()) >= {0, 1, 2, 3, 4, 6, 7, 9}
    assert pools[0].copy() == pools[0]


def test_caching_calls_of_a_cold_buffer() -> None:
    pool = pool_on("64MiB", log_rows=1000)
    pool.alloc(1000, "cached")
    assert pool.state.rule[tt.T_SET_CACHING_CALLS] == 0
    cold = pool.alloc(1000, "wc")
    assert (pool.state.rule[tt.T_SET_CACHING_CALLS], pool.state.rule[tt.T_SET_CACHING_PAGES]) == (1, 1000)
    log = pool.buddy.df_events()
    assert sorted(log[log.op == 9].pfn) == sorted(cold.pfn)
    pool.free(cold)
    pool.alloc(1000, "wc")
    assert pool.state.rule[tt.T_SET_CACHING_CALLS] == 1


def test_tail_share_of_scattered_pages_against_an_independent_draw() -> None:
    rng = np.random.default_rng(4)
    for share, expected in ((0.05, 16.40), (0.25, 62.69), (0.5, 81.06), (0.9, 97.09)):
        free = rng.random(1 << 20) < share
        left, used = 8100, 0
        for order in range(10, -1, -1):
            whole = free.reshape(-1, 1 << order).all(axis=1)
            take = min(int(whole.sum()), left >> order)
            heads = np.flatnonzero(whole)[:take]
            free.reshape(-1, 1 << order)[heads] = False
            left -= take << order
            used += take
        drawn = 100 * (1 - used / 8100)
        assert drawn == pytest.approx(expected, abs=0.6)
        assert 100 * scattered_tail_share(8100, share, 1 << 20) == pytest.approx(drawn, abs=0.6)
