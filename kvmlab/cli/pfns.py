"""`kvmlab pfns`: the pfns of logs and captures, in runs, groups and zones, with a picture in a terminal."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from kvmlab.capture.iomem import parse_iomem
from kvmlab.capture.kinds import HEAD_BYTES, is_kernel_log
from kvmlab.capture.zoneinfo import parse_zoneinfo
from kvmlab.cli.arguments import add_input, add_json
from kvmlab.cli.output import Output, print_json
from kvmlab.cli.pfns_strip import strip
from kvmlab.cli.pfns_told import (
    adjacency_told,
    groups_told,
    not_ram_told,
    pageblocks_told,
    runs_told,
    zone_rules_told,
    zones_told,
)
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.batch_groups import BatchGroup, batch_groups
from kvmlab.inquiry.pfn_adjacency import Adjacency, adjacency
from kvmlab.inquiry.pfn_runs import PfnRun, pfn_runs
from kvmlab.inquiry.pfn_zones import memory_layout
from kvmlab.inquiry.units import binary_size
from kvmlab.report.arch import report_arch
from kvmlab.report.log import Log, read_log
from kvmlab.report.records import Report
from kvmlab.text.source import Source, open_source

if TYPE_CHECKING:
    from kvmlab.inquiry.pfn_sources import PfnSource

_PAGE = 4096
_Read = TypeVar("_Read")
_MOST_ROWS = 40

EPILOG = """\
examples:
  kvmlab pfns mail.txt
  kvmlab pfns kern.log.1.gz kern.log --json
  kvmlab pfns kpageflags.bin.gz --only buddy               free page frames
  kvmlab pfns page_owner.txt --only ttm_pool_alloc          what TTM's pool holds
  kvmlab pfns trace.txt --only kvm_mmu_spte_requested       what KVM mapped

