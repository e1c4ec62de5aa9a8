"""The compiled engine: one pass over the bytes of a chunk, reports to rows, everything doubtful to marks.

It holds what `Lexicon` has learned in open hash tables. What it does not know yet it writes down; the caller has it
learned and reads the chunk again. It lets go of the GIL, so that several chunks are read at a time.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_report import BUG_BAD, is_title, read_cpu, read_flags, read_page, read_title, read_words
from kvmlab.report.fast_simd import data_of, equal_mask, word_at
from kvmlab.report.fast_text import (
    bytes_hash,
    find_key,
    has_shape,
    line_end,
    line_hints,
    mixed,
    plain_hash,
    register_hash,
    six_digits,
    zero_digits,
)

# Columns of the array of templates.
T_LENGTH, T_SECONDS, T_SECONDS_END, T_MICROS, T_CALLER, T_CALLER_END, T_STYLE, T_FIRST = range(8)
# What `read_chunk` writes into its state: how much it found, how many lines begin before `hi`, where it stopped,
# the room for unknowns, carriage returns within lines, and whether it needs more of the text (1) or more room (2).
# Behind that stands the report that is being read.
S_ROWS, S_MARKS, S_UNKNOWN, S_LINES, S_AT, S_FULL, S_STRAY, S_SHORT = range(8)
(
    C_GRAMMAR, C_OPEN, C_TIME, C_STACK, C_BOTTOM, C_PENDING, C_START, C_LINE, C_TEMPLATE, C_SECONDS_SHOWN, C_SECONDS,
    C_TAUGHT, C_LOOSE_STACK,
) = range(8, 21)  # fmt: skip
N_STATE = 21
_QUIET, _WANTED, _UNKNOWN, _DETAIL = 0, 1, 2, 3
# What a line does to the report that is open: it belongs to it, ends it, stands behind its end, or is not understood.
_GOES_ON, _ENDS, _STANDS_BEHIND, _BREAKS = 0, 1, 2, 3
# Entries of the small table of quiet beginnings.
NEAR = 1024
# How many lines of a report with unknown ones are still read, to learn from them all at once.
_LOOK_ON = 160
# Of so many reports all lines are learned in one pass, of the others the first unknown one.
_TEACHERS = 8
_ONE, _EIGHT = np.uint64(1), np.uint64(8)
_FIVE, _SIX = np.uint64((1 << 40) - 1), np.uint64((1 << 48) - 1)
(_PAGE5, _RAW5, _CPU5, _PID5, _HEAD6, _FLAGS6, _ANON6, _KSM6, _PAGE6) = (
    np.uint64(int.from_bytes(word, "little"))
    for word in (b"page:", b"raw: ", b"CPU: ", b"Pid: ", b"head: ", b"flags:", b"anon f", b"ksm fl", b"page f")
)  # fmt: skip


@njit(nogil=True, cache=True, inline="always")
def _template(b, p, room, shapes, forms, n, last):  # type: ignore[no-untyped-def]
    """The template that a line begins with, -1 if none; that of the line before is tried first where it is safe."""
    if last >= 0 and forms[last * 8 + T_FIRST] and has_shape(b, p, room, shapes, last * 128, forms[last * 8]):
        return last
    for i in range(n):
        if has_shape(b, p, room, shapes, i * 128, forms[i * 8]):
            return np.int64(i)
    return np.int64(-1)


@njit(nogil=True, cache=True, inline="always")
def _time(b, p, forms, t, state):  # type: ignore[no-untyped-def]
    """Microseconds since boot, -1 if the prefix has no time; seconds are read again only where they differ."""
    first, end, micros = forms[t * 8 + T_SECONDS], forms[t * 8 + T_SECONDS_END], forms[t * 8 + T_MICROS]
    if first < 0:
        return np.int64(-1)
    if micros < 0:
        return _digits(b, p + first, p + end)
    if end < 8:
        return _digits(b, p + first, p + end) * 1_000_000 + _digits(b, p + micros, p + micros + 6)
    shown = np.int64(word_at(b, p + end - 8))
    if shown != state[C_SECONDS_SHOWN] or end - first > 8:
        state[C_SECONDS_SHOWN] = shown
        state[C_SECONDS] = _digits(b, p + first, p + end) * 1_000_000
    return state[C_SECONDS] + six_digits(b, p + micros)


@njit(nogil=True, cache=True)
def _digits(b, p, q):  # type: ignore[no-untyped-def]
    value = np.int64(0)
    for i in range(p, q):
        value = value * 10 + (np.int64(b[i]) - 48)
    return value


@njit(nogil=True, cache=True, inline="always")
def _same_caller(b, p, q, forms, t, u):  # type: ignore[no-untyped-def]
    """Whether the prefixes at `p` (template `t`) and `q` (`u`) name the same caller."""
    if t == u and forms[t * 8 + T_CALLER] < 0:
        return True
    first, second = forms[t * 8 + T_CALLER], forms[u * 8 + T_CALLER]
    length = forms[t * 8 + T_CALLER_END] - first
    if forms[u * 8 + T_CALLER_END] - second != length:
        return False
    for i in range(length):  # noqa: SIM110
        if b[p + first + i] != b[q + second + i]:
            return False
    return True


@njit(nogil=True, cache=True, inline="always")
def _learn(unknown, state, kind, start, stop, length, key):  # type: ignore[no-untyped-def]
    n = state[S_UNKNOWN]
    if n < state[S_FULL]:
        at = n * r.N_UNKNOWN
        unknown[at + r.UNKNOWN_KIND] = kind
        unknown[at + r.UNKNOWN_START] = start
        unknown[at + r.UNKNOWN_STOP] = stop
        unknown[at + r.UNKNOWN_LENGTH] = length
        unknown[at + r.UNKNOWN_KEY] = np.int64(key)
        state[S_UNKNOWN] = n + 1


@njit(nogil=True, cache=True)
def _outside(b, start, p, q, hint, unknown, state, table, mask, seed, scratch, quiet):  # type: ignore[no-untyped-def]
    """What a message is outside a report: first by its beginning, as a whole only if that or a hint says so."""
    i = p
    while i < q and (b[i] == 32 or b[i] == 9):
        i += 1
    if i == q:
        return _QUIET
    bare = np.uint64(1 if p > start else 0)
    word = word_at(b, i)
    if q - i < 8:
        word &= (_ONE << np.uint64(8 * (q - i))) - _ONE
    key = mixed(zero_digits(word), seed ^ (np.uint64(r.BEGINNING * 64) + bare)) | _ONE
    # The commonest quiet beginnings are kept apart, in the nearest cache.
    near = np.int64(key >> np.uint64(44)) & (NEAR - 1)
    if not hint and quiet[near] == key:
        return _QUIET
    slot = find_key(table, mask, key)
    if slot < 0:
        _learn(unknown, state, r.BEGINNING, start, q, p - start, key)
        return _UNKNOWN
    begins = np.int64(table[slot + 1])
    if begins == 0 and not hint:
        quiet[near] = key
        return _QUIET
    salt = seed ^ (np.uint64(r.WHOLE * 64) + bare)
    # Where digits can be part of the name of a register, short numbers matter.
    key = register_hash(b, p, q, salt ^ _EIGHT, scratch) if begins == 2 else plain_hash(b, p, q, salt, scratch)
    slot = find_key(table, mask, key)
    if slot >= 0:
        found = np.int64(table[slot + 1])
        return _WANTED if found == 2 else (_DETAIL if found == 3 else _QUIET)
    _learn(unknown, state, r.WHOLE, start, q, p - start, key)
    return _UNKNOWN


@njit(nogil=True, cache=True)
def _loose(b, p, q, unknown, state, table, mask, seed, scratch):  # type: ignore[no-untyped-def]
    """What a line without a known template begins with: 1 a program's message, 2 nothing, 0 if that must be learned."""
    end = p
    while end < q and end < p + 128 and not (b[end] == 58 and end + 1 < q and b[end + 1] == 32):
        end += 1
    key = plain_hash(b, p, end, seed ^ np.uint64(r.PREFIX * 64 + (1 if end - p == 128 else 0)), scratch)
    slot = find_key(table, mask, key)
    if slot >= 0:
        return np.int64(table[slot + 1])
    _learn(unknown, state, r.PREFIX, p, q, 0, key)
    return np.int64(0)


