"""One report, for the compiled engine: line after line through the automaton of `fast_grammar`, into a row."""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_classes import line_class, message_key, note
from kvmlab.report.fast_hash import find_key, mixed
from kvmlab.report.fast_lines import count_lines, line_end, trimmed
from kvmlab.report.fast_outside import learn, loose, outside, same_caller, template_of, time_of
from kvmlab.report.fast_report import read_title
from kvmlab.report.fast_run import is_steady, same_prefix, steady_bits, take_known
from kvmlab.report.fast_simd import equal_mask
from kvmlab.report.fast_state import (
    BREAKS,
    C_LAST,
    C_LINE,
    C_P,
    ENDS,
    GOES_ON,
    L_BEFORE,
    L_BOTTOM,
    L_FRAMES,
    L_GRAMMAR,
    L_LOOSE,
    L_RELIABLE,
    L_STACK,
    L_TRAIL,
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
    steps, unknown, state, quiet, trail, seen,
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
    how, at, to, key = read_title(b, m, q, row, table, mask, seed, salts)
    if how == 2:
        learn(unknown, state, r.NAME, at, to, 0, key)
    p, line, last = state[C_P], state[C_LINE], own
    first_line = line - 1
    style, has_caller = forms[own * N_FORM + T_STYLE], forms[own * N_FORM + T_CALLER] >= 0
    if has_caller:
        state[S_CALLERS] = 1
    length = forms[own * N_FORM]
    steady, more_steady = steady_bits(forms, own, 0), steady_bits(forms, own, 64)
    state[L_GRAMMAR], state[L_STACK], state[L_LOOSE] = g.TITLED, 0, g.LOOSE_STACK
    state[L_FRAMES] = state[L_RELIABLE] = state[L_BOTTOM] = 0
    trail_at = state[S_TRAIL] + 2
    # What is written where there is too little room is not kept.
    keeps = trail_at + 2 * g.MAX_LINES < MOST_TRAIL
    state[L_TRAIL], state[L_BEFORE] = trail_at, start
    # The line that others must be like to be known for lines of this report without a look at their times, if any; and
    # the template of the line before.
    base = start if is_steady(forms, own) else np.int64(-1)
    before_t = own
    opened = np.int64(-1)
    pending, taught = how == 2, False
    does = GOES_ON if how != 0 and not (p >= stop and at_end) else BREAKS
    while does == GOES_ON:
        if base >= 0 and not pending and state[L_GRAMMAR] >= g.FLAGGED:
            p, line = take_known(
                b, p, line, first_line + g.MAX_LINES, stop, base, shapes, own, length, steady, more_steady, table, mask,
                seed, style, salts, steps, row, state, trail,
            )  # fmt: skip
        if p >= stop:
            does = BREAKS if at_end else NEEDS_MORE
            break
        end = line_end(b, p, stop)
        if end == stop and not at_end:
            does = NEEDS_MORE
            break
        behind = min(end + 1, stop)
        q = trimmed(b, p, end)
        t = own
        if line - first_line >= g.MAX_LINES:
            does = BREAKS
            break
        if base < 0 or q - p < length or not same_prefix(b, p, base, shapes, own, length, steady, more_steady):
            t = template_of(b, p, q - p, shapes, forms, n_templates, last)
            if t < 0:
                does = BREAKS
                break
            if t != last and forms[t * N_FORM + T_CALLER] >= 0:
                state[S_CALLERS] = 1
            now, us = time_of(b, p, forms, t, state), time_of(b, state[L_BEFORE], forms, before_t, state)
            if (
                (t != own and forms[t * N_FORM + T_STYLE] != style)
                or ((has_caller or t != own) and not same_caller(b, p, start, forms, t, own))
                or (now >= 0 and (now - us > g.GAP_US or us - now > g.BACK_US))
            ):
                last, does = t, BREAKS
                break
            base = p if t == own and is_steady(forms, own) else np.int64(-1)
        last = t
        m = p + forms[t * N_FORM]
        grammar = state[L_GRAMMAR]
        found, number, mix = np.int64(-1), np.int64(-1), np.uint64(0)
        if grammar >= g.REASONED and not pending:
            slot = find_key(table, mask, message_key(b, m, q, seed, style, salts))
            if slot >= 0:
                found, number, mix = np.int64(table[slot + 1]), np.int64(table[slot + 2]), table[slot + 3]
        if found < 0:
            # Behind a report that is still to be learned, in the messages of others, there is nothing to learn for it.
            if pending and not equal_mask(b, p, 43):  # noqa: SIM102
                if outside(b, p, m, q, False, unknown, state, table, mask, seed, salts, quiet) == QUIET:
                    does = BREAKS
                    break
            found, number, mix, new = line_class(
                b, p, m, q, row, unknown, state, table, mask, seed, style, salts,
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
            whole = opened < 0 and state[L_FRAMES] > 0
            if following == g.DEAD:
                does = BREAKS
                if whole and (grammar == g.IN_TRACE or grammar == g.IN_REGISTERS):
                    if found == g.TITLE:
                        does = STANDS_BEHIND
                    elif state[L_BOTTOM] != 0 and not has_caller:  # noqa: SIM102
                        # A message of its own behind the bottom of a stack ends the report.
                        if outside(b, p, m, q, True, unknown, state, table, mask, seed, salts, quiet) == QUIET:
                            does = STANDS_BEHIND
                break
            state[L_GRAMMAR] = following
            state[L_BEFORE], before_t = p, t
            if found == g.FRAME:
                state[L_FRAMES] += 1
                _follow(state, trail, number)
                if number & 1:
                    state[L_RELIABLE] += 1
                    state[L_STACK] = np.int64(mixed(np.uint64(state[L_STACK]), mix))
                    state[L_BOTTOM] |= number & 2
                else:
                    state[L_LOOSE] = np.int64(mixed(np.uint64(state[L_LOOSE]), mix))
            elif found == g.OPEN:
                if opened >= 0:
                    does = BREAKS
                    break
                opened = number
                _mark(state, trail, 2 * number + 1)
            elif found == g.CLOSE:
                if opened != number:
                    does = BREAKS
                    break
                opened = np.int64(-1)
                _mark(state, trail, 2 * number + 2)
                if number == 0:
                    if state[L_FRAMES] == 0:
                        does = BREAKS
                        break
                    does = ENDS
            else:
                note(row, found, number, p)
            if does == GOES_ON and behind == stop and at_end:
                whole = opened < 0 and state[L_FRAMES] > 0
                if not whole or (following != g.IN_TRACE and following != g.IN_REGISTERS):
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
                    if loose(b, behind, q, unknown, state, table, mask, own_seed, salts) != 1:
                        does = BREAKS
                        break
        line += 1
        p = behind
    # Lines of the report that begin behind `hi` are the next chunk's.
    state[S_LINES] = line - count_lines(b, hi - 1, p - 1)
    state[C_P], state[C_LINE], state[C_LAST] = p, line, last
    row[r.START] = start
    row[r.STOP] = p
    row[r.LINE] = first_line
    row[r.LINES] = line - first_line
    row[r.FRAMES] = state[L_FRAMES]
    row[r.RELIABLE] = state[L_RELIABLE]
    found = state[L_STACK] if state[L_RELIABLE] > 0 else state[L_LOOSE]
    row[r.STACK] = found
    row[r.STYLE] = style
    if keeps and does in (ENDS, STANDS_BEHIND):
        _keep(state, trail, seen, found)
    return does, time_of(b, state[L_BEFORE], forms, before_t, state)


@njit(nogil=True, cache=True, forceinline=True)
def _follow(state, trail, number):  # type: ignore[no-untyped-def]
    """Writes a number into the trail."""
    trail[state[L_TRAIL]] = number
    state[L_TRAIL] += 1


@njit(nogil=True, cache=True, forceinline=True)
def _mark(state, trail, number):  # type: ignore[no-untyped-def]
    """Writes down that a stack opens or closes, in the trail and in both hashes."""
    _follow(state, trail, -number)
    state[L_STACK] = np.int64(mixed(np.uint64(state[L_STACK]), np.uint64(number)))
    state[L_LOOSE] = np.int64(mixed(np.uint64(state[L_LOOSE]), np.uint64(number)))


@njit(nogil=True, cache=True, forceinline=True)
def _keep(state, trail, seen, stack):  # type: ignore[no-untyped-def]
    """Keeps what is in the trail of a report whose stack has not been seen."""
    place = (stack >> 20) & (SEEN - 1)
    if seen[place] == stack:
        return
    seen[place] = stack
    trail[state[S_TRAIL]] = stack
    trail[state[S_TRAIL] + 1] = state[L_TRAIL] - state[S_TRAIL] - 2
    state[S_TRAIL] = state[L_TRAIL]
