"""Reads the data tables of this room and says for which releases a row of them holds."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.release import KernelRelease, parse_version

FIRST_COVERED = (2, 6, 32)
LAST_COVERED = (6, 19)
COVERED_TEXT = "2.6.32 to 6.19"


@cache
def read_table(name: str) -> tuple[Mapping[str, str], ...]:
    """The rows of `data/<name>.csv`, in order; lines that begin with `#` are its header for people.

    Args:
        name: file name without `.csv`.

    >>> read_table("taint")[5]["letter"]
    'B'
    """
    text = files("kvmlab.kernel").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(csv.DictReader(lines, strict=True))


def as_release(release: KernelRelease | str) -> KernelRelease:
    """A release given as text or already parsed."""
    return KernelRelease.parse(release) if isinstance(release, str) else release


def covered_series(release: KernelRelease | str, what: str) -> tuple[int, ...]:
    """The series of a release that the tables cover.

    Args:
        release: the release.
        what: what is asked for, for the message.

    Raises:
        UnknownRelease: it has no numbers, or lies outside the covered releases.

    >>> covered_series("6.9.12-ajb", "page flags")
    (6, 9)
    """
    release = as_release(release)
    series = release.series
    if series is None:
        raise UnknownRelease(
            f"the kernel release {release.text[:65]!r} does not begin with a version, so no table of {what} can be "
            f"chosen for it; releases {COVERED_TEXT} are covered"
        )
    if not FIRST_COVERED <= series <= LAST_COVERED:
        raise UnknownRelease(
            f"no table of {what} covers kernel {release.series_text}; releases {COVERED_TEXT} are covered"
        )
    return series


@dataclass(frozen=True, slots=True)
class Period:
    """The releases for which a fact holds, with the gaps that nobody has read.

    Args:
        since: first release known to have it.
        until: last release known to have it; None if the newest covered release has it.
        not_in: newest earlier release known not to have it; None if the release before `since` is that.
        gone_by: first later release known not to have it; None if the release after `until` is that.
    """

    since: tuple[int, ...]
    until: tuple[int, ...] | None = None
    not_in: tuple[int, ...] | None = None
    gone_by: tuple[int, ...] | None = None

    @classmethod
    def of_row(cls, row: Mapping[str, str]) -> Period:
        """The period of a table row with the columns since, until and, where boundaries have gaps, not_in, gone_by."""

        def read(key: str) -> tuple[int, ...] | None:
            return parse_version(row[key]) if row.get(key) else None

        since = read("since")
        return cls(FIRST_COVERED if since is None else since, read("until"), read("not_in"), read("gone_by"))

    def covers(self, release: KernelRelease | str) -> bool | None:
        """Whether the fact holds for a release; None if nobody knows.

        Args:
            release: the release.

        >>> Period((5, 19), (6, 11), not_in=(5, 17)).covers("5.18.0") is None
        True
        """
        series = as_release(release).series
        return None if series is None else self.covers_series(series)

    def covers_series(self, series: tuple[int, ...]) -> bool | None:
        """The same for the numbers of a release, `KernelRelease.series`.

        A row that names releases beyond the covered ones, first and last, holds for exactly these.
        """
        if series > LAST_COVERED and self.until is not None and self.since > LAST_COVERED:
            return True if self.since <= series <= self.until else None
        if not FIRST_COVERED <= series <= LAST_COVERED:
            return None
        if series < self.since:
            return None if self.not_in is not None and series > self.not_in else False
        if self.until is not None and series > self.until:
            return None if self.gone_by is not None and series < self.gone_by else False
        return True

    def __str__(self) -> str:
        last = "the newest covered release" if self.until is None else ".".join(map(str, self.until))
        return f"{'.'.join(map(str, self.since))} to {last}"
