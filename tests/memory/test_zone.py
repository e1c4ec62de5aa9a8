"""Zones: what sizes and ranges make, what no machine can have, and the kernel's derived numbers against real ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.memory.buddy import Buddy
from kvmlab.memory.buddy_check import violations
from kvmlab.memory.zone import Zone, ZoneError, checked_zones, pages_of, pcp_batch, zone_numbers, zones_of_ram


@pytest.mark.parametrize("text", ["", "1.5GiB", "-1GiB", "4095", "1XiB", "9999999999GiB", "0", "1e9", "GiB", "٣GiB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ZoneError, match=r"\.$"):
        pages_of(text)


@pytest.mark.parametrize(
    "zones",
    [
        [Zone("Normal", 0, 10, 0, ((0, 10),)), Zone("Normal", 2048, 4096, 0, ((2048, 4096),))],
        [Zone("DMA", 0, 4096, 0, ((0, 4096),)), Zone("Normal", 4000, 9000, 0, ((4000, 9000),))],
        [Zone("DMA", 0, 1000, 0, ((0, 1000),)), Zone("Normal", 1000, 9000, 0, ((1000, 9000),))],
        [Zone("Norma", 0, 1024, 0, ((0, 1024),))],
        [Zone("Normal", 0, 1024, 0, ((0, 2048),))],
        [Zone("Normal", 0, 1024, 0, ((0, 600), (500, 1024)))],
        [Zone("Normal", 1024, 0, 0, ((0, 1),))],
        [Zone("Normal", 0, 1024, 0, ())],
        [Zone("Normal", 0, 1 << 40, 0, ((0, 1 << 40),))],
        [Zone("Normal", 0, 1024, -1, ((0, 1024),))],
        [],
    ],
)
def test_impossible_zones(zones: list[Zone]) -> None:
    with pytest.raises(ZoneError, match=r"\.$"):
        Buddy(zones, engine="python")


def test_numbers_of_a_real_machine() -> None:
    # managed 2195456 pages, 2 CPUs, low 15600: seen on a 6.18 kernel as batch 63, high_min 7800, high_max 137216.
    assert pcp_batch(2195456, 12) == pcp_batch(2195456, 10) == 63
    (n,) = zone_numbers([Zone.fresh(2195456)], cpus=2, batch_shift=12, min_free_kbytes=12480 * 4)
    assert (n.minimum, n.low, n.high) == (12480, 15600, 18720)
    assert (n.batch, n.high_min, n.high_max) == (63, 7800, 137216)
    # The lab's machine: managed 3840 and 239175.
    assert (pcp_batch(3840, 10), pcp_batch(3840, 12), pcp_batch(239175, 10), pcp_batch(110342, 10)) == (1, 1, 63, 31)


def test_reserves_of_lower_zones() -> None:
    zones = zones_of_ram([(1, 0x9F), (0x100, 0xC0000), (0x100000, 0x640000)])
    dma, dma32, normal = zone_numbers(zones, cpus=2, batch_shift=10)
    assert normal.reserve == (0, 0, 0, 0)
    assert dma32.reserve == (0, 0, 0x540000 // 256, 0x540000 // 256)
    assert dma.reserve[1] == (0xC0000 - 4096) // 256


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 6_000)), min_size=1, max_size=6))
def test_any_ranges_boot_into_a_sound_state_or_are_refused(parts: list[tuple[int, int]]) -> None:
    try:
        zones = checked_zones(zones_of_ram([(a, a + n) for a, n in parts]))
    except ZoneError:
        return
    buddy = Buddy(zones, engine="python")
    assert violations(buddy) == []
    assert buddy.free_pages == sum(z.pages for z in zones)


def test_boot_order_puts_the_lowest_blocks_first() -> None:
    buddy = Buddy(zones_of_ram([(1, 0x9F), (0x100, 0x8000)]), engine="python")
    assert buddy.free_list(0, 0, 1) == [1, 0x9E]
    assert buddy.free_list(1, 10, 1)[:3] == [0x1000, 0x1400, 0x1800]
