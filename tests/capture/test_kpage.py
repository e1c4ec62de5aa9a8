"""kpageflags and kpagecount: runs, free blocks and the bit names, against naive twins and the lab's own counters."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.capture.buddyinfo import parse_buddyinfo
from kvmlab.capture.kpage import PageWords, find_runs, free_blocks, page_words, read_page_words
from kvmlab.errors import UnknownRelease, UnusableInput
from kvmlab.kernel import kpf


def naive_runs(words: list[int], mask: int) -> list[tuple[int, int, int]]:
    runs: list[tuple[int, int, int]] = []
    for i, word in enumerate(words):
        if runs and runs[-1][2] == word & mask:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, word & mask)
        else:
            runs.append((i, 1, word & mask))
    return runs


def naive_free_blocks(words: list[int], max_order: int) -> list[tuple[int, int]]:
    blocks = []
    for first, pages, value in naive_runs(words, kpf.BUDDY):
        pfn, stop = first, first + pages
        while value and pfn < stop:
            order = max_order
            while pfn % (1 << order) or pfn + (1 << order) > stop:
                order -= 1
            blocks.append((pfn, order))
            pfn += 1 << order
    return blocks


@given(st.lists(st.sampled_from([0, 1 << 10, 1 << 63, (1 << 10) | 4]), max_size=400), st.integers(0, 1 << 40))
def test_runs_agree_with_the_naive_twin(words: list[int], first_pfn: int) -> None:
    runs = find_runs(np.array(words, dtype=np.uint64), first_pfn, mask=(1 << 63) | (1 << 10))
    got = list(zip(runs.first.tolist(), runs.pages.tolist(), runs.value.tolist(), strict=True))
    assert got == [(a + first_pfn, n, v) for a, n, v in naive_runs(words, (1 << 63) | (1 << 10))]


@given(st.lists(st.booleans(), max_size=300), st.integers(0, 10))
def test_free_blocks_agree_with_the_naive_twin(free: list[bool], max_order: int) -> None:
    words = [kpf.BUDDY if f else 0 for f in free]
    pfns, orders = free_blocks(PageWords(np.array(words, dtype=np.uint64)), max_order)
    assert list(zip(pfns.tolist(), orders.tolist(), strict=True)) == naive_free_blocks(words, max_order)


def test_runs_across_chunks_are_one_run() -> None:
    words = np.zeros((1 << 19) * 2 + 5, dtype=np.uint64)
    words[3 : (1 << 19) + 7] = 4
    runs = find_runs(words)
    assert runs.first.tolist() == [0, 3, (1 << 19) + 7]
    assert runs.pages.sum() == len(words)


def test_free_blocks_of_the_lab_are_its_buddyinfo(shared: Path) -> None:
    base = shared / "captures" / "6.12.117+deb12-amd64" / "base"
    flags = page_words(gzip.decompress((base / "kpageflags.bin.gz").read_bytes()))
    _, orders = free_blocks(flags)
    printed = [r.nr_free for r in parse_buddyinfo((base / "buddyinfo.txt").read_bytes()).rows]
    by_order = [sum(column) for column in zip(*printed, strict=True)]
    assert np.bincount(orders, minlength=11).tolist() == by_order
    assert flags.census()[10] == 231865


def test_a_plain_file_is_memory_mapped(tmp_path: Path) -> None:
    path = tmp_path / "kpageflags"
    np.arange(1000, dtype="<u8").tofile(path)
    words = read_page_words(path, first_pfn=256)
    assert words.at(257) == 1
    assert not words.words.flags.owndata
    assert not words.words.flags.writeable
    with pytest.raises(IndexError):
        words.at(255)


def test_a_cut_file_says_how_many_bytes_are_left(tmp_path: Path) -> None:
    path = tmp_path / "kpagecount"
    path.write_bytes(bytes(19))
    assert read_page_words(path).tail == 3


@pytest.mark.parametrize("content", [b"", b"1234567"])
def test_less_than_one_word_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "kpageflags"
    path.write_bytes(content)
    with pytest.raises(UnusableInput, match="expected 8 a page frame"):
        read_page_words(path)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="does not exist"):
        read_page_words(tmp_path / "nothing")
    with pytest.raises(UnusableInput, match="is a folder"):
        read_page_words(tmp_path)


def test_bit_names_follow_the_release() -> None:
    assert kpf.kpf_names(1 << 34, "6.9.12") == ("mappedtodisk",)
    assert kpf.kpf_names(1 << 34, "6.12.117+deb12-amd64") == ("owner_2",)
    assert kpf.kpf_names(1 << 34) == ("bit_34",)
    assert kpf.kpf_names(1 << 23, "5.0") == ("balloon",)
    assert kpf.kpf_names((1 << 63) | 1, "7.3.4") == ("locked", "bit_63")


@pytest.mark.parametrize("release", ["7.4.0", "8.0", "2.6.18", "syzkaller", ""])
def test_an_unknown_release_is_said(release: str) -> None:
    with pytest.raises(UnknownRelease, match="no kpageflags table"):
        kpf.kpf_table(release)


@given(st.integers(0, (1 << 64) - 1))
def test_no_bit_is_dropped(value: int) -> None:
    assert len(kpf.kpf_names(value)) == value.bit_count()
