"""What reading a text gives: the records in order, the log blocks among them, the mail around them, the wrapping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from kvmlab.text.lines import Lines
from kvmlab.text.record import Record, Role
from kvmlab.text.source import Source
from kvmlab.text.span import Damage, Span


@dataclass(frozen=True, slots=True)
class ShellPrompt:
    """A shell prompt with the command that printed the log; parts are None where the prompt does not show them."""

    line: int
    command: str
    time_of_day: str | None = None
    user: str | None = None
    host: str | None = None
    cwd: str | None = None


@dataclass(frozen=True, slots=True)
class LogBlock:
    """A stretch of kernel log within a text.

    Args:
        first_line, last_line: physical lines, the shell prompt included.
        first_record, stop_record: its records are `records[first_record:stop_record]`.
        prefix_style: commonest prefix of its lines, rows joined by `+`; None if they have none.
        caller_id: whether lines carry a caller column.
        level_prefix: whether lines carry a level.
        shell_prompt: the prompt that opens it.
        first_timestamp, last_timestamp: as printed.
        logical_records: number of log records.
        physical_lines: number of physical lines of those records.
        timestamps_monotonic: None if there are no timestamps.
        quote_depth: how many quote marks stand before its lines.
        blanks_collapsed: whether runs of blanks were made one blank; None if no line tells.
        leading_blanks_lost: whether blanks at the start of messages were dropped; None if no line tells.
    """

    first_line: int
    last_line: int
    first_record: int
    stop_record: int
    prefix_style: str | None
    caller_id: bool
    level_prefix: bool
    shell_prompt: ShellPrompt | None
    first_timestamp: str | None
    last_timestamp: str | None
    logical_records: int
    physical_lines: int
    timestamps_monotonic: bool | None
    quote_depth: int
    blanks_collapsed: bool | None
    leading_blanks_lost: bool | None


@dataclass(frozen=True, slots=True)
class Attribution:
    """A line that says who wrote what is quoted; `name` is None where it cannot be told from the date before it."""

    line: int
    name: str | None
    address: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail.

    Args:
        form: `rfc822`, `mbox`, or the page of an archive: `hypermail`, `lore`, `archive`.
        span: its lines.
        subject, subject_line: as decoded, and where.
        in_reply_to_subject: the subject without `Re:`, None if there was none.
        patch_version, patch_index, patch_total: of a `[PATCH v11 0/8]` tag.
        from_name, from_address: address None where the archive took it away.
        date_raw: as printed.
        date_zone_trustworthy: False for list archives, which label summer time wrongly.
        message_id: without angle brackets.
        attributions: who is quoted.
        max_quote_depth: deepest quoting.
        body_unquoted_first_line: first line of the writer's own words.
        signature_line: line of the `--` separator.
        signature: the lines below it.
        prose_before, prose_after: first and last line of the writer's words right before and after the log.
    """

    form: str
    span: Span
    subject: str | None
    subject_line: int | None
    in_reply_to_subject: str | None
    patch_version: int | None
    patch_index: int | None
    patch_total: int | None
    from_name: str | None
    from_address: str | None
    date_raw: str | None
    date_zone_trustworthy: bool
    message_id: str | None
    attributions: tuple[Attribution, ...]
    max_quote_depth: int
    body_unquoted_first_line: int | None
    signature_line: int | None
    signature: tuple[str, ...]
    prose_before: tuple[int, int] | None
    prose_after: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class WrapJoin:
    """One place where a wrapped line was joined.

    Args:
        after_line: the physical line that ends here.
        tail, head: the characters up to the nearest blank on both sides.
        joined: what became of them.
        insert_blank: whether a blank was put between them.
        why: what decided it.
        certain: False where the other reading fits the text as well.
    """

    after_line: int
    tail: str
    head: str
    joined: str
    insert_blank: bool
    why: str
    certain: bool


