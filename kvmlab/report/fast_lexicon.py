"""What the fast engines know of lines: each thing is learned once, from the tolerant parser itself, and then kept."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from kvmlab.report import fast_grammar as g
from kvmlab.report.cpu_line import match_cpu_line, taint_letters
from kvmlab.report.fast_heads import EXACTLY, HEAD_BYTES, may_begin
from kvmlab.report.fast_meaning import (
    CUT_CPU_LINE,
    DETAIL,
    DIGITS,
    FOREIGN,
    INTERESTING,
    LOOSE,
    MAX_ENTRIES,
    OTHER,
    PREFIX_BYTES,
    Meaning,
    Task,
    Template,
    alike,
    behind,
    holds_time,
    plain,
)
from kvmlab.report.lines import LINE_LENGTH, Part, classify
from kvmlab.report.modules import is_continuation
from kvmlab.report.open_splat import BOTTOM
from kvmlab.report.stack_items import StackLine
from kvmlab.text.prefix import match_prefix
from kvmlab.text.record import Record, Role
from kvmlab.text.span import Span

_NOWHERE = Span(0, 0, 1, 1)
_UNKNOWN = Meaning(g.BAD)


@dataclass(slots=True)
class Lexicon:
    """Everything learned so far; shared by the chunks of a file and by files.

    Args:
        texts: reasons, hardware lines and names of tasks, by number.
        types: value of a `page_type` line and whether it is the top byte alone, by number.
        functions: function and module of an entry, by number.
        tasks: what stands behind `Comm:`, by number.
        stacks: names of stacks (`TASK`, `IRQ`, ...), by number.
        traces: stacks by the hash that stands in a row, or the numbers that they are made of; see `scan_stacks`.
    """

    texts: list[str] = field(default_factory=list)
    types: list[tuple[int, bool]] = field(default_factory=list)
    functions: list[tuple[str, str | None]] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    stacks: list[str] = field(default_factory=lambda: ["TASK"])
    traces: dict[int, Any] = field(default_factory=dict)
    _ids: dict[object, int] = field(default_factory=dict)
    _meanings: dict[bytes, Meaning] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._ids[id(self.stacks), "TASK"] = 0

    def template(self, line: bytes) -> Template | int:
        """The template that a line's prefix is of; `FOREIGN` if a program logged it, `LOOSE` if it has no prefix.

        Args:
            line: the line without its ending.

        >>> Lexicon().template(b"[252080.141632][ T1848] BUG: Bad page").shape
        b'[000000.000000][ T0000] '
        """
        text = plain(line)
        if text is None or text[:1].isspace():
            return LOOSE
        prefix = match_prefix(text)
        if prefix is None:
            return LOOSE
        if prefix.fragment is not None:
            # Like a line without a prefix, it could be the rest of the line above.
            return LOOSE
        if not prefix.kernel:
            return FOREIGN
        shown = line[: prefix.end]
        if not 0 < len(shown) <= PREFIX_BYTES:
            return LOOSE
        shape = shown.translate(DIGITS)
        seconds, micros, caller = (-1, -1), -1, (-1, -1)
        if prefix.timestamp is not None:
            at = shown.rfind(prefix.timestamp.encode())
            dot = prefix.timestamp.index(".")
            if at >= 0:
                seconds, micros = (at, at + dot), at + dot + 1
            else:
                counted = str(int(prefix.timestamp.replace(".", "")))
                at = shown.find(b"," + counted.encode() + b",") + 1
                if at <= 0:
                    return LOOSE
                seconds = (at, at + len(counted))
            # Longer numbers are no times to the tolerant parser, or no 64-bit ones.
            if seconds[1] - seconds[0] > (9 if micros >= 0 else 15):
                return LOOSE
        if prefix.caller is not None:
            at = shown.rfind(prefix.caller.encode())
            caller = (at, at + len(prefix.caller))
        return Template(shape, prefix.name, seconds, micros, caller)

    def message(self, line: bytes, length: int) -> Meaning:
        """What a line is inside a report.

        Args:
            line: the line without its ending.
            length: bytes of its prefix.
        """
        text = behind(line, length)
        if text is None or holds_time(text):
            return _UNKNOWN
        record = Record(_NOWHERE, Role.LOG, text)
        part, data = classify(text[:LINE_LENGTH].strip(), record, True)
        if part is Part.STACK:
            return self._entry(data) or self._continuation(text)
        if part is Part.TRACE:
            return Meaning(g.TRACE) if data is None else _UNKNOWN
        if part is Part.REASON:
            return Meaning(g.REASON, self._text(data))
        if part is Part.HARDWARE:
            return Meaning(g.HARDWARE, self._text(data.text))
        if part is Part.PAGE_TYPE:
            return Meaning(g.TYPE, self._id((data.value, data.top_byte), self.types))
        if part is Part.HEAD:
            return Meaning(g.HEAD, order) if (order := data.get("order", -1)) < 1 << 31 else _UNKNOWN
        if part in (Part.OTHER, Part.DETAIL):
            return self._continuation(text)
        return Meaning(_SIMPLE.get(part, g.BAD))

    def meaning(self, line: bytes, length: int) -> Meaning:
        """The same as `message`, remembered; offsets of entries make no difference.

        Args:
            line: the line without its ending.
            length: bytes of its prefix.
        """
        message = alike(line[length:])
        found = self._meanings.get(message)
        if found is None:
            found = self.message(line[:length] + message, length)
            if len(self._meanings) < MAX_ENTRIES:
                self._meanings[message] = found
        return found

    def has_met(self, line: bytes, length: int) -> bool:
        """Whether the meaning of a line is remembered.

        Args:
            line: the line without its ending.
            length: bytes of its prefix.
        """
        return alike(line[length:]) in self._meanings

    def beginning(self, line: bytes, length: int, searched: bool = False) -> int:
        """Whether a line must be looked at as a whole, as `may_begin` judges by its beginning; learned for all like it.

        Args:
            line: the line without its ending.
            length: bytes of its prefix, 0 if it has none.
            searched: as for `may_begin`.
        """
        text = behind(line, length)
        return EXACTLY if text is None else may_begin(text.lstrip(" \t")[:HEAD_BYTES], searched)

    def whole(self, line: bytes, length: int) -> int:
        """What a line is outside a report: `OTHER`, `DETAIL`, or `INTERESTING` if the tolerant parser must see it.

        Args:
            line: the line without its ending.
            length: bytes of its prefix, 0 if it has none.
        """
        text = behind(line, length)
        if text is None or holds_time(text):
            # Escapes and other characters may hide anything.
            return INTERESTING
        record = Record(_NOWHERE, Role.LOG, text)
        part, data = classify(text[:LINE_LENGTH].strip(), record, False)
        if part is Part.OTHER and CUT_CPU_LINE.match(text.lstrip()):
            return INTERESTING
        if part in (Part.OTHER, Part.BLANK) or (part is Part.STACK and not data.strict):
            return OTHER
        return DETAIL if part is Part.DETAIL else INTERESTING

    def task(self, rest: bytes) -> int:
        """Number of what stands behind `Comm:` in a CPU line; -1 if it is not sure.

        Args:
            rest: the bytes.
        """
        text = plain(rest)
        if text is None or holds_time(text):
            return -1
        line = match_cpu_line(f"CPU: 0 PID: 0 Comm: {text}".strip(), _NOWHERE)
        if line is None or line.release is None or line.comm is None:
            return -1
        task = Task(line.comm, line.release.text, "".join(taint_letters(line.taint_text)), True)
        return self._id((rest, task), self.tasks, task)

    def name(self, comm: bytes) -> int:
        """Number of the name of a task in a title; -1 if it holds more than plain characters."""
        text = plain(comm)
        return -1 if text is None or holds_time(text) else self._text(text)

    def _entry(self, data: StackLine) -> Meaning | None:
        if not data.strict:
            return None
        if len(data.markers) == 1 and not data.entries:
            marker = data.markers[0]
            return Meaning(g.OPEN if marker.opens else g.CLOSE, self._id(marker.stack, self.stacks))
        if data.markers or len(data.entries) != 1 or data.entries[0].offset is None:
            return _UNKNOWN
        entry = data.entries[0]
        if entry.caller is not None or entry.inlined:
            return _UNKNOWN
        bottom = entry.reliable and BOTTOM.fullmatch(entry.function) is not None
        key = (entry.function, entry.module)
        number = self._id(key, self.functions)
        mix = hashlib.blake2b(f"{entry.function} [{entry.module or ''}]".encode(), digest_size=8).digest()
        return Meaning(g.FRAME, number * 4 + entry.reliable + 2 * bottom, int.from_bytes(mix, "little"))

    def _continuation(self, text: str) -> Meaning:
        return Meaning(g.MORE_MODULES) if is_continuation(text) else _UNKNOWN

    def _text(self, text: str) -> int:
        return self._id(text, self.texts)

    def number_of(self, value: Any, held: list[Any]) -> int:
        """The number of a text, type or task that another lexicon holds.

        Args:
            value: what it is.
            held: which of the lists of this lexicon it belongs to.
        """
        return self._id(("as it is", value) if held is self.tasks else value, held, value)

    def _id(self, key: object, held: list[Any], value: object = None) -> int:
        slot = (id(held), key)
        found = self._ids.get(slot)
        if found is None:
            found = self._ids[slot] = len(held)
            held.append(key if value is None else value)
        return found


_SIMPLE = {
    Part.MEMCG: g.MAPPING, Part.ADDRESS_SPACE: g.MAPPING, Part.MODULES: g.MODULES, Part.UNLOADED: g.UNLOADED,
    Part.TAINTED: g.TAINTED, Part.WORKQUEUE: g.QUEUE, Part.CONTEXT: g.QUEUE, Part.REGISTERS: g.REGISTERS,
    Part.CODE: g.CODE,
}  # fmt: skip
