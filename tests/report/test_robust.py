"""No sequence of records makes the parsers raise, lose a record or use one twice."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.errors import UnusableInput
from kvmlab.report.jsonable import report_json
from kvmlab.report.log import find_reports, read_log
from kvmlab.report.repeats import fold_repeats
from kvmlab.text.record import Record, Role
from tests.report.strategies import record_lists


@settings(max_examples=150, deadline=None)
@given(record_lists())
def test_every_record_is_in_one_place(records: list[Record]) -> None:
    reports, unparsed = find_reports(records)
    held = Counter(at for report in reports for at in report.records)
    assert set(held.values()) <= {1}
    left = {id(record) for record in unparsed}
    for at, record in enumerate(records):
        if not record.text.strip():
            assert at not in held
        elif record.role is not Role.LOG:
            # What a wrap split off a line of a report is held by it, whatever it looks like.
            assert id(record) not in left
        else:
            assert (at in held) is not (id(record) in left)
    for report in reports:
        assert list(report.records) == sorted(report.records)
        first, last = records[report.records[0]].span, records[report.records[-1]].span
        assert (report.span.start, report.span.stop) == (first.start, last.stop)


@settings(max_examples=100, deadline=None)
@given(record_lists())
def test_every_report_can_be_written_as_json(records: list[Record]) -> None:
    reports = fold_repeats(find_reports(records)[0])
    assert [report.index for report in reports] == list(range(len(reports)))
    for report in reports:
        again = json.loads(json.dumps(report_json(report)))
        assert again["kind"] == report.kind.value
        assert all(isinstance(word, str) for word in (again["page"] or {}).get("raw") or [])


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    # An empty or broken source is refused with a sentence; everything else is read.
    with suppress(UnusableInput):
        log = read_log(data)
        assert len(log.unparsed) <= len(log.text.records)


@settings(max_examples=60, deadline=None)
@given(record_lists(max_size=30))
def test_frames_of_any_reports(records: list[Record]) -> None:
    from kvmlab.report.frames import df_bad_pages, df_frames, df_modules, df_reports

    reports = find_reports(records)[0]
    assert len(df_reports(reports)) == len(reports)
    assert str(df_bad_pages(reports)["pfn"].dtype) == "uint64"
    assert len(df_frames(reports)) == sum(len(r.call_trace.frames) for r in reports if r.call_trace is not None)
    assert len(df_modules(reports)) == sum(len(r.modules.modules) for r in reports if r.modules is not None)
