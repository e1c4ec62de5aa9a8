"""Zone numbers, names and places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.kernel.zones import X86_64_LAST_PFN, check_zone, zone_name, zones


def test_the_reported_page_fits_its_zone() -> None:
    assert zone_name(2, "x86_64", "6.9.12") == "Normal"
    found = check_zone(0xFB1665, 2, "x86_64", "6.9.12")
    assert (found.zone, found.fits) == ("Normal", True)


@pytest.mark.parametrize(
    ("arch", "release", "config", "names"),
    [
        ("x86_64", "6.9.12", {}, ["DMA", "DMA32", "Normal", "Movable", "Device"]),
        ("x86_64", "6.12.117", {"CONFIG_ZONE_DEVICE": False}, ["DMA", "DMA32", "Normal", "Movable"]),
        ("x86_64", "6.9.12", {"CONFIG_ZONE_DMA": False}, ["DMA32", "Normal", "Movable", "Device"]),
        ("x86_64", "3.10.0", {}, ["DMA", "DMA32", "Normal", "Movable"]),
        ("i686", "5.18.0", {}, ["DMA", "Normal", "HighMem", "Movable"]),
        ("arm64", "6.9.0", {}, ["DMA", "DMA32", "Normal", "Movable", "Device"]),
        ("riscv64", "6.9.0", {}, []),
    ],
)
def test_zones_by_build(arch: str, release: str, config: dict[str, bool], names: list[str]) -> None:
    assert [zone.name for zone in zones(arch, release, config)] == names


@pytest.mark.parametrize(
    ("pfn", "number", "fits"),
    [
        (0xFFF, 0, True),
        (0x1000, 0, False),
        (0xFFF, 1, False),
        (0x1000, 1, True),
        (0xFFFFF, 1, True),
        (0x100000, 1, False),
        (0xFFFFF, 2, False),
        (0x100000, 2, True),
        (0x123, 3, None),
        (0x123, 4, None),
        (0x123, 5, None),
        (0x123, -1, None),
        (X86_64_LAST_PFN + 1, 2, False),
    ],
)
def test_places_on_x86_64(pfn: int, number: int, fits: bool | None) -> None:
    found = check_zone(pfn, number, "x86_64", "6.9.12")
    assert found.fits is fits
    assert found.reason


def test_without_a_dma_zone_the_next_one_begins_at_zero() -> None:
    assert check_zone(0x10, 0, config={"CONFIG_ZONE_DMA": False}).zone == "DMA32"
    assert check_zone(0x10, 0, config={"CONFIG_ZONE_DMA": False}).fits is True
    no_low = {"CONFIG_ZONE_DMA": False, "CONFIG_ZONE_DMA32": False}
    assert next((z.name, z.first_pfn) for z in zones("x86_64", "6.9", no_low)) == ("Normal", 0)


@given(st.integers(0, X86_64_LAST_PFN))
def test_the_fixed_zones_cover_memory_without_overlap(pfn: int) -> None:
    assert [check_zone(pfn, number).fits for number in range(3)].count(True) == 1
