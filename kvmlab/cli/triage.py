"""`kvmlab triage`: what is in these texts, report by report, and which reports are the same."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from kvmlab.cli.arguments import add_input, add_json
from kvmlab.cli.output import Output
from kvmlab.cli.triage_json import print_document
from kvmlab.cli.triage_sources import rarely_collected, scans, summarize
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.filters import ReportFilter, make_filter
from kvmlab.inquiry.similar import similar_families
from kvmlab.inquiry.summaries import SourceSummary
from kvmlab.inquiry.tallies import merged

EPILOG = """\
examples:
  kvmlab triage mail.txt
  kvmlab triage /var/log/kern.log.1.gz kern.log
  kvmlab triage kern.log --kind bad_page --since 252000 --frame 'folio_batch_*'
  kvmlab triage fleet/*.log --parquet bad_pages.parquet
  journalctl -k -o short-monotonic | kvmlab triage - --json

exit status: 0 when there are reports, 1 when there are none, 2 when an input cannot be read.
"""
# Pairs of families that look alike which are shown.
_ALIKE = 10
# Functions of a stack that a line of the table shows.
_SHOWN = 6
# Rows that a source shows, for a few sources and for many.
_ROWS, _FEW = 200, 8


class TriageError(KvmlabError):
    """Options that cannot be had together; the message says which."""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = sub.add_parser(
        "triage",
        help="what is in a log: reports, families, damage",
        description="Read logs and mails, and list every report in them.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_input(parser, many=True)
    only = parser.add_argument_group("only some reports (all conditions must hold)")
    only.add_argument("--kind", action="append", metavar="KIND", help="of this kind, such as bad_page; may be repeated")
    only.add_argument("--since", metavar="SECONDS", help="from this kernel time on, in seconds since boot")
    only.add_argument(
        "--pfn", action="append", metavar="PFN[-PFN]", help="of this page frame or range, in hex; may be repeated"
    )
    only.add_argument(
        "--frame",
        action="append",
        metavar="FUNCTION",
        help="with this function confirmed in the call trace (a shell pattern); may be repeated",
    )
    how = parser.add_argument_group("large logs")
    how.add_argument(
        "--scan",
        choices=("auto", "fast", "slow"),
        default="auto",
        help="how to read: auto (default) takes the fast way when the files have 64 MiB or more together; the fast way "
        "finds the same reports, but does not look for damage of the text as a whole; --json holds all parts of every "
        "report, and takes minutes a gigabyte either way",
    )
    how.add_argument(
        "--rows", type=_count, metavar="N",
        help=f"reports that the table of a source shows (default {_ROWS}, 0 for more than {_FEW} sources)",
    )  # fmt: skip
    how.add_argument(
        "--parquet", metavar="FILE", help="write the bad pages to this Parquet file instead; needs kvmlab[fleet]"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the triage; 1 if there is nothing to report."""
    with rarely_collected():
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    wanted = make_filter(args.kind, args.since, args.pfn, args.frame)
    if args.parquet is not None:
        return write(args, wanted)
    if args.json:
        return 0 if print_document(args.files, wanted, way=args.scan, limit=args.max_bytes) else 1
    rows = args.rows if args.rows is not None else _ROWS if len(args.files) <= _FEW else 0
    out = Output()
    many = len(args.files) > 1
    summaries = []
    for summary in summarize(args.files, wanted, rows, way=args.scan, limit=args.max_bytes):
        if rows or not many:
            print_source(out, summary, rows)
        summary.rows.clear()
        summaries.append(summary)
    if many:
        print_sources(out, summaries)
    print_families(out, summaries)
    if any(summary.scanned for summary in summaries):
        print("kvmlab: read the fast way; --scan slow also looks for damage of the texts as a whole", file=sys.stderr)
    return 0 if any(summary.reports for summary in summaries) else 1


def write(args: argparse.Namespace, wanted: ReportFilter) -> int:
    """Write the bad pages of all sources to a Parquet file; 1 if there are none."""
    if args.json:
        raise TriageError("--parquet and --json are two forms of output: choose one")
    from kvmlab.report.scan_parquet import write_parquet

    n = write_parquet(scans(args.files, limit=args.max_bytes), args.parquet, wanted.mask_bad_pages)
    sources = "1 source" if len(args.files) == 1 else f"{len(args.files)} sources"
    print(f"{n} bad pages of {sources} in {args.parquet}")
    return 0 if n else 1


def print_source(out: Output, source: SourceSummary, rows: int) -> None:
    """Print one source: what it is, its reports, its damage."""
    size = f"{source.size} bytes"
    out.heading(f"{source.path}: {source.kind}, {source.lines} lines, {size}, sha256 {source.sha256[:16]}")
    if not source.reports:
        out.text("no report found")
    elif rows:
        out.table(("#", "kind", "lines", "time", "pfn", "process", "reason or title", "complete"), source.rows)
    if 0 < rows < source.reports:
        out.text(f"and {source.reports - rows} more; --rows {source.reports} shows them all")
    for damage in source.damage:
        out.text(damage)
    out.text()


def print_sources(out: Output, sources: Sequence[SourceSummary]) -> None:
    """Print a table with a row for each source."""
    out.heading("Sources")
    rows = []
    for source in sources:
        other = ", ".join(f"{n} {kind}" for kind, n in source.kinds.most_common() if kind != "bad_page")
        suppressed = sum(tally.suppressed for tally in source.families)
        time = None if source.first is None else f"{source.first}-{source.last}"
        kernels = ", ".join(source.kernels[:2]) + (" ..." if len(source.kernels) > 2 else "")
        damage = "; ".join(said.split(",", 1)[0].removeprefix("damage: ") for said in source.damage)
        rows.append(
            (source.path, source.kind, source.lines, source.kinds["bad_page"], suppressed or None, other or None, time,
             kernels or None, len(source.families), damage or None)
        )  # fmt: skip
    columns = ("source", "kind", "lines", "bad pages", "suppressed", "other reports", "time", "kernels", "families")
    out.table((*columns, "damage"), rows)
    out.text()


def print_families(out: Output, sources: Sequence[SourceSummary]) -> None:
    """Print which reports are the same: how often, how fast, over which pfns, in how many sources, and their stack."""
    found = merged(source.families for source in sources)
    if not found:
        return
    out.heading("Families (reports with the same stack)")
    rows = []
    for n, tally in enumerate(found, 1):
        functions = tally.signature.functions
        stack = " < ".join(functions[:_SHOWN]) + (" ..." if len(functions) > _SHOWN else "")
        pages = f"{len(tally.pfns)} in {tally.pfns.runs} runs" if tally.pfns else None
        rate = None if tally.rate is None else f"{tally.rate:.3g}/s"
        row = (n, tally.count, tally.suppressed or None, rate, pages, len(tally.sources), tally.title, stack)
        rows.append(row if len(sources) > 1 else (*row[:5], *row[6:]))
    columns = ("#", "reports", "suppressed", "rate", "pages", "sources", "family", "stack, innermost first")
    out.table(columns if len(sources) > 1 else (*columns[:5], *columns[6:]), rows)
    alike = similar_families(found)
    if alike:
        out.text()
        out.heading("Families that look alike (not put together)")
        number = {tally.signature.key: n for n, tally in enumerate(found, 1)}
        for pair in alike[:_ALIKE]:
            a, b = (number[side.signature.key] for side in (pair.a, pair.b))
            out.text(f"{a} and {b}: {pair.why}")
        if len(alike) > _ALIKE:
            out.text(f"and {len(alike) - _ALIKE} more pairs")


def _count(text: str) -> int:
    if not (text.isdecimal() and len(text) <= 12):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows, such as 200")
    return int(text)
