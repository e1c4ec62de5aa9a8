"""Strips: exact while they can be, merged as little as needed, never a page lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.charts.pfn_strip import MOST_SEGMENTS, EmptyStrip, df_pfn_strip, plot_pfn_strip
from kvmlab.inquiry.pfn_ranges import pfn_ranges
from tests.charts.figures import check_figure
from tests.charts.sample import HOSTILE
from tests.charts.test_pfn_map import storm

PFNS = st.lists(st.integers(0, 5000), max_size=60)


@settings(deadline=None, max_examples=80)
@given(PFNS, st.lists(st.integers(0, 5000), min_size=1, max_size=60), st.integers(2, 40))
def test_no_page_is_lost_however_few_segments_are_allowed(one: list[int], other: list[int], segments: int) -> None:
    frame = df_pfn_strip({"a": pfn_ranges(one), "b": pfn_ranges(other)}, segments=segments)
    assert len(frame) <= segments
    for lane, pfns in (("a", set(one)), ("b", set(other))):
        part = frame[frame["lane"] == lane]
        assert part["pages"].sum() == len(pfns)
        for row in part.itertuples():
            held = {p for p in pfns if row.first <= p <= row.last}
            assert len(held) == row.pages
            assert {row.first, row.last} <= held, "a segment ends where its pages end"
            assert row.whole == (row.pages == row.last - row.first + 1)


def test_few_runs_are_drawn_exactly() -> None:
    frame = df_pfn_strip({"a": pfn_ranges([3, 4, 9])})
    assert frame[["first", "last"]].to_numpy().tolist() == [[3, 4], [9, 9]]
    assert frame.attrs["cell_order"] == -1
    told = check_figure(plot_pfn_strip(frame))
    assert told["layout"]["title"]["text"] == "3 pages in pfn 0x3 to 0x9 (28 KiB)"


def test_a_storm_is_merged_below_the_limit_and_says_so() -> None:
    frame = df_pfn_strip({"all": storm(10_000_000, 1 << 26)})
    assert MOST_SEGMENTS // 8 < len(frame) <= MOST_SEGMENTS
    told = check_figure(plot_pfn_strip(frame))
    assert "are drawn as one" in told["layout"]["meta"]["caption"]


def test_a_stretch_and_hostile_names() -> None:
    sets = {HOSTILE: pfn_ranges(range(100)), "none": pfn_ranges([5000])}
    frame = df_pfn_strip(sets, first=10, last=19)
    assert frame["pages"].tolist() == [10]
    check_figure(plot_pfn_strip(frame))


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(EmptyStrip, match="there is no pfn"):
        df_pfn_strip({"a": pfn_ranges([])})
    with pytest.raises(EmptyStrip, match="between 0x1 and 0x2"):
        df_pfn_strip({"a": pfn_ranges([7])}, first=1, last=2)
