"""The 32-bit word that `_mapcount` shares with `page_type`: a map count or a type of page, by release."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.tables import Period, covered_series, read_table

_U32 = 0xFFFFFFFF


class TypeEra(StrEnum):
    """How a type stands in the word."""

    MAPCOUNT = "mapcount"
    CLEARED_BITS = "cleared_bits"
    TOP_BYTE = "top_byte"


@dataclass(frozen=True, slots=True)
class PageType:
    """The decoded word.

    Args:
        value: the word, u32.
        stored: the same as a signed number: `_mapcount` where it is no type.
        era: how types stand in the word in this release.
        is_type: whether the release takes the word for a type of page.
        names: the types that it names; empty for a map count, and for a type that no table has.
        mapcount: `_mapcount` + 1, the number of page-table entries that map an ordinary page; None for a type.
        owner_bits: bits that the owner of a typed page keeps there.
        certain: False if nobody has read whether this release has the named type.
    """

    value: int
    stored: int
    era: TypeEra
    is_type: bool
    names: tuple[str, ...]
    mapcount: int | None
    owner_bits: int
    certain: bool

    @property
    def underflow(self) -> bool:
        """Whether it is a map count below that of an unmapped page (-1): more unmaps than maps."""
        return not self.is_type and self.stored < -1


@cache
def _eras() -> tuple[tuple[Period, TypeEra, int, int, str], ...]:
    return tuple(
        (
            Period.of_row(row),
            TypeEra(row["era"]),
            int(row["type_below"], 16),
            int(row["owner_mask"], 16),
            row["line"],
        )
        for row in read_table("page_type_eras")
    )


@cache
def _types() -> tuple[tuple[Period, str, int, int, str, str], ...]:
    return tuple(
        (
            Period.of_row(row),
            row["name"],
            int(row["mask"], 16),
            int(row["value"], 16),
            row["printed"] or row["name"],
            row["meaning"],
        )
        for row in read_table("page_types")
    )


def _era(release: KernelRelease | str) -> tuple[Period, TypeEra, int, int, str]:
    covered_series(release, "page types")
    return next(era for era in _eras() if era[0].covers(release))


def decode_page_type(value: int, release: KernelRelease | str) -> PageType:
    """Decode the word of a struct page.

    Args:
        value: the word, u32.
        release: the release of the kernel that printed it.

    Raises:
        UnknownRelease: no table covers the release.
        ValueError: `value` is no u32.

    Source: include/linux/page-flags.h. Example: the reported trace (mapped once), then a free page of the same release.

    >>> decode_page_type(0x0, "6.9.12").mapcount, decode_page_type(0xFFFFFF7F, "6.9.12").names
    (1, ('buddy',))
    """
    if not 0 <= value <= _U32:
        raise ValueError(f"a page type is an unsigned 32-bit word, not {value:#x}")
    _, era, type_below, owner_mask, _ = _era(release)
    stored = value - (1 << 32) if value >> 31 else value
    found = [
        (name, sure)
        for period, name, mask, wanted, _, _ in _types()
        for sure in (period.covers(release),)
        if sure is not False and value & mask == wanted
    ]
    # Before page types existed only the exact marks were types; every other value was a map count, however wrong.
    is_type = bool(found) if era is TypeEra.MAPCOUNT else stored < type_below
    names = tuple(dict.fromkeys(name for name, _ in found)) if is_type else ()
    return PageType(
        value,
        stored,
        era,
        is_type,
        names,
        None if is_type else stored + 1,
        value & owner_mask if is_type else 0,
        all(sure for name, sure in found if name in names),
    )


def page_type_meaning(name: str, release: KernelRelease | str) -> str | None:
    """What a type says, None if the release is known not to have it or no table has it.

    >>> page_type_meaning("buddy", "6.9.12")
    'free in the buddy allocator'
    """
    return next((t[5] for t in _types() if t[1] == name and t[0].covers(release) is not False), None)


def page_type_line(release: KernelRelease | str) -> str:
    """When `dump_page()` prints a page_type line: `never`, `always`, or `typed` (only for a typed page).

    Raises:
        UnknownRelease: no table covers the release.

    >>> page_type_line("6.9.12"), page_type_line("6.12.1")
    ('always', 'typed')
    """
    return _era(release)[4]


def word_of_printed(printed: int, release: KernelRelease | str) -> int:
    """The word of which a page_type line prints a part: 6.12 and later print its top byte alone.

    Args:
        printed: the number of the line.
        release: the release.

    Raises:
        UnknownRelease: no table covers the release.

    >>> hex(word_of_printed(0xF5, "6.12.117")), hex(word_of_printed(0xFFFFEFFF, "6.10.0"))
    ('0xf5000000', '0xffffefff')
    """
    return printed << 24 if _era(release)[1] is TypeEra.TOP_BYTE and 0 <= printed <= 0xFF else printed


def printed_mapcount(value: int, release: KernelRelease | str) -> int:
    """The mapcount that `dump_page()` prints for an order-0 page with this word: 0 for a typed page from 6.10 on.

    Args:
        value: the word, u32.
        release: the release.

    Raises:
        UnknownRelease: no table covers the release.
        ValueError: `value` is no u32.

    >>> printed_mapcount(0xFFFFFF7F, "6.9.12"), printed_mapcount(0xFFFFFF7F, "6.10.0")
    (-128, 0)
    """
    decoded = decode_page_type(value, release)
    typed_as_zero = _era(release)[4] == "typed"
    return 0 if decoded.is_type and typed_as_zero else decoded.stored + 1