@dataclass(frozen=True, slots=True)
class WrappedRecord:
    """A record that was wrapped, or split by printk.

    Args:
        record: its index among the records.
        line_first, line_last: its physical lines.
        timestamp: as printed.
        physical_lengths: characters of each of its lines, prefix and quoting included.
        collapsed_double_blank: the message began with a blank, which was lost behind the prefix.
        lost_leading_blank_lines: lines that began with a blank, which was lost.
        text_len: characters of the healed message.
        module_count: module names in it, None if it is no module list.
    """

    record: int
    line_first: int
    line_last: int
    timestamp: str | None
    physical_lengths: tuple[int, ...]
    collapsed_double_blank: bool
    lost_leading_blank_lines: tuple[int, ...]
    text_len: int
    module_count: int | None


@dataclass(frozen=True, slots=True)
class SizeCheck:
    """printk's record size at one split: `sum` = `text_len` + length of `next` + overhead, which passes the limit."""

    text_len: int
    next: str
    sum: int
    holds: bool


@dataclass(frozen=True, slots=True)
class Wrap:
    """How a log block was wrapped.

    Args:
        kind: `columns` (a terminal, also in mid-word) or `words` (a mailer, at blanks).
        width: columns; for `words` the longest piece.
        records: the wrapped and split records.
        joins: the joins, in order.
        limit, overhead: printk's record size in bytes and what it adds to each name.
        size_checks: that rule at each split of a module list.
    """

    kind: str
    width: int
    records: tuple[WrappedRecord, ...]
    joins: tuple[WrapJoin, ...]
    limit: int
    overhead: int
    size_checks: tuple[SizeCheck, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A decoded part of a text: an attachment, a body in base64.

    Args:
        name: file name or section number.
        content_type: as declared.
        span: where it stands, encoded, in the text around it.
        text: what it holds; its spans count from its own first byte.
    """

    name: str
    content_type: str
    span: Span
    text: Text


@dataclass(frozen=True, slots=True)
class Text:
    """One text, read.

    Args:
        source: where it came from.
        kind: `dmesg`, `mail`, `mbox`, `journal`, `journal-json`, `journal-export`, `syslog`, `console`, `kmsg`,
            `pstore`, `logcat`, `json`, `yaml`, `csv`, `html`, `text` (no log found) or `binary`.
        encoding: Python's name of it.
        line_endings: `lf`, `crlf`, `cr`, `mixed` or `none`.
        n_lines: number of physical lines.
        ends_with_newline: whether the last line has an ending.
        records: all records in order; their spans, joined, are the input.
        log_blocks: the stretches of kernel log.
        mails: the mails that the text consists of.
        wraps: the wrapped blocks.
        damage: what is wrong with the text as a whole.
        parts: decoded parts; reports can stand in them, too.
        lines: the physical lines.
    """

    source: Source
    kind: str
    encoding: str
    line_endings: str
    n_lines: int
    ends_with_newline: bool
    records: Sequence[Record] = field(repr=False)
    log_blocks: tuple[LogBlock, ...] = ()
    mails: tuple[Mail, ...] = ()
    wraps: tuple[Wrap, ...] = ()
    damage: tuple[Damage, ...] = ()
    parts: tuple[Part, ...] = field(default=(), repr=False)
    lines: Lines | None = field(default=None, repr=False, compare=False)

    @property
    def mail(self) -> Mail | None:
        """The only mail, or the first."""
        return self.mails[0] if self.mails else None

    @property
    def wrap(self) -> Wrap | None:
        """How the first wrapped block was wrapped."""
        return self.wraps[0] if self.wraps else None

    def logs(self) -> Iterator[Record]:
        """The log records, in order."""
        return (record for record in self.records if record.role is Role.LOG)

    def walk(self) -> Iterator[Text]:
        """This text, then those of its parts, and of theirs."""
        waiting = [self]
        while waiting:
            text = waiting.pop()
            yield text
            waiting.extend(part.text for part in reversed(text.parts))

    def line(self, number: int) -> str:
        """Physical line `number`, from 1, as it stands."""
        if self.lines is None:
            raise IndexError(number)
        return self.lines.line_text(number)

    def block_of(self, record: int) -> LogBlock | None:
        """The log block that record number `record` belongs to."""
        for block in self.log_blocks:
            if block.first_record <= record < block.stop_record:
                return block
        return None
