"""One report, for the compiled engine: line after line through the automaton of `fast_grammar`, into a row."""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_hash import bytes_hash, find_key, mixed, register_hash
from kvmlab.report.fast_lines import index_lines, line_end, trimmed
from kvmlab.report.fast_outside import learn, loose, outside, same_caller, template_of, time_of
from kvmlab.report.fast_report import BUG_BAD, is_title, read_cpu, read_flags, read_page, read_title, read_words
from kvmlab.report.fast_simd import equal_mask, word_at
from kvmlab.report.fast_state import (
    BREAKS,
    C_END,
    C_ENDS,
    C_LAST,
    C_LINE,
    C_P,
    C_SCANNED,
    ENDS,
    GOES_ON,
    MOST_ENDS,
    MOST_TRAIL,
    N_FORM,
    NEEDS_MORE,
    QUIET,
    S_CALLERS,
    S_LINES,
    S_TAUGHT,
    S_TRAIL,
    SEEN,
    STANDS_BEHIND,
    T_CALLER,
    T_STYLE,
)

# How many lines of a report with unknown ones are still read, to learn from them all at once.
_LOOK_ON = 160
# Of so many reports all lines are learned in one pass; then they are read again.
TEACHERS = 8
_EIGHT = np.uint64(8)
_FIVE, _SIX = np.uint64((1 << 40) - 1), np.uint64((1 << 48) - 1)
(_PAGE5, _RAW5, _CPU5, _PID5, _HEAD6, _FLAGS6, _ANON6, _KSM6, _PAGE6) = (
    np.uint64(int.from_bytes(word, "little"))
    for word in (b"page:", b"raw: ", b"CPU: ", b"Pid: ", b"head: ", b"flags:", b"anon f", b"ksm fl", b"page f")
)  # fmt: skip


@njit(nogil=True, cache=True, forceinline=True)
def _key(b, m, q, seed, style, salts, scratch):  # type: ignore[no-untyped-def]
    """Key of a message inside a report."""
    i = m
    while i < q and b[i] == 32 and i - m < 8:
        i += 1
    salt = seed ^ np.uint64((r.MESSAGE * 64 + style) * 16)
    # Registers are printed with their names in front of colons; their values do not matter to a report's row.
    named = q - i > 8 and (b[i + 2] == 58 or b[i + 3] == 58 or b[i + 4] == 58)
    if named and b[i] != 104 and not (b[i] == 67 and b[i + 1] == 111):
        return register_hash(b, m, q, salt ^ _EIGHT, salts, scratch)
    return bytes_hash(b, m, q, salt, salts, scratch)


@njit(nogil=True, cache=True)
def _found(b, start, m, q, row, unknown, state, table, mask, seed, style, salts, scratch):  # type: ignore[no-untyped-def]
    """Class of a line of a report, its number, its hash, and whether there is something in it to be learned.

    Lines with numbers of their own are read into the row.
    """
    nothing, none = np.int64(-1), np.uint64(0)
    if q - m >= 8:
        word = word_at(b, m)
        five, six = word & _FIVE, word & _SIX
        if word == BUG_BAD and is_title(b, m, q):
            return np.int64(g.TITLE), nothing, none, False
        if five == _PAGE5:
            return np.int64(g.PAGE if read_page(b, m, q, row) else g.BAD), nothing, none, False
        if five == _RAW5:
            return np.int64(g.WORDS if read_words(b, m + 5, q, row, True) else g.BAD), nothing, none, False
        if six == _HEAD6 and b[m + 6] != 111:
            return np.int64(g.HEAD_WORDS if read_words(b, m + 6, q, row, False) else g.BAD), nothing, none, False
        if six == _FLAGS6 or six == _ANON6 or six == _KSM6 or six == _PAGE6:  # noqa: SIM109
            return np.int64(g.FLAGS if read_flags(b, m, q, row) else g.BAD), nothing, none, False
        if five == _CPU5 or five == _PID5:  # noqa: SIM109
            how, at, to, key = read_cpu(b, m, q, row, table, mask, seed, salts, scratch)
            if how == 2:
                learn(unknown, state, r.TASK, at, to, 0, key)
            return np.int64(g.CPU if how == 1 else g.BAD), nothing, none, how == 2
    key = _key(b, m, q, seed, style, salts, scratch)
    slot = find_key(table, mask, key)
    if slot < 0:
        learn(unknown, state, r.MESSAGE, start, q, m - start, key)
        return np.int64(g.BAD), nothing, none, True
    return np.int64(table[slot + 1]), np.int64(table[slot + 2]), table[slot + 3], False