@njit(nogil=True, cache=True, inline="always")
def _mark(marks, state, start, stop, line, lines, kind, us, last_us):  # type: ignore[no-untyped-def]
    """Writes down lines that the tolerant parser must see; it goes on with the mark before where nothing is between."""
    n = state[S_MARKS]
    at = (n - 1) * r.N_MARK
    if n > 0 and marks[at + r.MARK_STOP] == start and marks[at + r.MARK_KIND] == kind:
        marks[at + r.MARK_STOP] = stop
        marks[at + r.MARK_LINES] += lines
        marks[at + r.MARK_LAST_US] = last_us
        return
    at = n * r.N_MARK
    marks[at + r.MARK_START] = start
    marks[at + r.MARK_STOP] = stop
    marks[at + r.MARK_LINE] = line
    marks[at + r.MARK_LINES] = lines
    marks[at + r.MARK_KIND] = kind
    marks[at + r.MARK_FIRST_US] = us
    marks[at + r.MARK_LAST_US] = last_us
    state[S_MARKS] = n + 1


@njit(nogil=True, cache=True)
def _found(b, start, m, q, row, unknown, state, table, mask, seed, style, scratch):  # type: ignore[no-untyped-def]
    """Class of a line of a report, its number and its hash; lines with numbers of their own are read into the row."""
    nothing, none = np.int64(-1), np.uint64(0)
    if q - m >= 8:
        word = word_at(b, m)
        five, six = word & _FIVE, word & _SIX
        if word == BUG_BAD and is_title(b, m, q):
            return np.int64(g.TITLE), nothing, none
        if five == _PAGE5:
            return np.int64(g.PAGE) if read_page(b, m, q, row) else np.int64(g.BAD), nothing, none
        if five == _RAW5:
            return np.int64(g.WORDS) if read_words(b, m + 5, q, row, True) else np.int64(g.BAD), nothing, none
        if six == _HEAD6 and b[m + 6] != 111:
            return np.int64(g.HEAD_WORDS) if read_words(b, m + 6, q, row, False) else np.int64(g.BAD), nothing, none
        if six == _FLAGS6 or six == _ANON6 or six == _KSM6 or six == _PAGE6:  # noqa: SIM109
            return np.int64(g.FLAGS) if read_flags(b, m, q, row) else np.int64(g.BAD), nothing, none
        if five == _CPU5 or five == _PID5:  # noqa: SIM109
            how, at, to, key = read_cpu(b, m, q, row, table, mask, seed)
            if how == 2:
                _learn(unknown, state, r.TASK, at, to, 0, key)
                state[C_PENDING] = max(state[C_PENDING], 1)
            return np.int64(g.CPU) if how == 1 else np.int64(g.BAD), nothing, none
    i = m
    while i < q and b[i] == 32 and i - m < 8:
        i += 1
    salt = seed ^ np.uint64((r.MESSAGE * 64 + style) * 16)
    # Registers are printed with their names in front of colons; their values do not matter to a report's row.
    named = q - i > 8 and (b[i + 2] == 58 or b[i + 3] == 58 or b[i + 4] == 58)
    if named and b[i] != 104 and not (b[i] == 67 and b[i + 1] == 111):
        key = register_hash(b, m, q, salt ^ _EIGHT, scratch)
    else:
        key = bytes_hash(b, m, q, salt)
    slot = find_key(table, mask, key)
    if slot < 0:
        _learn(unknown, state, r.MESSAGE, start, q, m - start, key)
        state[C_PENDING] = max(state[C_PENDING], 1)
        return np.int64(g.BAD), nothing, none
    return np.int64(table[slot + 1]), np.int64(table[slot + 2]), table[slot + 3]


