"""Buffers by pfn: every page where it lies, heads and tails, pooled blocks, memory far apart."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.charts.ttm_strip import MOST_ROWS, NoStrip, df_ttm_strip, plot_ttm_strip
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmPool
from tests.charts.figures import check_figure
from tests.charts.sample import HOSTILE


@st.composite
def blocks(draw: st.DrawFn) -> tuple[tuple[int, int], ...]:
    places = draw(st.lists(st.integers(0, 1 << 24), min_size=1, max_size=20, unique=True))
    return tuple((place << 10, draw(st.integers(0, 10))) for place in places)


@settings(deadline=None, max_examples=40)
@given(blocks(), blocks())
def test_every_page_stands_once_at_its_pfn(
    mine: tuple[tuple[int, int], ...], other: tuple[tuple[int, int], ...]
) -> None:
    frame = df_ttm_strip({"a": mine}, pooled={"a": other})
    cell = 1 << frame.attrs["cell_order"]
    assert frame["pages"].sum() == sum(1 << order for _, order in mine)
    assert frame["heads"].sum() == len(mine)
    assert frame["pooled"].sum() == sum(1 << order for _, order in other)
    assert frame["pfn"].is_unique
    assert frame["pfn"].dtype == "uint64"
    assert (frame["pfn"] % cell == 0).all()
    assert (frame["pfn"] // (256 * cell)).nunique() <= MOST_ROWS
    heads = {pfn // cell * cell for pfn, _ in mine}
    assert set(frame.loc[frame["heads"] > 0, "pfn"]) == heads


def test_the_picture_of_one_buffer_and_its_pool() -> None:
    pool = TtmPool(Buddy.fresh("64MiB", engine="python"))
    pool.free(pool.alloc(64, "wc"))
    buffer = pool.alloc(300)
    frame = df_ttm_strip({"6.12": buffer}, pooled={"6.12": pool.pooled_blocks()}, source="the model", kernel="6.12")
    told = check_figure(plot_ttm_strip(frame))
    assert told["layout"]["title"]["text"] == "6.12: 300 pages in 4 blocks and 3 runs of pfns, 98.67 % tails"
    trace = told["data"][0]
    cells = {
        text: shade
        for row, line in zip(trace["text"], _rows(plot_ttm_strip(frame)), strict=True)
        for text, shade in zip(row, line, strict=True)
    }
    first = int(buffer.pfn[0])
    assert cells[f"{first:#x}: head, order 8"] == 0
    assert cells[f"{first + 1:#x}: tail, order 8"] == 8
    assert cells[f"{pool.pooled_blocks()[0][0]:#x}: in a pool"] == 11


def _rows(picture: object) -> list[list[float]]:
    rows: list[list[float]] = picture.data[0].z.tolist()  # type: ignore[attr-defined]
    return rows


def test_two_buffers_and_hostile_names() -> None:
    same = ((0x100000, 10), (0x100400, 3))
    told = check_figure(plot_ttm_strip(df_ttm_strip({"6.12": same, HOSTILE: same})))
    assert told["layout"]["title"]["text"] == "Both buffers have the same frames"
    other = ((0x100000, 9), (0x200000, 9))
    told = check_figure(plot_ttm_strip(df_ttm_strip({"6.12": same, "7.3": other})))
    assert told["layout"]["title"]["text"] == "The buffers share 512 of 1,032 frames"


@pytest.mark.parametrize("sets", [{}, {"a": ()}, dict.fromkeys("abc", ((0, 0),))])
def test_what_cannot_be_drawn(sets: dict[str, tuple[tuple[int, int], ...]]) -> None:
    with pytest.raises(NoStrip, match="from 1 to 2"):
        df_ttm_strip(sets)
