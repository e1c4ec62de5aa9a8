"""The compiled engine: one pass over the bytes of a chunk, reports to rows, everything doubtful to marks.

It holds what `Lexicon` has learned in open hash tables. What it does not know yet it writes down; the caller has it
learned and reads the chunk again. It lets go of the GIL, so that several chunks are read at a time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_fill import AHEAD, fill
from kvmlab.report.fast_inside import TEACHERS, read_report
from kvmlab.report.fast_lines import PIECE, holds_time, index_lines, line_hints, next_hint, trimmed
from kvmlab.report.fast_outside import (
    BEHIND,
    beginning_key,
    is_near,
    loose,
    mark,
    outside,
    pass_quiet,
    template_of,
    time_of,
)
from kvmlab.report.fast_report import BUG_BAD, is_title
from kvmlab.report.fast_simd import data_of, word_at
from kvmlab.report.fast_state import (
    C_LAST,
    C_LINE,
    C_P,
    ENDS,
    HAS_TO_LEARN,
    LOOK_ON,
    MOST_ENDS,
    N_FORM,
    NEEDS_MORE,
    NEEDS_ROOM,
    NEEDS_TEXT,
    R_LAST_US,
    R_LINE,
    R_LINES,
    R_MARKS,
    R_P,
    R_ROWS,
    R_STOP,
    S_AT,
    S_CALLERS,
    S_HAVE,
    S_LINES,
    S_MARKS,
    S_ROWS,
    S_SHORT,
    S_STRAY,
    S_TAUGHT,
    S_UNKNOWN,
    STANDS_BEHIND,
    T_CALLER,
    T_FIRST,
    T_TIME,
    UNKNOWN,
    UNREAD,
    WANTED,
)

# How far ends of lines and hints are looked for behind a report; then twice as far each time.
_AHEAD = 256


@njit(nogil=True, cache=True, forceinline=True)
def _remember(state, marks, p, line):  # type: ignore[no-untyped-def]
    """Writes down how much there is before a line, as long as nothing before it is unknown."""
    if state[S_UNKNOWN] > 0:
        return
    n = state[S_MARKS]
    state[R_P], state[R_LINE], state[R_ROWS], state[R_MARKS] = p, line, state[S_ROWS], n
    if n > 0:
        at = (n - 1) * r.N_MARK
        state[R_STOP], state[R_LINES] = marks[at + r.MARK_STOP], marks[at + r.MARK_LINES]
        state[R_LAST_US] = marks[at + r.MARK_LAST_US]


@njit(nogil=True, cache=True)
def read_chunk(  # type: ignore[no-untyped-def]
    data, lo, hi, total, at_end_of_all, fd, base, shapes_a, forms_a, n_templates, table_a, mask, seed, salts_a,
    own_seed, steps_a, tables_a, holds_a, n_holds, rows_a, max_rows, marks_a, max_marks, unknown_a, state_a, quiet_a,
    ends_a, trail_a, seen_a,
):  # fmt: skip
    """Reads the lines that begin in [lo, hi), and the rest of a report that begins there.

    Args:
        data: the bytes, padded behind those that are there.
        lo, hi: `lo` is the beginning of a line.
        total: end of the bytes, of which the state says how many are there.
        at_end_of_all: whether the text ends there.
        fd, base: the file to read the others from, and the offset in it of the first byte.
        shapes_a to holds_a: what is known.
        rows_a, marks_a, unknown_a, state_a: what is written; the others are room to work in. The state says how many
            rows, marks and lines there are already, for a chunk that is read on where something was unknown.
    """
    b, shapes, forms, table, salts = (
        data_of(data), data_of(shapes_a), data_of(forms_a), data_of(table_a), data_of(salts_a),
    )  # fmt: skip
    steps, tables, holds, marks, unknown, state = (
        data_of(steps_a), data_of(tables_a), data_of(holds_a), data_of(marks_a), data_of(unknown_a), data_of(state_a),
    )  # fmt: skip
    quiet, ends, trail, seen = data_of(quiet_a), data_of(ends_a), data_of(trail_a), data_of(seen_a)
    row = data_of(rows_a[state[S_ROWS]])
    p, line, last = lo, state[C_LINE], np.int64(-1)
    # Ends of lines: the number of the next, how many are known, up to where, and how far to look on.
    k, n, scanned, reach = np.int64(0), np.int64(0), lo, np.int64(_AHEAD)
    own_lines = np.int64(-1)
    # Up to where there is surely no hint, and how far to look on.
    clear, ahead = lo, np.int64(_AHEAD)
    # What is there of the text, whether that is all, and whether it has been found to be too little.
    stop, at_end, short = state[S_HAVE], at_end_of_all and state[S_HAVE] == total, False
    while p < hi:
        if stop < total and (stop - p < AHEAD or short):
            have, well = fill(b, stop, total, fd, base)
            if not well:
                state[S_SHORT] = UNREAD
                break
            if have == stop:
                # The file ends sooner than it did.
                total, at_end_of_all = have, True
            stop, at_end, short = have, at_end_of_all and have == total, False
            state[S_HAVE] = have
        if p >= stop:
            break
        if state[S_UNKNOWN] > 0 and p - state[R_P] > LOOK_ON:
            state[S_SHORT] = HAS_TO_LEARN
            break
        if k == n:
            known = scanned
            own_time = forms[last * N_FORM + T_TIME] if last >= 0 else np.int64(0)
            n, scanned, hint_at = index_lines(b, known, stop, ends, MOST_ENDS, reach, own_time, tables, holds, n_holds)
            if clear >= known:
                clear = max(clear, hint_at)
            k = np.int64(0)
            reach = min(2 * reach, np.int64(PIECE))
        if last >= 0 and k < n and ends[k] <= clear and forms[last * N_FORM + T_FIRST] != 0:
            first = k
            p, k = pass_quiet(
                b, p, hi, clear, k, n, ends, shapes, last, forms[last * N_FORM], seed, salts, quiet
            )  # fmt: skip
            line += k - first
            if k == n or p >= hi:
                continue
        end = stop if k == n else ends[k]
        t = template_of(b, p, end - p, shapes, forms, n_templates, last)
        m = p
        if t >= 0:
            if t != last and forms[t * N_FORM + T_CALLER] >= 0:
                state[S_CALLERS] = 1
            last = t
            m = p + forms[t * N_FORM]
            if end - m >= 8 and not (word_at(b, m) == BUG_BAD and is_title(b, m, end)):
                if end > clear:
                    to, own_time = min(end + ahead, stop), forms[t * N_FORM + T_TIME]
                    clear = next_hint(b, max(p, clear), to, own_time, tables, holds, n_holds)
                    ahead = min(2 * ahead, np.int64(PIECE))
                if end <= clear and end < stop:
                    key = beginning_key(word_at(b, m), seed ^ BEHIND)
                    if not is_near(quiet, key):
                        _remember(state, marks, p, line)
                        verdict = outside(
                            b, p, m, end, False, unknown, state, table, mask, seed, salts, quiet
                        )  # fmt: skip
                        if verdict == WANTED or verdict == UNKNOWN:  # noqa: SIM109
                            us = time_of(b, p, forms, t, state)
                            mark(marks, state, p, end + 1, line, np.int64(1), r.WANTED, us, us)
                            if state[S_MARKS] >= max_marks:
                                state[S_SHORT] = NEEDS_ROOM
                                break
                    p = end + 1
                    k += 1
                    line += 1
                    continue
        if end == stop and not at_end:
            if stop < total:
                short = True
                continue
            state[S_SHORT] = NEEDS_TEXT
            break
        if state[S_ROWS] >= max_rows or state[S_MARKS] >= max_marks:
            state[S_SHORT] = NEEDS_ROOM
            break
        start = p
        _remember(state, marks, p, line)
        q = trimmed(b, start, end)
        if t >= 0 and q - m < 0:
            t = template_of(b, start, q - start, shapes, forms, n_templates, last)
            m = start if t < 0 else start + forms[t * N_FORM]
        p = min(end + 1, stop)
        k += 1
        line += 1
        if t >= 0 and q - m >= 31 and word_at(b, m) == BUG_BAD and is_title(b, m, q):
            us = time_of(b, start, forms, t, state)
            title_line = line - 1
            state[C_P], state[C_LINE] = p, line
            does, last_us = read_report(
                b, start, m, q, us, t, hi, stop, at_end, row, shapes, forms, n_templates, table, mask, seed, salts,
                own_seed, steps, unknown, state, quiet, trail, seen,
            )  # fmt: skip
            p, line, last = state[C_P], state[C_LINE], state[C_LAST]
            k, n, scanned, reach = np.int64(0), np.int64(0), p, np.int64(_AHEAD)
            if does == NEEDS_MORE:
                if stop < total:
                    p, line, scanned, short = start, title_line, start, True
                    continue
                state[S_SHORT] = NEEDS_TEXT
                break
            if p > hi:
                own_lines = state[S_LINES]
            clear, ahead = max(clear, p), np.int64(_AHEAD)
            if does == ENDS or does == STANDS_BEHIND:  # noqa: SIM109
                state[S_ROWS] += 1
                row = data_of(rows_a[state[S_ROWS]])
            elif state[S_TAUGHT] >= TEACHERS and state[S_UNKNOWN] > 0:
                state[S_SHORT] = HAS_TO_LEARN
                break
            else:
                mark(marks, state, start, p, row[r.LINE], row[r.LINES], r.WANTED, us, last_us)
            continue
        _, hint, stray = line_hints(b, start, stop, holds, n_holds)
        hint |= holds_time(b, max(m, start + 7), q)
        clear = max(clear, p)
        if stray:
            state[S_STRAY] = 1
        if q == start:
            continue
        kind = r.WANTED
        if t < 0:
            begins = loose(b, start, q, unknown, state, table, mask, own_seed, salts)
            if begins == 1:
                continue
            kind = r.LOOSE
            if begins == 0:
                # As long as it may have a prefix, it is not known what its message is.
                mark(marks, state, start, p, line - 1, np.int64(1), r.BARE, np.int64(-1), np.int64(-1))
                continue
        verdict = outside(b, start, m, q, hint, unknown, state, table, mask, seed, salts, quiet)
        if verdict == WANTED or verdict == UNKNOWN:  # noqa: SIM109
            kind = r.WANTED if t >= 0 else r.BARE
        elif t >= 0:
            continue
        us = time_of(b, start, forms, t, state) if t >= 0 else np.int64(-1)
        mark(marks, state, start, p, line - 1, np.int64(1), kind, us, us)
    state[S_LINES] = line if own_lines < 0 else own_lines
    state[S_AT] = p