@njit(nogil=True, cache=True, inline="always")
def _mix_marker(state, word):  # type: ignore[no-untyped-def]
    """On which stack an entry is belongs to the stack, too."""
    state[C_STACK] = np.int64(mixed(np.uint64(state[C_STACK]), word))
    state[C_LOOSE_STACK] = np.int64(mixed(np.uint64(state[C_LOOSE_STACK]), word))


@njit(nogil=True, cache=True)
def _inside(  # type: ignore[no-untyped-def]
    b, start, m, q, t, us, last, row, forms, unknown, state, table, mask, seed, steps, line, scratch, quiet,
):  # fmt: skip
    """What a line does to the open report; `last` says that the text ends with it."""
    own = state[C_TEMPLATE]
    style = forms[own * 8 + T_STYLE]
    before = state[C_TIME]
    if t < 0 or forms[t * 8 + T_STYLE] != style or line - state[C_LINE] >= g.MAX_LINES:
        return _BREAKS
    if not _same_caller(b, start, state[C_START], forms, t, own):
        return _BREAKS
    if us >= 0 and (us - before > g.GAP_US or before - us > g.BACK_US):
        return _BREAKS
    if state[C_PENDING] and not equal_mask(b, start, 43):  # noqa: SIM102
        # Behind the report, in the messages of others, there is nothing to learn for it.
        if _outside(b, start, m, q, False, unknown, state, table, mask, seed, scratch, quiet) == _QUIET:
            return _BREAKS
    found, number, mix = _found(b, start, m, q, row, unknown, state, table, mask, seed, style, scratch)
    if state[C_PENDING]:
        # The report cannot be read yet; the lines that follow are looked at to learn from them all at once.
        if state[C_PENDING] == 1:
            state[C_PENDING] = 2
            state[C_TAUGHT] += 1
        if found == g.TITLE or (found == g.CLOSE and number == 0) or line - state[C_LINE] >= _LOOK_ON:
            return _BREAKS
        if state[C_TAUGHT] > _TEACHERS:
            return _BREAKS
        return _GOES_ON
    grammar = state[C_GRAMMAR]
    whole = state[C_OPEN] < 0 and row[r.FRAMES] > 0 and (grammar == g.IN_TRACE or grammar == g.IN_REGISTERS)
    following = np.int64(steps[grammar * g.N_CLASSES + found])
    if following == g.DEAD:
        if whole and found == g.TITLE:
            return _STANDS_BEHIND
        if whole and state[C_BOTTOM] and forms[own * 8 + T_CALLER] < 0:  # noqa: SIM102
            # A message of its own behind the bottom of a stack ends the report.
            if _outside(b, start, m, q, True, unknown, state, table, mask, seed, scratch, quiet) == _QUIET:
                return _STANDS_BEHIND
        return _BREAKS
    state[C_GRAMMAR] = following
    state[C_TIME] = us
    if found == g.FRAME:
        row[r.FRAMES] += 1
        if number & 1:
            row[r.RELIABLE] += 1
            state[C_STACK] = np.int64(mixed(np.uint64(state[C_STACK]), mix))
            if number & 2:
                state[C_BOTTOM] = 1
        else:
            state[C_LOOSE_STACK] = np.int64(mixed(np.uint64(state[C_LOOSE_STACK]), mix))
    elif found == g.OPEN:
        if state[C_OPEN] >= 0:
            return _BREAKS
        state[C_OPEN] = np.int64(number)
        _mix_marker(state, np.uint64(2 * number + 1))
    elif found == g.CLOSE:
        if state[C_OPEN] != number:
            return _BREAKS
        state[C_OPEN] = np.int64(-1)
        _mix_marker(state, np.uint64(2 * number + 2))
        if number == 0:
            return _ENDS if row[r.FRAMES] > 0 else _BREAKS
    elif found == g.REASON:
        row[r.REASON_ID] = number
    elif found == g.HEAD:
        row[r.ORDER] = number
    elif found == g.TYPE:
        row[r.TYPE_ID] = number
    elif found == g.HARDWARE:
        row[r.HARDWARE_ID] = number
    elif found == g.TRACE:
        row[r.TRACE_AT] = start
    if last:
        whole = state[C_OPEN] < 0 and row[r.FRAMES] > 0 and (following == g.IN_TRACE or following == g.IN_REGISTERS)
        return _ENDS if whole else _BREAKS
    return _GOES_ON


