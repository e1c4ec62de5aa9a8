"""In which zone each pfn lies and what is no RAM: from zoneinfo and iomem where given, else by rule, and said so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kvmlab.capture.iomem import Iomem
from kvmlab.capture.zoneinfo import Zoneinfo
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.pfn_ranges import PfnRanges
from kvmlab.inquiry.pfn_runs import LARGEST_PFN, PfnRun
from kvmlab.kernel.zones import zones

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN_ZONE: Final = "unknown"


@dataclass(frozen=True, slots=True)
class ZoneSpan:
    """A zone's stretch of pfns, both ends inside; holes in it are not RAM.

    Args:
        name: as `/proc/zoneinfo` prints it.
        node: NUMA node, None where only the rule is known.
        first, last: pfns.
    """

    name: str
    node: int | None
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class MemoryLayout:
    """Where zones and RAM lie.

    Args:
        spans: the zones, ascending.
        ram: the whole page frames that are RAM, ascending; None if nobody said.
        basis: observed if the spans come from the machine, inferred if they follow from its architecture.
        source: one sentence on where the spans come from.
    """

    spans: tuple[ZoneSpan, ...]
    ram: tuple[PfnRun, ...] | None
    basis: Basis
    source: str

    def zone_of(self, pfn: int) -> ZoneSpan | None:
        """The zone that a pfn lies in, None if none of the spans holds it."""
        return next((span for span in self.spans if span.first <= pfn <= span.last), None)

    def holes(self, first: int, last: int) -> tuple[PfnRun, ...]:
        """The stretches between two pfns that are no RAM; empty if nobody said what is RAM.

        Args:
            first, last: both inside.

        >>> layout = MemoryLayout((), (PfnRun(1, 0x9e), PfnRun(0x100, 0x1ff)), Basis.OBSERVED, "")
        >>> [(hex(h.first), hex(h.last)) for h in layout.holes(0, 0x2ff)]
        [('0x0', '0x0'), ('0x9f', '0xff'), ('0x200', '0x2ff')]
        """
        if self.ram is None:
            return ()
        found, at = [], first
        for run in self.ram:
            if run.last < at:
                continue
            if run.first > last:
                break
            if run.first > at:
                found.append(PfnRun(at, run.first - 1))
            at = run.last + 1
        if at <= last:
            found.append(PfnRun(at, last))
        return tuple(found)


def memory_layout(
    *, zoneinfo: Zoneinfo | None = None, iomem: Iomem | None = None, arch: str = "x86_64"
) -> MemoryLayout:
    """The zones and the RAM of a machine, from what it recorded or by the rules of its architecture.

    Args:
        zoneinfo: its /proc/zoneinfo; without it the rules say where zones begin.
        iomem: its /proc/iomem; without it nothing is known of holes. One that hides its addresses counts as none.
        arch: whose rules hold.

    >>> [(span.name, hex(span.first)) for span in memory_layout().spans]
    [('DMA', '0x0'), ('DMA32', '0x1000'), ('Normal', '0x100000')]
    """
    ram = None
    if iomem is not None and not iomem.hidden:
        ram = tuple(PfnRun(run.first, run.last) for run in iomem.ram())
    seen = _spans(zoneinfo)
    if seen:
        return MemoryLayout(seen, ram, Basis.OBSERVED, "as /proc/zoneinfo of the machine says")
    rules = tuple(
        ZoneSpan(zone.name, None, zone.first_pfn, LARGEST_PFN if zone.last_pfn is None else zone.last_pfn)
        for zone in zones(arch)
        if zone.first_pfn is not None
    )
    said = f"by the rules of {arch}" if rules else f"{arch} has no fixed zone boundaries, and no zoneinfo was given"
    return MemoryLayout(rules, ram, Basis.INFERRED, said)


def df_zone_counts(ranges: PfnRanges, layout: MemoryLayout) -> pd.DataFrame:
    """How many of the pages lie in each zone, and how many of these are no RAM.

    Args:
        ranges: the pages.
        layout: where the zones lie.

    Returns:
        `zone`, `node` (Int64), `first`, `last` (uint64), `pages`, `not_ram` (UInt64, missing if nobody said what is
        RAM); the last row is for pages outside every zone, if there are any.
    """
    import pandas as pd

    rows = []
    for span in layout.spans:
        part = ranges.between(span.first, span.last)
        rows.append((span.name, span.node, span.first, span.last, part.pages, _outside(part, layout)))
    rest = ranges.pages - sum(row[4] for row in rows)
    if rest > 0:
        rows.append((UNKNOWN_ZONE, None, 0, LARGEST_PFN, rest, None))
    types = {
        "zone": "str",
        "node": "Int64",
        "first": "uint64",
        "last": "uint64",
        "pages": "uint64",
        "not_ram": "UInt64",
    }
    frame = pd.DataFrame(rows, columns=list(types)).astype(types)
    frame.attrs = {"source": ranges.source, "kernel": ranges.kernel, "basis": str(layout.basis), "said": layout.source}
    return frame


def _outside(ranges: PfnRanges, layout: MemoryLayout) -> int | None:
    if layout.ram is None:
        return None
    return ranges.pages - sum(ranges.count_in([(run.first, run.last) for run in layout.ram]))


def _spans(zoneinfo: Zoneinfo | None) -> tuple[ZoneSpan, ...]:
    """The populated zones of a zoneinfo that says where they begin and how far they reach."""
    if zoneinfo is None:
        return ()
    found: Sequence[ZoneSpan] = [
        ZoneSpan(zone.zone, zone.node, zone.start_pfn, zone.start_pfn + zone.pages["spanned"] - 1)
        for zone in zoneinfo.zones
        if zone.start_pfn is not None and zone.pages.get("spanned", 0) > 0
    ]
    return tuple(sorted(found, key=lambda span: span.first))
