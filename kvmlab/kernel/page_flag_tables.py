"""The tables of page flag names, one per run of releases, and what a build is taken to have set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from kvmlab.kernel.release import KernelRelease, parse_version
from kvmlab.kernel.tables import Period, covered_series, read_table

_KNOWN_ARCHES = ("x86_64", "arm64")


@dataclass(frozen=True, slots=True)
class FlagTable:
    """The names of `enum pageflags` of a run of releases, in the order of the enum.

    Args:
        since: first release.
        until: last release.
        trees: the releases whose source was read for it.
        change: what changed at `since`.
        entries: name and the conditions under which it exists, `CONFIG_X` to required value.
    """

    since: str
    until: str
    trees: tuple[str, ...]
    change: str
    entries: tuple[tuple[str, tuple[tuple[str, bool], ...]], ...]

    @property
    def options(self) -> tuple[str, ...]:
        """The CONFIG_ names that decide which of its flags exist."""
        return tuple(sorted({option for _, conditions in self.entries for option, _ in conditions}))

    def names(self, config: Mapping[str, bool]) -> tuple[str, ...]:
        """The flag names of a build, the index being the bit.

        Args:
            config: `CONFIG_X` to whether it is set; a missing one counts as not set.
        """
        return tuple(
            name
            for name, conditions in self.entries
            if all(config.get(option, False) == wanted for option, wanted in conditions)
        )

    def __str__(self) -> str:
        return self.since if self.since == self.until else f"{self.since} to {self.until}"


@cache
def flag_tables() -> tuple[FlagTable, ...]:
    """All tables, oldest first.

    >>> len(flag_tables())
    16
    """
    entries: dict[str, list[tuple[str, tuple[tuple[str, bool], ...]]]] = {}
    for row in read_table("page_flags"):
        conditions = tuple((part.rpartition("=")[0], part.endswith("=y")) for part in row["conditions"].split())
        entries.setdefault(row["since"], []).append((row["name"], conditions))
    return tuple(
        FlagTable(row["since"], row["until"], tuple(row["trees"].split()), row["change"], tuple(entries[row["since"]]))
        for row in read_table("page_flag_tables")
    )


def flag_table(release: KernelRelease | str) -> FlagTable:
    """The table of one release.

    Args:
        release: the release.

    Raises:
        UnknownRelease: no table covers it.

    >>> str(flag_table("6.9.12-ajb"))
    '6.6 to 6.9'
    """
    series = covered_series(release, "page flags")
    return next(t for t in flag_tables() if parse_version(t.since) <= series <= parse_version(t.until))


def default_config(
    arch: str = "x86_64", release: KernelRelease | str | None = None, width: int = 64
) -> dict[str, bool]:
    """What a build is taken to have set when its configuration is not known.

    Args:
        arch: `x86_64`, `arm64`; anything else gets the values for other machines of that width.
        release: the release; an option that does not exist in it counts as not set.
        width: bits of an unsigned long, 64 or 32.

    >>> default_config("arm64")["CONFIG_ARCH_USES_PG_UNCACHED"]
    False
    """
    known = arch if arch in _KNOWN_ARCHES and width == 64 else f"other{width}"
    return {
        row["config"]: row["value"] == "y" and (release is None or Period.of_row(row).covers(release) is not False)
        for row in read_table("page_flag_config")
        if row["arch"] == known
    }