@njit(nogil=True, cache=True)
def _open(b, m, q, us, start, line, t, row, unknown, state, table, mask, seed):  # type: ignore[no-untyped-def]
    """Begins a report with its title; whether the title is understood."""
    for i in range(r.N_COLUMNS):
        row[i] = -1
    for i in range(r.MAX_WORDS):
        row[r.WORD_0 + i] = 0
    row[r.N_WORDS] = row[r.FRAMES] = row[r.RELIABLE] = 0
    row[r.TIME_US] = us
    how, at, to, key = read_title(b, m, q, row, table, mask, seed)
    if how == 2:
        _learn(unknown, state, r.NAME, at, to, 0, key)
    state[C_GRAMMAR], state[C_OPEN], state[C_TIME], state[C_STACK], state[C_BOTTOM] = g.TITLED, -1, us, 0, 0
    state[C_LOOSE_STACK] = g.LOOSE_STACK
    state[C_PENDING] = 1 if how == 2 else 0
    state[C_START], state[C_LINE], state[C_TEMPLATE] = start, line, t
    return how != 0


@njit(nogil=True, cache=True, inline="always")
def _close(row, state, forms, stop, lines):  # type: ignore[no-untyped-def]
    """Ends the open report, which is whole."""
    row[r.START] = state[C_START]
    row[r.STOP] = stop
    row[r.LINE] = state[C_LINE]
    row[r.LINES] = lines
    row[r.STACK] = state[C_STACK] if row[r.RELIABLE] > 0 else state[C_LOOSE_STACK]
    row[r.STYLE] = forms[state[C_TEMPLATE] * 8 + T_STYLE]
    state[S_ROWS] += 1


