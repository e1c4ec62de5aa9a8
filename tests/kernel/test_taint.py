"""Taint letters in every form that logs and archives give them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.kernel.taint import decode_taint, taint_flags, taint_text


@pytest.mark.parametrize(
    "text",
    [
        "G    B   W         ",
        "G B W",
        "GBW",
        "Tainted: G    B   W         ",
        "Tainted: [B]=BAD_PAGE, [W]=WARN",
        "[B]=BAD_PAGE, [W]=WARN",
    ],
)
def test_the_reported_taint_in_all_its_forms(text: str) -> None:
    taint = decode_taint(text, "6.9.12")
    assert taint.tainted
    assert taint.mask == 1 << 5 | 1 << 9
    assert [flag.verbose for flag in taint.flags] == ["BAD_PAGE", "WARN"]
    assert taint.proprietary is False
    assert taint.letters == "GBW"
    assert taint.unknown == ()
    assert "B" in taint
    assert "O" not in taint


@pytest.mark.parametrize("text", ["Not tainted", "", None, "not tainted"])
def test_not_tainted(text: str | None) -> None:
    taint = decode_taint(text, "6.9.12")
    assert (taint.tainted, taint.mask, taint.letters, taint.proprietary) == (False, 0, "", False)


def test_proprietary_and_out_of_tree() -> None:
    taint = decode_taint("P           OE     ", "5.15.0")
    assert (taint.mask, taint.proprietary, taint.letters) == (1 | 1 << 12 | 1 << 13, True, "POE")
    assert decode_taint("B W").proprietary is None


def test_letters_that_no_table_has_are_kept() -> None:
    taint = decode_taint("G    B   Wq  H ---------  ---", "4.18.0-224.el8")
    assert taint.unknown == ("q", "H")
    assert taint.letters == "GBWqH"
    # A letter that the release surely lacks is unknown there.
    assert decode_taint("G J", "6.9.12").unknown == ("J",)
    assert decode_taint("G J", "6.16.0").unknown == ()


@given(st.integers(0, 2**20 - 1))
def test_columns_are_read_back(mask: int) -> None:
    text = taint_text(mask)
    assert decode_taint(text).mask == mask
    assert decode_taint(" ".join(text.split())).mask == mask


@pytest.mark.parametrize(("columns", "mask"), [(19, 1 << 19), (None, 1 << 20), (None, -1)])
def test_bits_beyond_the_columns_are_a_mistake(columns: int | None, mask: int) -> None:
    with pytest.raises(ValueError, match="beyond"):
        taint_text(mask, columns)


# How many columns the trees print, counted in each.
@pytest.mark.parametrize(
    ("release", "columns"),
    [("2.6.32", 11), ("3.10", 13), ("4.4", 16), ("4.19", 18), ("5.15", 18), ("6.0", 19), ("6.14", 19), ("6.17", 20)],
)
def test_columns_by_release(release: str, columns: int) -> None:
    assert sum(flag.period.covers(release) is True for flag in taint_flags()) == columns


def test_the_running_kernels_own_documentation_of_bits() -> None:
    assert [flag.bit for flag in taint_flags()] == list(range(20))
    assert "".join(flag.letter for flag in taint_flags()) == "PFSRMBUDAWCIOELKXTNJ"


@given(st.text(max_size=60))
def test_no_text_makes_it_raise(text: str) -> None:
    assert decode_taint(text, "6.9.12").mask >= 0
