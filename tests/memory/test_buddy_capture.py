"""The allocator built from captures: exact free lists, counts only, and files that contradict each other."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.capture.buddyinfo import parse_buddyinfo
from kvmlab.capture.iomem import parse_iomem
from kvmlab.capture.kpage import free_blocks, page_words
from kvmlab.capture.pagetypeinfo import parse_pagetypeinfo
from kvmlab.capture.zoneinfo import parse_zoneinfo
from kvmlab.memory.buddy_capture import buddy_from_capture
from kvmlab.memory.buddy_captured import CapturedList, CapturedZone
from kvmlab.memory.buddy_check import violations
from kvmlab.memory.buddy_place import place_blocks
from kvmlab.memory.buddy_text import buddyinfo, pagetypeinfo
from kvmlab.memory.buddy_types import divide_pageblocks
from kvmlab.memory.migratetype import migratetype
from kvmlab.memory.zone import Zone, ZoneError

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"
BASES = sorted(CAPTURES.glob("*/base"))
LRU = 1 << 5


def captured_zones(base: Path) -> list[CapturedZone]:
    ram = parse_iomem((base / "iomem.txt").read_bytes()).ram()
    info = parse_zoneinfo((base / "zoneinfo.txt").read_bytes())
    types = parse_pagetypeinfo((base / "pagetypeinfo.txt").read_bytes())
    zones = []
    for row in parse_buddyinfo((base / "buddyinfo.txt").read_bytes()).rows:
        z = info.zone(row.zone, row.node)
        assert z is not None
        start = z.start_pfn or 0
        end = start + z.pages["spanned"]
        inside = [(max(r.first, start), min(r.last + 1, end)) for r in ram]
        zones.append(
            CapturedZone(
                Zone(row.zone, start, end, row.node, tuple((a, b) for a, b in inside if a < b)),
                row.nr_free,
                {int(migratetype(r.migratetype)): r.nr_free for r in types.free if r.zone == row.zone},
                {
                    int(migratetype(t)): n
                    for r in types.blocks
                    if r.zone == row.zone and r.kind == "blocks"
                    for t, n in r.counts
                },
                tuple(p.values for p in z.pagesets),
                z.pages,
            )
        )
    return zones


def pagetypes(base: Path) -> str:
    """The file without the table of mixed blocks, which page_owner adds and a model without page_owner cannot know."""
    return (base / "pagetypeinfo.txt").read_text().split("\nNumber of mixed")[0]


def built_with(pagetypes: str) -> dict[str, bool]:
    return {"cma": "CMA" in pagetypes, "isolation": "Isolate" in pagetypes}


@pytest.mark.skipif(not BASES, reason="the captures are not beside the checkout")
@pytest.mark.parametrize("base", BASES, ids=lambda p: p.parent.name)
class TestRealMachines:
    def test_text_from_recorded_pfns_is_what_the_kernel_printed(self, base: Path) -> None:
        words = page_words(gzip.decompress((base / "kpageflags.bin.gz").read_bytes()))
        lru = (words.words & np.uint64(LRU)) != 0
        state = buddy_from_capture(
            captured_zones(base), free=free_blocks(words), lru=lru, release=base.parent.name, engine="python"
        )
        assert violations(state.buddy) == []
        recorded = (base / "buddyinfo.txt").read_text()
        differs = any("kpageflags holds" in sentence for sentence in state.assumed)
        assert (buddyinfo(state.buddy) == recorded) != differs
        if not differs and not any("guessed" in sentence for sentence in state.assumed):
            recorded = pagetypes(base)
            assert pagetypeinfo(state.buddy, **built_with(recorded)) == recorded

    def test_text_from_recorded_counts_is_what_the_kernel_printed(self, base: Path) -> None:
        state = buddy_from_capture(captured_zones(base), release=base.parent.name, engine="python")
        assert violations(state.buddy) == []
        assert buddyinfo(state.buddy) == (base / "buddyinfo.txt").read_text()
        recorded = pagetypes(base)
        adjusted = any("adjusted" in sentence for sentence in state.assumed)
        assert (pagetypeinfo(state.buddy, **built_with(recorded)) == recorded) != adjusted
        assert len(state.assumed) >= 3


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), min_size=11, max_size=11))
def test_any_counts_that_fit_are_placed_without_a_mergeable_pair(counts: list[int]) -> None:
    counts[10] = min(counts[10], 3)
    counts[9] = min(counts[9], 6)
    zone = Zone("Normal", 0x100000, 0x100000 + (64 << 10), 0, ((0x100000, 0x100000 + (64 << 10)),))
    state = buddy_from_capture([CapturedZone(zone, tuple(counts))], release="6.12", engine="python")
    assert state.buddy.nr_free(0) == tuple(counts)
    assert violations(state.buddy) == []


def test_counts_that_do_not_fit_are_refused() -> None:
    zone = Zone.fresh(4096)
    for counts in ((0,) * 10 + (5,), (3000,), (0, 0, 700)):
        with pytest.raises(ZoneError, match="no room"):
            buddy_from_capture([CapturedZone(zone, counts)], release="6.12", engine="python")
    assert place_blocks([(0, 4)], (8,))[0] == list(range(0, 16, 2))
    with pytest.raises(ZoneError):
        place_blocks([(0, 4)], (9,))


@pytest.mark.parametrize(
    ("pfns", "orders", "said"),
    [
        ([0x100000, 0x100001], [1, 0], "overlap"),
        ([0x100001], [1], "aligned"),
        ([0x100000], [11], "order"),
        ([0x100000], [-1], "order"),
        ([0x100C00, 0x101C00], [10, 10], None),
        ([0x100800], [10], "no memory"),
    ],
)
def test_impossible_free_blocks(pfns: list[int], orders: list[int], said: str | None) -> None:
    zone = Zone("Normal", 0x100000, 0x102000, 0, ((0x100000, 0x100900), (0x100C00, 0x102000)))
    free = (np.array(pfns, dtype=np.uint64), np.array(orders, dtype=np.int8))
    if said is None:
        assert buddy_from_capture([CapturedZone(zone)], free=free, engine="python").buddy.free_pages == 2048
    else:
        with pytest.raises(ZoneError, match=said):
            buddy_from_capture([CapturedZone(zone)], free=free, engine="python")


def test_recorded_lists_keep_their_order() -> None:
    zone = CapturedZone(Zone.fresh(8192))
    lists = [
        CapturedList("Normal", 0, 3, 0, (0x100010, 0x100008, 0x100028)),
        CapturedList("Normal", 0, 9, 1, (0x101000,)),
        CapturedList("Normal", 0, 0, 0, (0x100041, 0x100040, 0x100043), cpu=1),
        CapturedList("Normal", 0, 9, 0, (0x101400,), cpu=0),
    ]
    buddy = buddy_from_capture([zone], lists=lists, cpus=2, engine="python").buddy
    assert violations(buddy) == []
    assert buddy.free_list(0, 3, 0) == [0x100010, 0x100008, 0x100028]
    assert [buddy.alloc(0, cpu=1) for _ in range(3)] == [0x100041, 0x100040, 0x100043]
    assert buddy.alloc(9, cpu=0) == 0x101400
    for bad in (
        CapturedList("Normal", 0, 0, 0, (0x100008,), cpu=0),
        CapturedList("DMA", 0, 0, 0, (0x100100,), cpu=0),
        CapturedList("Normal", 0, 0, 0, (0x100100,), cpu=7),
        CapturedList("Normal", 0, 3, 0, (0x100101,), cpu=0),
        CapturedList("Normal", 0, 3, 0, (5,), cpu=0),
    ):
        with pytest.raises(ZoneError):
            buddy_from_capture([zone], lists=[*lists, bad], cpus=2, engine="python")


def test_division_into_types_is_found_or_said_to_be_a_guess() -> None:
    vectors = {n: (n % 3, n % 2) for n in range(12)}
    zero = [n for n in vectors if n % 4 == 0]
    sums = {0: tuple(sum(vectors[n][k] for n in zero) for k in range(2))}
    sums[1] = tuple(sum(v[k] for v in vectors.values()) - sums[0][k] for k in range(2))
    types, exact = divide_pageblocks(vectors, sums, {})
    assert exact
    for mt in (0, 1):
        assert tuple(sum(vectors[n][k] for n in types if types[n] == mt) for k in range(2)) == sums[mt]
    _, exact = divide_pageblocks({0: (2,), 1: (2,)}, {0: (1,), 1: (3,)}, {})
    assert not exact
