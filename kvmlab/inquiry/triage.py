"""`triage`: the reports of some texts and their families, as the document that `kvmlab triage --json` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from kvmlab.inquiry.families import families, family_json
from kvmlab.inquiry.similar import similar_families, similar_json
from kvmlab.report.jsonable import damage_json, report_json
from kvmlab.report.log import Log
from kvmlab.text.records import Records

SCHEMA = "kvmlab.triage/1"


def triage_document(logs: Sequence[Log]) -> dict[str, Any]:
    """The triage of one or more texts as plain JSON values.

    Args:
        logs: the texts, in the order in which they were given.

    >>> from kvmlab.report.log import read_log
    >>> log = read_log(b"[    1.000000] BUG: Bad page state in process qemu  pfn:fb1665\\n")
    >>> triage_document([log])["reports"][0]["pfn"]
    '0xfb1665'
    """
    found = families(logs)
    return {
        "schema": SCHEMA,
        "sources": [source_json(log) for log in logs],
        "reports": [report_json(report, source) for source, log in enumerate(logs) for report in log.reports],
        "families": [family_json(family) for family in found],
        "similar": [similar_json(similar) for similar in similar_families(found)],
    }


def role_counts(log: Log) -> dict[str, int]:
    """How many records of a text are kernel log, and how many are something else, parts included.

    Args:
        log: the log.
    """
    found: Counter[str] = Counter()
    for text in log.text.walk():
        held = text.records
        found.update(held.counts() if isinstance(held, Records) else (record.role.value for record in held))
    return dict(found.most_common())


def source_json(log: Log) -> dict[str, Any]:
    """What one source is, and what was lost on its way here."""
    source = log.text.source
    return {
        "path": source.path,
        "sha256": source.sha256,
        "bytes": source.size,
        "lines": log.text.n_lines,
        "kind": log.text.kind,
        "unparsed_lines": len(log.unparsed),
        "records": role_counts(log),
        "damage": [damage_json(damage) for damage in log.text.damage],
    }
