"""`kvmlab triage`: what is in these texts, report by report, and which reports are the same."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kvmlab.cli.arguments import add_input, add_json, open_log
from kvmlab.cli.output import Output, print_json
from kvmlab.inquiry.families import families
from kvmlab.inquiry.filters import make_filter
from kvmlab.inquiry.triage import triage_document
from kvmlab.report.jsonable import hex_or_none
from kvmlab.report.log import Log
from kvmlab.report.records import Kind, Report

EPILOG = """\
examples:
  kvmlab triage mail.txt
  kvmlab triage /var/log/kern.log.1.gz kern.log
  kvmlab triage kern.log --kind bad_page --since 252000 --frame 'folio_batch_*'
  journalctl -k -o short-monotonic | kvmlab triage - --json

exit status: 0 when there are reports, 1 when there are none, 2 when an input cannot be read.
"""
# Functions of a stack that a line of the table shows.
_SHOWN = 6


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
        help="with this function in the call trace (a shell pattern); may be repeated",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the triage; 1 if there is nothing to report."""
    wanted = make_filter(args.kind, args.since, args.pfn, args.frame)
    logs = [wanted.apply(open_log(path, args.max_bytes)) for path in args.files]
    if args.json:
        print_json(triage_document(logs))
    else:
        out = Output()
        for log in logs:
            print_source(out, log)
        print_families(out, logs)
    return 0 if any(log.reports for log in logs) else 1


def print_source(out: Output, log: Log) -> None:
    """Print one source: what it is, its reports, its damage."""
    source = log.text.source
    size = f"{source.size} bytes"
    out.heading(f"{source.path}: {log.text.kind}, {log.text.n_lines} lines, {size}, sha256 {source.sha256[:16]}")
    if not log.reports:
        out.text("no report found")
    else:
        columns = ("#", "kind", "lines", "time", "pfn", "process", "reason or title", "complete")
        out.table(columns, [_report_row(r) for r in log.reports])
    for damage in _damage(log):
        out.text(damage)
    out.text()


def _report_row(report: Report) -> tuple[object, ...]:
    reason = report.page.reason if report.page and report.page.reason else report.title
    if report.kind is Kind.FRAGMENT:
        parts = [name for name, part in (("registers", report.registers), ("call trace", report.call_trace)) if part]
        reason = f"part of an earlier report: {', '.join(parts) or 'text'}"
    lines = f"{report.span.first_line}-{report.span.last_line}"
    missing = [d.kind.removeprefix("truncated_") for d in report.damage if d.kind.startswith("truncated_")]
    complete = "yes" if report.complete else f"no: {', '.join(missing)} missing"
    pfn = hex_or_none(report.pfn)
    return (report.index, report.kind, lines, report.timestamp, pfn, report.process, reason, complete)


def _damage(log: Log) -> list[str]:
    """The damage of the whole text, a line for each kind, however often it occurs."""
    counts: dict[str, int] = {}
    first: dict[str, str] = {}
    for damage in log.text.damage:
        counts[damage.kind] = counts.get(damage.kind, 0) + 1
        first.setdefault(damage.kind, f"line {damage.span.first_line}: {damage.reason}")
    return [
        f"damage: {kind.replace('_', ' ')}, {first[kind]}" + (f" (and {n - 1} more)" if n > 1 else "")
        for kind, n in counts.items()
    ]


def print_families(out: Output, logs: Sequence[Log]) -> None:
    """Print which reports are the same: how often, how fast, over which pfns, and their stack."""
    found = families(logs)
    if not found:
        return
    out.heading("Families (reports with the same stack)")
    rows = []
    for family in found:
        functions = family.signature.functions
        stack = " < ".join(functions[:_SHOWN]) + (" ..." if len(functions) > _SHOWN else "")
        runs = family.pfn_runs
        pages = f"{sum(run.pages for run in runs)} in {len(runs)} runs" if runs else None
        rate = None if family.rate is None else f"{family.rate:.3g}/s"
        rows.append((family.count, family.suppressed or None, rate, pages, family.title, stack))
    out.table(("reports", "suppressed", "rate", "pages", "family", "stack, innermost first"), rows)