@njit(nogil=True, cache=True)
def read_report(  # type: ignore[no-untyped-def]
    b, start, m, q, us, own, hi, stop, at_end, row, shapes, forms, n_templates, table, mask, seed, salts, own_seed,
    steps, unknown, state, scratch, quiet, ends, trail, seen,
):  # fmt: skip
    """Reads the report whose title stands at `start`; says how it ends, and the time of its last line.

    The title is the line before the place that the state names; behind it, the state names the place behind the report.
    """
    for i in range(r.N_COLUMNS):
        row[i] = -1
    for i in range(r.MAX_WORDS):
        row[r.WORD_0 + i] = 0
    row[r.N_WORDS] = 0
    row[r.TIME_US] = us
    how, at, to, key = read_title(b, m, q, row, table, mask, seed, salts, scratch)
    if how == 2:
        learn(unknown, state, r.NAME, at, to, 0, key)
    p, line, k, n, scanned, last = (
        state[C_P], state[C_LINE], state[C_END], state[C_ENDS], state[C_SCANNED], state[C_LAST],
    )  # fmt: skip
    first_line, own_lines = line - 1, line
    style, has_caller = forms[own * N_FORM + T_STYLE], forms[own * N_FORM + T_CALLER] >= 0
    grammar, opened, stack, loose_stack = np.int64(g.TITLED), np.int64(-1), np.uint64(0), np.uint64(g.LOOSE_STACK)
    frames = reliable = np.int64(0)
    trail_at = state[S_TRAIL] + 2
    keeps = trail_at + 2 * g.MAX_LINES < MOST_TRAIL
    bottom, pending, taught = False, how == 2, False
    does = GOES_ON if how != 0 and not (p >= stop and at_end) else BREAKS
    while does == GOES_ON:
        if p >= stop:
            does = BREAKS if at_end else NEEDS_MORE
            break
        if k == n:
            n, scanned = index_lines(b, scanned, stop, ends, MOST_ENDS)
            k = 0
        end = stop if k == n else ends[k]
        if end == stop and not at_end:
            does = NEEDS_MORE
            break
        behind = min(end + 1, stop)
        q = trimmed(b, p, end)
        t = template_of(b, p, q - p, shapes, forms, n_templates, last)
        if t < 0:
            does = BREAKS
            break
        if t != last and forms[t * N_FORM + T_CALLER] >= 0:
            state[S_CALLERS] = 1
        last = t
        m = p + forms[t * N_FORM]
        now = time_of(b, p, forms, t, state)
        if (
            (t != own and forms[t * N_FORM + T_STYLE] != style)
            or ((has_caller or t != own) and not same_caller(b, p, start, forms, t, own))
            or (now >= 0 and (now - us > g.GAP_US or us - now > g.BACK_US))
            or line - first_line >= g.MAX_LINES
        ):
            does = BREAKS
            break
        found, number, mix = np.int64(-1), np.int64(-1), np.uint64(0)
        if grammar >= g.REASONED and not pending:
            slot = find_key(table, mask, _key(b, m, q, seed, style, salts, scratch))
            if slot >= 0:
                found, number, mix = np.int64(table[slot + 1]), np.int64(table[slot + 2]), table[slot + 3]
        if found < 0:
            # Behind a report that is still to be learned, in the messages of others, there is nothing to learn for it.
            if pending and not equal_mask(b, p, 43):  # noqa: SIM102
                if outside(
                    b, p, m, q, False, unknown, state, table, mask, seed, salts, scratch, quiet
                ) == QUIET:  # fmt: skip
                    does = BREAKS
                    break
            found, number, mix, new = _found(
                b, p, m, q, row, unknown, state, table, mask, seed, style, salts, scratch,
            )  # fmt: skip
            pending = pending or new
        if pending:
            # The report cannot be read yet; the lines that follow are looked at to learn from them all at once.
            if not taught:
                taught = True
                state[S_TAUGHT] += 1
            if found == g.TITLE or (found == g.CLOSE and number == 0) or line - first_line >= _LOOK_ON:
                does = BREAKS
                break
        else:
            following = np.int64(steps[grammar * g.N_CLASSES + found])
            if following == g.DEAD:
                does = BREAKS
                if opened < 0 and frames > 0 and (grammar == g.IN_TRACE or grammar == g.IN_REGISTERS):
                    if found == g.TITLE:
                        does = STANDS_BEHIND
                    elif bottom and not has_caller:  # noqa: SIM102
                        # A message of its own behind the bottom of a stack ends the report.
                        if outside(
                            b, p, m, q, True, unknown, state, table, mask, seed, salts, scratch, quiet
                        ) == QUIET:  # fmt: skip
                            does = STANDS_BEHIND
                break
            grammar = following
            us = now
            if found == g.FRAME:
                frames += 1
                if keeps:
                    trail[trail_at] = number
                    trail_at += 1
                if number & 1:
                    reliable += 1
                    stack = mixed(stack, mix)
                    bottom = bottom or (number & 2) != 0
                else:
                    loose_stack = mixed(loose_stack, mix)
            elif found == g.OPEN:
                if opened >= 0:
                    does = BREAKS
                    break
                opened = number
                if keeps:
                    trail[trail_at] = -1 - 2 * number
                    trail_at += 1
                stack, loose_stack = (
                    mixed(stack, np.uint64(2 * number + 1)), mixed(loose_stack, np.uint64(2 * number + 1)),
                )  # fmt: skip
            elif found == g.CLOSE:
                if opened != number:
                    does = BREAKS
                    break
                opened = np.int64(-1)
                if keeps:
                    trail[trail_at] = -2 - 2 * number
                    trail_at += 1
                stack, loose_stack = (
                    mixed(stack, np.uint64(2 * number + 2)), mixed(loose_stack, np.uint64(2 * number + 2)),
                )  # fmt: skip
                if number == 0:
                    if frames == 0:
                        does = BREAKS
                        break
                    does = ENDS
            elif found == g.REASON:
                row[r.REASON_ID] = number
            elif found == g.HEAD:
                row[r.ORDER] = number
            elif found == g.TYPE:
                row[r.TYPE_ID] = number
            elif found == g.HARDWARE:
                row[r.HARDWARE_ID] = number
            elif found == g.TRACE:
                row[r.TRACE_AT] = p
            if does == GOES_ON and behind == stop and at_end:
                if opened >= 0 or frames == 0 or (grammar != g.IN_TRACE and grammar != g.IN_REGISTERS):
                    does = BREAKS
                    break
                does = ENDS
            if does == ENDS and behind < stop:
                # A line without a prefix below the last one could be its rest.
                end = line_end(b, behind, stop)
                if end == stop and not at_end:
                    does = NEEDS_MORE
                    break
                q = trimmed(b, behind, end)
                if q > behind and template_of(b, behind, q - behind, shapes, forms, n_templates, last) < 0:  # noqa: SIM102
                    if loose(b, behind, q, unknown, state, table, mask, own_seed, salts, scratch) != 1:
                        does = BREAKS
                        break
        line += 1
        if p < hi:
            own_lines = line
        p = behind
        k += 1
    state[S_LINES] = own_lines
    state[C_P], state[C_LINE], state[C_END], state[C_ENDS], state[C_SCANNED], state[C_LAST] = (
        p,
        line,
        k,
        n,
        scanned,
        last,
    )
    row[r.START] = start
    row[r.STOP] = p
    row[r.LINE] = first_line
    row[r.LINES] = line - first_line
    row[r.FRAMES] = frames
    row[r.RELIABLE] = reliable
    found = np.int64(stack if reliable > 0 else loose_stack)
    row[r.STACK] = found
    place = (found >> 20) & (SEEN - 1)
    whole = does in (ENDS, STANDS_BEHIND)
    if keeps and whole and seen[place] != found:
        seen[place] = found
        trail[state[S_TRAIL]] = found
        trail[state[S_TRAIL] + 1] = trail_at - state[S_TRAIL] - 2
        state[S_TRAIL] = trail_at
    row[r.STYLE] = style
    return does, us
