"""Lines for the compiled engine: where they end, what prefix they have, whether they could hold a part of a report.

Every function takes the pointer to the data and offsets in it; the buffer is padded: vectors may read past the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from kvmlab.report.fast_numbers import ALL, ONE, below
from kvmlab.report.fast_rows import PREFIX_ROOM
from kvmlab.report.fast_simd import (
    HAS_LOOKUP,
    count_bits,
    equal_mask,
    letter_mask,
    lookup_mask,
    lowest_bit,
    odd_mask,
    shape_mask,
)

# How far two vectors of a line lie apart where patterns of up to nine bytes are looked for in it.
_STEP = 56
# How far before a place `time_mask` looks, at most.
_BEFORE = 2 * PREFIX_ROOM
# How far ends of lines are looked up at a time, at most; a multiple of a vector.
PIECE = 1 << 14
_TWO, _THREE = np.uint64(2), np.uint64(3)


def three_tables(words: Sequence[bytes]) -> bytes:
    """Tables for `lookup_mask`: which of eight groups of patterns the first, second and third byte may be of.

    Args:
        words: words to look for, by their first three bytes.

    >>> tables = three_tables([b"lure"])
    >>> tables[ord("l")] & tables[128 + ord("u")] & tables[256 + ord("r")]
    16
    """
    tables = np.zeros((3, 128), np.uint8)

    def put(bit: int, *sets: bytes) -> None:
        for table, held in zip(tables, sets, strict=True):
            table[list(held)] |= 1 << bit

    every = bytes(range(128))
    letters = bytes(c for c in every if chr(c).isalpha())
    put(0, bytes(c for c in every if not (9 <= c <= 12 or 32 <= c <= 126)), every, every)
    put(1, b"+", b"0", b"x")
    put(2, b"[", b"<", every)
    put(3, b".", letters, letters + b":")
    for i, word in enumerate(words):
        put(4 + i % 4, word[:1], word[1:2], word[2:3])
    return tables.tobytes()


@njit(nogil=True, cache=True, forceinline=True)
def trimmed(b, start, end):  # type: ignore[no-untyped-def]
    """The end of a line without carriage returns."""
    while end > start and b[end - 1] == 13:
        end -= 1
    return end


@njit(nogil=True, cache=True, forceinline=True)
def count_lines(b, p, q):  # type: ignore[no-untyped-def]
    """How many line feeds stand from `p` to `q`."""
    n = 0
    while p < q:
        n += count_bits(equal_mask(b, p, 10) & below(q - p))
        p += 64
    return n


@njit(nogil=True, cache=True, forceinline=True)
def line_end(b, p, stop):  # type: ignore[no-untyped-def]
    """Where the line that `p` is in ends: at its line feed, or at `stop`."""
    while p < stop:
        found = equal_mask(b, p, 10)
        if found:
            return min(p + lowest_bit(found), stop)
        p += 64
    return stop


@njit(nogil=True, cache=True, forceinline=True)
def time_mask(b, p, own):  # type: ignore[no-untyped-def]
    """Where in 64 bytes `.123456]` ends, as the kernel's times do, but for those `own` bytes behind a line feed."""
    found = equal_mask(b, p, 93)
    if p < _BEFORE:
        return found
    if own > 0:
        found &= ~equal_mask(b, p - own, 10)
    return found & equal_mask(b, p - 7, 46) if found else found


@njit(nogil=True, cache=True, forceinline=True)
def holds_time(b, p, q):  # type: ignore[no-untyped-def]
    """Whether `.123456]` ends between `p` and `q`; seven bytes must stand before `p`."""
    while p < q:
        if time_mask(b, p, 0) & below(q - p):
            return True
        p += 64
    return False


@njit(nogil=True, cache=True, forceinline=True)
def has_shape(b, p, room, shapes, at, length):  # type: ignore[no-untyped-def]
    """Whether a line of `room` bytes begins with the shape of `length` bytes that stands at `at`."""
    if room < length:
        return False
    want = below(length)
    if (shape_mask(b, p, shapes, at) & want) != want:
        return False
    if length > 64:
        want = below(length - 64)
        return (shape_mask(b, p + 64, shapes, at + 64) & want) == want
    return True


@njit(nogil=True, cache=True, forceinline=True)
def _file_at(b, at):  # type: ignore[no-untyped-def]
    """Whether `.c:1` or the like stands at a dot."""
    at += 1
    n = 0
    while n < 4 and ((b[at + n] >= 97 and b[at + n] <= 122) or (b[at + n] >= 65 and b[at + n] <= 90)):
        n += 1
    return n > 0 and b[at + n] == 58 and b[at + n + 1] >= 48 and b[at + n + 1] <= 57


@njit(nogil=True, cache=True, forceinline=True)
def mask_by_lookup(b, p, tables, pieces, n_pieces):  # type: ignore[no-untyped-def]
    """Where in 64 bytes hints may begin, for processors that look them up."""
    return lookup_mask(b, p, tables)


