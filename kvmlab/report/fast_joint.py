"""The lines of a report whose numbers differ from report to report, all at once, as most reports of a storm have them.

A subset of what `fast_values` reads line by line; a report that does not fit is left to it.
"""

from __future__ import annotations

import re
import struct

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_meaning import MAX_ENTRIES, Template
from kvmlab.report.fast_steps import Attempt
from kvmlab.report.fast_values import FIELD, FIELDS, signed

_WORD = rb"[0-9a-f]{16}"
_REGISTER = rb"R(?:[A-D]X|[SD]I|BP|0[89]|1[0-5]): [0-9a-f]{16}"
_NUMBERS = re.compile(
    rb"BUG: Bad page state in process ([!-~](?:[ -~]{0,62}[!-~])?)( +)pfn:([0-9a-f]{1,16})\n"
    rb"page:(?:[0-9a-f]{1,16})? (?:ref)?count:(-?[0-9]{1,10}) mapcount:(-?[0-9]{1,10})"
    rb" mapping: *(?:([0-9a-f]{1,16})|\(null\)) index:0x([0-9a-f]{1,16})(?: pfn:0x([0-9a-f]{1,16}))?\n"
    rb"(?:anon |ksm |page )?flags: 0x([0-9a-f]{1,16})\(([a-z0-9_|=]*)\)(?: CMA)?\n"
    rb"raw: (" + _WORD + (rb" " + _WORD) * 3 + rb")\nraw: (" + _WORD + (rb" " + _WORD) * 3 + rb")\n"
    rb"CPU: ([0-9]{1,6}) (?:UID: [0-9]{1,10} )?PID: (-?[0-9]{1,10}) Comm: ([^\n]*)"
    rb"(?:\n(?:" + _REGISTER + rb"(?: " + _REGISTER + rb"){0,2}|RIP: [0-9a-f]{4}:0x[0-9a-f]{1,16}"
    rb"|RSP: [0-9a-f]{4}:[0-9a-f]{16} EFLAGS: [0-9a-f]{8}(?: ORIG_RAX: [0-9a-f]{16})?))*"
)  # fmt: skip
_EIGHT = struct.Struct(">8q")
_BLANK = [-1] * r.N_COLUMNS
_BLANK[r.FRAMES] = 0
_BLANK[r.N_WORDS], _BLANK[r.WORD_WIDTH] = 8, 16


class Numbers:
    """Reads the numbers of reports into rows.

    Args:
        attempt: what reads single lines.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._names: dict[bytes, int] = {}
        self._tasks: dict[bytes, int] = {}
        self._tails: dict[bytes, tuple[int, int] | None] = {}

    def read(self, text: bytes, prefix: bytes, template: Template, style: int) -> list[int] | None:
        """The row of a report, None if it is left to others.

        Args:
            text: its messages with numbers, a line each: title, page, flags, two of raw words, CPU, registers.
            prefix: that of its title line.
            template: that of the prefix.
            style: number of its style.
        """
        found = _NUMBERS.fullmatch(text)
        if found is None:
            return None
        (
            comm, gap, pfn, refcount, mapcount, mapping, index, same, flags, names, raw, more, cpu, pid, task,
        ) = found.groups()  # fmt: skip
        number = self._names.get(comm)
        if number is None:
            number = self._names[comm] = self._attempt.lexicon.name(comm)
        place = self._tasks.get(task)
        if place is None:
            place = self._attempt.lexicon.task(task)
            if len(self._tasks) < MAX_ENTRIES:
                self._tasks[task] = place
        value = int(pfn, 16)
        tail = names[names.rfind(b"|", 0, names.find(b"=")) + 1 :]
        fields = self._tails[tail] if tail in self._tails else self._fields(tail)
        if number < 0 or place < 0 or fields is None or (same is not None and int(same, 16) != value):
            return None
        row = _BLANK[:]
        row[r.COMM], row[r.GAP], row[r.PFN_DIGITS], row[r.PFN] = number, len(gap), len(pfn), signed(value)
        row[r.REFCOUNT], row[r.MAPCOUNT] = int(refcount), int(mapcount)
        row[r.MAPPING], row[r.INDEX] = signed(int(mapping or b"0", 16)), signed(int(index, 16))
        row[r.FLAGS_WORD] = signed(int(flags, 16))
        row[r.NODE], row[r.ZONE] = fields
        row[r.WORD_0 : r.WORD_0 + 8] = _EIGHT.unpack(bytes.fromhex((raw + more).decode()))
        row[r.CPU_NUMBER], row[r.PID], row[r.TASK_ID], row[r.STYLE] = int(cpu), int(pid), place, style
        first, end = template.seconds
        if first >= 0:
            micros = template.micros
            row[r.TIME_US] = int(prefix[first:end]) * 1_000_000 + int(prefix[micros : micros + 6])
        return row

    def _fields(self, tail: bytes) -> tuple[int, int] | None:
        """Node and zone among the names of flags, from the first field on; None if they are not sure."""
        found = FIELD.findall(tail)
        values = {name: int(value) for name, value in found}
        sure = len(found) == len(FIELDS.findall(tail))
        fields = (values.get(b"node", -1), values.get(b"zone", -1)) if sure else None
        if len(self._tails) < MAX_ENTRIES:
            self._tails[tail] = fields
        return fields
