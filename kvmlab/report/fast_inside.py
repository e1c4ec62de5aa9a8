"""One report, for the compiled engine: line after line through the automaton of `fast_grammar`, into a row."""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_classes import line_class, message_key
from kvmlab.report.fast_hash import find_key, mixed
from kvmlab.report.fast_lines import index_lines, line_end, trimmed
from kvmlab.report.fast_outside import learn, loose, outside, same_caller, template_of, time_of
from kvmlab.report.fast_report import read_title
from kvmlab.report.fast_simd import equal_mask
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
            slot = find_key(table, mask, message_key(b, m, q, seed, style, salts, scratch))
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
            found, number, mix, new = line_class(
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
