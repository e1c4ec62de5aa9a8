"""Pages and mails in HTML: their text, row by row, where it stands in the markup."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from html import unescape

from kvmlab.text.charset import charset_decoder
from kvmlab.text.lines import Lines, Stretch

# A page, or a piece that somebody has cut out of one.
_PIECE = rb"(?:pre|table|div|p|ul|ol|article|section|blockquote)"
_IS_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!doctype html|<html|<head|<body|<!-- |<" + _PIECE + rb"(?: [^<>\n]{0,400})?>)",
    re.IGNORECASE,
)
_HAS_HTML = re.compile(rb"<(?:html|body|pre)\b|</" + _PIECE + rb">", re.IGNORECASE)
# What may begin a new row or change how line breaks count; lengths are bounded, so that nothing is scanned twice.
_TOKEN = re.compile(
    rb"<!--|<(script|style)\b[^<>]{0,4000}>|<(/?)(br|p|div|tr|li|pre|textarea|table|h[1-6]|blockquote|hr|dt|dd|ul|ol|title|body)\b([^<>]{0,4000})>"
    # A line break within a tag is no line break of the text.
    rb"|<[A-Za-z/][^<>\n]{0,400}\n[^<>]{0,4000}>|\n",
    re.IGNORECASE,
)
_PRE_STYLE = re.compile(rb"white-space:\s*(?:pre|break-spaces)", re.IGNORECASE)
# Tags; stack markers and addresses of kernels stand in the same brackets where nobody has written them out.
_TAG = re.compile(
    r"<(?!/?(?:TASK|IRQ|SOFTIRQ|NMI|EO[IE]|ENTRY_TRAMPOLINE|NULL|EXCEPTION|UNKNOWN)>|[0-9a-f]{8,16}>)/?[A-Za-z!][^<>]{0,4000}>"
)
# Deeper quoting is taken for this deep.
_DEEPEST = 50
_CELL = re.compile(r"</t[dh]>\s*<t[dh]\b[^<>]{0,4000}>", re.IGNORECASE)


def html_stretch(lines: Lines, *, sure: bool = False, charset: str | None = None) -> Stretch | None:
    """How the rows of a page are decoded; None if the text is no HTML.

    Args:
        lines: physical lines.
        sure: the text is declared to be HTML.
        charset: its charset, if declared outside.
    """
    data = lines.data
    if lines.encoding.unit > 1 or not (
        sure or (_IS_HTML.match(data, lines.encoding.bom) and _HAS_HTML.search(data[:65536]))
    ):
        return None
    characters = charset_decoder(charset)
    rows, marks = _rows(data)
    return Stretch(0, len(data), lambda raw: row_text(characters(raw)), rows, marks=marks)


def _rows(data: bytes) -> tuple[array[int], dict[int, str]]:
    """Where the rows begin, and the quote marks of those that stand in `<blockquote>`."""
    rows = array("Q", [0])
    # Offsets at which the depth of quoting changes, and what it is from there on.
    depths: list[tuple[int, int]] = []

    def begin(offset: int) -> None:
        if rows[-1] < offset < len(data):
            rows.append(offset)

    at, pre, broken = 0, 0, False
    while match := _TOKEN.search(data, at):
        start, at = match.span()
        if data[start : start + 4] == b"<!--":
            stop = data.find(b"-->", at)
            at = len(data) if stop < 0 else stop + 3
            begin(start)
            begin(at)
        elif match[1]:
            end = re.compile(rb"</" + match[1] + rb"\s{0,20}>", re.IGNORECASE).search(data, at)
            at = end.end() if end else len(data)
            begin(start)
            begin(at)
        elif match[3] is None and data[start : start + 1] == b"<":
            continue
        elif data[start : start + 1] == b"\n":
            if broken and at < len(data) and not data[rows[-1] : at].strip():
                # The line break in the markup right behind <br> shows nothing.
                rows[-1] = at
            elif pre:
                begin(at)
            broken = False
        else:
            name, closing = match[3].lower(), bool(match[2])
            if name in (b"pre", b"textarea") or (name == b"div" and not closing and _PRE_STYLE.search(match[4])):
                pre = max(0, pre - 1) if closing else pre + 1
            begin(at if closing or name in (b"br", b"hr", b"pre") else start)
            if name == b"blockquote":
                before = depths[-1][1] if depths else 0
                depths.append((start, min(_DEEPEST, before + 1) if not closing else max(0, before - 1)))
            broken = name == b"br"
    return rows, _marks(rows, depths)


def _marks(rows: array[int], depths: list[tuple[int, int]]) -> dict[int, str]:
    marks: dict[int, str] = {}
    for k, (start, depth) in enumerate(depths):
        stop = depths[k + 1][0] if k + 1 < len(depths) else rows[-1] + 1
        if depth and start < stop:
            first, last = bisect_left(rows, start), bisect_left(rows, stop)
            marks.update(dict.fromkeys(rows[first:last], "> " * depth))
    return marks


def row_text(text: str) -> str:
    """Text of one row: tags gone, entities and odd blanks resolved.

    >>> row_text("<b>[ 1.000000]</b> &lt;TASK&gt;<br>\\n")
    '[ 1.000000] <TASK>'
    """
    if text[:7].lower() in ("<script", "<style>", "<style ") or text.startswith("<!--"):
        return ""
    text = _TAG.sub("", _CELL.sub(" ", text)).strip("\r\n")
    return unescape(text.replace("\r\n", "\n").replace("\n", " "))
