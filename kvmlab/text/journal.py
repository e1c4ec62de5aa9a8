"""Logs that are lists of fields: journalctl's json, export and verbose output, dmesg -J, JSON lines of collectors,
tables of log viewers.

Each entry becomes one row (further rows of no bytes if its message has several lines), written as the carrier row
`fields` of the prefix table, so that everything after this reads it like any other line.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise

from kvmlab.text.columns import Columns, columns_of
from kvmlab.text.documents import entries_of, is_loki, loki_entries, loki_fields, mostly, pair_fields
from kvmlab.text.lines import Lines, Stretch
from kvmlab.text.prefix import match_prefix
from kvmlab.text.yaml_list import entry_fields, yaml_entries

# Marks the prefix that stands for the fields; no log begins a line with it.
MARK = "\x1d"
# A message of more lines is not taken apart further.
MAX_MESSAGE_LINES = 1 << 16
_SAMPLE_LINES = 50

_FIELD = re.compile(
    rb'"([@\w]{1,64})"\s*(?::|=>)\s*("(?:[^"\\]|\\.)*(?:"|$)|-?[\d.]{1,40}|\[[\d,\s]*\]|\[\s*"(?:[^"\\]|\\.)*"|null|true|false)',
    re.DOTALL,
)
_OBJECT = re.compile(rb"(?:data: |\x1e|- )?\{|\[")
_EXPORT = re.compile(rb"(?m)^(?:__CURSOR|__REALTIME_TIMESTAMP|_BOOT_ID|__MONOTONIC_TIMESTAMP)=")
_VERBOSE = re.compile(rb"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* \S{1,8} \[s=")
_VERBOSE_FIELD = re.compile(rb"(?m)^\s+([A-Z_][A-Z0-9_]*)=(.*)$")
_MESSAGES = (
    "MESSAGE", "message", "msg", "log", "text", "line", "textPayload", "short_message", "full_message", "@message",
    "_raw", "body", "content",
)  # fmt: skip
_TIMES = ("_SOURCE_MONOTONIC_TIMESTAMP", "__MONOTONIC_TIMESTAMP")
_CLOCKS = (
    "__REALTIME_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "@timestamp", "timestamp", "time", "ts", "_time", "dt",
    "datetime", "date",
)  # fmt: skip
_HOSTS = ("_HOSTNAME", "hostname", "host")
_PROGRAMS = ("SYSLOG_IDENTIFIER", "_COMM", "ident", "tag", "program")
# How a line begins that a syslog daemon has written.
_WHOLE = re.compile(r"(?:<\d{1,3}>)?(?:\d{4}-\d\d-\d\d[T ]|[A-Z][a-z]{2} [ \d]\d )\d\d:\d\d:\d\d")
_CLEAN = re.compile(r"[,;\s]")


def fields_stretch(lines: Lines) -> tuple[str, Stretch] | None:
    """The kind of such a log and how its rows are decoded; None if the text is something else."""
    data = lines.data
    if lines.encoding.unit > 1 or not len(lines):
        return None
    start = lines.encoding.bom
    head = data[start : start + 4096].lstrip()
    if (head[:2] in (b"- ", b"--") or head[:1] == b"#" or b"\n- " in head) and (entries := yaml_entries(lines)):
        return "yaml", _rows_of(data, entries, _entry_row, always=True)
    # journalctl -o json-sse and json-seq, and the lists that LAVA writes, put something in front of each object.
    if _OBJECT.match(head):
        return _json(lines)
    stop = lines.starts[min(len(lines), _SAMPLE_LINES)]
    if head[:1] in (b"_", b"P", b"S", b"M") and _EXPORT.search(data, 0, stop):
        return "journal-export", Stretch(0, len(data), _export_row, _export_rows(data))
    if _VERBOSE.match(data, start):
        rows = [0]
        rows.extend(s for s in lines.starts[1:-1] if data[s : s + 1].isupper() and _VERBOSE.match(data, s))
        return "journal-export", Stretch(0, len(data), _verbose_row, rows)
    if (kind := mostly(data, stop)) == "objects":
        return _json(lines, each=True)
    if kind == "pairs":
        return "json", _rows_of(data, lines.starts[:-1], _pair_row)
    if columns := columns_of(lines):
        return "csv", _table(lines, columns)
    return None


def _json(lines: Lines, each: bool = False) -> tuple[str, Stretch] | None:
    data = lines.data
    first = data[lines.starts[0] : lines.starts[1]]
    if is_loki(data):
        return "json", _rows_of(data, loki_entries(data), _loki_row)
    names = {m[1] for m in _FIELD.finditer(data, 0, lines.starts[min(len(lines), _SAMPLE_LINES)])}
    if not names.intersection(name.encode() for name in _MESSAGES):
        return None
    journal = bool(names & {b"MESSAGE", b"_TRANSPORT", b"__REALTIME_TIMESTAMP"})
    kind = "journal-json" if journal else "dmesg" if b"pri" in names and b"msg" in names else "json"
    message = next(name.encode() for name in _MESSAGES if name.encode() in names)
    if entries := entries_of(data, message):
        return kind, _rows_of(data, entries, _json_row)
    rows = array("Q")
    if each or _FIELD.search(first):
        for number in range(1, len(lines) + 1):
            start, stop = lines.starts[number - 1], lines.starts[number]
            rows.append(start)
            if data.find(b"\\n", start, stop) >= 0:
                rows.extend([stop] * _further(_json_row(data[start:stop])))
    else:
        # Objects over several lines: each row ends with the line that closes one.
        at = 0
        for number in range(1, len(lines) + 1):
            start, stop = lines.starts[number - 1], lines.starts[number]
            if data[start : start + 64].lstrip()[:1] == b"}" or number == len(lines):
                rows.append(at)
                if b"pri" not in names and data.find(b"\\n", at, stop) >= 0:
                    rows.extend([stop] * _further(_json_row(data[at:stop])))
                at = stop
    return kind, Stretch(0, len(data), _json_row, rows)


def _table(lines: Lines, columns: Columns) -> Stretch:
    def row(raw: bytes) -> str:
        fields = columns.fields(raw)
        return _row(fields) if fields else raw.decode("utf-8", "backslashreplace")

    return _rows_of(lines.data, columns.rows(lines), row)


def _rows_of(data: bytes, starts: Sequence[int], row: Callable[[bytes], str], always: bool = False) -> Stretch:
    """Entries as rows, with further ones for the lines of their messages.

    Args:
        data: the text.
        starts: where the entries begin.
        row: what an entry is as a line, with line feeds in it where its message has some.
        always: whether line feeds may stand in a message where none are written.
    """
    rows = array("Q")
    for start, stop in pairwise([*starts, len(data)]):
        rows.append(start)
        if always or data.count(b"\n", start, stop) > 1 or data.find(b"\\n", start, stop) >= 0:
            rows.extend([stop] * _further(row(data[start:stop])))
    return Stretch(0, len(data), row, rows)


def _entry_row(raw: bytes) -> str:
    fields = entry_fields(raw)
    return _row(fields) if fields else raw.decode("utf-8", "backslashreplace").strip().replace("\n", " ")


def _pair_row(raw: bytes) -> str:
    fields = pair_fields(raw)
    return (
        _row(fields) if any(name in fields for name in _MESSAGES) else raw.decode("utf-8", "backslashreplace").rstrip()
    )


def _loki_row(raw: bytes) -> str:
    fields = loki_fields(raw)
    return _row(fields) if fields else raw.decode("utf-8", "backslashreplace")


def _further(text: str) -> int:
    return min(text.count("\n"), MAX_MESSAGE_LINES)


def _json_row(raw: bytes) -> str:
    fields: dict[str, str] = {}
    for match in _FIELD.finditer(raw):
        fields.setdefault(match[1].decode(), _value(match[2]))
    if "pri" in fields and "msg" in fields:
        # util-linux 2.38 lets a message run on to the end of its buffer.
        fields["msg"] = fields["msg"].split("\n", 1)[0]
    return _row(fields) if fields else raw.decode("utf-8", "backslashreplace")


def _value(raw: bytes) -> str:
    if raw[:1] == b'"':
        text = raw if raw.endswith(b'"') and len(raw) > 1 else raw + b'"'
        try:
            return str(json.loads(text.decode("utf-8", "backslashreplace"), strict=False))
        except ValueError:
            return raw[1:].decode("utf-8", "backslashreplace")
    if raw[:1] == b"[":
        numbers = [int(n) for n in re.findall(rb"\d{1,4}", raw)] if b'"' not in raw else []
        return bytes(n & 255 for n in numbers).decode("utf-8", "backslashreplace")
    return "" if raw == b"null" else raw.decode()


def _row(fields: dict[str, str]) -> str:
    def first(names: tuple[str, ...]) -> str:
        return next((fields[name] for name in names if fields.get(name)), "")

    message = first(_MESSAGES).rstrip("\n")
    if message.startswith("kernel: "):
        message = message[8:]
    elif _WHOLE.match(message) and (prefix := match_prefix(message)) and prefix.host:
        # A collector that keeps the line as it came: its own prefix says more than the fields around it.
        return message
    program = first(_PROGRAMS)
    transport = fields.get("_TRANSPORT", "")
    if transport == "kernel" or (not program and not transport):
        program = "kernel"
    level = fields.get("PRIORITY") or fields.get("pri") or fields.get("priority", "")
    micros = first(_TIMES)
    clock = first(_CLOCKS)
    if "pri" in fields and re.fullmatch(r"\d{1,12}\.\d{1,6}", fields.get("time", "")):
        seconds, fraction = fields["time"].split(".")
        micros, clock = str(int(seconds) * 1_000_000 + int(fraction.ljust(6, "0"))), ""
    head = ",".join(
        _CLEAN.sub("_", part)[:64] for part in (level, micros, clock, first(_HOSTS), program, fields.get("caller", ""))
    )
    return "\n".join(f"{MARK}{head};{line}" for line in message.split("\n", MAX_MESSAGE_LINES))


def _export_rows(data: bytes) -> array[int]:
    rows = array("Q")
    at, entry, multiline = 0, 0, 0
    while at < len(data):
        stop = data.find(b"\n", at)
        stop = len(data) if stop < 0 else stop + 1
        if data[at:stop].strip() == b"":
            # A blank line ends an entry.
            rows.append(entry)
            rows.extend([stop] * multiline)
            entry, multiline = stop, 0
        elif data.find(b"=", at, stop) < 0 and stop + 8 <= len(data):
            length = int.from_bytes(data[stop : stop + 8], "little")
            if data[at:stop].strip() == b"MESSAGE":
                body = data[stop + 8 : stop + 8 + min(length, len(data))]
                multiline = min(body.rstrip(b"\n").count(b"\n"), MAX_MESSAGE_LINES)
            stop = min(len(data), stop + 8 + length + 1)
        at = stop
    if entry < len(data):
        rows.append(entry)
        rows.extend([len(data)] * multiline)
    return rows


def _export_row(raw: bytes) -> str:
    fields: dict[str, str] = {}
    at = 0
    while at < len(raw):
        stop = raw.find(b"\n", at)
        stop = len(raw) if stop < 0 else stop + 1
        name, equals, value = raw[at:stop].rstrip(b"\n").partition(b"=")
        if not equals and name and stop + 8 <= len(raw):
            length = int.from_bytes(raw[stop : stop + 8], "little")
            value = raw[stop + 8 : stop + 8 + length]
            stop = min(len(raw), stop + 8 + length + 1)
        fields.setdefault(name.decode("utf-8", "backslashreplace"), value.decode("utf-8", "backslashreplace"))
        at = stop
    return _row(fields) if any(name in fields for name in _MESSAGES) else ""


def _verbose_row(raw: bytes) -> str:
    fields = {m[1].decode(): m[2].decode("utf-8", "backslashreplace") for m in _VERBOSE_FIELD.finditer(raw)}
    return _row(fields) if "MESSAGE" in fields else raw.decode("utf-8", "backslashreplace").split("\n", 1)[0]
