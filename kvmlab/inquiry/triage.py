"""What the document of `kvmlab triage --json` says of a source; `triage_stream` writes the whole of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from kvmlab.report.jsonable import damage_json
from kvmlab.report.log import Log
from kvmlab.text.records import Records

SCHEMA = "kvmlab.triage/1"


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
