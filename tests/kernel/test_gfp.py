"""Allocation masks: text by release against real trace lines, and back."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.gfp import GFP_MAX, GfpError, gfp_flag_names, gfp_mask, gfp_table, gfp_text

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"
RELEASES = ("5.15", "6.1", "6.6", "6.12", "6.18", "7.2", "7.3")


def test_text_of_the_2021_commit_that_added_nowarn() -> None:
    text = "GFP_HIGHUSER|__GFP_RETRY_MAYFAIL|__GFP_NORETRY|__GFP_ZERO|__GFP_NOMEMALLOC"
    assert gfp_text(0x194DC2, "5.11") == text
    assert gfp_mask(text, "5.11") == 0x194DC2


@pytest.mark.parametrize(
    ("release", "mask", "text"),
    [
        (
            "6.12",
            0x396DC2,
            "GFP_HIGHUSER|__GFP_NOWARN|__GFP_RETRY_MAYFAIL|__GFP_NORETRY|__GFP_ZERO|__GFP_NOMEMALLOC|__GFP_THISNODE",
        ),
        ("6.12", 0x104DC2, "GFP_HIGHUSER|__GFP_RETRY_MAYFAIL|__GFP_ZERO"),
        ("6.1", 0x800, "GFP_NOWAIT"),
        ("6.12", 0x2800, "GFP_NOWAIT"),
        ("6.12", 0x800, "__GFP_KSWAPD_RECLAIM"),
        ("6.12", 0x100C02, "GFP_NOIO|__GFP_HIGHMEM|__GFP_HARDWALL"),
        ("6.1", 0xA20, "GFP_ATOMIC"),
        ("7.3", 0x820, "GFP_ATOMIC"),
        ("7.3", 0x140DCA, "GFP_HIGHUSER_MOVABLE|__GFP_ZERO|__GFP_COMP"),
        ("6.12", 0x140DCA, "GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO"),
        ("6.12", 0, "none"),
    ],
)
def test_names(release: str, mask: int, text: str) -> None:
    assert gfp_text(mask, release) == text
    assert gfp_mask(text, release) == mask


@given(st.integers(0, GFP_MAX), st.sampled_from(RELEASES))
def test_bits_to_names_and_back(mask: int, release: str) -> None:
    assert gfp_mask(gfp_text(mask, release), release) == mask
    assert sum(int(n, 16) if n[:2] == "0x" else gfp_mask(n, release) for n in gfp_flag_names(mask, release)) == mask


@given(st.text(max_size=40), st.sampled_from(RELEASES))
def test_any_text_gives_a_mask_or_one_sentence(text: str, release: str) -> None:
    try:
        mask = gfp_mask(text, release)
    except GfpError as error:
        sentence = str(error)
    else:
        assert 0 <= mask <= GFP_MAX
        sentence = "A mask."
    assert sentence.endswith(".")


def test_releases_outside_of_the_table_are_refused() -> None:
    for release in ("5.10", "7.4", "8.0", "syzkaller", ""):
        with pytest.raises(UnknownRelease, match=r"5\.11 to 7\.3"):
            gfp_table(release)
    for mask in (-1, 1 << 32):
        with pytest.raises(GfpError):
            gfp_text(mask, "6.12")
        with pytest.raises(GfpError):
            gfp_flag_names(mask, "6.12")
    with pytest.raises(GfpError):
        gfp_mask("__GFP_ATOMIC", "6.12")


def test_every_mask_in_the_captures_is_printed_as_the_kernel_printed_it() -> None:
    files = sorted(CAPTURES.glob("*/ttm/ftrace_kmem*.gz")) + sorted(CAPTURES.glob("*/base/ftrace_kmem.txt"))
    if not files:
        pytest.skip("the captures are not beside the checkout")
    seen = set()
    for path in files:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
        for found in re.findall(r"gfp_flags=(\S+)", text):
            seen.add((path.parent.parent.name, found))
    assert len(seen) >= 20
    for release, found in seen:
        assert gfp_text(gfp_mask(found, release), release) == found
