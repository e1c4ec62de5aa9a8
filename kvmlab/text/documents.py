"""JSON documents of services that hand out logs: a whole log in one string, or many entries on one line."""

from __future__ import annotations

import base64
import binascii
import json
import re
from array import array
from typing import Any

from kvmlab.text.inflate import compression_of

# A string is the log if it makes up so much of the document, and has lines.
_SHARE, _LINES = 0.6, 3
# A document of more lines is a list of entries.
_OWN_LINES = 200
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{200,}={0,2}\s*")
# Entries of a YAML list, on a line each or with a line for each field.
_ITEM = re.compile(rb"- \{?(?:dt|lvl|msg|message|time|timestamp|level): ")
_QUOTED = r"'(?:[^']|'')*'|\"(?:[^\"\\]|\\.)*\""
_FLOW = re.compile(rf"(?P<name>[A-Za-z_]\w{{0,40}}): (?P<value>{_QUOTED}|[^,]*(?:,(?! \w{{1,40}}: )[^,]*)*)(?:, |$)")
_BLOCK = re.compile(rf"(?m)^ *(?P<name>[A-Za-z_]\w{{0,40}}): (?P<value>{_QUOTED}|.*)$")
# A record behind or before a line break that is written out; what escapes stand for.
_BROKEN = re.compile(rb"\\n\n|(?:^|\\n|\n)(?:<\d{1,3}>)?\[ {0,8}\d{1,12}\.\d{6}\](?=[^\n]{0,1200}?\\n)")
_ESCAPE = re.compile(rb"(?:\\r)?\\n\n?|\\[rt\"'\\]")
_MEANT = {
    rb"\n": b"\n", b"\\n\n": b"\n", rb"\r\n": b"\n", b"\\r\\n\n": b"\n", rb"\r": b"", rb"\t": b"\t", rb"\"": b'"',
    rb"\'": b"'", b"\\\\": b"\\",
}  # fmt: skip
# Loki's answers: pairs of a time in nanoseconds and a line.
_PAIR = re.compile(rb'\[\s*"(\d{16,19})"\s*,\s*("(?:[^"\\]|\\.)*")')
_STREAMS = re.compile(rb'"values"\s*:\s*\[\s*\[\s*"\d{16,19}"\s*,\s*"')
_STRING = rb'"\s*:\s*"(?:[^"\\]|\\.)*"'


def log_in_string(data: bytes) -> bytes | None:
    """The log that a JSON object carries in one of its strings, as clouds hand out what a console has printed.

    Args:
        data: the document.

    >>> log_in_string(b'{"Output": "first line\\\\nsecond line\\\\nthird line\\\\n"}')
    b'first line\\nsecond line\\nthird line\\n'
    """
    text = data.strip()
    if text[:1] != b"{" or text[-1:] != b"}" or text.count(b"\n") > _OWN_LINES:
        return None
    try:
        found = json.loads(text.decode("utf-8", "backslashreplace"), strict=False)
    except (ValueError, RecursionError):
        return None
    if "MESSAGE" in found:
        # One message of a journal.
        return None
    longest = max(_strings(found), key=len, default="")
    if len(longest) < _SHARE * len(text):
        return None
    if _BASE64.fullmatch(longest) and "\n" not in longest.strip():
        try:
            held = base64.b64decode(longest, validate=False)
        except binascii.Error:
            return None
        return held if compression_of(held) or (held.count(b"\n") >= _LINES and b"\0" not in held) else None
    return longest.encode("utf-8", "backslashreplace") if longest.count("\n") >= _LINES else None


def unescaped(data: bytes) -> bytes | None:
    """A text with its line breaks as such that somebody has copied out of a program, where they are written `\\\\n`.

    Args:
        data: the text.

    >>> unescaped(rb"[    1.000000] a\\n[    1.000001] \\tb\\n[    1.000002] c\\n").splitlines()
    [b'[    1.000000] a', b'[    1.000001] \\tb', b'[    1.000002] c']
    """
    written = data.count(b"\\n")
    if written < _LINES or 2 * written < data.count(b"\n") or len(_BROKEN.findall(data, 0, 1 << 16)) < _LINES:
        return None
    return _ESCAPE.sub(lambda found: _MEANT.get(found[0], found[0]), data)


def _strings(found: Any) -> list[str]:
    """The strings of an object and of those right below it."""
    values = list(found.values()) if isinstance(found, dict) else []
    below = [value for inner in values if isinstance(inner, dict) for value in inner.values()]
    return [value for value in (*values, *below) if isinstance(value, str)]


def entries_of(data: bytes, name: bytes) -> array[int] | None:
    """Where the entries of a document begin, if several stand on a line; None if each has lines of its own.

    Args:
        data: the document.
        name: of the field that holds the message.
    """
    rows = array("Q")
    end, shared = 0, False
    for found in re.finditer(b'"' + re.escape(name) + _STRING, data):
        shared = shared or (bool(rows) and data.find(b"\n", end, found.start()) < 0)
        # The object that the message is in begins before it.
        opened = data.rfind(b"{", end, found.start())
        rows.append(0 if not rows else opened if opened >= 0 else end)
        end = found.end()
    return rows if shared else None


def is_loki(data: bytes) -> bool:
    """Whether a document is an answer of Loki."""
    return _STREAMS.search(data, 0, 1 << 16) is not None


def is_list(data: bytes, start: int = 0) -> bool:
    """Whether a text is a YAML list of entries with bare names, as LAVA wrote them.

    Args:
        data: the text.
        start: where it begins.
    """
    return _ITEM.match(data, start) is not None


def list_fields(raw: bytes) -> dict[str, str]:
    """The fields of an entry of such a list.

    >>> list_fields(b"- {dt: 2024-07-31T11:58:14.1, lvl: target, msg: '[    1.000000] it''s'}")["msg"]
    "[    1.000000] it's"
    """
    text = raw.decode("utf-8", "backslashreplace").strip()
    flow = text.startswith("- {")
    pairs = (_FLOW if flow else _BLOCK).finditer(text[3:-1] if flow and text.endswith("}") else text[2:])
    return {found["name"]: _scalar(found["value"]) for found in pairs}


def _scalar(shown: str) -> str:
    """The text of a YAML scalar of one line."""
    if shown[:1] == "'" == shown[-1:] and len(shown) > 1:
        return shown[1:-1].replace("''", "'")
    if shown[:1] == '"' == shown[-1:] and len(shown) > 1:
        try:
            return str(json.loads(shown, strict=False))
        except ValueError:
            return shown[1:-1]
    return shown


def loki_entries(data: bytes) -> array[int]:
    """Where the entries of an answer of Loki begin."""
    rows = array("Q", (found.start() for found in _PAIR.finditer(data)))
    if rows:
        rows[0] = 0
    return rows


def loki_fields(raw: bytes) -> dict[str, str]:
    """Time and message of an entry of Loki; empty if it is none."""
    found = _PAIR.search(raw)
    if found is None:
        return {}
    message = str(json.loads(found[2].decode("utf-8", "backslashreplace"), strict=False))
    return {"message": message, "ts": found[1].decode()}
