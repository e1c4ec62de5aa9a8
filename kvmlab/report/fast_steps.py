"""One report read line by line in plain Python, for the engine without a compiler: the twin of `fast_report`."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_lexicon import MASK, MAX_ENTRIES, Lexicon, Meaning, Template

_TITLE = re.compile(rb"BUG: Bad page state in process ([!-~](?:[ -~]{0,62}[!-~])?)( +)pfn:([0-9a-f]{1,16})")
_PAGE = re.compile(
    rb"page:(?:[0-9a-f]{1,16})? (?:ref)?count:(-?[0-9]{1,10}) mapcount:(-?[0-9]{1,10})"
    rb" mapping: *(?:([0-9a-f]{1,16})|\(null\)) index:0x([0-9a-f]{1,16})"
    rb"(?: pfn:0x([0-9a-f]{1,16}))?(?: compound_mapcount: -?[0-9]{1,10})?"
)
_FLAGS = re.compile(rb"(?:anon |ksm |page )?flags: 0x([0-9a-f]{1,16})\(([a-z0-9_|=]*)\)(?: CMA)?")
_FIELD = re.compile(rb"(?:^|\|)(node|zone)=([0-9]{1,6})(?=\||$)")
_FIELDS = re.compile(rb"(?:^|\|)(?:node|zone)=")
_FOUR = re.compile(rb"raw: ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16})")
_WORDS = re.compile(rb"(raw|head): ((?:[0-9a-f]{16}(?: (?=.)|$)){1,8}|(?:[0-9a-f]{8}(?: (?=.)|$)){1,16})")
_CPU = re.compile(rb"CPU: ([0-9]{1,6}) (?:UID: [0-9]{1,10} )?PID: (-?[0-9]{1,10}) Comm: (.*)", re.DOTALL)
_PID = re.compile(rb"Pid: (-?[0-9]{1,10}), comm: (.*)", re.DOTALL)
X86 = re.compile(
    rb"(?:R(?:[A-D]X|[SD]I|BP|0[89]|1[0-5]): [0-9a-f]{16}(?: (?=R)|$)){1,3}|RIP: [0-9a-f]{4}:0x[0-9a-f]{1,16}"
    rb"|RSP: [0-9a-f]{4}:[0-9a-f]{16} EFLAGS: [0-9a-f]{8}(?: ORIG_RAX: [0-9a-f]{16})?"
)
_HEX = re.compile(rb"0x[0-9a-f]{1,16}\b|\b[0-9a-f]{4,16}\b")
_NAMED = re.compile(rb" {0,8}(?!Co|h).{2,4}:", re.DOTALL)
_K = 0x9E3779B97F4A7C15
_TASK_STACK = 0


class Outcome(IntEnum):
    """What a line does to the open report: it belongs to it, ends it, stands behind its end, or is not understood."""

    GOES_ON = 0
    ENDS = 1
    STANDS_BEHIND = 2
    BREAKS = 3


def time_us(line: bytes, template: Template) -> int:
    """Microseconds since boot of a line, -1 if its prefix has no time."""
    first, end = template.seconds
    if first < 0:
        return -1
    seconds = int(line[first:end])
    return seconds if template.micros < 0 else seconds * 1_000_000 + int(line[template.micros : template.micros + 6])


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


class Attempt:
    """Reads reports, one at a time.

    Args:
        lexicon: what lines mean.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.row: list[int] = []
        self._steps = g.step_table()
        self._meanings: dict[str, dict[bytes, Meaning]] = {}
        self._known: dict[bytes, Meaning] = {}
        self._tasks: dict[bytes, int] = {}
        self._stacks: dict[tuple[int, ...], int] = {}
        self._mixes: dict[int, int] = {}

    def begin(self, line: bytes, template: Template, style: int) -> bool:
        """Begins a report with its title line; whether the title is understood."""
        length = len(template.shape)
        found = _TITLE.fullmatch(line, length)
        if found is None or (name := self.lexicon.name(found[1])) < 0:
            return False
        self.row = row = [-1] * r.N_COLUMNS
        row[r.WORD_0 : r.WORD_0 + r.MAX_WORDS] = [0] * r.MAX_WORDS
        row[r.N_WORDS] = row[r.FRAMES] = 0
        row[r.COMM], row[r.GAP], row[r.PFN_DIGITS] = name, len(found[2]), len(found[3])
        row[r.PFN] = _signed(int(found[3], 16))
        row[r.TIME_US] = time_us(line, template)
        row[r.STYLE] = style
        self._template = template
        self._known = self._meanings.setdefault(template.style, {})
        self._before = line, template
        self._second = line[slice(*template.seconds)] if template.micros >= 0 else None
        self._caller = line[slice(*template.caller)] if template.caller[0] >= 0 else None
        self._grammar = g.TITLED
        self._open = -1
        self._bottom = False
        # Numbers of entries, and of markers below zero.
        self._reliable: list[int] = []
        self._loose: list[int] = []
        self._n_reliable = 0
        return True

    def take(self, line: bytes, template: Template, place: int, last: bool) -> Outcome:
        """Takes the next line of the text.

        Args:
            line: the line, without its ending.
            template: what its prefix is of.
            place: its offset.
            last: whether the text ends with it.
        """
        own = self._template
        if template is not own and template.style != own.style:
            return Outcome.BREAKS
        length = len(template.shape)
        if self._caller is not None and line[slice(*template.caller)] != self._caller:
            return Outcome.BREAKS
        if self._second is None or line[slice(*template.seconds)] != self._second:
            now = time_us(line, template)
            if now >= 0 and not -g.BACK_US <= now - time_us(*self._before) <= g.GAP_US:
                return Outcome.BREAKS
            if self._second is not None:
                self._second = line[slice(*template.seconds)]
        self._before = line, template
        message = line[length:]
        meaning = self._known.get(message)
        if meaning is None:
            meaning = self.meaning(line, message, length)
        found, row = meaning.found, self.row
        whole = self._open < 0 and row[r.FRAMES] > 0 and self._grammar >= g.IN_TRACE
        following = self._steps[self._grammar * g.N_CLASSES + found]
        if following == g.DEAD:
            if whole and (found == g.TITLE or (self._bottom and self._caller is None and self._quiet(line, length))):
                return Outcome.STANDS_BEHIND
            return Outcome.BREAKS
        self._grammar = following
        if found == g.FRAME:
            row[r.FRAMES] += 1
            if meaning.number & 1:
                self._n_reliable += 1
                self._reliable.append(meaning.number)
                if meaning.number & 2:
                    self._bottom = True
            else:
                self._loose.append(meaning.number)
        elif found == g.OPEN:
            if self._open >= 0:
                return Outcome.BREAKS
            self._open = meaning.number
            self._mark(-1 - 2 * meaning.number)
        elif found == g.CLOSE:
            if self._open != meaning.number:
                return Outcome.BREAKS
            self._open = -1
            self._mark(-2 - 2 * meaning.number)
            if meaning.number == _TASK_STACK:
                return Outcome.ENDS if row[r.FRAMES] else Outcome.BREAKS
        elif found in _KEPT:
            row[_KEPT[found]] = meaning.number
        elif found == g.TRACE:
            row[r.TRACE_AT] = place
        if last:
            whole = self._open < 0 and row[r.FRAMES] > 0 and following >= g.IN_TRACE
            return Outcome.ENDS if whole else Outcome.BREAKS
        return Outcome.GOES_ON

    def take_known(self, text: bytes, starts: list[int], ends: list[int], kinds: list[int], at: int, upto: int) -> int:
        """Takes known lines from line `at` on in one go; the number of the first that `take` must look at.

        Args:
            text: the text.
            starts, ends, kinds: offsets and templates of its lines.
            at: the first line; the one before has been taken.
            upto: the line at which to stop.
        """
        if self._second is None:
            return at
        kind, length, caller, second = kinds[at - 1], len(self._template.shape), self._caller, self._second
        first, end = self._template.seconds
        one, two = self._template.caller
        known, reliable, row, steps = self._known.get, self._reliable, self.row, self._steps
        loose, begun, grammar, frames, n_reliable = self._loose, at, self._grammar, 0, 0
        while at < upto and kinds[at] == kind:
            start = starts[at]
            if text[start + first : start + end] != second:
                break
            if caller is not None and text[start + one : start + two] != caller:
                break
            message = text[start + length : ends[at]]
            meaning = known(message)
            if meaning is None:
                if message[:1] != b"R" or not X86.fullmatch(message):
                    break
                meaning = REGISTERS
            found = meaning.found
            if found == g.FRAME and grammar == g.IN_TRACE:
                number = meaning.number
                frames += 1
                if number & 1:
                    n_reliable += 1
                    reliable.append(number)
                    if number & 2:
                        self._bottom = True
                else:
                    loose.append(number)
            else:
                following = steps[grammar * g.N_CLASSES + found]
                if following == g.DEAD or found in _BY_HAND or found == g.FRAME:
                    break
                grammar = following
                if found in _KEPT:
                    row[_KEPT[found]] = meaning.number
                elif found == g.TRACE:
                    row[r.TRACE_AT] = start
            at += 1
        if at > begun:
            self._grammar = grammar
            row[r.FRAMES] += frames
            self._n_reliable += n_reliable
            self._before = text[starts[at - 1] : ends[at - 1]], self._template
        return at

    def fill(self, frames: int, reliable: list[int]) -> None:
        """Takes the entries of a trace that is on the stack of the task alone, all at once.

        Args:
            frames: how many entries.
            reliable: numbers of the confirmed ones, at least one.
        """
        self.row[r.FRAMES] = frames
        self._n_reliable = len(reliable)
        self._reliable = [-1, *reliable, -2]

    def close(self, start: int, stop: int, line: int, lines: int) -> list[int]:
        """The row of the report, which is whole."""
        row = self.row
        row[r.START], row[r.STOP], row[r.LINE], row[r.LINES] = start, stop, line, lines
        row[r.RELIABLE] = self._n_reliable
        key = tuple(self._reliable) if self._n_reliable else (0, *self._loose)
        stack = self._stacks.get(key)
        if stack is None:
            stack = 0 if self._n_reliable else g.LOOSE_STACK
            for number in key if self._n_reliable else key[1:]:
                stack = ((stack ^ (self._mixes[number] if number >= 0 else -number)) * _K) & MASK
                stack ^= stack >> 32
            self._stacks[key] = stack
        row[r.STACK] = _signed(stack)
        return row

    def _mark(self, number: int) -> None:
        self._reliable.append(number)
        self._loose.append(number)

    def _quiet(self, line: bytes, length: int) -> bool:
        return self.lexicon.whole(line, length) == 1

    def meaning(self, line: bytes, message: bytes, length: int) -> Meaning:
        """What a message means that has numbers of its own or has not been seen; numbers go into the row."""
        reader = _READERS.get(message[:5])
        if reader is not None:
            found: Meaning | None = reader(self, message)
            if found is not None:
                return found
        if X86.fullmatch(message):
            return REGISTERS
        key = message
        if _NAMED.match(message) and len(message) > 8:
            key = b"\n" + _HEX.sub(_blotted, message)
            meaning = self._known.get(key)
            if meaning is not None:
                return meaning
        meaning = self.lexicon.meaning(line, length)
        if meaning.found == g.FRAME:
            self._mixes[meaning.number] = meaning.mix
        if len(self._known) < MAX_ENTRIES:
            self._known[key] = meaning
        return meaning

    def _title(self, message: bytes) -> Meaning | None:
        return Meaning(g.TITLE) if message.startswith(b"BUG: Bad page state in process ") else None

    def _page(self, message: bytes) -> Meaning | None:
        if message[4:5] != b":":
            return None
        found = _PAGE.fullmatch(message)
        row = self.row
        if found is None or (found[5] is not None and _signed(int(found[5], 16)) != row[r.PFN]):
            return _BAD
        row[r.REFCOUNT], row[r.MAPCOUNT] = int(found[1]), int(found[2])
        row[r.MAPPING], row[r.INDEX] = _signed(int(found[3] or b"0", 16)), _signed(int(found[4], 16))
        return _PAGE_LINE

    def _flags(self, message: bytes) -> Meaning | None:
        found = _FLAGS.fullmatch(message)
        if found is None:
            return _BAD if b"flags:" in message[:12] else None
        row = self.row
        row[r.FLAGS_WORD] = _signed(int(found[1], 16))
        fields = _FIELD.findall(found[2])
        if len(fields) != len(_FIELDS.findall(found[2])):
            return _BAD
        for name, value in fields:
            row[r.NODE if name == b"node" else r.ZONE] = int(value)
        return _FLAGS_LINE

    def _words(self, message: bytes) -> Meaning | None:
        row = self.row
        four = _FOUR.fullmatch(message)
        if four is not None and row[r.N_WORDS] in (0, 4) and row[r.WORD_WIDTH] in (-1, 16):
            at = r.WORD_0 + row[r.N_WORDS]
            values = [int(shown, 16) for shown in four.groups()]
            row[at : at + 4] = [value - (1 << 64) if value >> 63 else value for value in values]
            row[r.WORD_WIDTH] = 16
            row[r.N_WORDS] += 4
            return _WORDS_LINE
        if message.startswith(b"head: o"):
            return None
        found = _WORDS.fullmatch(message)
        if found is None:
            return _BAD
        if found[1] == b"head":
            return Meaning(g.HEAD_WORDS)
        words = found[2].split()
        width = len(words[0])
        if row[r.N_WORDS] and row[r.WORD_WIDTH] != width:
            return _BAD
        row[r.WORD_WIDTH] = width
        for word in words:
            if row[r.N_WORDS] < r.MAX_WORDS:
                row[r.WORD_0 + row[r.N_WORDS]] = _signed(int(word, 16))
            row[r.N_WORDS] += 1
        return _WORDS_LINE

    def _cpu(self, message: bytes) -> Meaning | None:
        found = _CPU.fullmatch(message)
        if found is not None:
            cpu, pid, rest = int(found[1]), int(found[2]), found[3]
        elif (found := _PID.fullmatch(message)) is not None:
            cpu, pid, rest = -1, int(found[1]), found[2]
        else:
            return _BAD
        task = self._tasks.get(rest)
        if task is None:
            task = self._tasks[rest] = self.lexicon.task(rest)
        self.row[r.CPU_NUMBER], self.row[r.PID], self.row[r.TASK_ID] = cpu, pid, task
        return _CPU_LINE if task >= 0 else _BAD


