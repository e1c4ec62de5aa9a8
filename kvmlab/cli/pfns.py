"""`kvmlab pfns`: the pfns of the bad pages in some logs, in runs, groups and zones, with a picture in a terminal."""

from __future__ import annotations

import argparse
import math
import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from kvmlab.capture.iomem import parse_iomem
from kvmlab.capture.zoneinfo import parse_zoneinfo
from kvmlab.cli.arguments import add_input, add_json, open_log
from kvmlab.cli.output import Output, print_json
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.batch_groups import BatchGroup, batch_groups
from kvmlab.inquiry.pfn_ranges import PfnRun, adjacency, pfn_runs
from kvmlab.inquiry.pfn_zones import UNKNOWN_ZONE, MemoryLayout, memory_layout
from kvmlab.inquiry.units import binary_size
from kvmlab.report.arch import report_arch
from kvmlab.report.records import Report
from kvmlab.text.source import open_source

_PAGE = 4096
_Read = TypeVar("_Read")
_SHADES = " ▁▂▃▄▅▆▇█"
_MOST_ROWS = 40

EPILOG = """\
examples:
  kvmlab pfns mail.txt
  kvmlab pfns kern.log.1.gz kern.log --json

exit status: 0 done, 1 the input holds no pfn, 2 unusable input or arguments.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's words to the parser."""
    parser = sub.add_parser(
        "pfns",
        help="runs, groups and zones of the pfns in a log",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_input(parser, many=True)
    add_json(parser)
    parser.add_argument("--zoneinfo", metavar="FILE", help="the host's /proc/zoneinfo; else rules say where zones lie")
    parser.add_argument("--iomem", metavar="FILE", help="the host's /proc/iomem, read as root: tells what is no RAM")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read the files and print what their pfns look like; 1 if they hold none."""
    logs = [open_log(path, args.max_bytes) for path in args.files]
    reports = [report for log in logs for report in log.reports if report.pfn is not None]
    # Groups never reach over the end of a file; report numbers count through all of them.
    starts = [sum(len(log.reports) for log in logs[:i]) for i in range(len(logs))]
    groups = [(start, group) for start, log in zip(starts, logs, strict=True) for group in batch_groups(log.reports)]
    arch = next(filter(None, map(report_arch, reports)), None)
    layout = memory_layout(
        zoneinfo=_read(args.zoneinfo, parse_zoneinfo), iomem=_read(args.iomem, parse_iomem), arch=arch or "x86_64"
    )
    told = _document(reports, groups, arch, layout)
    if args.json:
        print_json(told)
    else:
        _print(told, reports, [group for _, group in groups])
    return 0 if reports else 1


def _read(path: str | None, parse: Callable[[bytes], _Read]) -> _Read | None:
    """What a file of the host says, compressed or not; None if there is none."""
    return None if path is None else parse(open_source(path).data)


def _basis(arch: str | None, layout: MemoryLayout) -> str:
    return "assumed" if arch is None and layout.basis is Basis.INFERRED else str(layout.basis)


def _document(
    reports: Sequence[Report], groups: Iterable[tuple[int, BatchGroup]], arch: str | None, layout: MemoryLayout
) -> dict[str, Any]:
    pfns = [report.pfn for report in reports if report.pfn is not None]
    anonymous = {
        report.pfn: report.page.index
        for report in reports
        if report.pfn is not None and report.page is not None and report.page.index
    }
    near = adjacency(list(anonymous), list(anonymous.values()))
    return {
        "schema": "kvmlab.pfns/1",
        "n": len(pfns),
        "distinct": len(set(pfns)),
        "runs": [
            {
                "first": f"{run.first:#x}",
                "last": f"{run.last:#x}",
                "pages": run.pages,
                "largest_order": run.largest_order(),
            }
            for run in pfn_runs(pfns)
        ],
        "groups": [
            {
                "first_report": start + group.first.index,
                "reports": [start + report.index for report in group.reports],
                "size": len(group),
                "by_registers": group.by_registers,
                "by_pause": group.by_pause,
                "pfn_runs": len(group.runs),
            }
            for start, group in groups
        ],
        "zones": _zones(pfns, layout),
        "zone_rules": {"arch": arch or "x86_64", "basis": _basis(arch, layout), "source": layout.source},
        "not_ram": _not_ram(pfns, layout),
        "adjacency": {
            "pages": near.pages,
            "index_neighbours": near.hva_neighbours,
            "pfn_neighbours": near.pfn_neighbours,
            "both": near.both,
            "reversed": near.reversed,
        },
    }


def _zones(pfns: Iterable[int], layout: MemoryLayout) -> dict[str, int]:
    """Distinct pages in each zone; what no zone holds is counted as `unknown`."""
    counts = {span.name: 0 for span in layout.spans} | {UNKNOWN_ZONE: 0}
    for pfn in set(pfns):
        span = layout.zone_of(pfn)
        counts[UNKNOWN_ZONE if span is None else span.name] += 1
    return counts


def _not_ram(pfns: Iterable[int], layout: MemoryLayout) -> list[str] | None:
    """Pages that are no RAM as far as iomem says, None if it was not given."""
    if layout.ram is None:
        return None
    starts = [run.first for run in layout.ram]
    found = []
    for pfn in sorted(set(pfns)):
        at = bisect_right(starts, pfn) - 1
        if at < 0 or pfn > layout.ram[at].last:
            found.append(f"{pfn:#x}")
    return found


def _print(told: dict[str, Any], reports: Sequence[Report], groups: Sequence[BatchGroup]) -> None:
    out = Output()
    if not reports:
        out.text("no report in the input holds a pfn")
        return
    runs = pfn_runs(report.pfn for report in reports if report.pfn is not None)
    zone_text = ", ".join(f"{n} in {name}" for name, n in told["zones"].items() if n)
    out.text(
        f"{told['n']} pfns, {told['distinct']} distinct, in {len(runs)} runs; "
        f"{zone_text} ({told['zone_rules']['basis']})"
    )
    if out.terminal:
        _draw(out, runs)
    out.table(
        ("first", "last", "pages", "order", "physical"),
        [
            (f"{r.first:#x}", f"{r.last:#x}", r.pages, r.largest_order(), binary_size(r.first * _PAGE))
            for r in runs[:_MOST_ROWS]
        ],
    )
    if len(runs) > _MOST_ROWS:
        out.text(f"... and {len(runs) - _MOST_ROWS} more runs (--json has all)")
    for group in groups[:_MOST_ROWS]:
        proof = "one system call, by its registers" if group.by_registers else "by task, stack and time"
        proof += ", cut at the longest pause" if group.by_pause else ""
        out.text(f"group of {len(group)} from report {group.first.index}: {len(group.runs)} runs; {proof}")
    if len(groups) > _MOST_ROWS:
        out.text(f"... and {len(groups) - _MOST_ROWS} more groups (--json has all)")
    if told["not_ram"]:
        out.text(f"no RAM at {', '.join(told['not_ram'][:8])}: those pages cannot have been ordinary memory")
    near = told["adjacency"]
    if near["index_neighbours"]:
        out.text(
            f"of {near['index_neighbours']} pairs with neighbouring index, {near['both']} are neighbours in pfn too, "
            f"{near['reversed']} the other way round"
        )


def _draw(out: Output, runs: Sequence[PfnRun]) -> None:
    """A strip of blocks from the first to the last pfn; each block is a power of two of pages."""
    out.text(strip(runs, max(20, shutil.get_terminal_size().columns - 2)))
    out.text(f"{runs[0].first:#x} ... {runs[-1].last:#x}, taller is fuller (logarithmic)")


def strip(runs: Sequence[PfnRun], width: int) -> str:
    """Draw runs as a line of Unicode blocks, at most `width` of them; one page is enough to be seen.

    >>> strip([PfnRun(0, 3), PfnRun(8, 8), PfnRun(15, 15)], 4)
    '█ ▁▁'
    """
    first, last = runs[0].first, runs[-1].last
    order = 0
    while (last >> order) - (first >> order) + 1 > width:
        order += 1
    cells = [0] * ((last >> order) - (first >> order) + 1)
    for run in runs:
        for cell in range(run.first >> order, (run.last >> order) + 1):
            start = max(run.first, cell << order)
            cells[cell - (first >> order)] += min(run.last, ((cell + 1) << order) - 1) - start + 1
    top = len(_SHADES) - 1
    return "".join(
        _SHADES[0 if not n else (top if not order else 1 + round((top - 1) * math.log2(n) / order))] for n in cells
    )
