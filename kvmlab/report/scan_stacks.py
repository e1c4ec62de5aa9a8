"""The stacks that a scan has met: for each new hash of a row, the entries are read from its lines once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_chunk import Chunk, Found
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import DIGITS, prefix_end
from kvmlab.report.records import Report


class StackEntry(NamedTuple):
    """What of an entry of a call trace makes two stacks the same.

    Args:
        function: the symbol as printed, without its offset.
        module: its module, None for the core kernel.
        context: the stack that it is on (`TASK`, `IRQ`, ...), None before any marker.
        confirmed: whether the unwinder confirmed it.
    """

    function: str
    module: str | None
    context: str | None
    confirmed: bool


# The confirmed entries, innermost first; all entries of a trace that has none.
Stack = tuple[StackEntry, ...]


def learn_stacks(chunk: Chunk, found: Found, lexicon: Lexicon) -> None:
    """Has a lexicon learn the stacks in a chunk that it does not know yet.

    Args:
        chunk: the chunk.
        found: what an engine found in it.
        lexicon: what lines mean; stacks by their hash are `traces`.
    """
    known = lexicon.traces
    values = found.rows[:, r.STACK].tolist()
    for value in set(values).difference(known):
        i = values.index(value)
        start, stop = found.rows[i, r.TRACE_AT], found.rows[i, r.STOP]
        known[value] = _read(chunk.data[start:stop].tobytes(), lexicon)


def learn_trail(trail: list[int], lexicon: Lexicon) -> None:
    """Has a lexicon learn the stacks in a trail of the compiled engine.

    Args:
        trail: of each stack its hash, how many numbers follow, and those, as in `fast_state`.
        lexicon: what lines mean.
    """
    at = 0
    while at < len(trail):
        value, n = trail[at], trail[at + 1]
        if value not in lexicon.traces:
            # Entries are made when somebody asks for them.
            lexicon.traces[value] = tuple(trail[at + 2 : at + 2 + n])
        at += 2 + n


def stack_at(value: int, lexicon: Lexicon) -> Stack:
    """The stack of a hash that stands in a row.

    Args:
        value: the hash.
        lexicon: what it stands for.
    """
    found = lexicon.traces.get(value, ())
    if found and isinstance(found[0], int):
        found = lexicon.traces[value] = _entries(found, lexicon)
    stack: Stack = found
    return stack


def _entries(numbers: Iterable[int], lexicon: Lexicon) -> Stack:
    entries: list[StackEntry] = []
    context: str | None = None
    for number in numbers:
        if number >= 0:
            entries.append(StackEntry(*lexicon.functions[number >> 2], context, bool(number & 1)))
        else:
            context = None if number & 1 == 0 else lexicon.stacks[(-1 - number) >> 1]
    return _chosen(entries)


def _read(trace: bytes, lexicon: Lexicon) -> Stack:
    entries: list[StackEntry] = []
    context: str | None = None
    shape, length = b"", 0
    for line in trace.split(b"\n"):
        line = line.rstrip(b"\r")
        if not length or line[:length].translate(DIGITS) != shape:
            # All lines of a report have prefixes of one style: most are like that of the line before.
            length = prefix_end(line.decode("ascii", "replace"))
            shape = line[:length].translate(DIGITS)
        meaning = lexicon.meaning(line, length)
        if meaning.found == g.FRAME:
            entries.append(StackEntry(*lexicon.functions[meaning.number >> 2], context, bool(meaning.number & 1)))
        elif meaning.found in (g.OPEN, g.CLOSE):
            context = lexicon.stacks[meaning.number] if meaning.found == g.OPEN else None
    return _chosen(entries)


def _chosen(entries: Iterable[StackEntry]) -> Stack:
    held = tuple(entries)
    return tuple(entry for entry in held if entry.confirmed) or held


def stack_of(report: Report) -> Stack:
    """The same of a report that the tolerant parser has read."""
    frames = () if report.call_trace is None else report.call_trace.frames
    return _chosen(StackEntry(f.function, f.module, f.context, f.reliable) for f in frames)


def numbered(rows: Any, lexicon: Lexicon, reports: Iterable[Report]) -> tuple[Any, list[int], list[Stack]]:
    """Numbers for stacks: of the rows, of the reports, and the stack of each number, in order of appearance.

    Args:
        rows: the rows of a scan.
        lexicon: what the hashes in the rows stand for.
        reports: the reports of the tolerant parser.
    """
    import pandas as pd

    order: dict[Stack, int] = {}
    which, hashes = pd.factorize(rows[:, r.STACK])
    numbers = np.array([order.setdefault(stack_at(value, lexicon), len(order)) for value in hashes.tolist()], np.int64)
    others = [order.setdefault(stack_of(report), len(order)) for report in reports]
    return numbers[which] if len(which) else np.empty(0, np.int64), others, list(order)
