"""Words that the kernel writes on purpose (list poison, slab poison, page_pool mark), named by value and release."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.tables import Period, read_table

_KNOWN_ARCHES = ("x86_64", "arm64")


@dataclass(frozen=True, slots=True)
class Poison:
    """One poison word.

    Args:
        name: the kernel's name for it.
        value: the word.
        ignore: low bits that may be set beside it.
        width: bits of the word.
        arches: the architectures that have this value.
        group: what it belongs to: `list`, `tail`, `page_pool`, `memmap`, `slab`, `page`.
        meaning: what a word with this value says.
        period: the releases that have this value.
    """

    name: str
    value: int
    ignore: int
    width: int
    arches: tuple[str, ...]
    group: str
    meaning: str
    period: Period


@dataclass(frozen=True, slots=True)
class NamedWord:
    """A word that is a poison.

    Args:
        poison: which one.
        extra: the ignored low bits that are set in the word.
        holds: whether the release has this value; False if it is another release's, None if nobody has read it or no
            release was given.
    """

    poison: Poison
    extra: int
    holds: bool | None

    @property
    def name(self) -> str:
        """The kernel's name for it."""
        return self.poison.name


@cache
def poisons() -> tuple[Poison, ...]:
    """All poison words."""
    return tuple(
        Poison(
            row["name"],
            int(row["value"], 16),
            int(row["ignore"], 16),
            int(row["width"]),
            tuple(row["arch"].split()),
            row["group"],
            row["meaning"],
            Period.of_row(row),
        )
        for row in read_table("poison")
    )


def name_word(
    value: int, release: KernelRelease | str | None = None, *, arch: str = "x86_64", width: int = 64
) -> NamedWord | None:
    """The poison that a word is, None for any other word.

    Args:
        value: the word, unsigned long.
        release: the release; a value that only other releases write is still named, with `holds` False.
        arch: architecture; pointers are poisoned with a part of its own.
        width: bits of an unsigned long.

    Source: include/linux/poison.h. Example: words 1 and 2 of the reported page.

    >>> [name_word(w, "6.9.12").name for w in (0xdead000000000100, 0xdead000000000122)]
    ['LIST_POISON1', 'LIST_POISON2']
    >>> name_word(0xdead000000000200, "6.9.12").holds
    False
    """
    group = arch if arch in _KNOWN_ARCHES and width == 64 else f"other{width}"
    found = [
        NamedWord(poison, value & poison.ignore, None if release is None else poison.period.covers(release))
        for poison in poisons()
        if poison.width == width and group in poison.arches and value & ~poison.ignore == poison.value
    ]
    order = {True: 0, None: 1, False: 2}
    return min(found, key=lambda named: order[named.holds], default=None)
