"""Memory zones by number, architecture and build, and whether a page frame can lie in the zone that a page names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.tables import Period, read_table

# CPUs of x86-64 have at most 52 physical address bits.
X86_64_LAST_PFN = (1 << 52 - 12) - 1


@dataclass(frozen=True, slots=True)
class Zone:
    """One memory zone of an architecture.

    Args:
        name: as `/proc/zoneinfo` prints it.
        condition: the option that it needs, None if every build has it.
        first_pfn, last_pfn: the page frames that it can hold, None where that depends on the machine.
        meaning: what it is for.
        period: the releases that have it there.
    """

    name: str
    condition: str | None
    first_pfn: int | None
    last_pfn: int | None
    meaning: str
    period: Period


@dataclass(frozen=True, slots=True)
class ZoneCheck:
    """Whether a page frame number fits the zone that the page's flags name.

    Args:
        zone: the name of the zone, None if the number has none.
        fits: False if the frame cannot lie there, None if nothing can be said.
        reason: one sentence.
    """

    zone: str | None
    fits: bool | None
    reason: str


@cache
def _zones_of(arch: str) -> tuple[Zone, ...]:
    return tuple(
        Zone(
            row["name"],
            row["condition"] or None,
            int(row["first_pfn"], 16) if row["first_pfn"] else None,
            int(row["last_pfn"], 16) if row["last_pfn"] else None,
            row["meaning"],
            Period.of_row(row),
        )
        for row in read_table("zones")
        if row["arch"] == arch
    )


def zones(
    arch: str = "x86_64",
    release: KernelRelease | str | None = None,
    config: Mapping[str, bool] | None = None,
) -> tuple[Zone, ...]:
    """The zones of a build, the index being the number that page flags hold; empty if no table has the architecture.

    Args:
        arch: `x86_64`, `i686`, `arm64`.
        release: the release; zones that it surely does not have are left out.
        config: options that are known, `CONFIG_X` to whether it is set; the others count as set.

    >>> [zone.name for zone in zones("x86_64", "6.9.12")]
    ['DMA', 'DMA32', 'Normal', 'Movable', 'Device']
    >>> [zone.name for zone in zones("x86_64", "6.9.12", {"CONFIG_ZONE_DMA": False})]
    ['DMA32', 'Normal', 'Movable', 'Device']
    """
    known = config or {}
    found: list[Zone] = []
    start = 0
    for zone in _zones_of(arch):
        if zone.condition is not None and not known.get(zone.condition, True):
            continue
        if release is not None and zone.period.covers(release) is False:
            continue
        # A zone begins where the one below it ends; without that one it reaches further down.
        found.append(zone if zone.first_pfn is None else replace(zone, first_pfn=start))
        start = start if zone.last_pfn is None else zone.last_pfn + 1
    return tuple(found)


def zone_name(
    number: int,
    arch: str = "x86_64",
    release: KernelRelease | str | None = None,
    config: Mapping[str, bool] | None = None,
) -> str | None:
    """The name of a zone number, None if the architecture or the number is not in the table.

    Args:
        number: the zone field of the page flags.
        arch: `x86_64`, `i686`, `arm64`.
        release: the release.
        config: options that are known; a build without CONFIG_ZONE_DMA numbers the others one lower.

    >>> zone_name(2)
    'Normal'
    """
    found = zones(arch, release, config)
    return found[number].name if 0 <= number < len(found) else None


def check_zone(
    pfn: int,
    number: int,
    arch: str = "x86_64",
    release: KernelRelease | str | None = None,
    config: Mapping[str, bool] | None = None,
) -> ZoneCheck:
    """Whether a page frame can lie in the zone that its flags name.

    Args:
        pfn: page frame number, in pages of 4 KiB.
        number: the zone field of the page flags.
        arch, release, config: as for `zones`.

    Example: the reported page, 62.77 GiB up in memory, in zone 2.

    >>> check_zone(0xfb1665, 2).fits
    True
    >>> check_zone(0xfb1665, 1).reason
    'pfn 0xfb1665 lies above zone DMA32, which ends at pfn 0xfffff'
    """
    found = zones(arch, release, config)
    if not 0 <= number < len(found):
        return ZoneCheck(None, None, f"no table has a zone {number} for {arch}")
    zone = found[number]
    if arch == "x86_64" and pfn > X86_64_LAST_PFN:
        return ZoneCheck(zone.name, False, f"pfn {pfn:#x} is beyond the 52 physical address bits of x86-64")
    if zone.first_pfn is not None and pfn < zone.first_pfn:
        return ZoneCheck(zone.name, False, f"pfn {pfn:#x} lies below zone {zone.name}, from pfn {zone.first_pfn:#x} on")
    if zone.last_pfn is not None and pfn > zone.last_pfn:
        return ZoneCheck(
            zone.name, False, f"pfn {pfn:#x} lies above zone {zone.name}, which ends at pfn {zone.last_pfn:#x}"
        )
    if zone.first_pfn is None:
        return ZoneCheck(zone.name, None, f"zone {zone.name} has no fixed place on {arch}")
    return ZoneCheck(zone.name, True, f"pfn {pfn:#x} lies where zone {zone.name} of {arch} lies")
