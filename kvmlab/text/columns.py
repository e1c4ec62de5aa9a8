"""Tables that log viewers export: a row of names, then one row an entry, whose message is one of the columns."""

from __future__ import annotations

import csv
import re
from array import array

from kvmlab.text.lines import Lines

_SAMPLE_LINES = 50
_NAME = re.compile(r"[\w@][\w@.() /-]{0,63}")
# Names of columns that hold the message, best first, and of those that stand beside one.
MESSAGES = (
    "_raw", "message", "@message", "msg", "line", "log", "text", "body", "event", "textpayload", "content",
    "short_message",
)  # fmt: skip
_OTHERS = frozenset(
    [
        "time",
        "timestamp",
        "@timestamp",
        "_time",
        "date",
        "datetime",
        "ts",
        "tsns",
        "host",
        "hostname",
        "host.name",
        "host.hostname",
        "source",
        "sourcetype",
        "severity",
        "level",
        "log.level",
        "priority",
        "facility",
        "program",
        "syslog_identifier",
        "service",
        "labels",
        "id",
        "_id",
        "index",
        "_index",
    ]
)
# Lines of an entry with line feeds within its quotes.
_LONGEST = 400


class Columns:
    """How the entries of a table are read.

    Args:
        separator: of the columns.
        names: of the columns, in lower case.
    """

    def __init__(self, separator: str, names: list[str]) -> None:
        self.separator = separator
        self.names = names

    def fields(self, raw: bytes) -> dict[str, str]:
        """The columns of an entry by name; empty if it is none."""
        text = raw.decode("utf-8-sig", "backslashreplace").rstrip("\r\n")
        try:
            values = next(csv.reader([text], delimiter=self.separator), [])
        except csv.Error:
            return {}
        if len(values) != len(self.names) or [value.strip().lower() for value in values] == self.names:
            return {}
        fields = dict(zip(self.names, values, strict=True))
        # Some exports hold a message both as it came and taken apart.
        fields["message"] = next(fields[name] for name in MESSAGES if name in fields)
        return fields

    def rows(self, lines: Lines) -> array[int]:
        """Where the entries begin; the names are one of them."""
        rows = array("Q", [0])
        odd, since = False, 0
        for number in range(1, len(lines) + 1):
            start, stop = lines.starts[number - 1], lines.starts[number]
            if not odd or since == _LONGEST:
                odd, since = False, 0
                if start:
                    rows.append(start)
            odd ^= bool(lines.data.count(b'"', start, stop) & 1)
            since += 1
        return rows


def columns_of(lines: Lines) -> Columns | None:
    """How the text is read if it is such a table, else None."""
    head = lines.text(1)
    if len(head) > 4000:
        return None
    for separator in ",;\t":
        if separator not in head:
            continue
        try:
            names = [name.strip().lower() for name in next(csv.reader([head], delimiter=separator), [])]
        except csv.Error:
            continue
        if len(names) < 2 or not all(_NAME.fullmatch(name) for name in names):
            continue
        if not any(name in MESSAGES for name in names) or not _OTHERS.intersection(names):
            continue
        found = Columns(separator, names)
        starts = found.rows(lines)[: _SAMPLE_LINES + 1]
        stops = [*starts[1:], len(lines.data)]
        read = [bool(found.fields(lines.data[a:b])) for a, b in list(zip(starts, stops, strict=True))[1:]]
        if read and sum(read) >= 0.6 * len(read):
            return found
    return None
