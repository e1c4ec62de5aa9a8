"""Line numbers in front of some lines of a text: `nl`, `cat -n`, `grep -n`, an editor, pasted between other words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from kvmlab.text.lines import Lines, Stretch
from kvmlab.text.prefix import match_prefix
from kvmlab.text.shapes import has_shape

# What only lines of reports begin with, right behind a number; without it nothing is looked at.
TELLING = re.compile(
    rb"(?m)^[ \t]{0,12}\d{1,7}(?: ?[:.)|-][ \t]{0,8}|[ \t]{1,8}(?:\|[ \t]?)?)(?:BUG: |Call [Tt]race:"
    rb"|page dumped because: |Modules linked in:|RIP: |pc : |flags: 0x|raw: [0-9a-f]{8}|CPU: \d|Hardware name: |page:"
    rb"|WARNING: |\[<[0-9a-f]{8})"
)
_NUMBER = re.compile(r"[ \t]{0,12}(\d{1,7})( ?[:.)|-][ \t]{0,40}|[ \t]{1,40}(?:\|[ \t]{0,40})?|$)")
# Rows of one numbering, how far its numbers may jump, how many rows between may have none, how many are tried.
_ENOUGH, _JUMP, _BETWEEN, _SAMPLE = 5, 2000, 40, 400


def without_numbers(lines: Lines, stop: int) -> Lines:
    """The rows with the numbers in front taken off, where these count up along a report; else as they are.

    Rows that have a time behind the number are left to the prefix table.

    Args:
        lines: physical lines.
        stop: a report must begin before this offset.

    >>> rows = Lines(b" 8\\tCall Trace:\\n" + b"".join(b"%2d\\t f+0x1/0x2\\n" % n for n in range(9, 13)))
    >>> without_numbers(rows, 99).text(3)
    ' f+0x1/0x2'
    """
    if lines.encoding.unit > 1 or not lines.plain or not TELLING.search(lines.data, 0, stop):
        return lines
    stretches = [
        Stretch(lines.starts[first - 1], lines.starts[last], _less(lines.encoding.decode, pattern))
        for first, last, pattern in _runs(lines)
    ]
    return Lines(lines.data, lines.encoding, stretches) if stretches else lines


def _runs(lines: Lines) -> Iterator[tuple[int, int, re.Pattern[str]]]:
    """Rows whose numbers count up: the first, the last, what to take off."""
    first = last = number = 0
    between: list[str] = []
    for row in range(1, len(lines) + 1):
        match = _NUMBER.match(lines.text(row))
        if match is None:
            continue
        goes_on = first and number < int(match[1]) <= number + _JUMP and row - last <= _BETWEEN
        if first and not goes_on and (pattern := _pattern(lines, first, last, between)):
            yield first, last, pattern
        if not goes_on:
            first, between = row, []
        last, number = row, int(match[1])
        between.append(match[2])
    if first and (pattern := _pattern(lines, first, last, between)):
        yield first, last, pattern


def _pattern(lines: Lines, first: int, last: int, between: list[str]) -> re.Pattern[str] | None:
    """What stands in front of the rows of a run; None if they are no numbered report without times."""
    marks = sorted(mark.replace("-", ":") for mark in between if mark) or [""]
    # What the first and the last in order share, all do.
    common = "".join(a for k, a in enumerate(marks[0]) if marks[-1].startswith(marks[0][: k + 1]))
    if len(between) < _ENOUGH or not common:
        return None
    # grep marks the lines around a hit with another sign.
    pattern = re.compile(rf"[ \t]*\d{{1,7}}(?:{re.escape(common).replace(':', '[:-]')}|\s*$)")
    rows = [pattern.sub("", lines.text(row), count=1) for row in range(first, min(last, first + _SAMPLE) + 1)]
    timed = sum(1 for row in rows if (prefix := match_prefix(row)) and (prefix.timestamp or prefix.clock))
    return pattern if 2 * timed < len(rows) and sum(map(has_shape, rows)) >= 2 else None


def _less(decode: Callable[[bytes], str], pattern: re.Pattern[str]) -> Callable[[bytes], str]:
    return lambda raw: pattern.sub("", decode(raw), count=1)
