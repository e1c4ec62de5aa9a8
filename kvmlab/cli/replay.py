"""`kvmlab replay`: the model's way to the page state of one report, step by step, or why there is none."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from kvmlab.cli.arguments import add_input, add_json, add_report, open_log
from kvmlab.cli.output import Output, print_json
from kvmlab.inquiry.explain import choose
from kvmlab.inquiry.hypotheses import Weighed, weigh
from kvmlab.inquiry.hypothesis_storms import extra_put_was_earlier
from kvmlab.inquiry.injected import injected
from kvmlab.inquiry.replay import Replay, replay, same_events
from kvmlab.inquiry.replay_fields import Value
from kvmlab.inquiry.replay_table import ending
from kvmlab.kvm.policies import POLICIES, find_policy
from kvmlab.report.log import Log
from kvmlab.report.records import Kind, Report

EPILOG = """\
examples:
  kvmlab replay mail.txt
  kvmlab replay mail.txt --policy refcounted-page      the same events under another policy
  kvmlab replay mail.txt --report 1 --json

exit status: 0 done (explained or not), 1 the input holds no bad page, 2 unusable input or arguments.
"""


def add_parser(sub: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = sub.add_parser(
        "replay",
        help="the model's way to the reported page state, step by step",
        description="Run the memory model until it ends in the page state of a report, or say that it cannot.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_input(parser, many=False)
    add_report(parser)
    names = ", ".join(f"{policy.name} ({policy.id})" for policy in POLICIES)
    parser.add_argument("--policy", metavar="P", help=f"try only this policy: {names}")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the replay; 1 if there is nothing to replay."""
    if args.policy is not None:
        find_policy(args.policy)
    log = open_log(args.file, args.max_bytes)
    report = _report(log, args.report)
    if report is None:
        if args.json:
            print_json({"schema": "kvmlab.replay/1", "report": None, "explained": False, "steps": [], "agreement": []})
        else:
            Output().text(f"{log.text.source.path}: no bad page found")
        return 1
    found = replay(report, policy=args.policy)
    # Groups, order and survivors show in a whole storm only.
    hypotheses = weigh(log.reports if args.report is None and len(log.bad_pages) > 1 else report)
    if args.json:
        print_json(document(found, hypotheses, log.reports))
        return 0
    print_replay(found, log.text.source.path)
    print_hypotheses(hypotheses, log.reports)
    return 0


def _report(log: Log, index: int | None) -> Report | None:
    if index is None:
        return next((report for report in log.reports if report.kind is Kind.BAD_PAGE), None)
    return choose(log, index)[0]


