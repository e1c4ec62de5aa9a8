"""A case as plain text for a mailing list: what the log says, the replay, what is proved and what would decide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import kvmlab
from kvmlab.charts.template import visible
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.explain import choose, explain
from kvmlab.inquiry.explanation import Explanation
from kvmlab.inquiry.replay import Replay, replay, same_events
from kvmlab.kvm.scenario import Step
from kvmlab.report.log import Log, read_log
from kvmlab.report.records import Report
from kvmlab.writeup.case import Case

WIDTH: Final = 78


def write_text(case: Case, out: str | Path) -> Path:
    """Write `to_text` of a case's raw log to a file.

    Args:
        case: the case.
        out: the file; its folder is made.
    """
    place = Path(out)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(to_text(case, read_log(case.raw)), encoding="utf-8", newline="\n")
    return place


def to_text(case: Case, log: Log) -> str:
    """The write-up; lines have at most 78 columns unless a single word is longer.

    Args:
        case: what is investigated.
        log: its raw file, read.
    """
    report, _ = choose(log, case.report)
    explanation = explain(log, index=report.index)
    replayed = replay(report)
    parts = [
        _head(case, report),
        _section("In short", _in_short(report, replayed)),
        _section("The replay, step by step", _steps(replayed)),
        _section("Predicted against reported", _agreement(replayed)),
        _section("The same guest under other policies", _policies(replayed)),
        _section("Every value of the report", _rows(explanation)),
        _section("What is proved, what is likely", _standing(explanation, replayed)),
        _section("What would decide", _gaps(case, explanation)),
        [_signature(case)],
    ]
    return "\n".join(line.rstrip() for part in parts for line in part) + "\n"


def _head(case: Case, report: Report) -> list[str]:
    raw = case.files[0]
    facts = {
        "Question": case.question or f"What does report {report.index} say?",
        "Kernel": case.kernel or (report.cpu_line.release.text if report.cpu_line and report.cpu_line.release else "?"),
        "Log": f"{raw.path}, lines {report.span.first_line} to {report.span.last_line}, sha256 {raw.sha256}",
        **{key.replace("_", " ").capitalize(): value for key, value in case.source.items()},
    }
    return [*_wrap(case.title), "=" * min(WIDTH, len(case.title)), "", *_facts(facts), ""]


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return [title, "-" * len(title), *lines, ""]


def _in_short(report: Report, replayed: Replay) -> Iterator[str]:
    yield from _item(report.title or "a fragment of a report")
    task = report.cpu_line
    if task is not None:
        yield from _item(
            f"noticed by {task.comm} on CPU {task.cpu}: the task that freed the page, not the one to blame"
        )
    yield from _item(f"{'explained: ' if replayed.explained else ''}{replayed.why}")
    for step in (s for s in replayed.steps if s.stray_put):
        yield from _item(f"step {step.number}, {step.action}: a put by somebody who held no reference. {step.detail}")


def _steps(replayed: Replay) -> Iterator[str]:
    if not replayed.steps:
        yield from _wrap(replayed.why)
        return
    policy = replayed.policy
    yield from _wrap(f"Policy {policy.id if policy else '?'} ({policy.name if policy else ''}). Taken for granted:")
    for assumption in replayed.assumptions:
        yield from _item(assumption)
    yield from ("", " step marks  actor   action               ref map batch  held by")
    for step in replayed.steps:
        yield _step(replayed, step)
        if step.stray_put or step.bad_pages:
            yield from _wrap(step.detail, 13)
    yield ""
    yield from _wrap("Marks: s its functions are in the reported stack, ! a put without a reference, B bad_page().")


def _step(replayed: Replay, step: Step) -> str:
    marks = replayed.marks(step)
    flags = "".join(f if m in marks else " " for f, m in (("s", "in stack"), ("!", "stray put"), ("B", "bad page")))
    counts = "  -   -" if step.page is None else f"{step.page.refcount:3} {step.page.mapcount:3}"
    holders = visible(", ".join(step.holders))
    done = f"{visible(step.actor):6}  {visible(step.action):19}"
    return f"{step.number:5} {flags:5}  {done} {counts} {step.batch:5}  {holders}"


def _agreement(replayed: Replay) -> Iterator[str]:
    for row in replayed.agreement:
        said = {True: "agrees", False: "DIFFERS", None: "not in the report"}[row.agrees]
        yield from _wrap(f"{row.field}: {_value(row.predicted)}; {said} [{row.basis}]", 4, first=2)
        if row.agrees is False:
            yield from _wrap(f"reported: {_value(row.reported)}", 6)
    if not replayed.agreement:
        yield from _wrap(replayed.why)


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _policies(replayed: Replay) -> Iterator[str]:
    others = same_events(replayed)
    for name, other in others.items():
        policy = other.policy
        ends = "a healthy page" if other.healthy else "the reported state" if other.explained else "a damaged page"
        yield from _wrap(f"{name:7} {policy.releases if policy else ''}: ends in {ends}", 10, first=2)
    if not others:
        yield from _wrap("Nothing was run.")


def _rows(explanation: Explanation) -> Iterator[str]:
    for topic, rows in explanation.topics():
        yield f"{visible(topic)}:"
        for row in rows:
            line = f", line {row.line}" if row.line is not None else ""
            yield from _wrap(f"{row.field}: {row.value}  [{row.basis}{line}]", 6, first=2)
            yield from _wrap(row.meaning, 6)
        yield ""


def _standing(explanation: Explanation, replayed: Replay) -> Iterator[str]:
    counts = {basis: sum(row.basis is basis for row in explanation.rows) for basis in Basis}
    yield from _item(
        f"proved: {counts[Basis.OBSERVED]} statements stand in the log and {counts[Basis.INFERRED]} follow from it by "
        f"named rules of this kernel; assumed: {counts[Basis.ASSUMED]}"
    )
    held = [row for row in replayed.agreement if row.agrees is not None]
    agree = sum(row.agrees is True for row in held)
    if replayed.explained:
        yield from _item(
            f"likely: policy {replayed.policy.id if replayed.policy else ''} and the guest of the replay. The model "
            f"ends in the reported state ({agree} of {len(held)} fields that the report holds agree), which shows that "
            "this way exists, not that it was taken"
        )
    else:
        yield from _item(f"likely: nothing that the model knows. {replayed.why}")
    for miss in replayed.misses:
        yield from _item(f"less likely: {miss}")


def _gaps(case: Case, explanation: Explanation) -> Iterator[str]:
    for gap in explanation.gaps:
        yield from _item(f"{gap.what}. {gap.why} To get it: {gap.how}")
    for unknown in case.unknown:
        yield from _item(f"not known: {unknown}")


def _signature(case: Case) -> str:
    return f"-- \nMade by kvmlab {kvmlab.__version__} from {case.name}/{case.files[0].path}"


def _facts(facts: Mapping[str, str]) -> Iterator[str]:
    width = max(map(len, facts))
    for name, value in facts.items():
        yield from _wrap(f"{name:{width}}  {value}", width + 2, first=0)


def _item(text: str) -> Sequence[str]:
    return _wrap(f"- {text}", 4, first=2)


def _wrap(text: str, indent: int = 0, *, first: int | None = None) -> list[str]:
    """Words of a log included: a control character or a line break in one never breaks the layout."""
    start = indent if first is None else first
    lines = textwrap.wrap(
        visible(text),
        WIDTH,
        initial_indent=" " * start,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [""]
