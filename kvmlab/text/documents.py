"""Documents in which services hand logs out: a log in a JSON string or with its line breaks written out, many entries
on a line, YAML lists."""

from __future__ import annotations

import base64
import binascii
import json
import re
from array import array
from typing import Any

from kvmlab.text.inflate import compression_of
from kvmlab.text.prefix import match_prefix

# A string is the log if it makes up so much of the document, and has lines.
_SHARE, _LINES = 0.6, 3
_OPENED = re.compile(rb"\s*(?:\{|\[\s*\")")
# A document of more lines is a list of entries.
_OWN_LINES = 200
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{200,}={0,2}\s*")
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
# Lines of pairs `name=value`, one of which is the message; objects behind a time and a name.
_PAIRED = re.compile(
    rb'(?m)^(?:[\w.@-]{1,40}=(?:"(?:[^"\\\n]|\\.)*+"|[^\s"]*+) ++){0,12}(?:msg|message|MESSAGE|log|line)="'
)
_VALUE = re.compile(r'([\w.@-]{1,40})=("(?:[^"\\]|\\.)*+"|\S*)')
_BEHIND = re.compile(rb'(?m)^[^{"\n]{1,200}\{ ?"[@\w]{1,64}"\s?(?::|=>)|^\{ ?"[@\w]{1,64}"\s?:.{0,65536}\}\s?$')
_STRING = rb'"\s*:\s*"(?:[^"\\]|\\.)*"'


def log_in_string(data: bytes) -> bytes | None:
    """The log that a JSON object carries in one of its strings, as clouds hand out what a console has printed.

    Args:
        data: the document.

    >>> log_in_string(b'{"Output": "first line\\\\nsecond line\\\\nthird line\\\\n"}')
    b'first line\\nsecond line\\nthird line\\n'
    """
    if _OPENED.match(data) is None:
        return None
    text = data.strip()
    if text[:1] + text[-1:] not in (b"{}", b"[]") or text.count(b"\n") > _OWN_LINES:
        return None
    try:
        found = json.loads(text.decode("utf-8", "backslashreplace"), strict=False)
    except (ValueError, RecursionError):
        return None
    if "MESSAGE" in found:
        # One message of a journal.
        return None
    longest = max((*_strings(found), _listed(found)), key=len, default="")
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


def _listed(found: Any) -> str:
    """The lines of a list of strings, or of one that an object holds."""
    lists = found.values() if isinstance(found, dict) else (found,)
    return max(
        ("\n".join(one) + "\n" for one in lists if isinstance(one, list) and all(isinstance(row, str) for row in one)),
        key=len,
        default="",
    )


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


def mostly(data: bytes, stop: int) -> str | None:
    """What most lines of the beginning of a text are: `pairs`, `objects` (perhaps behind a time), or neither.

    Args:
        data: the text.
        stop: where the beginning ends.
    """
    enough = max(_LINES, _SHARE * data.count(b"\n", 0, stop))
    for name, pattern in (("pairs", _PAIRED), ("objects", _BEHIND)):
        found = [match[0] for match in pattern.finditer(data, 0, stop)]
        # What a program says behind a prefix of syslog is its own message, and no kernel's.
        if len(found) >= enough and sum(map(_of_program, found)) < len(found) / 2:
            return name
    return None


def _of_program(line: bytes) -> bool:
    prefix = match_prefix(line.decode("utf-8", "replace"))
    return prefix is not None and not prefix.kernel


def pair_fields(raw: bytes) -> dict[str, str]:
    """The fields of a line of pairs.

    >>> pair_fields(b'ts=1722426094 level=warn msg="comm \\\\"fizz\\\\""')["msg"]
    'comm "fizz"'
    """
    pairs = _VALUE.findall(raw.decode("utf-8", "backslashreplace"))
    return {name: _unquoted(value) for name, value in pairs}


def _unquoted(value: str) -> str:
    try:
        return str(json.loads(value, strict=False)) if value[:1] == '"' else value
    except ValueError:
        return value[1:-1]


def is_loki(data: bytes) -> bool:
    """Whether a document is an answer of Loki."""
    return _STREAMS.search(data, 0, 1 << 16) is not None


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