@njit(nogil=True, cache=True, forceinline=True)
def mask_by_compare(b, p, tables, pieces, n_pieces):  # type: ignore[no-untyped-def]
    """Where in 64 bytes hints may begin, for all other processors."""
    opened = equal_mask(b, p, 91)
    found = odd_mask(b, p) | (equal_mask(b, p, 43) & equal_mask(b, p + 1, 48)) | (opened & equal_mask(b, p + 1, 60))
    for i in range(n_pieces):
        held = equal_mask(b, p, pieces[4 * i]) & equal_mask(b, p + 1, pieces[4 * i + 1])
        found |= held & equal_mask(b, p + 2, pieces[4 * i + 2])
    return found | (equal_mask(b, p, 46) & letter_mask(b, p + 1))


# A superset of what `line_hints` finds.
hint_mask = mask_by_lookup if HAS_LOOKUP else mask_by_compare


@njit(nogil=True, cache=True)
def first_hint(b, p, found):  # type: ignore[no-untyped-def]
    """The first of the places from `p` on that `found` has bits for, but for dots that begin no ending of a file."""
    while found:
        at = p + lowest_bit(found)
        if b[at] != 46 or _file_at(b, at):
            return at
        found &= found - ONE
    return p + 64


@njit(nogil=True, cache=True)
def next_hint(b, p, to, own, tables, pieces, n_pieces):  # type: ignore[no-untyped-def]
    """From `p` on, the first place before `to` that a hint may begin at; a place not before `to` if there is none.

    A time `own` bytes behind the end of a line is none.
    """
    while p < to:
        found = hint_mask(b, p, tables, pieces, n_pieces) | time_mask(b, p, own)
        at = first_hint(b, p, found) if found else p + 64
        if at < p + 64:
            return at
        p += 64
    return p


@njit(nogil=True, cache=True, forceinline=True)
def index_lines(b, p, stop, ends, most, reach, own, tables, pieces, n_pieces):  # type: ignore[no-untyped-def]
    """Writes where the lines of the next `reach` bytes end, but no further than to the first place that may be a hint.

    It says how many ends there are, up to where they are known, and up to where there is surely no hint; a time `own`
    bytes behind the end of a line is none.
    """
    n = 0
    enough, hint = p + reach, np.int64(-1)
    while p < stop and (p < enough or n == 0) and n + 64 < most:
        feeds = equal_mask(b, p, 10) & below(stop - p)
        ends[n] = p + lowest_bit(feeds)
        more = feeds & (feeds - ONE)
        ends[n + 1] = p + lowest_bit(more)
        k = n + 2
        n += count_bits(feeds)
        while k < n:
            more &= more - ONE
            ends[k] = p + lowest_bit(more)
            k += 1
        found = hint_mask(b, p, tables, pieces, n_pieces) | time_mask(b, p, own)
        if found and hint < 0:
            at = first_hint(b, p, found)
            if at < p + 64:
                # The end of its line is still looked up.
                hint, enough = at, p
        p += 64
    return n, min(p, stop), p if hint < 0 else hint


@njit(nogil=True, cache=True)
def line_hints(b, p, stop, pieces, n_pieces):  # type: ignore[no-untyped-def]
    """The end of a line, whether it holds anything that a part of a report could be known by, and a stray CR."""
    hint = bracket = stray = False
    at = p
    while True:
        ends = equal_mask(b, at, 10)
        reach = np.int64(64)
        if ends:
            reach = lowest_bit(ends)
        if at + reach >= stop:
            reach = stop - at
        within = ALL if reach >= 64 else (ONE << np.uint64(reach)) - ONE
        odd = odd_mask(b, at) & within
        if odd:
            returns = equal_mask(b, at, 13) & within
            if returns != odd:
                hint = True
            if returns:
                # At the end of a line they belong to its ending.
                first_one = lowest_bit(returns)
                behind = within & ~((ONE << np.uint64(first_one)) - ONE)
                if returns != behind if ends or at + reach >= stop else first_one < _STEP:
                    hint = stray = True
        # `+0x` of entries, `[<` and `<` of addresses and markers; files of decoded entries; words of the title table.
        plus = equal_mask(b, at, 43) & within
        if plus and plus & (equal_mask(b, at, 48) >> ONE) & (equal_mask(b, at, 120) >> _TWO):
            hint = True
        less = equal_mask(b, at, 60) & within
        opened = equal_mask(b, at, 91)
        if less & (opened << ONE):
            hint = True
        if less | (opened & within):
            bracket = True
        for i in range(n_pieces):
            found = equal_mask(b, at, pieces[4 * i]) & within & (equal_mask(b, at, pieces[4 * i + 1]) >> ONE)
            if found:
                found &= equal_mask(b, at, pieces[4 * i + 2]) >> _TWO
                if pieces[4 * i + 3]:
                    found &= equal_mask(b, at, pieces[4 * i + 3]) >> _THREE
                if found:
                    hint = True
        if ends or at + reach >= stop:
            break
        at += _STEP
    end = at + reach
    while bracket and not hint and p < end:
        dots = equal_mask(b, p, 46) & below(min(end - p, _STEP))
        while dots and not hint:
            hint = _file_at(b, p + lowest_bit(dots))
            dots &= dots - ONE
        p += _STEP
    return end, hint, stray
