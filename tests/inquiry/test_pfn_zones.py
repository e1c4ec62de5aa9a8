"""Zones and holes: from a real machine's files, and by rule where there are none."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.capture.iomem import parse_iomem
from kvmlab.capture.zoneinfo import parse_zoneinfo
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.pfn_ranges import pfn_ranges
from kvmlab.inquiry.pfn_runs import LARGEST_PFN, PfnRun
from kvmlab.inquiry.pfn_zones import MemoryLayout, df_zone_counts, memory_layout


@pytest.fixture(scope="module")
def layout() -> MemoryLayout:
    base = Path(__file__).resolve().parents[2] / "data" / "captures" / "6.12.117+deb12-amd64" / "machine" / "base"

    def text(name: str) -> bytes:
        packed = base / f"{name}.gz"
        return gzip.decompress(packed.read_bytes()) if packed.exists() else (base / name).read_bytes()

    return memory_layout(zoneinfo=parse_zoneinfo(text("zoneinfo.txt")), iomem=parse_iomem(text("iomem.txt")))


def test_a_machine_tells_its_own_zones(layout: MemoryLayout) -> None:
    assert layout.basis is Basis.OBSERVED
    assert [span.name for span in layout.spans] == ["DMA", "DMA32"]
    assert layout.spans[1].first == 0x1000
    assert layout.zone_of(0x2000) == layout.spans[1]
    assert layout.zone_of(0xFB1665) is None
    holes = layout.holes(0, 0xFFF)
    assert PfnRun(0x9F, 0xFF) in holes, "the ISA hole is no RAM"


def test_pages_are_counted_by_zone_and_those_in_holes_are_told(layout: MemoryLayout) -> None:
    frame = df_zone_counts(pfn_ranges([0x10, 0xA0, 0x2000, 0x2001, 0xFB1665]), layout)
    assert frame[["zone", "pages"]].to_numpy().tolist() == [["DMA", 2], ["DMA32", 2], ["unknown", 1]]
    assert frame["not_ram"].tolist()[:2] == [1, 0]
    assert frame.attrs["basis"] == "observed"


def test_without_files_the_rules_say_it_and_nothing_is_known_of_holes() -> None:
    layout = memory_layout()
    assert layout.basis is Basis.INFERRED
    frame = df_zone_counts(pfn_ranges([0, 0x1000, 0xFB1665]), layout)
    assert frame["pages"].tolist() == [1, 1, 1]
    assert frame["not_ram"].isna().all()
    assert layout.holes(0, 10) == ()


def test_an_architecture_without_rules_says_so() -> None:
    layout = memory_layout(arch="arm64")
    assert layout.spans == ()
    assert "no fixed zone boundaries" in layout.source
    assert df_zone_counts(pfn_ranges([1]), layout)["zone"].tolist() == ["unknown"]


def test_hidden_addresses_count_as_nothing_said() -> None:
    hidden = parse_iomem("00000000-00000000 : System RAM\n00000000-00000000 : Reserved\n")
    assert memory_layout(iomem=hidden).ram is None


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 20)), max_size=8), st.integers(0, 120), st.integers(0, 120)
)
def test_holes_are_just_what_is_no_ram(blocks: list[tuple[int, int]], one: int, other: int) -> None:
    first, last = sorted((one, other))
    ram = pfn_ranges([a for a, _ in blocks], last=[a + n for a, n in blocks])
    runs = tuple(PfnRun(int(a), int(b)) for a, b in zip(ram.first, ram.last, strict=True))
    holes = MemoryLayout((), runs, Basis.OBSERVED, "").holes(first, last)
    inside = {p for run in runs for p in range(run.first, run.last + 1)}
    assert {p for h in holes for p in range(h.first, h.last + 1)} == set(range(first, last + 1)) - inside


def test_the_last_zone_reaches_to_the_last_pfn() -> None:
    assert memory_layout().spans[-1].last == LARGEST_PFN
