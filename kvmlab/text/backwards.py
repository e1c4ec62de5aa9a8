"""Logs that stand newest first, as viewers export them and `journalctl -r` prints them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from kvmlab.text.record import Record, Role

# So many steps back in time for one forward, and at least so many, make a log that runs backwards.
_TO_ONE, _ENOUGH = 20, 2
# Parts of a report in the order in which kernels print them; so many steps from one to the next decide.
_PARTS = re.compile(
    r"BUG: ()|page:()|(?:anon |ksm )?flags: ?0x()|raw: ()|page dumped because: ()|CPU: \d+ (?:UID|PID|Comm)()"
    r"|Hardware name: ()|Call [Tt]race:()|\s?<TASK>()"
)
_STEPS = 3


def newest_first(records: Sequence[Record]) -> list[int] | None:
    """The records in the order in which they were printed, by their positions; None if the text has that order.

    Where clocks do not tell, the parts of reports do.

    Args:
        records: the records of a text; the further lines of an entry stay behind its first.

    >>> from kvmlab.text.reader import read_text
    >>> text = read_text(b"".join(b"[%5d.000000] line %d\\n" % (9 - n, 9 - n) for n in range(4)))
    >>> [text.records[i].text for i in newest_first(text.records)]
    ['line 6', 'line 7', 'line 8', 'line 9']
    """
    back, forward = _steps_of_clocks(records)
    if forward * _TO_ONE > back or (back < _ENOUGH and not _told_backwards(part_steps(records))):
        return None
    entries: list[list[int]] = []
    for at, record in enumerate(records):
        if entries and record.span.start == record.span.stop:
            entries[-1].append(at)
        else:
            entries.append([at])
    # What a viewer has sorted by a coarse clock may stand in its own order where that is the same.
    alike = [list(group) for _, group in groupby(entries, lambda entry: _time(records[entry[0]]))]
    steps = [sum(n) for n in zip(*(part_steps(records[entry[0]] for entry in group) for group in alike), strict=True)]
    if back >= _ENOUGH and steps[0] > steps[1]:
        return [at for group in reversed(alike) for entry in group for at in entry]
    return [at for entry in reversed(entries) for at in entry]


def part_steps(records: Iterable[Record]) -> tuple[int, int]:
    """How often a part of a report stands right behind the part before it, and right before it.

    Args:
        records: some records, in the order of the text.
    """
    return _steps(record.text for record in records if record.role is Role.LOG)


def _steps(texts: Iterable[str]) -> tuple[int, int]:
    parts = (found.lastindex or 0 for text in texts if (found := _PARTS.match(text)))
    steps = [b - a for a, b in pairwise(parts)]
    return steps.count(1), steps.count(-1)


def tell_backwards(texts: Iterable[str]) -> bool:
    """Whether messages of one time stand newest first, by the parts of reports among them.

    >>> tell_backwards(["Call Trace:", "Hardware name: fizz", "CPU: 1 PID: 7 Comm: fizz", "page dumped because: fizz"])
    True
    """
    return _told_backwards(_steps(texts))


def _told_backwards(steps: tuple[int, int]) -> bool:
    return steps[1] >= _STEPS and steps[1] >= _TO_ONE * steps[0]


def _time(record: Record) -> int | str | None:
    return record.clock if record.time_ns is None else record.time_ns


def _steps_of_clocks(records: Iterable[Record]) -> tuple[int, int]:
    """How often time steps back from a record to the next, and how often forward."""
    before: dict[bool, int | str] = {}
    back = forward = 0
    for record in records:
        # The kernel's own time says more than that of whoever wrote it down.
        now = _time(record) if record.role is Role.LOG else None
        if now is None:
            continue
        last = before.get(record.time_ns is not None, now)
        before[record.time_ns is not None] = now
        back += now < last  # type: ignore[operator]
        forward += now > last  # type: ignore[operator]
        if forward * _TO_ONE > back + _TO_ONE * _ENOUGH:
            break
    return back, forward
