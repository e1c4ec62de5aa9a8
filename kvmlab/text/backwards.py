"""Logs that stand newest first, as viewers export them and `journalctl -r` prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kvmlab.text.record import Record, Role

# So many steps back in time for one forward, and at least so many, make a log that runs backwards.
_TO_ONE, _ENOUGH = 20, 2


def newest_first(records: Sequence[Record]) -> list[int] | None:
    """The records in the order in which they were printed, by their positions; None if the text has that order.

    Args:
        records: the records of a text; the further lines of an entry stay behind its first.

    >>> from kvmlab.text.reader import read_text
    >>> text = read_text(b"".join(b"[%5d.000000] line %d\\n" % (9 - n, 9 - n) for n in range(4)))
    >>> [text.records[i].text for i in newest_first(text.records)]
    ['line 6', 'line 7', 'line 8', 'line 9']
    """
    if not _runs_backwards(records):
        return None
    entries: list[list[int]] = []
    for at, record in enumerate(records):
        if entries and record.span.start == record.span.stop:
            entries[-1].append(at)
        else:
            entries.append([at])
    return [at for entry in reversed(entries) for at in entry]


def _runs_backwards(records: Iterable[Record]) -> bool:
    before: dict[bool, int | str] = {}
    back = forward = 0
    for record in records:
        if record.role is not Role.LOG:
            continue
        # The kernel's own time says more than that of whoever wrote it down.
        kernel = record.time_ns is not None
        now = record.time_ns if kernel else record.clock
        if now is None:
            continue
        last = before.get(kernel, now)
        before[kernel] = now
        back += now < last  # type: ignore[operator]
        forward += now > last  # type: ignore[operator]
        if forward * _TO_ONE > back + _TO_ONE * _ENOUGH:
            return False
    return back >= _ENOUGH and back >= _TO_ONE * forward
