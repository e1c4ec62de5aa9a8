"""Damaged logs: what was not damaged is neither lost nor changed, and what was is never made up."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from kvmlab.report.log import Log, read_log
from tests.report.damage import DAMAGE, ENCODINGS, NAMES, facts_of, lines_of, values_of

SETTINGS = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@cache
def whole(name: str) -> Log:
    return read_log(("\n".join(lines_of(name)) + "\n").encode())


@pytest.mark.parametrize("how", sorted(DAMAGE))
@SETTINGS
@given(data=st.data())
def test_undamaged_facts_come_through(how: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES), label="log")
    damaged, hit = data.draw(DAMAGE[how](lines_of(name)), label="damage")
    wanted = Counter(fact.value for fact in facts_of(whole(name)) if hit.isdisjoint(fact.lines))
    log = read_log(("\n".join(damaged) + "\n").encode())
    lost = wanted - values_of(log)
    assert not lost


@pytest.mark.parametrize("how", ["foreign", "quoted", "ends", "wrapped", "collapsed"])
@SETTINGS
@given(data=st.data())
def test_damage_around_the_lines_makes_no_other_reports(how: str, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES), label="log")
    damaged, _ = data.draw(DAMAGE[how](lines_of(name)), label="damage")
    log = read_log(("\n".join(damaged) + "\n").encode())
    assert [report.kind for report in log.reports] == [report.kind for report in whole(name).reports]
    assert [report.complete for report in log.reports] == [report.complete for report in whole(name).reports]


@SETTINGS
@given(st.sampled_from(NAMES), st.sampled_from(ENCODINGS))
def test_encodings_change_nothing(name: str, encoding: str) -> None:
    text = "\n".join(lines_of(name)) + "\n"
    if encoding in ("utf-16-le", "utf-16-be"):
        text = "\ufeff" + text
    assert values_of(read_log(text.encode(encoding))) == values_of(whole(name))


@pytest.mark.parametrize("how", sorted(set(DAMAGE) - {"quoted", "ends"}))
@SETTINGS
@given(data=st.data(), encoding=st.sampled_from(("utf-8", "utf-16", "latin-1")))
def test_damage_upon_damage(how: str, data: st.DataObject, encoding: str) -> None:
    """A damaged log, quoted in a mail with other line endings, in another encoding."""
    name = data.draw(st.sampled_from(NAMES), label="log")
    damaged, hit = data.draw(DAMAGE[how](lines_of(name)), label="damage")
    quoted, _ = data.draw(DAMAGE["quoted"](damaged), label="quoted")
    # Behind a mark without a blank, the blank at the front of a wrapped line looks like the mark's.
    assume(how != "wrapped" or quoted[0].startswith(("> ", ">> ")))
    # A blank at the end of a wrapped line could be the one between two words.
    ended = quoted if how == "wrapped" else data.draw(DAMAGE["ends"](quoted), label="ends")[0]
    wanted = Counter(fact.value for fact in facts_of(whole(name)) if hit.isdisjoint(fact.lines))
    log = read_log(("\n".join(ended) + "\n").encode(encoding))
    assert not wanted - values_of(log)


@SETTINGS
@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_two_reports_in_one_stream_lose_no_line(one: str, other: str, random: object) -> None:
    """Two CPUs print at once and no column tells them apart: every line is in a report or among what is left."""
    waiting = [list(lines_of(one)), [line.replace("pfn:", "pfn:f", 1) for line in lines_of(other)]]
    mixed: list[str] = []
    while any(waiting):
        mixed.append(random.choice([w for w in waiting if w]).pop(0))  # type: ignore[attr-defined]
    log = read_log(("\n".join(mixed) + "\n").encode())
    held = {i for report in log.reports for i in report.records}
    left = {record.span for record in log.unparsed}
    covered = [r for i, r in enumerate(log.text.records) if i in held or r.span in left or not r.text.strip()]
    repeated = sum(span.last_line - span.first_line + 1 for report in log.reports for span in report.repeats)
    assert len(covered) + repeated >= sum(record.role == "log" for record in log.text.records)


@SETTINGS
@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_two_callers_are_taken_apart(one: str, other: str, random: object) -> None:
    """Two reports printed at once: with a caller column, each is read as if it were alone."""
    sides = [
        [f"{line[: line.index(']') + 1]}[ {caller}]{line[line.index(']') + 1 :]}" for line in lines_of(name)]
        for caller, name in (("T1", one), ("T2", other))
    ]
    sides[1] = [line.replace("pfn:", "pfn:f", 1) if "Bad page state" in line else line for line in sides[1]]
    alone = [read_log(("\n".join(side) + "\n").encode()) for side in sides]
    mixed: list[str] = []
    waiting = [list(side) for side in sides]
    while any(waiting):
        side = random.choice([w for w in waiting if w])  # type: ignore[attr-defined]
        mixed.append(side.pop(0))
    log = read_log(("\n".join(mixed) + "\n").encode())
    assert values_of(log) == values_of(alone[0]) + values_of(alone[1])


@SETTINGS
@given(data=st.data())
def test_a_damaged_line_is_never_read_as_another_pfn(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES), label="log")
    damaged, _ = data.draw(DAMAGE["dropped"](lines_of(name)), label="damage")
    log = read_log(("\n".join(damaged) + "\n").encode())
    text = "\n".join(damaged)
    for report in log.bad_pages:
        assert report.pfn is None or f"pfn:{report.pfn:x}" in text.replace("pfn:0x", "pfn:").replace("pfn:0", "pfn:")
