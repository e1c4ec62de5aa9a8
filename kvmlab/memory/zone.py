"""Zones: which pfns they span, which of them the allocator got, and what the kernel derives from their size.

Source: mm/page_alloc.c of 6.1.192, 6.12.117 and 7.3.4: __setup_per_zone_wmarks, setup_per_zone_lowmem_reserve,
zone_batchsize, zone_highsize; arch/x86/mm/init.c for the zone limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isqrt

from kvmlab.errors import KvmlabError
from kvmlab.memory.buddy_state import FRAME

PAGE_SIZE = 4096
ZONE_NAMES = ("DMA", "DMA32", "Normal", "Movable")
# First pfn behind the zone: 16 MiB and 4 GiB.
DMA_END = 4096
DMA32_END = 1 << 20
# The model links pages with 32-bit indices.
MAX_PAGES = (1 << 31) - (1 << 20)
RESERVE_RATIO = (256, 256, 32, 0)

_SIZE = re.compile(r"([0-9]{1,15})\s*([kmgt]?)(i?b)?", re.IGNORECASE)


class ZoneError(KvmlabError):
    """A description of zones that no machine can have; nothing was built or changed."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone of one node.

    Args:
        name: `DMA`, `DMA32`, `Normal` or `Movable`.
        start: first pfn that it spans.
        end: pfn behind the last one that it spans.
        nid: number of its node.
        ram: pfn ranges (first, end exclusive) that the allocator got, ascending; the rest are holes or reserved.

    >>> Zone.fresh("1GiB").pages
    262144
    """

    name: str
    start: int
    end: int
    nid: int = 0
    ram: tuple[tuple[int, int], ...] = ()

    @classmethod
    def fresh(cls, size: str | int, *, start: int = DMA32_END, name: str = "Normal", nid: int = 0) -> Zone:
        """A zone without holes, all of it free memory.

        Args:
            size: pages, or a text such as `1GiB`.
            start: its first pfn.
            name: its name.
            nid: its node.
        """
        end = start + pages_of(size)
        return cls(name, start, end, nid, ((start, end),))

    @property
    def kind(self) -> int:
        """Number of the zone as the kernel counts (enum zone_type with DMA and DMA32, without HighMem)."""
        return ZONE_NAMES.index(self.name)

    @property
    def pages(self) -> int:
        """Pages that the allocator got (managed)."""
        return sum(end - start for start, end in self.ram)


def pages_of(size: str | int) -> int:
    """Pages of a size.

    Args:
        size: a number of pages, or bytes with a unit: `64MiB`, `1GiB`, `24g`.

    Raises:
        ZoneError: not a size, not a multiple of 4096, or nothing.

    >>> pages_of("1GiB"), pages_of("16k"), pages_of(3)
    (262144, 4, 3)
    """
    if isinstance(size, str):
        found = _SIZE.fullmatch(size.strip())
        if found is None:
            raise ZoneError(f"{size[:40]!r} is not a size such as 512MiB or 4GiB.")
        unit = found[2].lower()
        size = int(found[1]) << 10 * " kmgt".index(unit) if unit else int(found[1])
        if size % PAGE_SIZE:
            raise ZoneError(f"{size} bytes are not a whole number of pages of {PAGE_SIZE} bytes.")
        size //= PAGE_SIZE
    if not 0 < size <= MAX_PAGES:
        raise ZoneError(f"{size} pages is no size of memory here; it must be between 1 and {MAX_PAGES}.")
    return size


def zones_of_ram(ranges: Iterable[tuple[int, int]], *, nid: int = 0) -> tuple[Zone, ...]:
    """The zones of an x86-64 node from its ranges of memory.

    Args:
        ranges: pfn ranges (first, end exclusive), such as those of `System RAM` in /proc/iomem.
        nid: the node.

    Raises:
        ZoneError: no range, an empty or negative one, or two that overlap.

    >>> [(z.name, z.start, z.end, z.pages) for z in zones_of_ram([(1, 0x9f), (0x100, 0x3ffdd)])]
    [('DMA', 1, 4096, 3998), ('DMA32', 4096, 262109, 258013)]
    """
    ram = merged_ranges(ranges)
    zones = []
    for name, low, high in (("DMA", 0, DMA_END), ("DMA32", DMA_END, DMA32_END), ("Normal", DMA32_END, MAX_PAGES)):
        inside = tuple((max(a, low), min(b, high)) for a, b in ram if a < high and b > low)
        if inside:
            zones.append(Zone(name, inside[0][0], inside[-1][1], nid, inside))
    return tuple(zones)


def merged_ranges(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Ranges in ascending order, touching ones joined; raises `ZoneError` for empty or overlapping ones."""
    out: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if not 0 <= start < end <= MAX_PAGES:
            raise ZoneError(f"pfns {start:#x} to {end:#x} are not a range of memory.")
        if out and start < out[-1][1]:
            raise ZoneError(f"two ranges of memory overlap at pfn {start:#x}.")
        if out and start == out[-1][1]:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    if not out:
        raise ZoneError("there is no range of memory.")
    return tuple(out)


