"""The lines of a report whose numbers differ from report to report, all at once, as most reports of a storm have them.

A subset of what `fast_values` reads line by line; a report that does not fit is left to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_meaning import MAX_ENTRIES
from kvmlab.report.fast_steps import Attempt
from kvmlab.report.fast_values import FIELD, FIELDS

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
# What the numbers of a report are, as they stand in its text; then what is known of other parts of it.
_HEX = (r.PFN, r.MAPPING, r.INDEX, r.FLAGS_WORD)
_DECIMAL = (r.REFCOUNT, r.MAPCOUNT, r.CPU_NUMBER, r.PID)
_KNOWN = (r.COMM, r.TASK_ID, r.NODE, r.ZONE)
Joint = tuple[
    tuple[int, int, int, int], tuple[bytes, bytes, bytes, bytes], tuple[bytes, bytes, bytes, bytes], bytes, bytes, bytes
]


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

    def read(self, text: bytes) -> Joint | None:
        """The numbers of a report for `joint_rows`, None if it is left to others.

        Args:
            text: its messages with numbers, a line each: title, page, flags, two of raw words, CPU, registers.
        """
        found = _NUMBERS.fullmatch(text)
        if found is None:
            return None
        (
            comm, gap, pfn, refcount, mapcount, mapping, index, same, flags, names, raw, more, cpu, pid, task,
        ) = found.groups(b"")  # fmt: skip
        number = self._names.get(comm)
        if number is None:
            number = self._names[comm] = self._attempt.lexicon.name(comm)
        place = self._tasks.get(task)
        if place is None:
            place = self._attempt.lexicon.task(task)
            if len(self._tasks) < MAX_ENTRIES:
                self._tasks[task] = place
        tail = names[names.rfind(b"|", 0, names.find(b"=")) + 1 :]
        fields = self._tails[tail] if tail in self._tails else self._fields(tail)
        if number < 0 or place < 0 or fields is None or (same != pfn and same and int(same, 16) != int(pfn, 16)):
            return None
        if not raw.startswith(flags.rjust(16, b"0")):
            # Another report broke into this one.
            return None
        return (
            (number, place, *fields), (pfn, mapping, index, flags), (refcount, mapcount, cpu, pid), gap, raw, more,
        )  # fmt: skip

    def _fields(self, tail: bytes) -> tuple[int, int] | None:
        """Node and zone among the names of flags, from the first field on; None if they are not sure."""
        found = FIELD.findall(tail)
        values = {name: int(value) for name, value in found}
        sure = len(found) == len(FIELDS.findall(tail))
        fields = (values.get(b"node", -1), values.get(b"zone", -1)) if sure else None
        if len(self._tails) < MAX_ENTRIES:
            self._tails[tail] = fields
        return fields


def joint_rows(found: Sequence[Joint]) -> Any:
    """Rows of many reports with the columns of their numbers; the others are -1.

    Args:
        found: as `Numbers.read` gives them.
    """
    n = len(found)
    rows = np.full((n, r.N_COLUMNS), -1, np.int64)
    if not n:
        return rows
    known, hexes, decimals, gaps, raw, more = zip(*found, strict=True)
    rows[:, _KNOWN] = known
    flat = chain.from_iterable(hexes)
    rows[:, _HEX] = _words(map(bytes.rjust, flat, repeat(16), repeat(b"0"))).reshape(n, len(_HEX))
    rows[:, _DECIMAL] = np.fromiter(map(int, chain.from_iterable(decimals)), np.int64).reshape(n, len(_DECIMAL))
    rows[:, r.GAP] = np.fromiter(map(len, gaps), np.int64)
    rows[:, r.PFN_DIGITS] = [len(pfn) for pfn, *_ in hexes]
    rows[:, r.WORD_0 : r.WORD_0 + 4], rows[:, r.WORD_0 + 4 : r.WORD_0 + 8] = (
        _words(words).reshape(n, 4) for words in (raw, more)
    )
    rows[:, r.N_WORDS], rows[:, r.WORD_WIDTH] = 8, 16
    return rows


def _words(digits: Iterable[bytes]) -> Any:
    """Words of eight bytes of which all digits are there."""
    return np.frombuffer(bytes.fromhex(b"".join(digits).decode()), ">i8").astype(np.int64)
