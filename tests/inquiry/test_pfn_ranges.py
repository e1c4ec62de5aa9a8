"""Runs of pfns: the vectorised form against a naive twin, and the figures that a person can check."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.inquiry.pfn_ranges import pfn_ranges
from kvmlab.inquiry.pfn_runs import LARGEST_PFN, PfnError, PfnRun, pfn_runs

TIGHT = st.lists(st.integers(1 << 40, (1 << 40) + 300), min_size=20, max_size=200)
NEAR = st.lists(st.integers(0, 60), max_size=60)
FAR = st.lists(st.integers(0, LARGEST_PFN), max_size=20)
BLOCKS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=20)


@settings(deadline=None)
@given(st.one_of(NEAR, FAR, TIGHT))
def test_the_fast_runs_are_the_naive_runs(pfns: list[int]) -> None:
    ranges = pfn_ranges(pfns)
    runs = [PfnRun(int(a), int(b)) for a, b in zip(ranges.first, ranges.last, strict=True)]
    assert tuple(runs) == pfn_runs(pfns)
    assert ranges.given == len(pfns)
    assert ranges.pages == len(set(pfns))
    assert [run.largest_order() for run in runs] == ranges.df_runs()["largest_order"].tolist()


@settings(deadline=None)
@given(BLOCKS)
def test_blocks_give_the_runs_of_their_pages(blocks: list[tuple[int, int]]) -> None:
    first = [a for a, _ in blocks]
    last = [a + n for a, n in blocks]
    ranges = pfn_ranges(first, last=last)
    pages = [p for a, b in zip(first, last, strict=True) for p in range(a, b + 1)]
    assert ranges.pages == len(set(pages))
    assert ranges.given == len(pages)
    assert [(int(a), int(b)) for a, b in zip(ranges.first, ranges.last, strict=True)] == [
        (run.first, run.last) for run in pfn_runs(pages)
    ]


@settings(deadline=None)
@given(NEAR, st.lists(st.integers(0, 70), max_size=10))
def test_the_count_below_an_edge_is_the_naive_count(pfns: list[int], edges: list[int]) -> None:
    counts = pfn_ranges(pfns).below(np.array(edges, np.uint64))
    assert counts.tolist() == [len({p for p in pfns if p < edge}) for edge in edges]


@given(NEAR, st.integers(0, 70), st.integers(0, 70))
def test_a_part_holds_just_the_pages_between(pfns: list[int], one: int, other: int) -> None:
    first, last = sorted((one, other))
    part = pfn_ranges(pfns).between(first, last)
    assert part.pages == len({p for p in pfns if first <= p <= last})


@settings(deadline=None)
@given(NEAR, st.integers(0, 6))
def test_blocks_of_any_order_hold_all_pages_once(pfns: list[int], order: int) -> None:
    frame = pfn_ranges(pfns).df_pageblocks(order=order)
    naive: dict[int, int] = {}
    for pfn in set(pfns):
        naive[pfn >> order << order] = naive.get(pfn >> order << order, 0) + 1
    assert dict(zip(frame["pfn"].tolist(), frame["pages"].tolist(), strict=True)) == naive
    assert all(frame["share"] == frame["pages"] / (1 << order))


@given(st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 10))
def test_the_largest_order_is_the_largest(first: int, length: int, most: int) -> None:
    run = PfnRun(first, first + length)
    fits = [
        k
        for k in range(most + 1)
        if any(s + (1 << k) - 1 <= run.last for s in range(-(-first >> k) << k, run.last + 1, 1 << k))
    ]
    assert run.largest_order(most) == max(fits)


def test_gaps_and_alignment_are_what_they_say() -> None:
    frame = pfn_ranges([0x200, 0x201, 0x240, 0x3FF]).df_runs()
    assert frame["gap"].tolist() == [0, 0x3E, 0x1BE]
    assert frame["alignment"].tolist() == [9, 6, 0]
    assert frame["largest_order"].tolist() == [1, 0, 0]
    assert {str(frame[c].dtype) for c in ("first", "last", "pages", "gap")} == {"uint64"}


def test_a_pfn_finds_its_run() -> None:
    ranges = pfn_ranges([3, 4, 9])
    assert ranges.run_of(4) == PfnRun(3, 4)
    assert ranges.run_of(5) is None
    assert ranges.run_of(2) is None
    assert ranges.span == PfnRun(3, 9)
    assert pfn_ranges([]).span is None
    assert pfn_ranges([]).df_runs().empty
    assert pfn_ranges([]).df_pageblocks().empty


@pytest.mark.parametrize("bad", [[-1], [1 << 52], [1.5], ["0x1"], [[1, 2]], [None]])
def test_what_is_no_pfn_is_refused(bad: list[object]) -> None:
    with pytest.raises(PfnError):
        pfn_ranges(bad)


def test_a_block_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(PfnError, match="may not lie before the first"):
        pfn_ranges([5], last=[4])


def test_a_question_for_too_many_rows_is_refused() -> None:
    whole = pfn_ranges([0], last=[LARGEST_PFN])
    with pytest.raises(PfnError, match="ask with a larger order"):
        whole.df_pageblocks()
    assert whole.pages == LARGEST_PFN + 1


def test_ten_million_pfns() -> None:
    pfns = np.random.default_rng(7).integers(0, 1 << 26, 10_000_000, dtype=np.uint64)
    ranges = pfn_ranges(pfns)
    assert ranges.given == 10_000_000
    marked = np.zeros(1 << 26, bool)
    marked[pfns] = True
    assert ranges.pages == int(marked.sum())