exit status: 0 done, 1 the input holds no pfn, 2 unusable input or arguments.
"""


@dataclass
class _Found:
    """What the files hold.

    Args:
        logs: in the order of the files.
        captures: files and what they name.
        kinds: path and kind of each file.
    """

    logs: list[Log] = field(default_factory=list)
    captures: list[PfnSource] = field(default_factory=list)
    kinds: list[tuple[str, str]] = field(default_factory=list)

    @property
    def reports(self) -> list[Report]:
        """The reports that name a pfn."""
        return [report for log in self.logs for report in log.reports if report.pfn is not None]

    @property
    def groups(self) -> list[tuple[int, BatchGroup]]:
        """Drains, each with the number of the first report of its file; none reaches over the end of a file."""
        starts = [sum(len(log.reports) for log in self.logs[:i]) for i in range(len(self.logs))]
        return [(s, group) for s, log in zip(starts, self.logs, strict=True) for group in batch_groups(log.reports)]

    def runs(self) -> tuple[tuple[PfnRun, ...], int]:
        """The runs of all pages, and how many pages were named, repeated ones counted each time."""
        pfns = [report.pfn for report in self.reports if report.pfn is not None]
        if not self.captures:
            return pfn_runs(pfns), len(pfns)
        import numpy as np

        from kvmlab.inquiry.pfn_ranges import pfn_ranges

        given = np.array(pfns, np.uint64)
        first = np.concatenate([given, *(one.ranges.first for one in self.captures)])
        last = np.concatenate([given, *(one.ranges.last for one in self.captures)])
        ranges = pfn_ranges(first, last=last)
        told = zip(ranges.first.tolist(), ranges.last.tolist(), strict=True)
        return tuple(PfnRun(a, b) for a, b in told), len(pfns) + sum(one.ranges.given for one in self.captures)

    def near(self) -> Adjacency:
        """Neighbours in pfn against neighbours in hva: of anonymous pages in reports, or of a pagemap."""
        anonymous = {
            report.pfn: report.page.index
            for report in self.reports
            if report.pfn is not None and report.page is not None and report.page.index
        }
        parts = [adjacency(list(anonymous), list(anonymous.values()))]
        parts += [one.near for one in self.captures if one.near is not None]
        return Adjacency(
            *(sum(getattr(part, name) for part in parts) for name in ("pages", "hva_neighbours", "pfn_neighbours")),
            *(sum(getattr(part, name) for part in parts) for name in ("both", "reversed")),
        )


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's words to the parser."""
    parser = sub.add_parser(
        "pfns",
        help="runs, groups and zones of the pfns in a log or a capture",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_input(parser, many=True, more="; or a capture: kpageflags, kpagecount, pagemap, page_owner, a trace, ...")
    add_json(parser)
    parser.add_argument(
        "--only",
        metavar="WORD",
        help="a part of a capture: a flag (buddy), a function in the stack of page_owner, an event of a trace, the "
        "migratetype of a free list",
    )
    parser.add_argument("--zoneinfo", metavar="FILE", help="the host's /proc/zoneinfo; else rules say where zones lie")
    parser.add_argument("--iomem", metavar="FILE", help="the host's /proc/iomem, read as root: tells what is no RAM")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read the files and print what their pfns look like; 1 if they hold none."""
    found = _Found()
    for path in args.files:
        _add(found, path, args.max_bytes, args.only)
    arch = next(filter(None, map(report_arch, found.reports)), None)
    layout = memory_layout(
        zoneinfo=_read(args.zoneinfo, parse_zoneinfo), iomem=_read(args.iomem, parse_iomem), arch=arch or "x86_64"
    )
    runs, n = found.runs()
    outside = not_ram_told(runs, layout)
    told = {
        "schema": "kvmlab.pfns/1",
        "sources": [{"path": path, "kind": kind} for path, kind in found.kinds],
        "n": n,
        "distinct": sum(one.pages for one in runs),
        "runs": runs_told(runs),
        "groups": groups_told(found.groups),
        "zones": zones_told(runs, layout),
        "zone_rules": zone_rules_told(arch, layout),
        "not_ram": None if outside is None else outside[1],
        "not_ram_pages": None if outside is None else outside[0],
        "pageblocks": pageblocks_told(runs),
        "adjacency": adjacency_told(found.near()),
    }
    if args.json:
        print_json(told)
    else:
        _print(told, found, runs)
    return 0 if runs else 1


def _add(found: _Found, path: str, limit: int | None, only: str | None) -> None:
    """Read one file, whatever its content shows it to be."""
    if path != "-" and not path:
        raise UnusableInput("an empty file name: expected the path of a log or a capture, or - for standard input")
    source = open_source(path) if limit is None else open_source(path, limit=limit)
    one = None if is_kernel_log(source.data[:HEAD_BYTES].decode("latin-1")) else _capture(source, only)
    if one is not None:
        found.captures.append(one)
        found.kinds.append((source.path, one.kind))
        return
    if only is not None:
        raise UnusableInput(f"{source.path} is no capture: --only {only} chooses a part of a capture")
    found.logs.append(read_log(source))
    found.kinds.append((source.path, "log"))


def _capture(source: Source, only: str | None) -> PfnSource | None:
    """The pages of a capture, None if the content shows none."""
    from kvmlab.capture.read import Capture, recognise

    kind = recognise(source.data)
    if kind is None:
        return None
    from kvmlab.inquiry.pfn_sources import pfns_of_capture

    read = Capture(source.path, kind, kind.read(source.data, source.path), source.sha256)
    return pfns_of_capture(read, only=only)


def _read(path: str | None, parse: Callable[[bytes], _Read]) -> _Read | None:
    """What a file of the host says, compressed or not; None if there is none."""
    return None if path is None else parse(open_source(path).data)


def _print(told: dict[str, Any], found: _Found, runs: Sequence[PfnRun]) -> None:
    out = Output()
    if not runs:
        out.text("no report in the input holds a pfn")
        return
    for (path, kind), said in zip(found.kinds, _said(found), strict=True):
        if kind != "log":
            out.text(f"{path}: {kind}, {said}")
    zone_text = ", ".join(f"{n} in {name}" for name, n in told["zones"].items() if n)
    out.text(
        f"{told['n']} pfns, {told['distinct']} distinct, in {len(runs)} runs; "
        f"{zone_text} ({told['zone_rules']['basis']})"
    )
    if out.terminal:
        out.text(strip(runs, max(20, shutil.get_terminal_size().columns - 2)))
        out.text(f"{runs[0].first:#x} ... {runs[-1].last:#x}, taller is fuller (logarithmic)")
    out.table(
        ("first", "last", "pages", "order", "physical"),
        [
            (f"{r.first:#x}", f"{r.last:#x}", r.pages, r.largest_order(), binary_size(r.first * _PAGE))
            for r in runs[:_MOST_ROWS]
        ],
    )
    if len(runs) > _MOST_ROWS:
        out.text(f"... and {len(runs) - _MOST_ROWS} more runs (--json has all)")
    blocks = told["pageblocks"]
    out.text(
        f"{blocks['touched']} pageblocks of {1 << blocks['order']} pages are touched, {blocks['whole']} of them wholly;"
        f" the fullest begins at {blocks['fullest']} and holds {blocks['fullest_pages']}"
    )
    _print_groups(out, [group for _, group in found.groups])
    if told["not_ram"]:
        more = " ..." if told["not_ram_pages"] > 8 else ""
        out.text(f"no RAM at {', '.join(told['not_ram'][:8])}{more}: those pages cannot have been ordinary memory")
    near = told["adjacency"]
    if near["index_neighbours"]:
        out.text(
            f"of {near['index_neighbours']} pairs with neighbouring index, {near['both']} are neighbours in pfn too, "
            f"{near['reversed']} the other way round"
        )


def _print_groups(out: Output, groups: Sequence[BatchGroup]) -> None:
    for group in groups[:_MOST_ROWS]:
        proof = "one system call, by its registers" if group.by_registers else "by task, stack and time"
        proof += ", cut at the longest pause" if group.by_pause else ""
        out.text(f"group of {len(group)} from report {group.first.index}: {len(group.runs)} runs; {proof}")
    if len(groups) > _MOST_ROWS:
        out.text(f"... and {len(groups) - _MOST_ROWS} more groups (--json has all)")


def _said(found: _Found) -> list[str]:
    """Which pages of each file are meant."""
    said = iter(found.captures)
    return ["" if kind == "log" else next(said).said for _, kind in found.kinds]
