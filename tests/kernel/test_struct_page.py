"""Words of struct page by release and kind of page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.struct_page import Coding, StructKind, decode_words
from tests.kernel.strategies import words as one_word

SEED = (
    0x0017FFFFC00A000C,
    0xDEAD000000000100,
    0xDEAD000000000122,
    0x0,
    0x00000007FA8117C3,
    0x0,
    0x0,
    0x0,
)


def test_the_reported_words() -> None:
    page = decode_words(SEED, "6.9.12-ajb-00008-gfcd4b7efbad0")
    assert [(f.word, f.part, f.field) for f in page.fields] == [
        (0, "all", "flags"),
        (1, "all", "lru.next"),
        (2, "all", "lru.prev"),
        (3, "all", "mapping"),
        (4, "all", "index"),
        (5, "all", "private"),
        (6, "lo", "_mapcount"),
        (6, "hi", "_refcount"),
        (7, "all", "memcg_data"),
    ]
    assert page["lru.next"].poison is not None
    assert page["lru.next"].poison.name == "LIST_POISON1"
    assert page["lru.prev"].poison is not None
    assert page["lru.prev"].poison.name == "LIST_POISON2"
    assert page.off_list
    assert page["index"].raw == 0x7FA8117C3
    assert (page["_mapcount"].value, page["_mapcount"].count) == (0, 1)
    assert (page["_refcount"].value, page["_refcount"].count) == (0, 0)
    assert page["memcg_data"].raw == 0
    assert page.caveat is None
    assert "memcg_data" in page
    assert "mem_cgroup" not in page


def test_counts_are_signed() -> None:
    page = decode_words([0, 0, 0, 0, 0, 0, 0xFFFFFFFE_FFFFFFFF], "6.9.12")
    assert page["_mapcount"].count == 0
    assert page["_refcount"].count == -2
    assert "memcg_data" not in page


def test_the_older_layout() -> None:
    # A raw dump of a 4.14 kernel: index 0x20a00, unmapped, no reference, list poison of that time.
    page = decode_words([0x1, 0x0, 0x20A00, 0x00000000FFFFFFFF, 0xDEAD000000000100, 0xDEAD000000000200, 0x0], "4.14.67")
    assert (page["index"].raw, page["_mapcount"].count, page["_refcount"].count) == (0x20A00, 0, 0)
    assert page.off_list
    assert page["mapping"].raw == 0


@pytest.mark.parametrize(
    ("release", "kind", "field", "word"),
    [
        ("6.9.12", StructKind.SLAB, "slab_cache", 1),
        ("5.15.135", StructKind.SLAB, "slab_cache", 3),
        ("4.14.67", StructKind.SLAB, "slab_cache", 6),
        ("6.9.12", StructKind.BUDDY, "buddy_list.next", 1),
        ("6.9.12", StructKind.TAIL, "compound_head", 1),
        ("6.9.12", StructKind.PAGE_POOL, "pp_magic", 1),
        ("5.10.7", StructKind.ANY, "mem_cgroup", 7),
        ("5.11.0", StructKind.ANY, "memcg_data", 7),
        ("6.9.12", StructKind.FIRST_TAIL, "_entire_mapcount", 3),
        ("6.12.117", StructKind.FIRST_TAIL, "_entire_mapcount", 2),
        ("6.18.0", StructKind.FIRST_TAIL, "_nr_pages", 7),
    ],
)
def test_words_by_release_and_kind(release: str, kind: StructKind, field: str, word: int) -> None:
    page = decode_words([0] * 8, release, kind=kind)
    assert page[field].word == word


def test_a_kind_that_nobody_has_read_in_that_release_carries_a_caveat() -> None:
    assert decode_words([0] * 8, "6.1.192", kind=StructKind.SLAB).caveat is not None
    assert decode_words([0] * 8, "6.16.0", kind=StructKind.FIRST_TAIL).caveat is not None
    assert decode_words([0] * 8, "6.9.12", kind=StructKind.SLAB).caveat is None


@pytest.mark.parametrize("release", ["4.18.0", "2.6.38", "syzkaller", "7.3.4", "2.6.31"])
def test_a_layout_that_is_not_known_is_said(release: str) -> None:
    with pytest.raises(UnknownRelease):
        decode_words(SEED, release)


def test_32_bit_words_are_said_to_be_unknown() -> None:
    with pytest.raises(UnknownRelease, match="64-bit kernels only"):
        decode_words([0] * 8, "6.9.12", width=32)


@pytest.mark.parametrize("word", [-1, 1 << 64])
def test_a_word_of_another_width_is_a_mistake(word: int) -> None:
    with pytest.raises(ValueError, match="64-bit"):
        decode_words([word], "6.9.12")


def test_a_field_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        decode_words(SEED, "6.9.12")["pp_magic"]


@given(
    st.lists(one_word, max_size=12),
    st.sampled_from(["4.14", "5.10", "6.1", "6.9.12", "6.19"]),
    st.sampled_from(StructKind),
)
def test_no_word_is_lost(words: list[int], release: str, kind: StructKind) -> None:
    page = decode_words(words, release, kind=kind)
    assert page.words == tuple(words)
    assert [f.word for f in page.fields] == sorted(f.word for f in page.fields)
    assert {f.word for f in page.fields} == set(range(len(words)))
    for field in page.fields:
        shift = {"hi": 32, "b1": 8}.get(field.part, 0)
        bits = {"all": 64, "lo": 32, "hi": 32}.get(field.part, 8)
        assert field.raw == words[field.word] >> shift & (1 << bits) - 1
        if field.coding in (Coding.SIGNED, Coding.MINUS_ONE):
            assert field.value % (1 << bits) == field.raw
