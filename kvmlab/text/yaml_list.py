"""Lists of messages in YAML, as test labs and clouds write them: flow style or block style, quoted or not."""

from __future__ import annotations

import re
from array import array

from kvmlab.text.lines import Lines

_NAMES = ("msg", "message", "MESSAGE", "textPayload", "log", "line", "text")
_KEY = (
    f"(?:{'|'.join(_NAMES)}|dt|lvl|ns|time|timestamp|ts|date|level|host|hostname|tag|program|insertId|logName|resource"
    "|severity|labels|receiveTimestamp)"
)
# Entries by which a text is judged, and which share of them must hold a message; documents need more than a list.
_SAMPLE, _SHARE, _DOCUMENTS, _DEEP = 60, 0.6, 3, 0.9
# What an entry of more characters holds beyond them is left out.
_LONGEST = 1 << 20
_BEGIN = re.compile(rf"( {{0,8}})- (?:\{{ ?)?[\"']?{_KEY}[\"']? ?:(?: |$)")
_ROW = re.compile(rf" {{0,16}}(?:- |[\"']?{_KEY}[\"']? ?:)")
_DOUBLE, _SINGLE = r'"(?:[^"\\]|\\.)*+"', r"'(?:[^']|'')*+'"
_PAIR = re.compile(
    rf"(?:\A|(?<=[{{,\n]))[ -]{{0,16}}[\"']?({_KEY})[\"']? ?:(?=\s) ?"
    rf"({_DOUBLE}|{_SINGLE}|\[\s{{0,8}}(?:(?:{_DOUBLE}|{_SINGLE})[,\s]{{0,80}})++\]"
    rf"|.*?(?=, ?[\"']?{_KEY}[\"']? ?:\s|\n {{0,16}}[\"']?{_KEY}[\"']? ?:\s|\}}?\Z))",
    re.DOTALL,
)
_SCALAR = re.compile(f"{_DOUBLE}|{_SINGLE}", re.DOTALL)
_ITEM = re.compile(r"(?:\A|\n) {0,16}- ")
_FOLD = re.compile(r"[ \t\r]*+\n\s*+")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|\r?\n[ \t]*|(.))", re.DOTALL)
_MEANT = {"n": "\n", "t": "\t", "r": "\r", "e": "\x1b", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "_": " "}
# Levels of what a lab's own program says, between the lines of the machine that it tests.
_OWN = frozenset(["debug", "info", "warning", "error", "results", "exception", "input"])


def yaml_entries(lines: Lines) -> array[int] | None:
    """Where the entries begin if the text is such a list, else None.

    Args:
        lines: physical lines.
    """
    shown = [lines.text(n) for n in range(1, min(len(lines), _SAMPLE) + 1)]
    texts = [text for text in shown if text.strip() and not text.startswith("#")]
    if not texts:
        return None
    begun = [match for text in texts if (match := _BEGIN.match(text))]
    documents = texts[0].strip() == "---" and not (begun and begun[0].string == texts[1])
    if documents:
        mark = b"---"
    elif begun and begun[0].string in texts[:2]:
        mark = begun[0][1].encode() + b"- "
        # The lines of an entry stand further in than its mark.
        deep = begun[0][1] + "- ", begun[0][1] + " "
        if sum(text.startswith(deep) for text in texts) < _DEEP * len(texts):
            return None
        # One entry alone must be all that there is: prose has lists, too.
        if len(begun) == 1 and len(texts) > 1 and not all(map(_ROW.match, texts)):
            return None
    else:
        return None
    data = lines.data
    rows = array("Q", [0])
    rows.extend(at for at in lines.starts[1:-1] if data.startswith(mark, at))
    stops = [*rows[1 : _SAMPLE + 1], *([len(data)] if len(rows) <= _SAMPLE else [])]
    read = [entry_fields(data[start:stop]) for start, stop in zip(rows, stops, strict=False)]
    told = sum(map(bool, read))
    return rows if told >= max(_DOCUMENTS if documents else 1, _SHARE * (len(read) - 1)) else None


def entry_fields(raw: bytes) -> dict[str, str]:
    """The fields of an entry, what it says as `message`; empty if it says nothing.

    Args:
        raw: its bytes.

    >>> entry_fields(b"- {dt: 2024-07-31T11:41:34, lvl: target, msg: '[    1.000000] it''s'}")["message"]
    "[    1.000000] it's"
    """
    text = raw[:_LONGEST].decode("utf-8-sig", "backslashreplace").strip().removeprefix("---").strip()
    fields: dict[str, str] = {}
    for match in _PAIR.finditer(text.removeprefix("- ").removeprefix("{")):
        fields.setdefault(match[1], _value(match[2]))
    name = next((name for name in _NAMES if name in fields), None)
    if name is None:
        return {}
    fields["message"] = fields.pop(name)
    if "dt" in fields:
        fields["time"] = fields.pop("dt")
        if fields.get("lvl") in _OWN:
            fields["program"] = "lab"
    return fields


def _value(text: str) -> str:
    if text[:1] == "[" and text[1:].lstrip()[:1] in ("'", '"'):
        return "\n".join(_scalar(match[0]) for match in _SCALAR.finditer(text))
    if text[:1] in ("|", ">") and "\n" in text:
        rows = text.split("\n")[1:]
        margin = min((len(row) - len(row.lstrip(" ")) for row in rows if row.strip()), default=0)
        return "\n".join(row[margin:] for row in rows)
    if text.lstrip()[:2] == "- ":
        return "\n".join(_scalar(item.strip()) for item in _ITEM.split(text)[1:])
    return _scalar(text.strip())


def _scalar(text: str) -> str:
    if text[:1] == '"' == text[-1:] and len(text) > 1:
        # A backslash at the end of a line takes the line break away; any other line break is a blank.
        return _ESCAPE.sub(_meant, re.sub(rf"(?<!\\){_FOLD.pattern}", " ", text[1:-1]))
    if text[:1] == "'" == text[-1:] and len(text) > 1:
        return _FOLD.sub(" ", text[1:-1].replace("''", "'"))
    return _FOLD.sub(" ", text)


def _meant(match: re.Match[str]) -> str:
    if code := match[1] or match[2] or match[3]:
        number = int(code, 16)
        return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else match[0]
    return _MEANT.get(match[4], match[4]) if match[4] else ""
