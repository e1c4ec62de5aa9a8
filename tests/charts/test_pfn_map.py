"""The two-dimensional map: every page counted once, single pages seen, and never too much sent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.charts.pfn_map import MOST_CELLS, EmptyMap, df_pfn_map, plot_pfn_map
from kvmlab.charts.pfn_names import names_in
from kvmlab.charts.pfn_strip import df_pfn_strip, plot_pfn_strip
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.pfn_ranges import PfnRanges, pfn_ranges
from kvmlab.inquiry.pfn_runs import PfnRun
from kvmlab.inquiry.pfn_sources import pfns_of_log
from kvmlab.inquiry.pfn_zones import MemoryLayout, ZoneSpan
from kvmlab.report.log import read_log
from tests.charts.figures import check_figure

PFNS = st.lists(st.integers(0, (1 << 40) - 1), min_size=1, max_size=30)


def storm(pages: int, span: int, mean: int = 300) -> PfnRanges:
    """Runs like those of a large capture: geometric lengths, anywhere in the span."""
    random = np.random.default_rng(11)
    first = np.sort(random.integers(0, span, pages // mean))
    return pfn_ranges(first, last=first + random.geometric(1 / mean, len(first)) - 1, source="made up", kernel="6.12.1")


@settings(deadline=None, max_examples=60)
@given(PFNS, st.sampled_from([256, 4096, MOST_CELLS]))
def test_every_page_is_in_exactly_one_cell(pfns: list[int], cells: int) -> None:
    frame = df_pfn_map(pfn_ranges(pfns), cells=cells)
    assert len(frame) <= cells
    assert frame["pages"].sum() == len(set(pfns))
    order, row_order = frame.attrs["cell_order"], frame.attrs["row_order"]
    assert frame["pfn"].iloc[0] % (1 << row_order) == 0, "rows begin at round pfns"
    for pfn in pfns:
        row = frame[frame["pfn"] == pfn >> order << order]
        assert int(row["pages"].iloc[0]) >= 1


@settings(deadline=None, max_examples=25)
@given(PFNS)
def test_a_single_page_is_never_drawn_as_empty(pfns: list[int]) -> None:
    frame = df_pfn_map(pfn_ranges(pfns))
    shade = np.asarray(plot_pfn_map(frame).data[0].z).ravel()
    assert ((shade >= 8) == (frame["pages"] > 0)).all()


def test_holes_are_grey_and_zones_are_those_of_the_machine() -> None:
    spans = (ZoneSpan("DMA", 0, 1, 0xFFF), ZoneSpan("Movable", 0, 0x1000, 0x3FFF))
    ram = (PfnRun(0x100, 0x17FF), PfnRun(0x2000, 0x3FFF))
    layout = MemoryLayout(spans, ram, Basis.OBSERVED, "as the machine says")
    frame = df_pfn_map(pfn_ranges([0x20, 0x3FFF]), cells=4096, layout=layout)
    shade = np.asarray(plot_pfn_map(frame).data[0].z).ravel()
    of = dict(zip(frame["pfn"].tolist(), shade.tolist(), strict=True))
    assert of[0x0] == 2, "no RAM, no page"
    assert of[0x20] >= 8, "a page is seen even where there should be no RAM"
    assert of[0x400] == 0
    assert of[0x1C00] == 2
    told = check_figure(plot_pfn_map(frame))
    assert "grey where there is no RAM. Zones as the machine says" in told["layout"]["meta"]["caption"]
    assert "Movable begins (0x1000)" in [a["text"] for a in told["layout"]["annotations"]]


def test_levels_of_detail_reach_single_pages() -> None:
    ranges = storm(1_000_000, 1 << 24)
    whole = df_pfn_map(ranges)
    block = df_pfn_map(ranges, first=0x200000, last=0x20FFFF, cells=MOST_CELLS)
    assert whole.attrs["cell_order"] >= 8
    assert block.attrs["cell_order"] == 0
    assert block["pages"].max() == 1
    assert block["pages"].sum() == ranges.between(0x200000, 0x20FFFF).pages


def test_the_picture_keeps_the_rules_and_names_zone_and_level() -> None:
    told = check_figure(plot_pfn_map(df_pfn_map(storm(1_000_000, 1 << 24))))
    texts = [a["text"] for a in told["layout"]["annotations"]]
    assert "Normal begins (0x100000)" in texts
    assert "kernel: 6.12.1" in told["layout"]["meta"]["caption"]
    assert told["layout"]["yaxis"]["tickformat"] == "#x"
    pages = check_figure(plot_pfn_map(df_pfn_map(pfn_ranges([0xFB1665, 0xFB1667]))))
    assert "A cell is 1 page (4 KiB)" in pages["layout"]["meta"]["caption"]


def test_ten_million_pfns_make_a_small_picture() -> None:
    picture = plot_pfn_map(df_pfn_map(storm(10_000_000, 1 << 26)))
    html = picture.to_html(include_plotlyjs=False, full_html=False)
    assert len(html) < 500_000
    assert len(picture.data) == 1


def test_an_empty_map_is_refused_with_a_sentence() -> None:
    with pytest.raises(EmptyMap, match="there is no pfn"):
        df_pfn_map(pfn_ranges([]))
    with pytest.raises(EmptyMap, match="between 0x10 and 0x20"):
        df_pfn_map(pfn_ranges([5]), first=0x10, last=0x20)


SPANS = st.lists(st.tuples(st.integers(0, 500), st.integers(1, 40), st.integers(1, 99)), min_size=1, max_size=30)


@given(SPANS, st.lists(st.tuples(st.integers(1, 40), st.integers(1, 20)), max_size=20))
def test_names_are_those_of_the_naive_search(spans: list[tuple[int, int, int]], cuts: list[tuple[int, int]]) -> None:
    lines = pd.DataFrame([(a, a + n - 1, line, "x") for a, n, line in spans], columns=["pfn", "last", "line", "what"])
    lines = lines.astype({"pfn": "uint64", "last": "uint64"})
    starts, at = [], 0
    for gap, pages in cuts:
        starts.append((at + gap, at + gap + pages - 1))
        at += gap + pages
    first, last = (np.array([s[i] for s in starts], np.uint64) for i in (0, 1))
    counts, lowest = names_in(first, last, lines)
    for (low, high), n, line in zip(starts, counts, lowest, strict=True):
        found = [at for a, pages, at in spans if a <= high and a + pages - 1 >= low]
        assert (n, line) == (len(found), min(found, default=-1))


def test_a_cell_leads_to_the_first_line_that_names_it() -> None:
    log = read_log(b"".join(b"[    %d.000000] BUG: Bad page state in process x  pfn:00080\n" % n for n in (1, 2, 3)))
    told = pfns_of_log(log)
    shown = check_figure(plot_pfn_map(df_pfn_map(told.ranges, lines=told.lines)))
    assert {text for row in shown["data"][0]["text"] for text in row if text} == {
        "named 3 times, first in line 1 of the source"
    }
    strip = check_figure(plot_pfn_strip(df_pfn_strip({"log": told.ranges}, lines={"log": told.lines})))
    assert "first in line 1 of the source" in strip["data"][0]["hovertext"][0]