def _blotted(found: re.Match[bytes]) -> bytes:
    shown = found[0]
    return b"0x#" if shown[1:2] == b"x" else b"#" * len(shown)


_BAD, REGISTERS = Meaning(g.BAD), Meaning(g.REGISTERS)
_PAGE_LINE, _FLAGS_LINE, _WORDS_LINE, _CPU_LINE = Meaning(g.PAGE), Meaning(g.FLAGS), Meaning(g.WORDS), Meaning(g.CPU)
# Classes that change more than the state.
_BY_HAND = frozenset({g.OPEN, g.CLOSE, g.TITLE, g.PAGE, g.FLAGS, g.WORDS, g.CPU})
_KEPT: dict[int, int] = {g.REASON: r.REASON_ID, g.HEAD: r.ORDER, g.TYPE: r.TYPE_ID, g.HARDWARE: r.HARDWARE_ID}
_READERS: dict[bytes, Any] = {
    b"BUG: ": Attempt._title, b"page:": Attempt._page, b"flags": Attempt._flags, b"anon ": Attempt._flags,
    b"ksm f": Attempt._flags, b"page ": Attempt._flags, b"raw: ": Attempt._words, b"head:": Attempt._words,
    b"CPU: ": Attempt._cpu, b"Pid: ": Attempt._cpu,
}  # fmt: skip
