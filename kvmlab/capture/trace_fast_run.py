"""Driving the compiled engine over a whole trace: stretches of lines, and arrays that grow with what is found."""

from __future__ import annotations

from typing import Any

import numpy as np

from kvmlab.capture.trace_fast import scan
from kvmlab.capture.trace_fast_tables import MAX_FIELDS, form_arrays
from kvmlab.capture.trace_fast_text import rehash
from kvmlab.capture.trace_table import COLUMNS

# Newlines are looked for in stretches that stay in the cache.
_STRETCH = 1 << 22


def _line_ends(data: Any, begin: int) -> Any:
    """Where the lines of the next stretch of the data end; a last line without a newline ends with the data."""
    stop = min(begin + _STRETCH, len(data))
    while stop < len(data):
        found = np.flatnonzero(data[begin:stop] == 10)
        if len(found):
            return found + begin
        stop = min(begin + (stop - begin) * 2, len(data))
    found = np.flatnonzero(data[begin:] == 10) + begin
    return found if len(data) and data[-1] == 10 else np.append(found, len(data))


def _grown(array: Any, size: int) -> Any:
    bigger = np.empty((size, *array.shape[1:]), dtype=array.dtype)
    bigger[: len(array)] = array
    return bigger


def scan_bytes(data: Any) -> tuple[Any, Any, list[tuple[int, int]], Any, Any, int, int]:
    """Read a whole trace.

    Args:
        data: its bytes, uint8.

    Returns:
        The rows (int64, one row of the array for each of `trace_table.COLUMNS`), the values, the byte spans of the
        texts, the stack blocks (first and last line, first and last byte), the refused lines (number, first and last
        byte), the number of lines without anything on them, and the number of lines.
    """
    forms = form_arrays()
    guess = max(1024, len(data) // 96)
    rows = np.empty((len(COLUMNS), guess), dtype=np.int64)
    values = np.empty(guess * 5 + 64, dtype=np.uint64)
    blocks = np.empty((1024, 4), dtype=np.int64)
    refused = np.empty((1024, 3), dtype=np.int64)
    table = np.full(1 << 12, -1, dtype=np.int64)
    spans = np.empty((1 << 11, 2), dtype=np.int64)
    hashes = np.empty(1 << 11, dtype=np.uint64)
    state = np.zeros(9, dtype=np.int64)
    while state[0] < len(data):
        ends = _line_ends(data, int(state[0]))
        state[8] = 0
        scan(
            data, ends, state, rows, values, table, spans, hashes, blocks, refused,
            forms.slots, forms.names, forms.event_name, forms.event_forms, forms.order, forms.fields, forms.kind,
            forms.stored, forms.literal,
        )  # fmt: skip
        if state[2] >= rows.shape[1]:
            rows = np.concatenate([rows, np.empty_like(rows)], axis=1)
        if state[3] + MAX_FIELDS > len(values):
            values = _grown(values, len(values) * 2)
        if state[5] >= len(blocks):
            blocks = _grown(blocks, len(blocks) * 2)
        if state[6] >= len(refused):
            refused = _grown(refused, len(refused) * 2)
        if 2 * (state[4] + MAX_FIELDS + 4) > len(table):
            spans, hashes = _grown(spans, len(spans) * 2), _grown(hashes, len(hashes) * 2)
            table = rehash(len(table) * 2, hashes[: state[4]])
    texts = [(int(a), int(b)) for a, b in spans[: state[4]].tolist()]
    return (
        rows[:, : state[2]], values[: state[3]], texts, blocks[: state[5]], refused[: state[6]],
        int(state[7]), int(state[1]),
    )  # fmt: skip
