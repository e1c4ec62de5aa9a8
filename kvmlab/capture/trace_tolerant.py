"""The tolerant engine: reads trace lines one by one, joins what a mail wrapped, keeps what it cannot read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kvmlab.capture.malformed import Malformed
from kvmlab.capture.trace_line import BLANKS, EventLine, is_other, is_stack, lost_events, read_line
from kvmlab.capture.trace_table import Interner
from kvmlab.kernel.events_forms import EventForm, event_forms, forms_of, read_body

_U64 = (1 << 64) - 1
_BARE = frozenset(form.event for form in event_forms() if form.system not in ("ftrace",))


@dataclass(slots=True)
class Row:
    """One event line on its way into the table."""

    line: int
    parts: EventLine
    begin: int
    end: int
    form: EventForm | None = None
    values: tuple[int | str, ...] = ()


@dataclass(slots=True)
class StackBlock:
    """Stack lines that stand together: first and last line, and their bytes."""

    first: int
    last: int
    begin: int
    end: int


@dataclass(slots=True)
class Tolerant:
    """What the tolerant engine has read so far; feed it lines in their order."""

    rows: list[Row] = field(default_factory=list)
    blocks: list[StackBlock] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    other: int = 0
    joined: int = 0
    lost: int = 0
    pending: tuple[Row, str] | None = None

    def read(self, lines: Iterable[tuple[int, int, str]]) -> None:
        """Read lines.

        Args:
            lines: number, byte offset and Latin-1 text without the newline, ascending; gaps are allowed.
        """
        for number, begin, line in lines:
            self._read_one(number, begin, line)
        self._give_up()

    def _read_one(self, number: int, begin: int, line: str) -> None:
        if self.pending is not None and self.pending[0].line + 1 < number:
            self._give_up()
        if not line.strip(BLANKS + ">"):
            self._give_up()
            self.other += 1
            return
        # The second half of a wrapped event may look like an entry of a stack: `84d000 error_code 4`.
        parts = None if is_stack(line) else read_line(line, bare_events=_BARE)
        if parts is None and self._join(line):
            return
        self._give_up()
        if parts is not None:
            self._event(number, begin, line, parts)
            return
        if is_stack(line):
            self._stack(number, begin, begin + len(line))
            return
        lost = lost_events(line)
        if lost is not None:
            self.lost += lost
            self.other += 1
        elif is_other(line):
            self.other += 1
        else:
            self.malformed.append(Malformed(number, line, "expected an event line, `comm-pid [cpu] time: event: ...`."))

    def _event(self, number: int, begin: int, line: str, parts: EventLine) -> None:
        row = Row(number, parts, begin, begin + parts.body_at + len(parts.body))
        found = read_body(parts.event, parts.body)
        if found is not None:
            row.form, row.values = found
        elif forms_of(parts.event):
            self.pending = row, line
        self.rows.append(row)

    def _stack(self, number: int, begin: int, end: int) -> None:
        if self.blocks and self.blocks[-1].last == number - 1:
            self.blocks[-1].last, self.blocks[-1].end = number, end
        else:
            self.blocks.append(StackBlock(number, number, begin, end))

    def _join(self, line: str) -> bool:
        if self.pending is None or is_other(line) or line.lstrip("> \t").startswith("=>"):
            return False
        row = self.pending[0]
        found = read_body(row.parts.event, f"{row.parts.body} {line.strip(BLANKS + '>')}")
        if found is None:
            return False
        row.form, row.values = found
        self.joined += 1
        self.pending = None
        return True

    def _give_up(self) -> None:
        # An event whose body has no known form stays a row without fields, and is counted.
        if self.pending is not None:
            row, line = self.pending
            self.malformed.append(
                Malformed(row.line, line, f"the body of {row.parts.event} has none of the forms of the event table.")
            )
            self.pending = None


def row_numbers(row: Row, strings: Interner, values: list[int]) -> tuple[int, ...]:
    """A row as numbers, in the order of `trace_table.COLUMNS`; its fields are appended to `values`."""
    at = len(values)
    values.extend(strings.code(value) if isinstance(value, str) else value & _U64 for value in row.values)
    p = row.parts
    return (
        row.line,
        p.t,
        p.cpu,
        p.pid,
        p.tgid,
        strings.code(p.comm),
        strings.code(p.latency),
        strings.code(p.system),
        strings.code(p.event),
        -1 if row.form is None else row.form.index,
        at,
        row.begin + p.body_at,
        row.end,
        -1,
    )
