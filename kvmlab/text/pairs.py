"""Lines of a kernel report that cannot end or begin where they do: whether two of them are halves of one."""

from __future__ import annotations

import re

from kvmlab.text.pair_rows import PAIRS

_COMPILED = tuple(
    (
        pair.name,
        re.compile(rf"\s*(?:{pair.record})") if pair.record else None,
        re.compile(pair.tail),
        re.compile(rf" {{0,4}}(?:{pair.head})"),
    )
    for pair in PAIRS
)
# How much of a line's end is looked at.
_TAIL = 160


def pair_of(record: str, upper: str, lower: str) -> str | None:
    """Name of the pair that two lines form.

    Args:
        record: how the record begins that `upper` is the last line of.
        upper: the line above, without its prefix.
        lower: the line below.

    >>> pair_of("flags:", "flags:", "0x17ffffc0040001(locked|reclaim)")
    'flags'
    """
    tail = upper[-_TAIL:].rstrip()
    for name, begins, ends, head in _COMPILED:
        if (begins is None or begins.match(record, 0, 200)) and ends.search(tail) and head.match(lower, 0, 1100):
            return name
    return None
