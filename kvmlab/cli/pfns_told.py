"""What `kvmlab pfns --json` says about runs of pfns: orders, gaps, zones, holes, pageblocks, groups, neighbours."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.batch_groups import BatchGroup
from kvmlab.inquiry.pfn_adjacency import Adjacency
from kvmlab.inquiry.pfn_runs import PAGEBLOCK_ORDER, PfnRun
from kvmlab.inquiry.pfn_zones import UNKNOWN_ZONE, MemoryLayout

_MOST_NAMED: Final = 1000


def runs_told(runs: Sequence[PfnRun]) -> list[dict[str, Any]]:
    """The runs with their size, alignment, largest block and the gap before each.

    >>> runs_told([PfnRun(8, 11), PfnRun(16, 16)])[1]
    {'first': '0x10', 'last': '0x10', 'pages': 1, 'largest_order': 0, 'alignment': 4, 'gap': 4}
    """
    gaps = [after.first - before.last - 1 for before, after in pairwise(runs)]
    return [
        {
            "first": f"{run.first:#x}",
            "last": f"{run.last:#x}",
            "pages": run.pages,
            "largest_order": run.largest_order(),
            "alignment": run.alignment(),
            "gap": gap,
        }
        for run, gap in zip(runs, [None, *gaps], strict=False)
    ]


def groups_told(groups: Iterable[tuple[int, BatchGroup]]) -> list[dict[str, Any]]:
    """The drains of folio batches; report numbers count through all files."""
    return [
        {
            "first_report": start + group.first.index,
            "reports": [start + report.index for report in group.reports],
            "size": len(group),
            "by_registers": group.by_registers,
            "by_pause": group.by_pause,
            "pfn_runs": len(group.runs),
        }
        for start, group in groups
    ]


def zones_told(runs: Sequence[PfnRun], layout: MemoryLayout) -> dict[str, int]:
    """Distinct pages in each zone; what no zone holds is counted as `unknown`."""
    counts = {span.name: 0 for span in layout.spans} | {UNKNOWN_ZONE: 0}
    for run in runs:
        left = run.pages
        for span in layout.spans:
            inside = min(run.last, span.last) - max(run.first, span.first) + 1
            if inside > 0:
                counts[span.name] += inside
                left -= inside
        counts[UNKNOWN_ZONE] += left
    return counts


def zone_rules_told(arch: str | None, layout: MemoryLayout) -> dict[str, str]:
    """Where the zones come from, and how sure that is."""
    assumed = arch is None and layout.basis is Basis.INFERRED
    return {"arch": arch or "x86_64", "basis": "assumed" if assumed else str(layout.basis), "source": layout.source}


def not_ram_told(runs: Sequence[PfnRun], layout: MemoryLayout) -> tuple[int, list[str]] | None:
    """How many pages are no RAM as far as iomem says, and the first thousand of them; None if it was not given."""
    if layout.ram is None:
        return None
    starts = [ram.first for ram in layout.ram]
    count = 0
    named: list[str] = []
    for run in runs:
        at = run.first
        while at <= run.last:
            place = bisect_right(starts, at) - 1
            if place >= 0 and at <= layout.ram[place].last:
                at = layout.ram[place].last + 1
                continue
            stop = min(run.last, starts[place + 1] - 1 if place + 1 < len(starts) else run.last)
            count += stop - at + 1
            named += [f"{pfn:#x}" for pfn in range(at, min(stop, at + _MOST_NAMED - len(named) - 1) + 1)]
            at = stop + 1
    return count, named


def pageblocks_told(runs: Sequence[PfnRun], order: int = PAGEBLOCK_ORDER) -> dict[str, Any]:
    """How many blocks of an order are touched, how many are whole, and the fullest (the first of several).

    >>> pageblocks_told([PfnRun(0, 1023), PfnRun(1030, 1039)])
    {'order': 9, 'touched': 3, 'whole': 2, 'fullest': '0x0', 'fullest_pages': 512}
    """
    touched = whole = most = 0
    fullest: int | None = None
    open_block, held = -1, 0
    for run in runs:
        for block, blocks, pages in _blocks(run, order):
            held = held + pages if block == open_block else pages
            touched += blocks - (block == open_block)
            whole += blocks if held == 1 << order else 0
            open_block = block + blocks - 1
            if held > most:
                fullest, most = block << order, held
    told = None if fullest is None else f"{fullest:#x}"
    return {"order": order, "touched": touched, "whole": whole, "fullest": told, "fullest_pages": most}


def adjacency_told(near: Adjacency) -> dict[str, int]:
    """Neighbours in memory against neighbours in the process."""
    return {
        "pages": near.pages,
        "index_neighbours": near.hva_neighbours,
        "pfn_neighbours": near.pfn_neighbours,
        "both": near.both,
        "reversed": near.reversed,
    }


def _blocks(run: PfnRun, order: int) -> Iterable[tuple[int, int, int]]:
    """The blocks that a run touches as (first block, how many, pages in each): its ends, and what is between them."""
    first, last = run.first >> order, run.last >> order
    if first == last:
        yield first, 1, run.pages
        return
    yield first, 1, ((first + 1) << order) - run.first
    if last - first > 1:
        yield first + 1, last - first - 1, 1 << order
    yield last, 1, run.last - (last << order) + 1
