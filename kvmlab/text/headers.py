"""Header blocks of mails and of their parts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from email.message import Message

from kvmlab.text.lines import Lines

HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60}):(?: |\t|$)")
# A header block is at most this many lines; of each header at most so many characters are read.
HEAD_LINES, HEADER_CHARS = 2000, 4000


@dataclass(slots=True)
class Headers:
    """One header block.

    Args:
        values: lower-case name to (value, line) of the first header of that name.
        after: line after the block and its blank line.
    """

    values: dict[str, tuple[str, int]] = field(default_factory=dict)
    after: int = 0

    def get(self, name: str) -> str | None:
        """Value of a header with its encoded words decoded."""
        return decoded(self.values[name][0]) if name in self.values else None

    def message(self) -> Message:
        """The headers that say how a body is to be read."""
        message = Message()
        for name in ("content-type", "content-transfer-encoding", "content-disposition"):
            if name in self.values:
                message[name] = self.values[name][0]
        return message


def read_headers(lines: Lines, first: int, last: int, *, lenient: bool = False) -> Headers | None:
    """Read the header block that begins at line `first`.

    Args:
        lines: physical lines.
        first, last: where to read.
        lenient: whether a line that is no header ends the block, instead of showing that it is none.
    """
    headers = Headers(after=first)
    name = ""
    for number in range(first, min(last, first + HEAD_LINES) + 1):
        text = lines.text(number)
        headers.after = number + 1
        if not text.strip():
            break
        if text[0] in " \t" and name:
            value, line = headers.values[name]
            if len(value) < HEADER_CHARS:
                headers.values[name] = (f"{value} {text.strip()[:HEADER_CHARS]}", line)
        elif match := HEADER.match(text):
            name = match.group(1).lower()
            headers.values.setdefault(name, (text[match.end() :].strip()[:HEADER_CHARS], lines.line(number)))
        elif number == first and text.startswith(("From ", ">From ")):
            continue
        elif lenient:
            headers.after = number
            break
        else:
            return None
    return headers


def decoded(value: str) -> str:
    """A header value with its encoded words decoded.

    >>> decoded("=?utf-8?q?Alex_Benn=C3=A9e?=")
    'Alex Bennée'
    """
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, UnicodeError):
        return value
