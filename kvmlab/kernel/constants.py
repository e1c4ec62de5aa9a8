"""Numbers that the kernel has as constants (batch size, report limit, record size, page shift), by release."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.tables import Period, as_release, read_table


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant of the kernel.

    Args:
        name: the kernel's name for it.
        value: its value.
        unit: what it counts.
        arch: the architecture that it is for, None for all.
        period: the releases that have this value.
        source: where it was read.
        meaning: what it is for.
    """

    name: str
    value: int
    unit: str
    arch: str | None
    period: Period
    source: str
    meaning: str


@cache
def constants() -> tuple[Constant, ...]:
    """All constants, in the order of the table."""
    return tuple(
        Constant(
            row["name"],
            int(row["value"]),
            row["unit"],
            row["arch"] or None,
            Period.of_row(row),
            row["source"],
            row["meaning"],
        )
        for row in read_table("constants")
    )


@cache
def constant_row(name: str, release: KernelRelease | str | None = None) -> Constant:
    """A constant with its source.

    Args:
        name: the kernel's name for it.
        release: the release; None only for constants that have one value.

    Raises:
        KeyError: no constant has that name, or it has several values and no release was given.
        UnknownRelease: the release is not covered, or nobody has read its value.

    >>> constant_row("FOLIO_BATCH_SIZE", "6.9.12").unit
    'entries'
    """
    rows = [row for row in constants() if row.name == name]
    if release is None:
        if len(rows) != 1:
            raise KeyError(f"{name} has {len(rows)} values in the table of constants; a release chooses one")
        return rows[0]
    found = [row for row in rows if row.period.covers(release)]
    if not rows:
        raise KeyError(f"the table of constants has no {name}")
    if not found:
        raise UnknownRelease(f"the value of {name} is not known for kernel {as_release(release).text[:65]!r}")
    return found[0]


def constant(name: str, release: KernelRelease | str | None = None) -> int:
    """The value of a constant.

    Args:
        name: the kernel's name for it.
        release: the release; None only for constants that have one value.

    Raises:
        KeyError: no constant has that name, or it has several values and no release was given.
        UnknownRelease: the release is not covered, or nobody has read its value.

    >>> constant("FOLIO_BATCH_SIZE", "6.9.12"), constant("FOLIO_BATCH_SIZE", "6.1.0"), constant("PAGE_SHIFT")
    (31, 15, 12)
    """
    return constant_row(name, release).value
