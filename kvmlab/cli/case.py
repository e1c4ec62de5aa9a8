"""`kvmlab case`: check that a case is what it says, and publish its write-up."""

from __future__ import annotations

import argparse
from pathlib import Path

from kvmlab.cli.output import Output

EPILOG = """\
examples:
  kvmlab case check data/2024-07-31-kvm-bad-page-state
  kvmlab case publish data/2024-07-31-kvm-bad-page-state --out build/writeups
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its two actions."""
    parser = sub.add_parser(
        "case",
        help="check a case folder, or publish its write-up",
        description="A case is a folder with an untouched raw file and case.toml.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="recompute the hash of every file of a case")
    check.add_argument("folder", metavar="CASE", help="folder of the case")
    check.set_defaults(run=run_check)
    publish = actions.add_parser(
        "publish", help="execute the case's notebook; write HTML, plain text and the executed notebook"
    )
    publish.add_argument("folder", metavar="CASE", help="folder of the case")
    publish.add_argument(
        "--out", default="build/writeups", metavar="DIR", help="where the write-up goes (default: %(default)s)"
    )
    publish.set_defaults(run=run_publish)


def run_check(args: argparse.Namespace) -> int:
    """Print what holds; 2 if a file is not what case.toml says."""
    from kvmlab.writeup.case import check_case, open_case

    findings = check_case(open_case(args.folder))
    out = Output()
    out.table(("file", "holds", "why"), [(f.path, "yes" if f.holds else "NO", f.reason) for f in findings])
    return 0 if all(f.holds for f in findings) else 2


def run_publish(args: argparse.Namespace) -> int:
    """Publish, then print where everything is and the triage of the raw file."""
    from kvmlab.cli.triage import print_families, print_source
    from kvmlab.inquiry.summaries import of_log
    from kvmlab.report.log import read_log
    from kvmlab.writeup.publish import publish

    published = publish(args.folder, Path(args.out))
    out = Output()
    log = read_log(published.case.raw)
    summary = of_log(0, log, len(log.reports))
    print_source(out, summary, summary.reports)
    print_families(out, [summary])
    out.text()
    for line in published.lines():
        out.text(line)
    return 0
