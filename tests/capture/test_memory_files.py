"""buddyinfo, pagetypeinfo, zoneinfo and iomem: samples, lab files and damage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.capture.buddyinfo import parse_buddyinfo
from kvmlab.capture.iomem import PfnRange, parse_iomem
from kvmlab.capture.pagetypeinfo import parse_pagetypeinfo
from kvmlab.capture.zoneinfo import parse_zoneinfo

LAB = ("6.12.117+deb12-amd64", "6.12.117-klab", "7.3.4+deb13-amd64")


def sample(shared: Path, name: str) -> bytes:
    path = shared / "corpora" / "captures" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the research folder")
    return path.read_bytes()


@pytest.mark.parametrize("release", LAB)
def test_lab_buddyinfo_agrees_with_the_free_pages_of_zoneinfo(shared: Path, release: str) -> None:
    base = shared / "captures" / release / "base"
    buddy = parse_buddyinfo((base / "buddyinfo.txt").read_bytes())
    zones = parse_zoneinfo((base / "zoneinfo.txt").read_bytes())
    assert not buddy.malformed
    assert not zones.malformed
    for row in buddy.rows:
        zone = zones.zone(row.zone)
        assert zone is not None
        # The files were copied one after the other on a live machine.
        assert abs(row.free_pages - zone.pages["free"]) < 8192
        assert zone.pages["managed"] <= zone.pages["present"] <= zone.pages["spanned"]


@pytest.mark.parametrize("release", LAB)
def test_lab_pagetypeinfo_sums_to_buddyinfo(shared: Path, release: str) -> None:
    base = shared / "captures" / release / "end"
    if not base.is_dir():
        base = shared / "captures" / release / "base"
    types = parse_pagetypeinfo((base / "pagetypeinfo.txt").read_bytes())
    buddy = parse_buddyinfo((base / "buddyinfo.txt").read_bytes())
    assert types.pageblock_order == 9
    assert types.pages_per_block == 512
    for row in buddy.rows:
        total = sum(sum(n << o for o, n in enumerate(f.nr_free)) for f in types.free if f.zone == row.zone)
        assert abs(total - row.free_pages) < 1024
    frame = types.df_pageblocks()
    assert set(frame["kind"]) <= {"blocks", "mixed"}


def test_pagetypeinfo_keeps_the_cap_of_a_counter() -> None:
    text = "Node    0, zone   Normal, type    Movable >100000  83386      0 \n"
    row = parse_pagetypeinfo(text).free[0]
    assert row.nr_free == (100000, 83386, 0)
    assert row.capped == (True, False, False)


def test_pagetypeinfo_of_two_nodes_repeats_its_header(shared: Path) -> None:
    info = parse_pagetypeinfo(sample(shared, "051-pagetypeinfo-two-nodes.txt"))
    assert not info.malformed
    assert {(b.node, b.zone) for b in info.blocks} == {(0, "DMA"), (0, "DMA32"), (0, "Normal"), (1, "Normal")}
    normal = next(b for b in info.blocks if b.node == 1)
    assert dict(normal.counts)["Movable"] == 6086
    assert len(info.free) == 18


def test_pagetypeinfo_with_a_broken_charset_is_refused_line_by_line(shared: Path) -> None:
    info = parse_pagetypeinfo(sample(shared, "053-pagetypeinfo-mangled.txt"))
    assert not info.free
    assert len(info.malformed) == 6


def test_buddyinfo_samples(shared: Path) -> None:
    one = parse_buddyinfo(sample(shared, "040-buddyinfo-pcp-001.txt"))
    assert next(r for r in one.rows if r.zone == "Normal").nr_free[10] == 1
    two = parse_buddyinfo(sample(shared, "042-buddyinfo-insights-2nodes.txt"))
    assert {r.node for r in two.rows} == {0, 1}
    assert not two.malformed


@pytest.mark.parametrize(
    ("name", "zones", "start"),
    [
        ("044-zoneinfo-pcp-001.txt", 3, 1048576),
        ("046-zoneinfo-pcp-004.txt", 3, 1048576),
        ("047-zoneinfo-pcp-005.txt", 5, None),
        ("049-zoneinfo-pcp-007.txt", 10, None),
        ("050-zoneinfo-procfs.txt", 5, None),
    ],
)
def test_zoneinfo_samples(shared: Path, name: str, zones: int, start: int | None) -> None:
    info = parse_zoneinfo(sample(shared, name))
    assert len(info.zones) == zones
    assert not info.malformed
    if start is not None:
        assert info.zones[-1].start_pfn == start
    assert all(z.pagesets for z in info.zones if z.pages.get("present"))
    assert len(info.df_zones()) == zones


def test_zoneinfo_keeps_node_counters_apart_from_zone_counters(shared: Path) -> None:
    info = parse_zoneinfo((shared / "captures" / LAB[2] / "base" / "zoneinfo.txt").read_bytes())
    first = info.zones[0]
    assert "nr_gpu_active" in first.per_node
    assert "nr_free_pages_blocks" in first.counters
    assert first.counters["start_pfn"] == 1 if "start_pfn" in first.counters else first.start_pfn == 1
    assert first.pagesets[0].values["high_min"] == 113
    assert first.protection == (0, 924, 924, 924, 924)


def test_iomem_ram_is_whole_frames_only(shared: Path) -> None:
    iomem = parse_iomem((shared / "captures" / LAB[0] / "base" / "iomem.txt").read_bytes())
    assert not iomem.malformed
    assert iomem.ram() == (PfnRange(1, 0x9E), PfnRange(0x100, 0x3FFDC))
    assert max(r.depth for r in iomem.resources) >= 1


def test_iomem_says_when_addresses_are_hidden() -> None:
    iomem = parse_iomem("00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n")
    assert iomem.hidden
    assert iomem.ram() == ()


@given(
    st.lists(
        st.tuples(
            st.integers(0, 7),
            st.sampled_from(["DMA", "DMA32", "Normal", "Movable"]),
            st.lists(st.integers(0, 10**9), min_size=11, max_size=11),
        ),
        max_size=6,
    )
)
def test_buddyinfo_reads_back_what_the_kernel_would_print(rows: list[tuple[int, str, list[int]]]) -> None:
    text = "".join(
        f"Node {node}, zone {zone:>8} " + "".join(f"{n:6d} " for n in counts) + "\n" for node, zone, counts in rows
    )
    info = parse_buddyinfo(text)
    assert not info.malformed
    assert [(r.node, r.zone, list(r.nr_free)) for r in info.rows] == rows


@pytest.mark.parametrize("parse", [parse_buddyinfo, parse_pagetypeinfo, parse_zoneinfo, parse_iomem])
@given(data=st.binary(max_size=300) | st.text(max_size=300))
def test_nothing_makes_a_reader_raise(parse, data: bytes | str) -> None:  # type: ignore[no-untyped-def]
    parse(data)


@pytest.mark.parametrize("parse", [parse_buddyinfo, parse_pagetypeinfo, parse_zoneinfo, parse_iomem])
@pytest.mark.parametrize(
    "line",
    [
        "Node 0, zone Normal " + "9" * 5000,
        "Node 0, zone Normal" + " 1" * 5000,
        "Node 0, zone Normal, type Movable " + ">" * 5000,
        "0" * 100000 + "-" + "f" * 100000 + " : System RAM",
        " " * 200000 + "x",
        "pages free " + "9" * 30,
    ],
)
def test_hostile_lines_are_kept_as_malformed(parse, line: str) -> None:  # type: ignore[no-untyped-def]
    result = parse(line + "\n")
    assert len(result.malformed) == 1
    assert result.malformed[0].line == 1
    assert result.malformed[0].text == line
