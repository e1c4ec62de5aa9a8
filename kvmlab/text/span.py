"""Where something stands in the text, and what is wrong with it: `Span` and `Damage`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of a source's decompressed text.

    Args:
        start: offset of its first byte, from 0.
        stop: offset after its last byte, line ending included.
        first_line: number of its first physical line, from 1.
        last_line: number of its last physical line, inclusive.

    >>> Span(0, 12, 1, 1) | Span(12, 20, 2, 3)
    Span(start=0, stop=20, first_line=1, last_line=3)
    """

    start: int
    stop: int
    first_line: int
    last_line: int

    def __or__(self, other: Span) -> Span:
        """The smallest span that covers both."""
        return Span(
            min(self.start, other.start),
            max(self.stop, other.stop),
            min(self.first_line, other.first_line),
            max(self.last_line, other.last_line),
        )


def hull(spans: Iterable[Span]) -> Span:
    """The smallest span that covers all of some spans, of which there is at least one.

    >>> hull([Span(0, 12, 1, 1), Span(30, 40, 4, 4), Span(12, 20, 2, 3)])
    Span(start=0, stop=40, first_line=1, last_line=4)
    """
    held = tuple(spans)
    return Span(
        min([span.start for span in held]),
        max([span.stop for span in held]),
        min([span.first_line for span in held]),
        max([span.last_line for span in held]),
    )


class DamageKind(StrEnum):
    """What can be wrong with a text; the value is what the JSON contract prints."""

    COLLAPSED_BLANKS = "collapsed_blanks"
    LOST_LEADING_BLANK = "lost_leading_blank"
    WRAPPED = "wrapped"
    MASKED_ADDRESS = "masked_address"
    TRUNCATED_HEAD = "truncated_head"
    TRUNCATED_TAIL = "truncated_tail"
    TRUNCATED_CONTAINER = "truncated_container"
    UNDECODABLE = "undecodable"
    LOST_MESSAGES = "lost_messages"
    INTERLEAVED = "interleaved"
    CONTRADICTION = "contradiction"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that the text shows to be lost or changed on its way here.

    Args:
        kind: which kind of damage.
        span: where.
        reason: one sentence: what shows it, and what was done about it.
    """

    kind: DamageKind
    span: Span
    reason: str
