"""Crash dumps that pstore kept in parts: the newest part comes first, so that a report can begin behind its own end."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kvmlab.text.record import Record, Role

_PART = re.compile(
    r"(?P<why>Panic|Oops|Emergency|Shutdown|Restart|Unknown|Console)#(?P<count>\d{1,9}) Part(?P<part>\d{1,6})\s*$"
)
# What else pstore and ramoops put between the parts.
_BETWEEN = re.compile(r"====\d{1,12}\.\d{1,9}(?:-[CD])?\s*$|ECC: ")


def order_in_time(records: Sequence[Record]) -> list[int] | None:
    """The records in the order in which the kernel printed them, by their positions; None if the text has that order.

    Args:
        records: the records of a text; parts of one dump, counted up, are turned round, and their headings left out.

    >>> from kvmlab.text.reader import read_text
    >>> text = read_text(b"Oops#1 Part1\\n<4>[    2.000000] b\\nOops#1 Part2\\n<4>[    1.000000] a\\n")
    >>> [text.records[i].text for i in order_in_time(text.records)]
    ['a', 'b']
    """
    heads: list[tuple[int, tuple[str, str], int]] = []
    between: set[int] = set()
    for at, record in enumerate(records):
        if record.role is Role.LOG:
            continue
        if found := _PART.match(record.text):
            heads.append((at, (found["why"], found["count"]), int(found["part"])))
        elif _BETWEEN.match(record.text):
            between.add(at)
    if len(heads) < 2:
        return None
    order = list(range(heads[0][0]))
    turned = False
    # Stretches of parts of one dump that count up.
    first = 0
    while first < len(heads):
        stop = first + 1
        while stop < len(heads) and heads[stop][1] == heads[first][1] and heads[stop][2] > heads[stop - 1][2]:
            stop += 1
        turned = turned or stop - first > 1
        for k in range(stop - 1, first - 1, -1):
            end = heads[k + 1][0] if k + 1 < len(heads) else len(records)
            order += [at for at in range(heads[k][0] + 1, end) if at not in between]
        first = stop
    return order if turned else None
