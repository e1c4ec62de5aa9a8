"""`kvmlab kvm-matrix`: what a guest access does to each kind of host page under one kernel, as the model says."""

from __future__ import annotations

import argparse

from kvmlab.cli.arguments import add_json
from kvmlab.cli.output import Output, print_json
from kvmlab.kvm.fault_matrix import Prediction, fault_matrix

EPILOG = """\
examples:
  kvmlab kvm-matrix --kernel 6.12
  kvmlab kvm-matrix --kernel 7.3 --json

exit status: 0 done, 2 unusable arguments.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = sub.add_parser(
        "kvm-matrix",
        help="which host pages a guest can use, by kernel",
        description="Predict the outcome of a guest read and write for each kind of host page, as recorded in the lab.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kernel", required=True, metavar="R", help="release, such as 6.1, 6.12 or 7.3")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict and print."""
    rows = fault_matrix(args.kernel)
    if args.json:
        document = {"schema": "kvmlab.kvm-matrix/1", "kernel": args.kernel, "rows": [_json(row) for row in rows]}
        print_json(document)
        return 0
    out = Output()
    out.heading(f"Guest accesses under kernel {args.kernel}, as the model predicts them")
    out.table(
        ("case", "page", "refcount", "read", "write", "mmap", "warns", "count changes of the read", "of the write"),
        [
            (row.case.case, row.case.page, row.refcount, row.read, row.write, row.mmap, "once" if row.warn else "",
             " ".join(row.references[0]), " ".join(row.references[1]))
            for row in rows
        ],
        styles=["bold red" if row.read == "efault" else "" for row in rows],
    )  # fmt: skip
    out.text()
    out.text("+2 is a get to 2, -1 a put to 1, ?0 a try-get that found 0. A compound tail shows its own counter.")
    return 0


def _json(row: Prediction) -> dict[str, object]:
    return {
        "case": row.case.case,
        "page": row.case.page,
        "refcount": row.refcount,
        "read": row.read,
        "write": row.write,
        "mmap": row.mmap,
        "warn": row.warn,
        "after_read": row.after_read,
        "after_write": row.after_write,
        "references": {"read": list(row.references[0]), "write": list(row.references[1])},
    }
