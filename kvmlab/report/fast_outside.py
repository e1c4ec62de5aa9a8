"""Lines outside reports, for the compiled engine: prefixes, times, what is quiet, what there is to be learned."""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_hash import find_key, mixed, plain_hash, register_hash
from kvmlab.report.fast_lines import has_shape
from kvmlab.report.fast_numbers import ONE, below, six_digits, zero_digits
from kvmlab.report.fast_simd import word_at
from kvmlab.report.fast_state import (
    C_SECONDS,
    C_SHOWN,
    DETAIL,
    N_FORM,
    NEAR,
    QUIET,
    S_FULL,
    S_MARKS,
    S_UNKNOWN,
    T_CALLER,
    T_CALLER_END,
    T_FIRST,
    T_MICROS,
    T_SECONDS,
    T_SECONDS_END,
    UNKNOWN,
    WANTED,
)

_EIGHT = np.uint64(8)
# Beginnings of messages behind a prefix and of lines without one are different things.
BEHIND, BARE = np.uint64(r.BEGINNING * 64 + 1), np.uint64(r.BEGINNING * 64)


@njit(nogil=True, cache=True, forceinline=True)
def template_of(b, p, room, shapes, forms, n, last):  # type: ignore[no-untyped-def]
    """The template that a line begins with, -1 if none; that of the line before is tried first where it is safe."""
    if (
        last >= 0
        and forms[last * N_FORM + T_FIRST]
        and has_shape(b, p, room, shapes, last * r.PREFIX_ROOM, forms[last * N_FORM])
    ):
        return last
    for i in range(n):
        if has_shape(b, p, room, shapes, i * r.PREFIX_ROOM, forms[i * N_FORM]):
            return np.int64(i)
    return np.int64(-1)


@njit(nogil=True, cache=True, forceinline=True)
def time_of(b, p, forms, t, state):  # type: ignore[no-untyped-def]
    """Microseconds since boot, -1 if the prefix has no time; seconds are read again only where they differ."""
    first, end = forms[t * N_FORM + T_SECONDS], forms[t * N_FORM + T_SECONDS_END]
    micros = forms[t * N_FORM + T_MICROS]
    if first < 0:
        return np.int64(-1)
    if micros < 0:
        return _digits(b, p + first, p + end)
    if end < 8:
        return _digits(b, p + first, p + end) * 1_000_000 + six_digits(b, p + micros)
    shown = np.int64(word_at(b, p + end - 8))
    if shown != state[C_SHOWN] or end - first > 8:
        state[C_SHOWN] = shown
        state[C_SECONDS] = _digits(b, p + first, p + end) * 1_000_000
    return state[C_SECONDS] + six_digits(b, p + micros)


@njit(nogil=True, cache=True)
def _digits(b, p, q):  # type: ignore[no-untyped-def]
    value = np.int64(0)
    for i in range(p, q):
        value = value * 10 + (np.int64(b[i]) - 48)
    return value


@njit(nogil=True, cache=True, forceinline=True)
def same_caller(b, p, q, forms, t, u):  # type: ignore[no-untyped-def]
    """Whether the prefixes at `p` (template `t`) and `q` (`u`) name the same caller."""
    first, second = forms[t * N_FORM + T_CALLER], forms[u * N_FORM + T_CALLER]
    length = forms[t * N_FORM + T_CALLER_END] - first
    if forms[u * N_FORM + T_CALLER_END] - second != length:
        return False
    if first < 0 or second < 0:
        return first == second
    while length > 8:
        if word_at(b, p + first) != word_at(b, q + second):
            return False
        first, second, length = first + 8, second + 8, length - 8
    return ((word_at(b, p + first) ^ word_at(b, q + second)) & below(8 * length)) == 0


@njit(nogil=True, cache=True)
def learn(unknown, state, kind, start, stop, length, key):  # type: ignore[no-untyped-def]
    """Writes down a line that is not known, or a part of it."""
    n = state[S_UNKNOWN]
    if n < state[S_FULL]:
        at = n * r.N_UNKNOWN
        unknown[at + r.UNKNOWN_KIND] = kind
        unknown[at + r.UNKNOWN_START] = start
        unknown[at + r.UNKNOWN_STOP] = stop
        unknown[at + r.UNKNOWN_LENGTH] = length
        unknown[at + r.UNKNOWN_KEY] = np.int64(key)
        state[S_UNKNOWN] = n + 1


@njit(nogil=True, cache=True, forceinline=True)
def beginning_key(word, seed):  # type: ignore[no-untyped-def]
    """Key of how a message begins; `seed` has `BEHIND` or `BARE` in it."""
    return mixed(zero_digits(word), seed) | ONE