@njit(nogil=True, cache=True, inline="always")
def _trimmed(b, start, end):  # type: ignore[no-untyped-def]
    while end > start and b[end - 1] == 13:
        end -= 1
    return end


@njit(nogil=True, cache=True)
def read_chunk(  # type: ignore[no-untyped-def]
    data, lo, hi, stop, at_end, shapes_a, forms_a, n_templates, table_a, mask, seed,
    steps_a, holds_a, n_holds, rows_a, max_rows, marks_a, max_marks, unknown_a, state_a, scratch_a, quiet_a,
):  # fmt: skip
    """Reads the lines that begin in [lo, hi), and the rest of a report that begins there.

    Args:
        data: the bytes, padded behind `stop`.
        lo, hi: `lo` is the beginning of a line.
        stop: end of the bytes.
        at_end: whether the text ends there.
        shapes_a to holds_a: what is known.
        rows_a, marks_a, unknown_a, state_a: what is written.
    """
    b, shapes, forms = data_of(data), data_of(shapes_a), data_of(forms_a)
    table = data_of(table_a)
    steps, holds, marks, unknown, state = (
        data_of(steps_a), data_of(holds_a), data_of(marks_a), data_of(unknown_a), data_of(state_a),
    )  # fmt: skip
    scratch, quiet = data_of(scratch_a), data_of(quiet_a)
    row = data_of(rows_a[0])
    inside = False
    p, line, last = lo, np.int64(0), np.int64(-1)
    while p < stop and (p < hi or inside):
        start = p
        hint = False
        if inside:
            end = line_end(b, p, stop)
        else:
            end, hint, stray = line_hints(b, p, stop, holds, n_holds)
            if stray:
                state[S_STRAY] = 1
            if state[S_ROWS] >= max_rows or state[S_MARKS] >= max_marks:
                state[S_SHORT] = 2
                break
        if end == stop and not at_end:
            state[S_SHORT] = 1
            break
        behind = min(end + 1, stop)
        q = _trimmed(b, start, end)
        t = _template(b, start, q - start, shapes, forms, n_templates, last)
        m, us = start, np.int64(-1)
        if t >= 0:
            last = t
            m = start + forms[t * 8]
            if inside:
                us = _time(b, start, forms, t, state)
        if inside:
            does = _inside(
                b, start, m, q, t, us, behind == stop and at_end, row, forms, unknown, state, table, mask, seed, steps,
                line, scratch, quiet,
            )  # fmt: skip
            if does == _ENDS and behind < stop:
                # A line without a prefix below the last one could be its rest.
                end = line_end(b, behind, stop)
                if end == stop and not at_end:
                    state[S_SHORT] = 1
                    break
                q_next = _trimmed(b, behind, end)
                u = _template(b, behind, q_next - behind, shapes, forms, n_templates, last)
                if u < 0 and q_next > behind:  # noqa: SIM102
                    if _loose(b, behind, q_next, unknown, state, table, mask, seed, scratch) != 1:
                        does = _BREAKS
            if does == _GOES_ON or does == _ENDS:  # noqa: SIM109
                line += 1
                p = behind
                if start < hi:
                    state[S_LINES] = line
                if does == _ENDS:
                    _close(row, state, forms, behind, line - state[C_LINE])
                    row = data_of(rows_a[state[S_ROWS]])
                    inside = False
                continue
            if does == _STANDS_BEHIND:
                _close(row, state, forms, start, line - state[C_LINE])
                row = data_of(rows_a[state[S_ROWS]])
            else:
                n = line - state[C_LINE]
                _mark(marks, state, state[C_START], start, state[C_LINE], n, r.WANTED, row[r.TIME_US], state[C_TIME])
            inside = False
            if start >= hi:
                break
            end, hint, stray = line_hints(b, start, stop, holds, n_holds)
            if stray:
                state[S_STRAY] = 1
        p = behind
        line += 1
        state[S_LINES] = line
        if q == start:
            continue
        if t >= 0 and q - m >= 31 and word_at(b, m) == BUG_BAD and is_title(b, m, q):
            us = _time(b, start, forms, t, state)
            inside = _open(b, m, q, us, start, line - 1, t, row, unknown, state, table, mask, seed)
            if inside and not (p >= stop and at_end):
                continue
            inside = False
            _mark(marks, state, start, p, line - 1, np.int64(1), r.WANTED, us, us)
            continue
        kind = r.WANTED
        if t < 0:
            loose = _loose(b, start, q, unknown, state, table, mask, seed, scratch)
            if loose == 1:
                continue
            kind = r.LOOSE
        verdict = _outside(b, start, m, q, hint, unknown, state, table, mask, seed, scratch, quiet)
        if verdict == _WANTED or verdict == _UNKNOWN:  # noqa: SIM109
            kind = r.WANTED if t >= 0 else r.BARE
        elif t >= 0:
            continue
        if t >= 0:
            us = _time(b, start, forms, t, state)
        _mark(marks, state, start, p, line - 1, np.int64(1), kind, us, us)
    if inside:
        if at_end and p >= stop:
            n = line - state[C_LINE]
            _mark(marks, state, state[C_START], p, state[C_LINE], n, r.WANTED, row[r.TIME_US], state[C_TIME])
        else:
            state[S_SHORT] = max(state[S_SHORT], 1)
    state[S_AT] = p