def checked_zones(zones: Sequence[Zone]) -> tuple[Zone, ...]:
    """The zones in the order of the kernel (node, then zone), or a `ZoneError` that says what cannot be.

    Args:
        zones: at most 31.
    """
    for z in zones:
        if z.name not in ZONE_NAMES:
            raise ZoneError(f"{z.name[:40]!r} is no zone; there are {', '.join(ZONE_NAMES)}.")
    ordered = tuple(replace(z, ram=merged_ranges(z.ram)) for z in sorted(zones, key=lambda z: (z.nid, z.kind)))
    if not 1 <= len(ordered) <= 31:
        raise ZoneError(f"{len(ordered)} zones: the model takes between 1 and 31.")
    seen: set[tuple[int, str]] = set()
    for z in ordered:
        if (z.nid, z.name) in seen or not 0 <= z.nid < 1024:
            raise ZoneError(f"node {z.nid} has two zones {z.name}, or no such number.")
        seen.add((z.nid, z.name))
        if not 0 <= z.start < z.end <= MAX_PAGES or z.ram[0][0] < z.start or z.ram[-1][1] > z.end:
            raise ZoneError(f"zone {z.name} spans pfns {z.start:#x} to {z.end:#x} but has memory outside of them.")
    by_start = sorted(ordered, key=lambda z: z.start)
    for below, above in pairwise(by_start):
        if below.end > above.start:
            raise ZoneError(f"zones {below.name} and {above.name} overlap at pfn {above.start:#x}.")
        if (below.end - 1) // FRAME == above.start // FRAME:
            raise ZoneError(
                f"zones {below.name} and {above.name} meet inside one block of order 10 at {above.start:#x}."
            )
    return ordered


@dataclass(frozen=True, slots=True)
class ZoneNumbers:
    """What the kernel derives from the sizes of the zones.

    Args:
        low, high, minimum: watermarks in pages.
        reserve: lowmem_reserve by highest zone of the request, in pages.
        batch: pcp->batch.
        high_min, high_max: limits of pcp->high.
    """

    minimum: int
    low: int
    high: int
    reserve: tuple[int, int, int, int]
    batch: int
    high_min: int
    high_max: int


def zone_numbers(
    zones: Sequence[Zone], *, cpus: int, batch_shift: int, min_free_kbytes: int | None = None
) -> tuple[ZoneNumbers, ...]:
    """Watermarks, reserves and per-CPU limits of every zone.

    Args:
        zones: all zones of the machine.
        cpus: CPUs of each node.
        batch_shift: 10, or 12 from 6.18 on.
        min_free_kbytes: the sysctl; None for the kernel's own choice (without what khugepaged adds).

    >>> zone_numbers([Zone.fresh("1GiB")], cpus=1, batch_shift=10)[0].batch
    63
    """
    lowmem = sum(z.pages for z in zones if z.name != "Movable")
    if min_free_kbytes is None:
        min_free_kbytes = min(max(isqrt(lowmem * 4 * 16), 128), 262144)
    out = []
    for z in zones:
        share = (min_free_kbytes >> 2) * z.pages // max(lowmem, 1)
        minimum = min(max(z.pages // 1024, 32), 128) if z.name == "Movable" else share
        step = max(share >> 2, z.pages * 10 // 10000)
        low, high = minimum + step, minimum + 2 * step
        above = [sum(o.pages for o in zones if o.nid == z.nid and z.kind < o.kind <= k) for k in range(4)]
        ratio = RESERVE_RATIO[z.kind]
        reserve = tuple(pages // ratio if ratio and z.pages else 0 for pages in above)
        batch = pcp_batch(z.pages, batch_shift)
        high_min = max(low // cpus, batch << 2)
        high_max = max(z.pages // 8 // cpus, batch << 2)
        out.append(
            ZoneNumbers(minimum, low, high, (reserve[0], reserve[1], reserve[2], reserve[3]), batch, high_min, high_max)
        )
    return tuple(out)


def pcp_batch(managed: int, batch_shift: int) -> int:
    """pcp->batch of a zone: 2^n - 1 near a thousandth of it, at most 63 (zone_batchsize).

    Args:
        managed: pages of the zone.
        batch_shift: 10 until 6.17, 12 later.

    >>> pcp_batch(3840, 10), pcp_batch(239175, 10), pcp_batch(236775, 12)
    (1, 63, 63)
    """
    if batch_shift == 10:
        batch = max(min(managed >> 10, 256) // 4, 1)
    else:
        batch = min(managed >> 12, 64)
        if batch <= 1:
            return 1
    size = batch + batch // 2
    return max((1 << size.bit_length() - 1) - 1, 1)
