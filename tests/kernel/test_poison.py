"""Poison words by value, release, architecture and width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.kernel.poison import name_word, poisons


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0xDEAD000000000100, "LIST_POISON1"),
        (0xDEAD000000000122, "LIST_POISON2"),
        (0xDEAD000000000400, "TAIL_MAPPING"),
        (0xDEAD000000000040, "PP_SIGNATURE"),
        (0xFFFFFFFFFFFFFFFF, "PAGE_POISON_PATTERN"),
        (0x6B6B6B6B6B6B6B6B, "POISON_FREE"),
        (0xAAAAAAAAAAAAAAAA, "PAGE_POISON"),
    ],
)
def test_words_of_the_reported_release(value: int, name: str) -> None:
    found = name_word(value, "6.9.12")
    assert found is not None
    assert (found.name, found.holds, found.extra) == (name, True, 0)
    assert found.poison.meaning


@pytest.mark.parametrize(
    ("value", "release", "holds"),
    [
        (0xDEAD000000000200, "4.14", True),
        (0xDEAD000000000200, "6.9.12", False),
        (0xDEAD000000000200, "5.2", None),  # the change lies between 5.1 and 5.4
        (0xDEAD000000000122, "4.14", False),
        (0xDEAD000000000122, "5.3", None),
        (0xDEAD000000100100, "3.10.0", True),
        (0x0000000000100100, "2.6.32", True),
    ],
)
def test_another_releases_value_is_named_and_said(value: int, release: str, holds: bool | None) -> None:
    found = name_word(value, release)
    assert found is not None
    assert found.name.startswith("LIST_POISON")
    assert found.holds is holds


def test_the_low_bits_of_the_page_pool_mark_may_be_set() -> None:
    found = name_word(0xDEAD000000000041, "6.9.12")
    assert found is not None
    assert (found.name, found.extra) == ("PP_SIGNATURE", 1)


def test_32_bit_words_and_other_architectures() -> None:
    found = name_word(0x122, "5.15", arch="m68k", width=32)
    assert found is not None
    assert found.name == "LIST_POISON2"
    assert name_word(0x122, "5.15") is None
    assert name_word(0xDEAD000000000100, "5.15", arch="sparc64") is None


def test_without_a_release_the_value_alone_names_it() -> None:
    found = name_word(0xDEAD000000000100)
    assert found is not None
    assert (found.name, found.holds) == ("LIST_POISON1", None)


@given(st.integers(0, 2**64 - 1))
def test_only_words_of_the_table_are_named(value: int) -> None:
    found = name_word(value, "6.9")
    assert (found is not None) == any(
        p.width == 64 and "x86_64" in p.arches and value & ~p.ignore == p.value for p in poisons()
    )
