"""The compiled engine: one pass over the bytes of a trace; a line that it is not sure of goes to the tolerant engine.

Numba's cache of `scan` looks at this file only: after a change in trace_fast_line or trace_fast_text, touch it.
It accepts a subset of the tolerant engine's grammar (single blanks where the kernel prints single blanks) and gives the
same numbers for it; a property test holds the two together.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.capture.trace_fast_line import G, S, W, find_anchor, is_stack, match_form, read_head, read_name, read_tail
from kvmlab.capture.trace_fast_tables import MAX_FIELDS
from kvmlab.capture.trace_fast_text import fnv_hash, intern, is_blank, same_as

# Rows of the array that the engine writes: the columns of trace_table.COLUMNS, in their order.
_LINE, _T, _CPU, _PID, _TGID, _COMM, _LATENCY, _SYSTEM, _EVENT, _FORM, _AT, _BODY, _BODY_END, _STACK = range(14)
_HINTS = 256


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
    latency = system = np.int64(-1)
    # The last event and texts of each length: most often the next of that length is the same.
    event_of = np.full(66, -1, dtype=np.int64)
    text_of = np.full(_HINTS, -1, dtype=np.int64)
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
        stack = not quoted and is_stack(data, i, end)
        if stack and not after_refused:
            if n_blocks > 0 and blocks[n_blocks - 1, 1] == line - 1:
                blocks[n_blocks - 1, 1], blocks[n_blocks - 1, 3] = line, line_end
            else:
                blocks[n_blocks, 0] = blocks[n_blocks, 1] = line
                blocks[n_blocks, 2], blocks[n_blocks, 3] = begin, line_end
                n_blocks += 1
            continue
        refused[n_refused, 0], refused[n_refused, 1], refused[n_refused, 2] = line, begin, line_end
        n_refused += 1
        if quoted or stack:
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
            length = name_end - name_begin
            hint = event_of[length]
            if hint >= 0 and same_as(names, event_name[hint, 0], data, name_begin, length):
                known = hint
            else:
                slot = np.int64(fnv_hash(data, name_begin, name_end) & np.uint64(len(slots) - 1))
                while slots[slot] >= 0:
                    event = slots[slot]
                    if event_name[event, 1] == length and same_as(
                        names, event_name[event, 0], data, name_begin, length
                    ):
                        known = event_of[length] = event
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
        length = head[1] - head[0]
        comm = intern(data, head[0], head[1], table, text_spans, hashes, n_texts, text_of[length])
        text_of[length] = comm
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
                    # Comms are shorter than 33 bytes: the texts of fields have places of their own.
                    length = 33 + (spans[k, 1] - spans[k, 0]) % (_HINTS - 33)
                    text = intern(data, spans[k, 0], spans[k, 1], table, text_spans, hashes, n_texts, text_of[length])
                    text_of[length] = text
                    if text == n_texts:
                        n_texts += 1
                    values[n_values] = np.uint64(text)
                else:
                    values[n_values] = numbers[k]
                n_values += 1
    state[0], state[1], state[2], state[3] = at, line, n_rows, n_values
    state[4], state[5], state[6], state[7], state[8] = n_texts, n_blocks, n_refused, other, first
