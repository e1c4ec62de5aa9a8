"""What must hold for any bytes read as a log: no exception but ours, no byte lost, values that JSON can carry."""

from __future__ import annotations

import contextlib
import json

from kvmlab.errors import KvmlabError
from kvmlab.inquiry.explain import explain
from kvmlab.inquiry.triage_stream import TriageStream
from kvmlab.report.log import read_log

LIMIT = 1 << 22


def check(data: bytes) -> None:
    """Read bytes as a log, and hold the promises: no exception but ours, no byte lost, values that JSON can carry.

    Args:
        data: what a hostile file could hold.
    """
    try:
        log = read_log(data, limit=LIMIT)
    except KvmlabError as error:
        sentence = str(error)
        if not sentence.strip() or "\n" in sentence:
            raise AssertionError(f"not one sentence: {sentence!r}") from error
        return
    for text in log.text.walk():
        ends = [0, *(record.span.stop for record in text.records)]
        starts = [*(record.span.start for record in text.records), len(text.source.data)]
        assert starts == ends, "the spans of the records do not join to the input"
    with TriageStream() as stream:
        stream.add_log(log)
        document = json.loads("".join(stream.write()))
    assert [report["title"] for report in document["reports"]] == [report.title for report in log.reports]
    for report in log.reports:
        with contextlib.suppress(KvmlabError):
            assert explain(log, index=log.reports.index(report)).report == report
