"""`kvmlab explain`: every number of one report, decoded, with how each statement is known."""

from __future__ import annotations

import argparse

from kvmlab.cli.arguments import add_input, add_json, add_report, open_log
from kvmlab.cli.output import Output, print_json
from kvmlab.inquiry.explain import explain
from kvmlab.inquiry.explanation import COLUMNS, Explanation

EPILOG = """\
examples:
  kvmlab explain mail.txt
  kvmlab explain mail.txt --report 1 --json
  dmesg | kvmlab explain -

exit status: 0 done, 1 the input holds no report, 2 unusable input or arguments.
"""
_STYLES = {"observed": "", "inferred": "cyan", "assumed": "yellow"}


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = sub.add_parser(
        "explain",
        help="every number of a report: value, meaning, how it is known",
        description="Decode one report; each statement is observed, inferred or assumed.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_input(parser, many=False)
    add_report(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the explanation; 1 if there is no report."""
    log = open_log(args.file, args.max_bytes)
    if not log.reports:
        if args.json:
            print_json(_document(None))
        else:
            Output().text(f"{log.text.source.path}: no report found")
        return 1
    explanation = explain(log, index=args.report)
    if args.json:
        print_json(_document(explanation))
    else:
        print_explanation(explanation)
    return 0


def _document(explanation: Explanation | None) -> dict[str, object]:
    if explanation is None:
        return {"schema": "kvmlab.explain/1", "report": None, "rows": [], "missing": []}
    return {
        "schema": "kvmlab.explain/1",
        "report": explanation.report.index,
        "kind": str(explanation.report.kind),
        "rows": [
            {
                "topic": row.topic,
                "field": row.field,
                "value": row.value,
                "meaning": row.meaning,
                "basis": str(row.basis),
                "line": row.line,
            }
            for row in explanation.rows
        ],
        "missing": [{"what": gap.what, "why": gap.why, "how": gap.how} for gap in explanation.gaps],
    }


def print_explanation(explanation: Explanation) -> None:
    """Print the tables of an explanation, topic by topic."""
    out = Output()
    report = explanation.report
    out.heading(
        f"report {report.index}: {report.title or report.kind} (lines {report.span.first_line}-{report.span.last_line})"
    )
    out.text()
    if not out.terminal:
        out.text(str(explanation))
        return
    for topic, rows in explanation.topics():
        out.heading(topic)
        cells = [(row.field, row.value, row.meaning, row.basis) for row in rows]
        out.table(COLUMNS, cells, styles=[_STYLES[row.basis] for row in rows])
    if explanation.gaps:
        out.heading("Missing from this log")
        out.table(("What", "Why it matters", "How to get it"), [(g.what, g.why, g.how) for g in explanation.gaps])
