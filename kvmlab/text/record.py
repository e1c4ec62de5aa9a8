"""The unit that the rooms above read: one logical record of a text, with the bytes that it came from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kvmlab.text.span import Damage, Span


class Role(StrEnum):
    """What a record is; only `LOG` records are read for reports, `FIELD` is what /dev/kmsg puts below a message."""

    LOG = "log"
    PROSE = "prose"
    HEADER = "header"
    QUOTE = "quote"
    SIGNATURE = "signature"
    PROMPT = "prompt"
    BLANK = "blank"
    FIELD = "field"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Join:
    """One place where two physical lines were put together again.

    Args:
        after_line: number of the physical line that ends here.
        at: offset in the record's `text` where the second line begins (before an inserted blank).
        insert_blank: whether a blank was put between them.
        reason: what decided it.
        certain: False where the other reading (a blank or none) fits the text as well.
    """

    after_line: int
    at: int
    insert_blank: bool
    reason: str
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Record:
    """One logical record: a kernel log record, or one line of anything else.

    Every byte of a source belongs to exactly one record, in order: joining the spans gives the input back.

    Args:
        span: the physical lines that it came from.
        role: what it is.
        text: the message, prefix and quoting removed, wrapped lines joined. Undecodable bytes stand as `\\xff`.
        timestamp: seconds since boot exactly as printed, None if the prefix has none.
        time_ns: the same in nanoseconds (int64), None if unknown.
        prefix: name of the row of the prefix table that matched, None if nothing was stripped.
        caller: `T123` or `C0` where the log has caller ids.
        level: syslog level 0-7 where the log has it.
        joins: where physical lines were joined.
        quote_depth: how many quote marks were stripped.
        damage: what is wrong with this record.
        clock: wall-clock time as printed, None if the prefix has none.
        host: host name that the prefix gives.
    """

    span: Span
    role: Role
    text: str
    timestamp: str | None = None
    time_ns: int | None = None
    prefix: str | None = None
    caller: str | None = None
    level: int | None = None
    joins: tuple[Join, ...] = ()
    quote_depth: int = 0
    damage: tuple[Damage, ...] = ()
    clock: str | None = None
    host: str | None = None

    def line_at(self, offset: int) -> int:
        """Number of the physical line on which character `offset` of `text` stands."""
        line = self.span.first_line
        for join in self.joins:
            if offset < join.at:
                break
            line = join.after_line + 1
        return line
