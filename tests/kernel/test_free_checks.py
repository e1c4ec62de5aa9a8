"""Forbidden flags by release, and when they are looked at."""

from __future__ import annotations

import pytest

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.free_checks import check_mask, when_checked
from kvmlab.kernel.page_flags import PageFlags

COMMON = {
    "locked",
    "lru",
    "private",
    "private_2",
    "writeback",
    "reserved",
    "active",
    "unevictable",
    "mlocked",
}


@pytest.mark.parametrize(
    ("release", "names", "lru_gen"),
    [
        ("6.1.192", COMMON | {"slab"}, True),
        ("6.9.12", COMMON | {"slab"}, True),
        ("6.12.117", COMMON, True),
        ("4.19", COMMON | {"slab"}, False),
        ("4.9", COMMON | {"slab", "swapcache"}, False),
    ],
)
def test_flags_forbidden_at_free(release: str, names: set[str], lru_gen: bool) -> None:
    mask = check_mask(release)
    assert set(mask.names) == names
    assert mask.lru_gen is lru_gen
    assert mask.lru_refs is False
    assert set(PageFlags.decode(mask.mask, release).names) == names


def test_none_of_the_reported_flags_is_forbidden_at_free() -> None:
    assert check_mask("6.9.12").forbidden(0x0017FFFFC00A000C) == ()
    assert check_mask("6.9.12").forbidden(0x0017FFFFC00A000C | 1 << 5 | 1 << 14) == ("lru", "reserved")


def test_at_allocation_every_flag_is_forbidden_but_hwpoison() -> None:
    mask = check_mask("6.9.12", freeing=False)
    assert set(mask.forbidden(0x0017FFFFC00A000C)) == {"referenced", "uptodate", "mappedtodisk", "swapbacked"}
    assert "hwpoison" not in mask.names
    assert len(mask.names) == 25
    assert mask.lru_gen
    assert mask.lru_refs
    assert "hwpoison" in check_mask("3.10.0", freeing=False).names


def test_what_nobody_has_read_is_not_in_the_mask() -> None:
    mask = check_mask("4.2")
    assert mask.uncertain == ("hwpoison",)
    assert "hwpoison" not in mask.names


def test_when_pages_are_checked() -> None:
    assert "buddy allocator" in when_checked("6.1.192")
    assert "check_pages_enabled" in when_checked("6.9.12")
    with pytest.raises(UnknownRelease):
        when_checked("7.3.4")
    with pytest.raises(UnknownRelease):
        check_mask("next-20240101")
