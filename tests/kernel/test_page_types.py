"""Page types and map counts in the shared word, by era, against values that kernels printed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.page_types import (
    TypeEra,
    decode_page_type,
    page_type_line,
    page_type_meaning,
    printed_mapcount,
    word_of_printed,
)
from tests.kernel.strategies import releases


def test_the_reported_word_is_a_map_count_of_one() -> None:
    word = decode_page_type(0x0, "6.9.12-ajb")
    assert (word.is_type, word.names, word.mapcount, word.stored) == (False, (), 1, 0)
    assert not word.underflow
    assert printed_mapcount(0x0, "6.9.12-ajb") == 1
    assert page_type_line("6.9.12-ajb") == "always"


# Values from real logs and from the headers, with the names that the kernels print.
@pytest.mark.parametrize(
    ("value", "release", "names", "mapcount"),
    [
        (0xFFFFFFFF, "6.9.0", (), 0),
        (0xFFFFFF7F, "6.9.0", ("buddy",), None),
        (0xFFFFFF80, "4.14.67", ("buddy",), None),
        (0xFFFFFE00, "4.9.0", ("kmemcg",), None),
        (0xFFFFFBFF, "5.10.7", ("table",), None),
        (0xFFFFFBFF, "5.11.0", ("guard",), None),
        (0xFFFFF7FF, "5.10.7", ("guard",), None),
        (0xFFFFF7FF, "6.9.0", ("hugetlb",), None),
        (0xFFFFEFFF, "6.10.0", ("slab",), None),
        (0xFDFFFFFF, "6.11.11", ("slab",), None),
        (0xBFFFFFFF, "6.11.11", ("buddy",), None),
        (0xFE001234, "6.11.11", ("zsmalloc",), None),
        (0xF0000000, "6.12.117", ("buddy",), None),
        (0xF5000003, "6.12.117", ("slab",), None),
        (0xF8000000, "6.17.0", ("large_kmalloc",), None),
        (0xF8000000, "6.12.117", (), None),
        (0x7, "6.12.117", (), 8),
        (0xFFFFFFFF, "6.12.117", (), 0),
        (0xFFFFFFFE, "6.9.0", (), -1),
        (0xFFFFFFFE, "4.9.0", (), -1),
        (0x0, "2.6.32", (), 1),
    ],
)
def test_known_words(value: int, release: str, names: tuple[str, ...], mapcount: int | None) -> None:
    word = decode_page_type(value, release)
    assert (word.names, word.mapcount) == (names, mapcount)
    assert word.is_type == (mapcount is None)


def test_a_count_below_that_of_an_unmapped_page_is_an_underflow() -> None:
    assert decode_page_type(0xFFFFFFFE, "6.9.0").underflow
    assert not decode_page_type(0xFFFFFFFF, "6.9.0").underflow
    assert not decode_page_type(0xFFFFFF7F, "6.9.0").underflow


def test_owner_bits_of_a_typed_page_are_kept() -> None:
    assert decode_page_type(0xF5ABCDEF, "6.12.1").owner_bits == 0xABCDEF
    assert decode_page_type(0xFE001234, "6.11.0").owner_bits == 0x1234
    assert decode_page_type(0x123, "6.12.1").owner_bits == 0


@pytest.mark.parametrize(
    ("value", "release", "expected"),
    [(0xFFFFFF80, "4.14.67", -127), (0xFFFFFF7F, "6.9.0", -128), (0xF0000000, "6.12.1", 0), (1, "6.12.1", 2)],
)
def test_the_mapcount_that_dump_page_prints(value: int, release: str, expected: int) -> None:
    assert printed_mapcount(value, release) == expected


def test_the_printed_top_byte_is_put_back_into_its_place() -> None:
    assert word_of_printed(0xF5, "6.12.117") == 0xF5000000
    assert word_of_printed(0xFFFFEFFF, "6.10.0") == 0xFFFFEFFF
    assert word_of_printed(0x0, "6.9.12") == 0


@pytest.mark.parametrize(
    ("release", "line"), [("6.3.8", "never"), ("6.4.6", "always"), ("6.10.0", "typed"), ("6.19.0", "typed")]
)
def test_when_the_line_is_printed(release: str, line: str) -> None:
    assert page_type_line(release) == line


def test_meanings() -> None:
    assert page_type_meaning("guard", "6.9.0") == "guard page of debug_pagealloc"
    assert page_type_meaning("slab", "6.9.0") is None
    assert page_type_meaning("no such type", "6.9.0") is None


def test_a_boundary_that_nobody_has_read_is_said() -> None:
    assert decode_page_type(0xF8000000, "6.15.0").certain is False
    assert decode_page_type(0xF8000000, "6.15.0").names == ("large_kmalloc",)
    assert decode_page_type(0xF8000000, "6.17.0").certain is True


@given(st.integers(0, 2**32 - 1), releases)
def test_a_word_is_a_type_or_a_count_and_never_both(value: int, release: str) -> None:
    word = decode_page_type(value, release)
    assert (word.mapcount is None) == word.is_type
    assert word.is_type or not word.names
    assert word.stored % (1 << 32) == value
    if word.era is TypeEra.TOP_BYTE:
        assert len(word.names) <= 1


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_a_word_of_another_width_is_a_mistake(value: int) -> None:
    with pytest.raises(ValueError, match="32-bit"):
        decode_page_type(value, "6.9")


def test_an_unknown_release_is_said() -> None:
    with pytest.raises(UnknownRelease):
        decode_page_type(0, "syzkaller")


def test_agrees_with_the_research_table(shared: Path) -> None:
    with (shared / "reference" / "page_types.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        # Every example value of the table, with the owner's bits clear, at the last release of its row.
        value = int(row["u32_value"].replace(".", "0"), 16)
        assert row["type"] in decode_page_type(value, row["version_to"]).names, row
    assert len(rows) == 29
