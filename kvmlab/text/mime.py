"""The parts of a mail: multipart bodies, transfer encodings, attachments; where each stands and how it is read."""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kvmlab.text.charset import charset_decoder, is_utf8
from kvmlab.text.headers import Headers, read_headers
from kvmlab.text.lines import Lines, Stretch

# Deeper nesting of multiparts is left as it stands.
_DEPTH = 32
_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_LOGGISH = re.compile(
    r"(?i)dmesg|\.(?:log|txt|gz|xz|zst|bz2|eml|patch|out|trace|config|html?)$|log|kern|console|oops|splat|trace"
)
_SPELLED = re.compile(rb"=0[Aa]")
_UU_BEGIN = re.compile(rb"begin [0-7]{3,4} (\S[^\r\n]{0,200}?)\s*$")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One part of a mail that holds no further parts.

    Args:
        first: its first line, headers included.
        body: first line of its body.
        last: its last line.
        content_type: lower case, such as `text/plain`.
        charset: declared, or None.
        encoding: transfer encoding, lower case.
        name: file name, or None.
        flowed, delsp: parameters of format=flowed.
        spare: the same words stand in another part in plain text.
    """

    first: int
    body: int
    last: int
    content_type: str = "text/plain"
    charset: str | None = None
    encoding: str = "7bit"
    name: str | None = None
    flowed: bool = False
    delsp: bool = False
    spare: bool = False

    @property
    def inline(self) -> bool:
        """Whether the part can be read where it stands, line by line."""
        text = self.content_type.startswith("text/") and self.content_type != "text/html"
        return text and self.encoding in ("7bit", "8bit", "binary", "quoted-printable", "")

    @property
    def worth_reading(self) -> bool:
        """Whether the part may hold log text, to be decoded as a text of its own."""
        if self.spare or self.inline:
            return False
        if self.content_type.startswith(("image/", "audio/", "video/", "font/")):
            return False
        kind = self.content_type.startswith("text/") or bool(
            re.search(r"gzip|xz|zstd|bzip|octet-stream|json", self.content_type)
        )
        return kind or bool(self.name and _LOGGISH.search(self.name))


def leaves(lines: Lines, headers: Headers, body: int, last: int) -> Iterator[Leaf]:
    """The parts of the mail whose body is the lines `body` to `last`; what lies between them belongs to none."""
    message = headers.message()
    # Boundary to depth; the stack holds what each multipart is and whether it showed plain text.
    boundaries: dict[bytes, int] = {}
    stack: list[tuple[bytes, bool]] = []
    plain_seen: list[bool] = []

    def push(boundary: str, alternative: bool) -> None:
        raw = boundary.encode("utf-8", "replace")
        boundaries[raw] = len(stack)
        stack.append((raw, alternative))
        plain_seen.append(False)

    boundary = message.get_boundary() if message.get_content_maintype() == "multipart" else None
    if not boundary:
        yield from _leaf(lines, message, body, body, last, False)
        return
    push(boundary, message.get_content_subtype() == "alternative")
    opened: tuple[int, int, object] | None = None
    number = body
    while number <= last:
        depth = _boundary(lines, number, boundaries)
        if depth is None:
            number += 1
            continue
        if opened is not None:
            first, start, part = opened
            for leaf in _leaf(lines, part, first, start, number - 1, any(plain_seen) and any(a for _, a in stack)):
                plain_seen[-1] = plain_seen[-1] or leaf.content_type == "text/plain"
                yield leaf
            opened = None
        level, closing = depth
        while len(stack) > level + 1:
            boundaries.pop(stack.pop()[0], None)
            plain_seen.pop()
        number += 1
        if closing:
            continue
        first = number - 1
        while number <= last:
            inner = read_headers(lines, number, last, lenient=True) or Headers(after=number)
            number = inner.after
            part_message = inner.message()
            kind = part_message.get_content_type()
            # A mail within the mail: its own headers follow.
            if kind == "message/rfc822" and inner.values:
                continue
            nested = part_message.get_boundary() if kind.startswith("multipart/") else None
            if nested and len(stack) < _DEPTH:
                push(nested, kind == "multipart/alternative")
                opened = None
            else:
                opened = (first, number, part_message)
            break
    if opened is not None:
        first, start, part = opened
        yield from _leaf(lines, part, first, start, last, any(plain_seen) and any(a for _, a in stack))


def _boundary(lines: Lines, number: int, boundaries: dict[bytes, int]) -> tuple[int, bool] | None:
    start, stop = lines.starts[number - 1], lines.starts[number]
    if not lines.data.startswith(b"--", start) or stop - start > 300:
        return None
    raw = lines.data[start + 2 : stop].rstrip()
    if raw in boundaries:
        return boundaries[raw], False
    if raw.endswith(b"--") and raw[:-2] in boundaries:
        return boundaries[raw[:-2]], True
    return None


def _leaf(lines: Lines, message: object, first: int, body: int, last: int, spare: bool) -> Iterator[Leaf]:
    from email.message import Message

    assert isinstance(message, Message)
    kind = message.get_content_type()
    charset = message.get_content_charset()
    encoding = str(message.get("content-transfer-encoding", "7bit")).strip().lower()
    name = message.get_filename()
    flowed = str(message.get_param("format", "")).lower() == "flowed"
    delsp = str(message.get_param("delsp", "")).lower() == "yes"
    yield Leaf(first, body, last, kind, charset, encoding, name, flowed, delsp, spare and kind == "text/html")


def stretch_of(lines: Lines, leaf: Leaf) -> Stretch | None:
    """How the body of an inline part is decoded where it stands; None if it is plain UTF-8."""
    if leaf.body > leaf.last:
        return None
    start, stop = lines.starts[leaf.body - 1], lines.starts[leaf.last]
    if leaf.encoding == "quoted-printable":
        return quoted_printable(lines, leaf.body, leaf.last, leaf.charset)
    if not is_utf8(leaf.charset) and not lines.data.isascii():
        return Stretch(start, stop, charset_decoder(leaf.charset), plain=True)
    return None


def quoted_printable(lines: Lines, first: int, last: int, charset: str | None = None) -> Stretch:
    """The lines `first` to `last` with quoted-printable undone: soft breaks make one row of several lines.

    Some mailers spell the line ends out, and put a soft break behind each.
    """
    data = lines.data
    rows = []
    broken = False
    spelled = b"=0A" in data or b"=0a" in data
    for number in range(first, last + 1):
        start, stop = lines.starts[number - 1], lines.starts[number]
        if not broken:
            rows.append(start)
        # Blanks behind the mark of a soft break were added on the way.
        broken = data[max(start, stop - 80) : stop].rstrip().endswith(b"=")
        if spelled:
            ends = [found.end() for found in _SPELLED.finditer(data, start, stop)]
            if broken and ends and data[ends[-1] : stop].strip() == b"=":
                broken = False
                ends.pop()
            rows += ends
    characters = charset_decoder(charset)

    def decode(raw: bytes) -> str:
        return characters(quopri.decodestring(raw))

    return Stretch(lines.starts[first - 1], lines.starts[last], decode, rows, plain=True)


def decode_part(lines: Lines, leaf: Leaf) -> tuple[bytes, bool]:
    """Bytes of a part that is no plain text, and whether its encoding is whole."""
    raw = lines.data[lines.starts[leaf.body - 1] : lines.starts[leaf.last]] if leaf.body <= leaf.last else b""
    if leaf.encoding == "base64":
        return _base64(raw)
    if leaf.encoding in ("x-uuencode", "uuencode", "x-uue"):
        return _uudecode(raw.splitlines())
    return (quopri.decodestring(raw), True) if leaf.encoding == "quoted-printable" else (raw, True)


def _base64(raw: bytes) -> tuple[bytes, bool]:
    clean = _BASE64.sub(b"", raw)
    spare = len(clean) % 4
    whole = spare != 1
    clean = clean[: len(clean) - 1] if spare == 1 else clean + b"=" * (-spare % 4)
    try:
        return binascii.a2b_base64(clean), whole
    except binascii.Error:
        return b"", False


def uuencoded(lines: Lines, first: int, last: int) -> Iterator[tuple[int, int, str]]:
    """Files in uuencode among the lines `first` to `last`: first line, last line, name."""
    number = first
    while number <= last:
        start = lines.starts[number - 1]
        if lines.data.startswith(b"begin ", start) and (
            match := _UU_BEGIN.match(lines.data, start, lines.starts[number])
        ):
            stop = number + 1
            while stop <= last and _uu_line(lines.data[lines.starts[stop - 1] : lines.starts[stop]].rstrip(b"\r\n")):
                stop += 1
            if stop <= last and stop > number + 1 and lines.data.startswith(b"end", lines.starts[stop - 1]):
                yield number, stop, match.group(1).decode("utf-8", "backslashreplace")
                number = stop
        number += 1


def _uu_line(raw: bytes) -> bool:
    return bool(raw) and len(raw) <= 63 and 32 <= raw[0] <= 96 and raw != b"end"


def _uudecode(rows: list[bytes]) -> tuple[bytes, bool]:
    out, whole = [], True
    for row in rows:
        if row.startswith(b"begin ") or row.rstrip() == b"end" or not row:
            continue
        try:
            out.append(binascii.a2b_uu(row))
        except binascii.Error:
            # Trailing blanks, which stand for zero bits, are often lost.
            need = 1 + ((row[0] - 32) & 63) * 4 // 3 + 3
            try:
                out.append(binascii.a2b_uu(row.ljust(need)[: need + 1]))
            except binascii.Error:
                whole = False
    return b"".join(out), whole
