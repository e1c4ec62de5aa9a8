"""What a reader could not read: lines are kept with their number and the reason, never dropped and never guessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kvmlab.errors import UnusableInput

U64_MAX = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Malformed:
    """A line that its reader refused.

    Args:
        line: its number in the file, from 1.
        text: the line as it stands in the file, without its line ending.
        reason: one sentence: what was expected.
    """

    line: int
    text: str
    reason: str


class MissingInput(UnusableInput):
    """An analysis lacks a capture; the message names it and says how to record it."""


def numbered(text: str | bytes) -> Iterator[tuple[int, str]]:
    """The lines of a capture with their numbers, split at newlines only; undecodable bytes stand as `\\xff`.

    Args:
        text: the whole file.

    >>> list(numbered("a\\r\\nb"))
    [(1, 'a'), (2, 'b')]
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        yield number, line.removesuffix("\r")


def unquoted(line: str) -> str:
    """A line without the mail quoting in front of it and the blanks around it.

    >>> unquoted(">  > Node 0, zone DMA ")
    'Node 0, zone DMA'
    """
    return line.lstrip("> \t").rstrip()


def u64(text: str) -> int | None:
    """A decimal number that fits 64 bits, None for anything else; long digit strings cost nothing.

    >>> u64("42"), u64("-1"), u64("9" * 100)
    (42, None, None)
    """
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        return None
    value = int(text)
    return value if value <= U64_MAX else None


def hex_u64(text: str) -> int | None:
    """A hexadecimal number of at most 64 bits, with or without `0x`; None for anything else.

    >>> hex_u64("0xfb1665"), hex_u64("fb1665"), hex_u64("x"), hex_u64("1" * 40)
    (16455269, 16455269, None, None)
    """
    digits = text[2:] if text[:2] in ("0x", "0X") else text
    if not 0 < len(digits) <= 16 or not all(c in "0123456789abcdefABCDEF" for c in digits):
        return None
    return int(digits, 16)
