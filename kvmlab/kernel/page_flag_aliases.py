"""What a printed page flag means: by itself, and on one kind of page where the bit has a second meaning."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from kvmlab.kernel.page_flags import PageFlags
from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.tables import Period, read_table


class PageKind(StrEnum):
    """Kinds of page on which flag bits have a meaning of their own."""

    ANON = "anon"
    FILE = "file"
    SHMEM = "shmem"
    BUDDY = "buddy"
    SLAB = "slab"
    FIRST_TAIL = "first_tail"
    MOVABLE = "movable"
    XEN = "xen"
    MEMMAP = "memmap"


@dataclass(frozen=True, slots=True)
class Alias:
    """A second meaning of a flag.

    Args:
        flag: the name that the kernel prints.
        alias: the name of the second meaning, `PG_` left out.
        kinds: the kinds of page that have it.
        meaning: what it says.
        conditions: options that the build needs, `CONFIG_X=y`.
        period: the releases that have it.
    """

    flag: str
    alias: str
    kinds: tuple[PageKind, ...]
    meaning: str
    conditions: tuple[str, ...]
    period: Period


@dataclass(frozen=True, slots=True)
class FlagMeaning:
    """One set flag of a page, explained.

    Args:
        bit: its number.
        printed: the name that the kernel prints.
        name: the name that fits this kind of page, the printed one if it has no other.
        meaning: what it says, None if no table has it.
        certain: False if the release lies where nobody has read whether the second meaning holds.
    """

    bit: int
    printed: str
    name: str
    meaning: str | None
    certain: bool = True


@cache
def flag_aliases() -> tuple[Alias, ...]:
    """All second meanings, oldest first."""
    return tuple(
        Alias(
            row["flag"],
            row["alias"],
            tuple(PageKind(kind) for kind in row["kinds"].split()),
            row["meaning"],
            tuple(row["conditions"].split()),
            Period.of_row(row),
        )
        for row in read_table("page_flag_aliases")
    )


def flag_meaning(name: str) -> str | None:
    """What a printed flag says by itself; None for a name that no table has.

    Args:
        name: the printed name.

    >>> flag_meaning("lru")
    'the page is on an LRU list'
    """
    return next((row["meaning"] for row in read_table("page_flag_meanings") if row["name"] == name), None)


def aliases_of(
    name: str, release: KernelRelease | str, kind: PageKind | None = None
) -> tuple[tuple[Alias, bool | None], ...]:
    """The second meanings of a printed flag, each with whether the release has it (None: nobody has read it).

    Args:
        name: the printed name.
        release: the release.
        kind: only those of this kind of page; None for all.

    >>> [(alias.alias, sure) for alias, sure in aliases_of("mappedtodisk", "6.9.12", PageKind.ANON)]
    [('anon_exclusive', True)]
    """
    return tuple(
        (alias, covered)
        for alias in flag_aliases()
        if alias.flag == name and (kind is None or kind in alias.kinds)
        for covered in (alias.period.covers(release),)
        if covered is not False
    )


def expand(flags: PageFlags, kind: PageKind | None, release: KernelRelease | str) -> tuple[FlagMeaning, ...]:
    """The set flags of a page of a known kind, each with the name and meaning that it has there.

    Args:
        flags: the decoded word.
        kind: kind of the page; None keeps the printed names.
        release: the release that printed it.

    Example: bit 17 of the anonymous page of the reported trace.

    >>> word = PageFlags.decode(0x0017FFFFC00A000C, "6.9.12-ajb")
    >>> [(m.bit, m.name) for m in expand(word, PageKind.ANON, "6.9.12-ajb")]
    [(2, 'referenced'), (3, 'uptodate'), (17, 'anon_exclusive'), (19, 'swapbacked')]
    """
    found = []
    for bit, printed in flags.bits:
        here = aliases_of(printed, release, kind) if kind is not None else ()
        known = [alias for alias, sure in here if sure] or [alias for alias, _ in here]
        if known:
            name = "/".join(alias.alias for alias in known)
            meaning = "; or ".join(dict.fromkeys(alias.meaning for alias in known))
            found.append(FlagMeaning(bit, printed, name, meaning, any(sure for _, sure in here)))
        else:
            found.append(FlagMeaning(bit, printed, printed, flag_meaning(printed)))
    return tuple(found)
