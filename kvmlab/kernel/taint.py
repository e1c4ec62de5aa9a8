"""Taint letters of a log: to bits and meanings, from columns, from collapsed text and from the verbose line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.tables import Period, read_table

_VERBOSE = re.compile(r"\[([A-Z])\]=([A-Z_0-9]+)")
_LETTERS = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class TaintFlag:
    """One taint flag.

    Args:
        bit: its number in the mask.
        letter: what stands in its column when it is set.
        clear: what stands there when it is clear, a blank for all but the first.
        verbose: its name in the verbose line.
        meaning: what sets it.
        period: the releases that have it.
    """

    bit: int
    letter: str
    clear: str
    verbose: str
    meaning: str
    period: Period


@dataclass(frozen=True, slots=True)
class Taint:
    """A decoded taint text.

    Args:
        text: as printed.
        tainted: whether the kernel was tainted.
        mask: the flags by bit (`/proc/sys/kernel/tainted`).
        flags: the set flags, lowest bit first.
        proprietary: True for `P`, False for `G` or a kernel that is not tainted, None if neither letter is there.
        unknown: letters that no table has, in the order of the text.
    """

    text: str
    tainted: bool
    mask: int
    flags: tuple[TaintFlag, ...]
    proprietary: bool | None
    unknown: tuple[str, ...]

    @property
    def letters(self) -> str:
        """The letters without blanks, `G` for a kernel without proprietary modules: `GBW`."""
        first = "G" if self.proprietary is False and self.tainted else ""
        return first + "".join(flag.letter for flag in self.flags) + "".join(self.unknown)

    def __contains__(self, letter: str) -> bool:
        return letter in self.letters


@cache
def taint_flags() -> tuple[TaintFlag, ...]:
    """All taint flags, by bit.

    >>> [flag.verbose for flag in taint_flags() if flag.letter in "BW"]
    ['BAD_PAGE', 'WARN']
    """
    return tuple(
        TaintFlag(
            int(row["bit"]), row["letter"], row["clear"] or " ", row["verbose"], row["meaning"], Period.of_row(row)
        )
        for row in read_table("taint")
    )


def decode_taint(text: str | None, release: KernelRelease | str | None = None) -> Taint:
    """Decode what a CPU line says of the taint; every letter is unique, so lost columns do no harm.

    Args:
        text: `G    B   W`, `G B W`, `GBW`, `Tainted: ...`, `Not tainted`, or the verbose `[B]=BAD_PAGE, [W]=WARN`; None
            counts as not tainted.
        release: the release; a letter that it surely does not have yet counts as unknown.

    Source: kernel/panic.c. Example: the reported trace, its columns collapsed by the archive.

    >>> taint = decode_taint("G B W", "6.9.12")
    >>> (hex(taint.mask), taint.proprietary, [flag.verbose for flag in taint.flags])
    ('0x220', False, ['BAD_PAGE', 'WARN'])
    """
    body = (text or "").strip()
    body = body.removeprefix("Tainted:").strip()
    if not body or body.lower() == "not tainted":
        return Taint(text or "", False, 0, (), False, ())
    verbose = _VERBOSE.findall(body)
    seen = dict.fromkeys(letter for letter, _ in verbose) if verbose else dict.fromkeys("".join(_LETTERS.findall(body)))
    by_letter = {
        flag.letter: flag for flag in taint_flags() if release is None or flag.period.covers(release) is not False
    }
    flags = sorted((by_letter[letter] for letter in seen if letter in by_letter), key=lambda flag: flag.bit)
    # The verbose line names set flags only, so there a missing P says that no proprietary module was loaded.
    proprietary = True if "P" in seen else False if "G" in seen or verbose else None
    unknown = tuple(letter for letter in seen if letter not in by_letter and letter != "G")
    return Taint(text or "", True, sum(1 << flag.bit for flag in flags), tuple(flags), proprietary, unknown)


def taint_text(mask: int, columns: int | None = None) -> str:
    """The column form of a mask, as the kernel prints it after `Tainted: `.

    Args:
        mask: the flags by bit.
        columns: how many flags the release has; None for as many as the table.

    Raises:
        ValueError: `mask` has a bit that no table has.

    >>> taint_text(0x220, 19)
    'G    B   W         '
    """
    flags = taint_flags()[:columns]
    if mask < 0 or mask >> len(flags):
        raise ValueError(f"{mask:#x} has taint bits beyond the {len(flags)} that the table has")
    return "".join(flag.letter if mask >> flag.bit & 1 else flag.clear for flag in flags)
