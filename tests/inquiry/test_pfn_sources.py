"""Pfns from logs, captures and the model: the same runs whoever names them."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.capture import read_capture
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.pfn_adjacency import _of_arrays, adjacency
from kvmlab.inquiry.pfn_ranges import PfnRanges, pfn_ranges
from kvmlab.inquiry.pfn_runs import PfnError
from kvmlab.inquiry.pfn_sources import named_at, pfns_of_capture, pfns_of_log
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmPool
from kvmlab.report.log import read_log

PAGES = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=60)
TRACE = b""" x-1 [000] 1.000000: mm_page_alloc: page=0x1 pfn=0x80 order=3 migratetype=0 gfp_flags=GFP_KERNEL
 x-1 [000] 1.000001: mm_page_alloc: page=(null) pfn=0x0 order=9 migratetype=0 gfp_flags=GFP_KERNEL
 x-1 [000] 1.000002: kvm_mmu_spte_requested: gfn 100 pfn 3975c level 1
"""


@pytest.fixture
def captures(root: Path) -> Path:
    return root / "data" / "captures" / "6.12.117+deb12-amd64"


def test_one_allocation_is_the_same_in_every_file(captures: Path) -> None:
    folder = captures / "fragmented" / "frag" / "stride2" / "n8100_caching2"
    listed = pfns_of_capture(read_capture(folder / "blocks.txt.gz"))
    traced = pfns_of_capture(read_capture(folder / "ftrace_kmem.txt.gz"), only="mm_page_alloc")
    assert (listed.kind, traced.kind) == ("ttm_run", "trace")
    assert listed.ranges.pages == 8100
    # The trace holds what else was allocated meanwhile; every page of the buffer is in it.
    assert sum(traced.ranges.count_in(list(zip(listed.ranges.first, listed.ranges.last, strict=True)))) == 8100
    free = pfns_of_capture(read_capture(folder / "free_lists.txt.gz"))
    assert sum(free.ranges.count_in(list(zip(listed.ranges.first, listed.ranges.last, strict=True)))) == 8100


def test_free_pages_by_flag_are_those_of_the_free_lists(captures: Path) -> None:
    folder = captures / "fragmented" / "frag" / "stride2" / "n8100_caching2"
    flags = read_capture(folder / "kpageflags.bin.gz")
    everything, buddy = pfns_of_capture(flags), pfns_of_capture(flags, only="BUDDY")
    assert everything.said == "page frames that exist"
    assert 0 < buddy.ranges.pages < everything.ranges.pages
    assert everything.lines.empty


def test_owners_and_the_lines_that_name_them(root: Path) -> None:
    file = read_capture(root / "data" / "captures" / "6.12.117-klab" / "page-owner" / "base" / "page_owner_head.txt.gz")
    told = pfns_of_capture(file)
    first = int(told.ranges.first[0])
    row = named_at(told.lines, first, first).iloc[0]
    assert file.value.records[told.lines.index[told.lines["line"] == row["line"]][0]].pfn == row["pfn"] == first
    some = pfns_of_capture(file, only="__folio_alloc_noprof")
    assert 0 < some.ranges.pages <= told.ranges.pages
    with pytest.raises(UnusableInput, match="no block was allocated through 'nobody'"):
        pfns_of_capture(file, only="nobody")


def test_a_failed_allocation_names_no_page() -> None:
    trace = read_capture(TRACE)
    assert pfns_of_capture(trace).ranges.first.tolist() == [0x80, 0x3975C]
    assert pfns_of_capture(trace, only="kvmmmu").ranges.pages == 1
    with pytest.raises(UnusableInput, match="no event of page_ref names a pfn; its events are mm_page_alloc"):
        pfns_of_capture(trace, only="page_ref")


@pytest.mark.parametrize(
    ("data", "only", "message"),
    [
        (b"Node 0, zone   Normal    188    420 \n", None, "names no pfn; captures that do are kpageflags"),
        (struct.pack("<4Q", 1 << 33, 1 << 10, 0, 0), "frobbed", "there is no page flag 'frobbed'"),
        (struct.pack("<2Q", 7, 0), "buddy", "of which no part can be chosen"),
        (struct.pack("<2Q", 1 << 63, 1 << 63), None, "read the pagemap as root"),
    ],
)
def test_what_names_no_pfn_is_refused_with_a_sentence(data: bytes, only: str | None, message: str) -> None:
    with pytest.raises(UnusableInput, match=message):
        pfns_of_capture(read_capture(data), only=only)


@pytest.mark.parametrize(("pfn", "order"), [(b"0x80", b"200"), (b"0xffffffffffffffff", b"3"), (b"0x80", b"-5")])
def test_a_block_that_no_memory_holds_is_refused(pfn: bytes, order: bytes) -> None:
    line = b" x-1 [000] 1.000000: mm_page_alloc: page=0x1 pfn=%s order=%s migratetype=0 gfp_flags=GFP_KERNEL\n"
    with pytest.raises(PfnError, match="a pfn is at most 0xfffffffffffff"):
        pfns_of_capture(read_capture(line % (pfn, order)))


def test_a_pagemap_tells_neighbours_in_hva_and_pfn() -> None:
    present = 1 << 63
    words = [present | pfn for pfn in (9, 10, 8)] + [0, present | 11]
    told = pfns_of_capture(read_capture(struct.pack("<5Q", *words)))
    assert told.near == adjacency([9, 10, 8, 11], [0, 1, 2, 4])
    assert (told.ranges.pages, len(told.ranges)) == (4, 1)


def test_a_log_and_the_model(root: Path) -> None:
    log = read_log(root / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt")
    told = pfns_of_log(log, source="case")
    assert told.ranges.first.tolist() == [0xFB1665]
    assert told.lines["what"].tolist()[0].startswith("report 1: BUG: Bad page state")
    buffer = TtmPool(Buddy.fresh("64MiB", engine="python")).alloc(2025)
    simulated = PfnRanges.of_blocks(buffer.pfn, buffer.order, source="model")
    assert simulated.pages == 2025
    assert np.array_equal(simulated.first, pfn_ranges(buffer.page_pfns()).first)


@settings(deadline=None)
@given(PAGES)
def test_many_neighbours_are_counted_as_few_are(pages: list[tuple[int, int]]) -> None:
    pfns, hvas = [p for p, _ in pages], [h for _, h in pages]
    assert _of_arrays(pfns, hvas) == adjacency(pfns, hvas)