@njit(nogil=True, cache=True, forceinline=True)
def is_near(quiet, key):  # type: ignore[no-untyped-def]
    """Whether a key is in the small table of what is quiet."""
    place = np.int64(key >> np.uint64(44)) & (NEAR - 1)
    return quiet[place] == key or quiet[place ^ 1] == key


@njit(nogil=True, cache=True)
def put_near(quiet, key):  # type: ignore[no-untyped-def]
    """Puts a key into the small table; of two that are in its way, one goes."""
    place = np.int64(key >> np.uint64(44)) & (NEAR - 1)
    if quiet[place] != 0:
        place ^= 1
    quiet[place] = key


@njit(nogil=True, cache=True, forceinline=True)
def whole_seed(seed, behind):  # type: ignore[no-untyped-def]
    """What the hash of a whole line outside reports begins with, behind a prefix or without one."""
    return seed ^ np.uint64(r.WHOLE * 64 + behind)


@njit(nogil=True, cache=True)
def pass_quiet(b, p, hi, clear, k, n, ends, shapes, t, length, seed, salts, quiet):  # type: ignore[no-untyped-def]
    """Passes lines that are known to be quiet; where the first other one begins, and the number of its end.

    Args:
        b, p, hi: the text; lines that begin behind `hi` are left.
        clear: up to where there is surely no hint.
        k, n, ends: number of the first line's end among those known, how many are, and they.
        shapes, t, length: the template that all of them must have.
    """
    while k < n and p < hi:
        end = ends[k]
        if (
            length < 7
            or end > clear
            or end - p < length + 8
            or not has_shape(b, p, end - p, shapes, t * r.PREFIX_ROOM, length)
        ):
            break
        m = p + length
        if not is_near(quiet, beginning_key(word_at(b, m), seed ^ BEHIND)):  # noqa: SIM102
            if not is_near(quiet, plain_hash(b, m, end, whole_seed(seed, 1), salts)):
                break
        p = end + 1
        k += 1
    return p, k


@njit(nogil=True, cache=True)
def outside(b, start, p, q, hint, unknown, state, table, mask, seed, salts, quiet):  # type: ignore[no-untyped-def]
    """What a message is outside a report: first by its beginning, as a whole only if that or a hint says so."""
    i = p
    while i < q and (b[i] == 32 or b[i] == 9):
        i += 1
    if i == q:
        return QUIET
    word = word_at(b, i)
    if q - i < 8:
        word &= below(8 * (q - i))
    key = beginning_key(word, seed ^ (BEHIND if p > start else BARE))
    # The commonest quiet beginnings are kept apart, in the nearest cache.
    if not hint and is_near(quiet, key):
        return QUIET
    slot = find_key(table, mask, key)
    if slot < 0:
        learn(unknown, state, r.BEGINNING, start, q, p - start, key)
        return UNKNOWN
    begins = np.int64(table[slot + 1])
    if begins == 0 and not hint:
        put_near(quiet, key)
        return QUIET
    salt = whole_seed(seed, 1 if p > start else 0)
    # Where digits can be part of the name of a register, short numbers matter.
    key = register_hash(b, p, q, salt ^ _EIGHT, salts) if begins == 2 else plain_hash(b, p, q, salt, salts)
    if is_near(quiet, key):
        return QUIET
    slot = find_key(table, mask, key)
    if slot >= 0:
        found = np.int64(table[slot + 1])
        if found == 1:
            put_near(quiet, key)
        return WANTED if found == 2 else (DETAIL if found == 3 else QUIET)
    learn(unknown, state, r.WHOLE, start, q, p - start, key)
    return UNKNOWN


@njit(nogil=True, cache=True)
def loose(b, p, q, unknown, state, table, mask, seed, salts):  # type: ignore[no-untyped-def]
    """What a line without a known template begins with: 1 a program's message, 2 nothing, 0 if that must be learned."""
    end = p
    while end < q and end < p + 128 and not (b[end] == 58 and end + 1 < q and b[end + 1] == 32):
        end += 1
    key = plain_hash(b, p, end, seed ^ np.uint64(r.PREFIX * 64 + (1 if end - p == 128 else 0)), salts)
    slot = find_key(table, mask, key)
    if slot >= 0:
        return np.int64(table[slot + 1])
    learn(unknown, state, r.PREFIX, p, q, 0, key)
    return np.int64(0)


@njit(nogil=True, cache=True)
def mark(marks, state, start, stop, line, lines, kind, us, last_us):  # type: ignore[no-untyped-def]
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
