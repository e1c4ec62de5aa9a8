"""What a fast engine is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kvmlab.report.fast_lexicon import Lexicon


class Unread(Exception):
    """The rest of a chunk could not be read."""


class TooShort(Exception):
    """A chunk ends within a line or within a report: more of the text behind it is needed."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a text.

    Args:
        data: its bytes and what follows them (numpy uint8, padded).
        lo, hi: the lines that begin in [lo, hi) are this chunk's.
        stop: end of the bytes, without the padding.
        at_end: whether the text ends at `stop`.
        base: offset of `data[0]` in the text.
        have: how many of the bytes are there, if not all; an engine that `fills` reads the others itself.
        fd: the file to read them from.
    """

    data: Any
    lo: int
    hi: int
    stop: int
    at_end: bool
    base: int
    have: int = -1
    fd: int = -1


@dataclass(frozen=True, slots=True)
class Found:
    """What a chunk holds; offsets and lines count from its beginning.

    Args:
        rows: one row a report, columns as in `fast_rows`.
        marks: one row a stretch of lines that the tolerant parser must see.
        lines: how many lines begin in [lo, hi).
        at: where reading stopped; a report that begins in the chunk may end behind `hi`.
        stray: whether a carriage return stands within a line.
        callers: whether a line names its caller, so that reports can be interleaved.
    """

    rows: Any
    marks: Any
    lines: int
    at: int
    stray: bool
    callers: bool


class Engine(Protocol):
    """Reads chunks of one text."""

    name: str
    # Whether several threads may read at a time, and gain by it.
    parallel: bool
    # Whether it reads what is not there of a chunk.
    fills: bool
    lexicon: Lexicon

    def read(self, chunk: Chunk) -> Found:
        """The reports and marks of one chunk."""

    def sibling(self) -> Engine:
        """An engine for another text, to which all is known that this one has learned or will learn."""
