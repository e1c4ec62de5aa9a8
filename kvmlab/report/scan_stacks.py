"""The functions of the stacks that a scan has met: for each new hash of a row, names are read from its lines once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_chunk import Chunk, Found
from kvmlab.report.fast_lexicon import Lexicon, prefix_end
from kvmlab.report.records import Report

Stack = tuple[tuple[str, str | None], ...]


def stacks_of(chunk: Chunk, found: Found, lexicon: Lexicon, known: dict[int, Stack]) -> dict[int, Stack]:
    """Function and module of the reliable entries of each stack in a chunk that is not known yet, innermost first.

    Args:
        chunk: the chunk.
        found: what an engine found in it.
        lexicon: what lines mean.
        known: the stacks of other chunks, by their hash.
    """
    new: dict[int, Stack] = {}
    hashes, firsts = np.unique(found.rows[:, r.STACK], return_index=True)
    for value, i in zip(hashes.tolist(), firsts.tolist(), strict=True):
        if value not in known:
            start, stop = found.rows[i, r.TRACE_AT], found.rows[i, r.STOP]
            new[value] = _read(chunk.data[start:stop].tobytes(), lexicon)
    return new


def _read(trace: bytes, lexicon: Lexicon) -> Stack:
    entries: list[tuple[str, str | None]] = []
    for line in trace.splitlines():
        number = lexicon.entry(line, prefix_end(line.decode("ascii", "replace")))
        if number & 1:
            entries.append(lexicon.functions[number >> 2])
    return tuple(entries)


def stack_of(report: Report) -> Stack:
    """The same of a report that the tolerant parser has read."""
    return () if report.call_trace is None else tuple((f.function, f.module) for f in report.call_trace.reliable)


def numbered(rows: Any, stacks: dict[int, Stack], reports: Iterable[Report]) -> tuple[Any, list[int], list[Stack]]:
    """Numbers for stacks: of the rows, of the reports, and the stack of each number, in order of appearance.

    Args:
        rows: the rows of a scan.
        stacks: functions by the hash that stands in a row.
        reports: the reports of the tolerant parser.
    """
    order: dict[Stack, int] = {}
    hashes, firsts, which = np.unique(rows[:, r.STACK], return_index=True, return_inverse=True)
    numbers = np.zeros(len(hashes), np.int64)
    for i in np.argsort(firsts).tolist():
        numbers[i] = order.setdefault(stacks.get(int(hashes[i]), ()), len(order))
    others = [order.setdefault(stack_of(report), len(order)) for report in reports]
    return numbers[which], others, list(order)
