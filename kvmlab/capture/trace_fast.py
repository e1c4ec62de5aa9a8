"""The compiled engine: one pass over the bytes of a trace; a line that it is not sure of goes to the tolerant engine.

Numba's cache of `scan` looks at this file only: after a change in trace_fast_line or trace_fast_text, touch it.
It accepts a subset of the tolerant engine's grammar (single blanks where the kernel prints single blanks) and gives the
same numbers for it; a property test holds the two together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kvmlab.capture.trace_fast_line import G, S, W, find_anchor, is_stack, match_form, read_head, read_name, read_tail
from kvmlab.capture.trace_fast_tables import MAX_FIELDS, form_arrays
from kvmlab.capture.trace_fast_text import fnv_hash, intern, is_blank, rehash
from kvmlab.capture.trace_table import COLUMNS

# Rows of the array that the engine writes: the columns of trace_table.COLUMNS, in their order.
_LINE, _T, _CPU, _PID, _TGID, _COMM, _LATENCY, _SYSTEM, _EVENT, _FORM, _AT, _BODY, _BODY_END, _STACK = range(14)
# Newlines are looked for in stretches that stay in the cache.
_STRETCH = 1 << 22


@njit(cache=True, nogil=True)
def scan(  # type: ignore[no-untyped-def]
    data, ends, state, rows, values, table, text_spans, hashes, blocks, refused,
    slots, names, event_name, event_forms, order, fields, kind, stored, literal,
):  # fmt: skip
    """Read on where `state` says; returns when the lines or one of the arrays are at their end."""
    head = np.empty(4, dtype=np.int64)
    tail = np.empty(3, dtype=np.int64)
    numbers = np.empty(MAX_FIELDS, dtype=np.uint64)
    spans = np.empty((MAX_FIELDS, 2), dtype=np.int64)
    event_code = np.full(len(event_name), -1, dtype=np.int64)
    comm = latency = system = text = np.int64(-1)
    at, line, n_rows, n_values, n_texts, n_blocks, n_refused, other, first = state
    for number in range(first, len(ends)):
        # A line needs at most one row, MAX_FIELDS values and MAX_FIELDS + 4 new texts.
        if (
            n_rows >= rows.shape[1] or n_values + MAX_FIELDS > len(values) or n_blocks >= len(blocks)
            or n_refused >= len(refused) or 2 * (n_texts + MAX_FIELDS + 4) > len(table)
        ):  # fmt: skip
            break
        first = number + 1
        begin = at
        end = ends[number]
        at = end + 1
        line += 1
        line_end = end
        while end > begin and (is_blank(data[end - 1]) or data[end - 1] == 13):
            end -= 1
        i = begin
        while i < end and is_blank(data[i]):
            i += 1
        if i == end:
            other += 1
            continue
        # The quoting of a mail is the tolerant engine's.
        quoted = data[i] == 62
        after_refused = n_refused > 0 and refused[n_refused - 1, 0] == line - 1
        if not quoted and not after_refused and is_stack(data, i, end):
            if n_blocks > 0 and blocks[n_blocks - 1, 1] == line - 1:
                blocks[n_blocks - 1, 1], blocks[n_blocks - 1, 3] = line, line_end
            else:
                blocks[n_blocks, 0] = blocks[n_blocks, 1] = line
                blocks[n_blocks, 2], blocks[n_blocks, 3] = begin, line_end
                n_blocks += 1
            continue
        refused[n_refused, 0], refused[n_refused, 1], refused[n_refused, 2] = line, begin, line_end
        n_refused += 1
        if quoted or is_stack(data, i, end):
            continue
        anchor, after, cpu = find_anchor(data, i, end)
        if anchor < 0 or not read_head(data, i, anchor, head):
            continue
        rest = read_tail(data, after, end, tail)
        if rest < 0 or rest >= end:
            continue
        system_begin = system_end = -1
        known = -1
        form = -1
        if data[rest] == 60:
            # `<stack trace>` and `<user stack trace>` are what ftrace prints in the place of an event.
            user = rest + 6 < end and data[rest + 1] == 117
            name = b"<user stack trace>" if user else b"<stack trace>"
            if rest + len(name) > end:
                continue
            same = True
            for j in range(len(name)):
                if data[rest + j] != name[j]:
                    same = False
                    break
            if not same:
                continue
            code = -3 if user else -2
            body = end
        else:
            name_begin = rest
            name_end, plain = read_name(data, rest, end)
            if name_end == rest or name_end >= end or data[name_end] != 58:
                continue
            if name_end + 1 < end and not is_blank(data[name_end + 1]):
                if not plain:
                    continue
                system_begin, system_end = name_begin, name_end
                name_begin = name_end + 1
                name_end, plain = read_name(data, name_begin, end)
                if name_end == name_begin or name_end >= end or data[name_end] != 58:
                    continue
                if name_end + 1 < end and not is_blank(data[name_end + 1]):
                    continue
            body = name_end + 1
            while body < end and (is_blank(data[body]) or data[body] == 13):
                body += 1
            value = fnv_hash(data, name_begin, name_end)
            slot = np.int64(value & np.uint64(len(slots) - 1))
            while slots[slot] >= 0:
                event = slots[slot]
                if event_name[event, 1] == name_end - name_begin:
                    same = True
                    for j in range(name_end - name_begin):
                        if names[event_name[event, 0] + j] != data[name_begin + j]:
                            same = False
                            break
                    if same:
                        known = event
                        break
                slot = (slot + 1) & (len(slots) - 1)
            if known >= 0:
                for f in range(event_forms[known, 1]):
                    candidate = order[event_forms[known, 0] + f]
                    if match_form(data, body, end, names, literal, kind, fields, candidate, numbers, spans):
                        form = candidate
                        break
                if form < 0:
                    continue
            if known >= 0 and event_code[known] >= 0:
                code = event_code[known]
            else:
                code = intern(data, name_begin, name_end, table, text_spans, hashes, n_texts, -1)
                if code == n_texts:
                    n_texts += 1
                if known >= 0:
                    event_code[known] = code
        # Sure of the line: it is a row, not a refused line.
        n_refused -= 1
        comm = intern(data, head[0], head[1], table, text_spans, hashes, n_texts, comm)
        if comm == n_texts:
            n_texts += 1
        rows[_LATENCY, n_rows] = -1
        if tail[0] >= 0:
            latency = intern(data, tail[0], tail[1], table, text_spans, hashes, n_texts, latency)
            if latency == n_texts:
                n_texts += 1
            rows[_LATENCY, n_rows] = latency
        rows[_SYSTEM, n_rows] = -1
        if system_begin >= 0:
            system = intern(data, system_begin, system_end, table, text_spans, hashes, n_texts, system)
            if system == n_texts:
                n_texts += 1
            rows[_SYSTEM, n_rows] = system
        rows[_LINE, n_rows], rows[_T, n_rows], rows[_CPU, n_rows] = line, tail[2], cpu
        rows[_PID, n_rows], rows[_TGID, n_rows], rows[_COMM, n_rows] = head[2], head[3], comm
        rows[_EVENT, n_rows], rows[_FORM, n_rows], rows[_AT, n_rows] = code, form, n_values
        rows[_BODY, n_rows], rows[_BODY_END, n_rows], rows[_STACK, n_rows] = body, end, -1
        n_rows += 1
        if form >= 0:
            for k in range(fields[form]):
                if stored[form, k] == 0:
                    continue
                what = kind[form, k]
                if what in (S, W, G):
                    text = intern(data, spans[k, 0], spans[k, 1], table, text_spans, hashes, n_texts, text)
                    if text == n_texts:
                        n_texts += 1
                    values[n_values] = np.uint64(text)
                else:
                    values[n_values] = numbers[k]
                n_values += 1
    state[0], state[1], state[2], state[3] = at, line, n_rows, n_values
    state[4], state[5], state[6], state[7], state[8] = n_texts, n_blocks, n_refused, other, first


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