def _json(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value


def document(found: Replay, hypotheses: Sequence[Weighed], reports: Sequence[Report] = ()) -> dict[str, object]:
    """The JSON document of a replay.

    Args:
        found: the replay.
        hypotheses: explanations, compared with the report or with the storm that it belongs to.
        reports: all reports of the log.
    """
    earlier, lab = extra_put_was_earlier(reports), injected(reports)
    return {
        "schema": "kvmlab.replay/1",
        "report": found.report.index,
        "policy": None if found.policy is None else found.policy.id,
        "policy_name": None if found.policy is None else found.policy.name,
        "explained": found.explained,
        "why": found.why,
        "assumptions": list(found.assumptions),
        "steps": [
            {
                "step": step.number,
                "actor": step.actor,
                "action": step.action,
                "detail": step.detail,
                "functions": list(step.functions),
                "refcount": None if step.page is None else step.page.refcount,
                "mapcount": None if step.page is None else step.page.mapcount,
                "holders": list(step.holders),
                "batch": step.batch,
                "marks": list(found.marks(step)),
            }
            for step in found.steps
        ],
        "predicted": {field: _json(value) for field, value in found.predicted.items()},
        "reported": {field: _json(value) for field, value in found.reported.items()},
        "agreement": [
            {
                "field": row.field,
                "predicted": _json(row.predicted),
                "reported": _json(row.reported),
                "agrees": row.agrees,
                "basis": str(row.basis),
                "note": row.note,
            }
            for row in found.agreement
        ],
        "nearest_misses": [
            {
                "policy": miss.case.candidate.policy.id,
                "story": miss.case.story.tells,
                "disagrees": [row.field for row in miss.disagrees],
            }
            for miss in found.misses
        ],
        "hypotheses": [
            {
                "id": weighed.hypothesis.id,
                "statement": weighed.hypothesis.statement,
                "stands": weighed.stands,
                "fits": [str(finding) for finding in weighed.fits],
                "contradicts": [str(finding) for finding in weighed.contradicts],
                "open": [finding.expectation.fact for finding in weighed.open],
                "would_decide": list(weighed.hypothesis.would_decide),
                "note": weighed.hypothesis.note,
            }
            for weighed in hypotheses
        ],
        "extra_put_was_earlier": {"holds": earlier.holds, "tells": earlier.tells, "basis": str(earlier.basis)},
        "injected": {"holds": lab.holds, "tells": lab.tells, "basis": str(lab.basis)},
    }


_STYLES = {"stray put": "bold red", "bad page": "bold yellow"}


def print_replay(found: Replay, path: str) -> None:
    """Print a replay: verdict, steps, comparison, nearest misses, and the same events under the other policies."""
    out = Output()
    title = found.report.title or str(found.report.kind)
    out.heading(f"{path}, report {found.report.index}: {title}")
    out.text(("explained: " if found.explained else "") + found.why)
    if found.policy is None:
        return
    out.text(f"policy: {found.policy.name} ({found.policy.id}), {found.policy.releases}")
    out.text("assumed: " + "; ".join(found.assumptions))
    out.text()
    out.heading("Steps; refcount, mapcount and holders are those of the followed page after the step")
    rows, styles = [], []
    for step in found.steps:
        marks = found.marks(step)
        counts = ("", "") if step.page is None else (step.page.refcount, step.page.mapcount)
        rows.append(
            (
                step.number,
                step.actor,
                step.action,
                *counts,
                ", ".join(step.holders),
                step.batch,
                ", ".join(marks),
                step.detail,
            )
        )
        styles.append(next((_STYLES[mark] for mark in marks if mark in _STYLES), ""))
    columns = ("step", "actor", "action", "ref", "map", "held by", "batch", "marks", "what happens")
    out.table(columns, rows, styles=styles)
    out.text()
    out.heading("Predicted against reported")
    verdict = {True: "agrees", False: "DIFFERS", None: "not in the text"}
    out.table(
        ("field", "predicted", "reported", "", "basis", "note"),
        [
            (r.field, _words(r.predicted), _words(r.reported), verdict[r.agrees], r.basis, r.note)
            for r in found.agreement
        ],
        styles=["bold red" if r.agrees is False else "" for r in found.agreement],
    )
    if found.misses:
        out.text()
        out.heading("Nearest other attempts")
        for miss in found.misses:
            out.text(f"  {miss}")
    out.text()
    out.heading("The same events under every policy")
    rows = []
    for name, other in same_events(found).items():
        assert other.run is not None
        page = next((bad.page for bad in other.run.bad_pages if bad.page.page == 0), other.run.page(0))
        policy = other.policy.name if other.policy else name
        stray = next((str(step.number) for step in other.steps if step.stray_put), "")
        rows.append((policy, name, ending(other), page.refcount, page.mapcount, stray))
    out.table(("policy", "id", "ends", "refcount", "mapcount", "stray put in step"), rows)


def print_hypotheses(hypotheses: Sequence[Weighed], reports: Sequence[Report]) -> None:
    """Print what the log says for and against each explanation, and what would decide."""
    out = Output()
    out.text()
    out.heading("Who dropped the reference? Hypotheses, compared with the log")
    rows = [
        (w.hypothesis.id, "stands" if w.stands else "excluded" if w.contradicts else "open", len(w.fits),
         len(w.contradicts), len(w.open), w.hypothesis.statement)
        for w in hypotheses
    ]  # fmt: skip
    out.table(("id", "", "fits", "against", "open", "statement"), rows)
    for weighed in hypotheses:
        for finding in weighed.contradicts:
            weak = " (weakly)" if finding.expectation.weak else ""
            out.text(f"  against {weighed.hypothesis.id}{weak}: {finding}")
    for fact in (injected(reports), extra_put_was_earlier(reports)):
        if fact.holds:
            out.text(f"{fact.basis}: {fact.tells}")
    for weighed in hypotheses:
        if weighed.stands:
            out.text(f"{weighed.hypothesis.id} would be decided by: " + "; ".join(weighed.hypothesis.would_decide))


def _words(value: Value) -> str:
    """A value as one cell; of a stack, the innermost functions."""
    if isinstance(value, tuple):
        return " ".join(value)
    frames = [] if value is None else str(value).split(" < ")
    return " < ".join([*frames[:5], "..."]) if len(frames) > 5 else " < ".join(frames)
