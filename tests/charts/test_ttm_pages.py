"""Pages of buffers as heads and tails, page by page and many in a cell."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.charts.ttm_pages import MOST_CELLS, NoPages, df_ttm_pages, plot_ttm_pages
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmPool
from tests.charts.figures import check_figure
from tests.charts.sample import HOSTILE

BUFFER = TtmPool(Buddy.fresh("64MiB", engine="python")).alloc(2025)


@st.composite
def blocks(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    orders = draw(st.lists(st.integers(0, 10), min_size=1, max_size=30))
    return tuple((draw(st.integers(0, 1 << 30)) << order, order) for order in orders)


@settings(deadline=None, max_examples=50)
@given(blocks())
def test_every_page_and_every_head_is_counted(vector: tuple[tuple[int, int], ...]) -> None:
    frame = df_ttm_pages({"a": vector})
    pages = [(pfn + i, order, i == 0) for pfn, order in vector for i in range(1 << order)]
    assert len(frame) <= MOST_CELLS
    assert frame["pages"].sum() == len(pages)
    assert frame["heads"].sum() == len(vector)
    for row in frame.itertuples():
        assert (row.pfn, row.order) == pages[row.page][:2]
        assert row.heads == sum(head for _, _, head in pages[row.page : row.page + row.pages])


def test_the_picture_of_one_buffer() -> None:
    frame = df_ttm_pages({"fresh": BUFFER}, source="the model", kernel="6.12")
    assert frame["pfn"].tolist() == BUFFER.page_pfns().tolist()
    assert (frame["heads"] == 0).tolist() == BUFFER.is_tail().tolist()
    told = check_figure(plot_ttm_pages(frame))
    assert told["layout"]["title"]["text"] == "fresh: 2,017 of 2,025 pages are tails (99.60 %)"
    assert told["data"][0]["text"][0][0] == f"{int(BUFFER.pfn[0]):#x}, head"
    assert len(told["data"]) == 1


def test_buffers_side_by_side_and_many_pages() -> None:
    whole, broken = tuple((i << 10, 10) for i in range(20)), tuple((2 * i, 0) for i in range(20 << 10))
    frame = df_ttm_pages({"whole": whole, HOSTILE: broken})
    assert frame.attrs["cell_order"] == 2
    picture = plot_ttm_pages(frame)
    told = check_figure(picture)
    assert told["layout"]["title"]["text"] == "From 0.00 % to 99.90 % of the pages are tails"
    assert len(json.dumps(told)) < 500_000
    assert plot_ttm_pages(df_ttm_pages({"a": whole, "b": whole})).layout.title.text == (
        "99.90 % of the pages of each are tails"
    )


@pytest.mark.parametrize("sets", [{}, {"a": ()}, dict.fromkeys("abcd", ((0, 0),))])
def test_nothing_or_too_much_is_refused(sets: dict[str, tuple[tuple[int, int], ...]]) -> None:
    with pytest.raises(NoPages, match="from 1 to 3 buffers"):
        df_ttm_pages(sets)
