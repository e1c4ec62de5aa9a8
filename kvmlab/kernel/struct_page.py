"""The words of a struct page dump: which field each one holds, by release and kind of page, on 64-bit kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.poison import NamedWord, name_word
from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.tables import Period, as_release, covered_series, read_table

_U64 = (1 << 64) - 1
_PARTS = {"all": (0, 64), "lo": (0, 32), "hi": (32, 32), "b0": (0, 8), "b1": (8, 8)}


class StructKind(StrEnum):
    """Kinds of struct page whose words have a meaning of their own."""

    ANY = "any"
    BUDDY = "buddy"
    PCP = "pcp"
    SLAB = "slab"
    TAIL = "tail"
    FIRST_TAIL = "first_tail"
    PAGE_POOL = "page_pool"
    ZONE_DEVICE = "zone_device"


class Coding(StrEnum):
    """How a field is stored."""

    POINTER = "pointer"
    SIGNED = "signed"
    MINUS_ONE = "minus1"
    NUMBER = "number"
    FLAGS = "flags"


@dataclass(frozen=True, slots=True)
class WordField:
    """One field of a dumped struct page.

    Args:
        word: position in the dump, from 0.
        part: `all` 64 bits, `lo` or `hi` 32 bits, `b0` or `b1` a byte.
        field: the kernel's name; None for a word that no table has.
        coding: how it is stored; None for a word that no table has.
        raw: the bits, unsigned.
        value: the stored number: signed for a count, otherwise as `raw`.
        meaning: what the field is, None for a word that no table has.
        poison: the poison word that it is, None for any other.
    """

    word: int
    part: str
    field: str | None
    coding: Coding | None
    raw: int
    value: int
    meaning: str | None
    poison: NamedWord | None

    @property
    def count(self) -> int:
        """The number that the field stands for: one more than stored for a map count."""
        return self.value + 1 if self.coding is Coding.MINUS_ONE else self.value


@dataclass(frozen=True, slots=True)
class StructPage:
    """A decoded struct page dump.

    Args:
        words: the words as dumped, u64.
        kind: the kind of page that it was read as.
        fields: every field, in the order of the words.
        caveat: why the layout may be another one, None if there is no doubt.
    """

    words: tuple[int, ...]
    kind: StructKind
    fields: tuple[WordField, ...]
    caveat: str | None

    def __getitem__(self, field: str) -> WordField:
        """The field of that name.

        Raises:
            KeyError: this layout or this dump does not have it.
        """
        for found in self.fields:
            if found.field == field:
                return found
        raise KeyError(field)

    def __contains__(self, field: str) -> bool:
        return any(found.field == field for found in self.fields)

    @property
    def off_list(self) -> bool:
        """Whether both list pointers are list poison: the page was taken off a list and not put on another."""
        links = [f for f in self.fields if f.field and f.field.endswith((".next", ".prev"))]
        return len(links) == 2 and all(f.poison is not None and f.poison.poison.group == "list" for f in links)


@dataclass(frozen=True, slots=True)
class _Row:
    period: Period
    kind: StructKind
    word: int
    part: str
    field: str
    coding: Coding
    meaning: str


@cache
def _rows() -> tuple[_Row, ...]:
    return tuple(
        _Row(
            Period.of_row(row),
            StructKind(row["kind"]),
            int(row["word"]),
            row["part"],
            row["field"],
            Coding(row["coding"]),
            row["meaning"],
        )
        for row in read_table("struct_page")
    )


@cache
def _layout(series: tuple[int, ...]) -> tuple[_Row, ...]:
    return tuple(row for row in _rows() if row.period.covers_series(series))


@cache
def _unread(series: tuple[int, ...], kind: StructKind) -> bool:
    return any(row.kind is kind and row.period.covers_series(series) is None for row in _rows())


def decode_words(
    words: Sequence[int],
    release: KernelRelease | str,
    *,
    kind: StructKind = StructKind.ANY,
    width: int = 64,
    arch: str = "x86_64",
) -> StructPage:
    """Say which field each word of a `raw:` dump holds.

    Words that no table has are kept, with no field. What a kind of page has in a word replaces what pages have there in
    general.

    Args:
        words: the words in memory order, u64; 7 without CONFIG_MEMCG, 8 with it.
        release: the release of the kernel that printed them.
        kind: the kind of page, where it is known.
        width: bits of a word.
        arch: architecture, for poison words.

    Raises:
        UnknownRelease: the layout of that release is not known, or the words have 32 bits.
        ValueError: a word is no u64.

    Source: include/linux/mm_types.h. Example: the reported page.

    >>> words = [0x17ffffc00a000c, 0xdead000000000100, 0xdead000000000122, 0, 0x7fa8117c3, 0, 0, 0]
    >>> page = decode_words(words, "6.9.12")
    >>> (page["_mapcount"].count, page["_refcount"].count, page["lru.next"].poison.name, hex(page["index"].raw))
    (1, 0, 'LIST_POISON1', '0x7fa8117c3')
    """
    release = as_release(release)
    series = covered_series(release, "struct page words")
    if width != 64:
        raise UnknownRelease(f"the words of struct page are known for 64-bit kernels only, not for {width} bits")
    if any(not 0 <= word <= _U64 for word in words):
        raise ValueError("a word of a struct page dump is an unsigned 64-bit number")
    layout = _layout(series)
    if not any(row.kind is StructKind.ANY for row in layout):
        raise UnknownRelease(
            f"the words of struct page were not read for kernel {release.series_text}, where their order changed"
        )
    own = [row for row in layout if row.kind is kind]
    fields = [
        field for index, word in enumerate(words) for field in _fields_of(index, word, own, layout, release, arch)
    ]
    caveat = None
    if _unread(series, kind):
        caveat = f"nobody has read what a {kind} page of kernel {'.'.join(map(str, series))} has in every word"
    return StructPage(tuple(words), kind, tuple(fields), caveat)


def _fields_of(
    index: int, word: int, own: Sequence[_Row], layout: Sequence[_Row], release: KernelRelease, arch: str
) -> list[WordField]:
    rows = [row for row in own if row.word == index]
    if not rows:
        rows = [row for row in layout if row.kind is StructKind.ANY and row.word == index]
    poison = name_word(word, release, arch=arch)
    if not rows:
        return [WordField(index, "all", None, None, word, word, None, poison)]
    found = []
    for row in rows:
        shift, bits = _PARTS[row.part]
        raw = word >> shift & (1 << bits) - 1
        negative = row.coding in (Coding.SIGNED, Coding.MINUS_ONE) and raw >> bits - 1
        found.append(
            WordField(
                index,
                row.part,
                row.field,
                row.coding,
                raw,
                raw - (1 << bits) if negative else raw,
                row.meaning,
                poison if row.part == "all" else None,
            )
        )
    return found
