"""Single lines of a report in plain Python: what they mean, and their numbers into a row."""

from __future__ import annotations

import re
from typing import Any

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import MAX_ENTRIES, Meaning

_PAGE = re.compile(
    rb"page:(?:[0-9a-f]{1,16})? (?:ref)?count:(-?[0-9]{1,10}) mapcount:(-?[0-9]{1,10})"
    rb" mapping: *(?:([0-9a-f]{1,16})|\(null\)) index:0x([0-9a-f]{1,16})"
    rb"(?: pfn:0x([0-9a-f]{1,16}))?(?: compound_mapcount: -?[0-9]{1,10})?"
)
_FLAGS = re.compile(rb"(?:anon |ksm |page )?flags: 0x([0-9a-f]{1,16})\(([a-z0-9_|=]*)\)(?: CMA)?")
FIELD = re.compile(rb"(?:^|\|)(node|zone)=([0-9]{1,6})(?=\||$)")
FIELDS = re.compile(rb"(?:^|\|)(?:node|zone)=")
# Digits of a word of a 64-bit machine.
_WIDE = 16
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


def signed(value: int) -> int:
    """A word of 64 bits as a column of rows holds it."""
    return value - (1 << 64) if value >> 63 else value


class Lines:
    """Reads lines of reports into a row.

    Args:
        lexicon: what lines mean.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.row: list[int] = []
        self._known: dict[bytes, Meaning] = {}
        self._tasks: dict[bytes, int] = {}
        self._mixes: dict[int, int] = {}

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
        if found is None or (found[5] is not None and signed(int(found[5], 16)) != row[r.PFN]):
            return _BAD
        row[r.REFCOUNT], row[r.MAPCOUNT] = int(found[1]), int(found[2])
        row[r.MAPPING], row[r.INDEX] = signed(int(found[3] or b"0", 16)), signed(int(found[4], 16))
        return _PAGE_LINE

    def _flags(self, message: bytes) -> Meaning | None:
        found = _FLAGS.fullmatch(message)
        if found is None:
            return _BAD if b"flags:" in message[:12] else None
        row = self.row
        row[r.FLAGS_WORD] = signed(int(found[1], 16))
        fields = FIELD.findall(found[2])
        if len(fields) != len(FIELDS.findall(found[2])):
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
            # The first word of a page is its flags; another one is of a report that broke into this one.
            return _WORDS_LINE if row[r.WORD_0] == row[r.FLAGS_WORD] else _BAD
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
        if width == _WIDE and row[r.N_WORDS] + len(words) > r.MAX_WORDS:
            # More words than a page has are those of another report, which broke into this one.
            return _BAD
        for word in words:
            if row[r.N_WORDS] < r.MAX_WORDS:
                row[r.WORD_0 + row[r.N_WORDS]] = signed(int(word, 16))
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
_READERS: dict[bytes, Any] = {
    b"BUG: ": Lines._title, b"page:": Lines._page, b"flags": Lines._flags, b"anon ": Lines._flags,
    b"ksm f": Lines._flags, b"page ": Lines._flags, b"raw: ": Lines._words, b"head:": Lines._words,
    b"CPU: ": Lines._cpu, b"Pid: ": Lines._cpu,
}  # fmt: skip
