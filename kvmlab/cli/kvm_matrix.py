"""`kvmlab kvm-matrix`: what a guest access does to each kind of host page under one kernel, as the model says."""

from __future__ import annotations

import argparse
from typing import Any

from kvmlab.cli.arguments import add_json
from kvmlab.cli.output import Output, print_json
from kvmlab.errors import UnusableInput
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.fault_matrix import Prediction, fault_matrix

EPILOG = """\
examples:
  kvmlab kvm-matrix --kernel 6.12
  kvmlab kvm-matrix --kernel 7.3 --json
  kvmlab kvm-matrix --kernel 6.12 --against data/captures     beside what such kernels recorded

exit status: 0 done, 1 a recorded row differs from the prediction, 2 unusable arguments.
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
    parser.add_argument("--against", metavar="DIR", help="a folder of lab runs: set what they recorded beside it")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Predict and print; 1 if a recorded row differs."""
    rows = fault_matrix(args.kernel)
    recorded = {} if args.against is None else _recorded(args.against, args.kernel)
    differs = any(field["agrees"] is False for fields in recorded.values() for field in fields)
    if args.json:
        document: dict[str, object] = {
            "schema": "kvmlab.kvm-matrix/1", "kernel": args.kernel, "rows": [_json(row, recorded) for row in rows],
        }  # fmt: skip
        print_json(document)
        return int(differs)
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
    if args.against is not None:
        _print_recorded(out, recorded)
    return int(differs)


Recorded = dict[tuple[str, int], list[dict[str, Any]]]


def _recorded(folder: str, kernel: str) -> Recorded:
    """The fields that kernels of the same series recorded, by case and page."""
    from kvmlab.capture.shelf import shipped_runs
    from kvmlab.inquiry.kvm_agreement import df_kvm_agreement

    wanted = (KernelRelease.parse(kernel).version or ())[:2]
    runs = [run for run in shipped_runs(folder) if (KernelRelease.parse(run.release).version or ())[:2] == wanted]
    agreement = df_kvm_agreement(runs)
    if agreement.empty:
        raise UnusableInput(f"{folder} holds no recorded matrix of a {kernel} kernel; the kernel lab makes one.")
    found: Recorded = {}
    for row in agreement.to_dict("records"):
        found.setdefault((row["case"], int(row["page"])), []).append(
            {name: row[name] for name in ("kernel", "run", "field", "predicted", "recorded", "agrees", "note")}
        )
    return found


def _print_recorded(out: Output, recorded: Recorded) -> None:
    """How the recorded rows compare, and each that differs."""
    fields = [(key, field) for key, found in recorded.items() for field in found]
    told = [field for _, field in fields if field["agrees"] is not None]
    kernels = ", ".join(dict.fromkeys(field["kernel"] for _, field in fields))
    wrong = [(key, field) for key, field in fields if field["agrees"] is False]
    out.text()
    out.heading(f"Beside what {kernels} recorded: {len(told) - len(wrong)} of {len(told)} fields agree")
    if wrong:
        out.table(
            ("kernel", "run", "case", "page", "field", "predicted", "recorded", "note"),
            [(f["kernel"], f["run"], *key, f["field"], f["predicted"], f["recorded"], f["note"]) for key, f in wrong],
            styles=["bold red"] * len(wrong),
        )


def _json(row: Prediction, recorded: Recorded) -> dict[str, object]:
    beside = recorded.get((row.case.case, row.case.page))
    return ({} if beside is None else {"recorded": beside}) | {
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
