"""Runs of known lines within a report, for the compiled engine: the short way that most lines of a storm take.

It reads what `fast_inside` would read line by line, as long as prefixes are like that of a line before and messages are
known; the first line that is not so is left to that.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_classes import CPU4, FOUR, RAW4, message_key, note
from kvmlab.report.fast_hash import find_key, mixed
from kvmlab.report.fast_lines import line_end
from kvmlab.report.fast_numbers import below
from kvmlab.report.fast_simd import equal_mask, lowest_bit, same_mask, shape_mask, word_at
from kvmlab.report.fast_state import (
    L_BEFORE,
    L_BOTTOM,
    L_FRAMES,
    L_GRAMMAR,
    L_LOOSE,
    L_RELIABLE,
    L_STACK,
    L_TRAIL,
    N_FORM,
    T_CALLER,
    T_CALLER_END,
    T_FIRST,
    T_MICROS,
    T_SECONDS,
    T_SECONDS_END,
)


@njit(nogil=True, cache=True, forceinline=True)
def is_steady(forms, t):  # type: ignore[no-untyped-def]
    """Whether two lines are less than a second apart if their prefixes show the same second (or no time at all)."""
    return forms[t * N_FORM + T_FIRST] != 0 and (forms[t * N_FORM + T_SECONDS] < 0 or forms[t * N_FORM + T_MICROS] >= 0)


@njit(nogil=True, cache=True, forceinline=True)
def steady_bits(forms, t, at):  # type: ignore[no-untyped-def]
    """The bytes of a prefix, of 64 from `at` on, in which lines of one caller and second are the same."""
    seconds, seconds_end = forms[t * N_FORM + T_SECONDS], forms[t * N_FORM + T_SECONDS_END]
    caller, caller_end = forms[t * N_FORM + T_CALLER], forms[t * N_FORM + T_CALLER_END]
    found = below(max(0, seconds_end - at)) & ~below(max(0, seconds - at))
    return found | (below(max(0, caller_end - at)) & ~below(max(0, caller - at)))


@njit(nogil=True, cache=True, forceinline=True)
def same_prefix(b, p, base, shapes, t, length, steady, more_steady):  # type: ignore[no-untyped-def]
    """Whether the line at `p` has the prefix of the one at `base`, of template `t`, up to digits that may differ."""
    wrong = ~shape_mask(b, p, shapes, t * r.PREFIX_ROOM) & below(length)
    wrong |= ~same_mask(b, p, base) & steady
    if length > 64:
        wrong |= ~shape_mask(b, p + 64, shapes, t * r.PREFIX_ROOM + 64) & below(length - 64)
        wrong |= ~same_mask(b, p + 64, base + 64) & more_steady
    return wrong == 0


@njit(nogil=True, cache=True)
def take_known(  # type: ignore[no-untyped-def]
    b, p, line, upto, stop, base, shapes, t, length, steady, more_steady, table, mask, seed, style, salts, steps, row,
    state, trail,
):  # fmt: skip
    """Takes known lines from `p` on; where the first one begins that is left, and its number.

    Args:
        b, p, stop: the text; the last line of it is left.
        line, upto: number of the line at `p`, and the one to stop at.
        base: where a line of the report begins whose prefix, of template `t`, the others must share.
        state: the running values of the report, changed.
    """
    grammar, trail_at = state[L_GRAMMAR], state[L_TRAIL]
    stack, loose_stack = np.uint64(state[L_STACK]), np.uint64(state[L_LOOSE])
    frames, reliable, bottom = state[L_FRAMES], state[L_RELIABLE], state[L_BOTTOM]
    before = state[L_BEFORE]
    while line < upto and same_prefix(b, p, base, shapes, t, length, steady, more_steady):
        m = p + length
        four = word_at(b, m) & FOUR
        if four == RAW4 or four == CPU4:  # noqa: SIM109
            # Lines with numbers of their own.
            break
        feeds = equal_mask(b, m, 10)
        q = m + lowest_bit(feeds)
        if feeds == 0:
            q = line_end(b, q, stop)
        if q + 1 >= stop:
            break
        slot = find_key(table, mask, message_key(b, m, q, seed, style, salts))
        if slot < 0:
            break
        found, number = np.int64(table[slot + 1]), np.int64(table[slot + 2])
        following = np.int64(steps[grammar * g.N_CLASSES + found])
        if found == g.FRAME and following != g.DEAD:
            frames += 1
            trail[trail_at] = number
            trail_at += 1
            # Whether an entry is confirmed cannot be foretold: without a branch, no guess is wrong.
            sure = np.uint64(0) - np.uint64(number & 1)
            after = mixed((stack & sure) | (loose_stack & ~sure), table[slot + 3])
            stack, loose_stack = (after & sure) | (stack & ~sure), (loose_stack & sure) | (after & ~sure)
            reliable += number & 1
            bottom |= number & 2 & np.int64(sure)
        elif following == g.DEAD or found == g.OPEN or found == g.CLOSE:
            break
        else:
            note(row, found, number, p)
        grammar = following
        before = p
        p = q + 1
        line += 1
    state[L_GRAMMAR], state[L_TRAIL], state[L_BEFORE] = grammar, trail_at, before
    state[L_STACK], state[L_LOOSE] = np.int64(stack), np.int64(loose_stack)
    state[L_FRAMES], state[L_RELIABLE], state[L_BOTTOM] = frames, reliable, bottom
    return p, line
