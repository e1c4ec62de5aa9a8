"""Bytes for the compiled engine: line ends, numbers, hashes and look-ups, on bare pointers.

Every reader takes the pointer to the data and offsets in it; the buffer is padded: vectors may read past the end.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report.fast_simd import (
    blots_to,
    equal_mask,
    folded_product,
    hex_mask,
    lowest_bit,
    odd_mask,
    shape_mask,
    word_at,
    zeros_to,
)

_K = np.uint64(0x9E3779B97F4A7C15)
_L = np.uint64(0xD6E8FEB86659FD93)
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOW = np.uint64(0x0101010101010101)
# How far two vectors of a line lie apart where patterns of up to nine bytes are looked for in it.
_STEP = 56


def literal(word: bytes) -> tuple[int, np.uint64, np.uint64, int, np.uint64]:
    """A word of up to 16 bytes as `holds` compares it: length, first bytes and their mask, place of the last, the last.

    >>> literal(b"page:")[0]
    5
    """
    first, last = word[:8], word[-8:]
    keep = (1 << 8 * len(first)) - 1
    at = max(0, len(word) - 8)
    begins, ends = np.uint64(int.from_bytes(first, "little")), np.uint64(int.from_bytes(last, "little"))
    return len(word), begins, np.uint64(keep), at, ends


@njit(nogil=True, cache=True, inline="always")
def holds(b, p, q, word):  # type: ignore[no-untyped-def]
    """Whether a literal stands at `p`, before `q`."""
    return p + word[0] <= q and (word_at(b, p) & word[2]) == word[1] and (word_at(b, p + word[3]) & word[2]) == word[4]


@njit(nogil=True, cache=True, inline="always")
def mixed(value, word):  # type: ignore[no-untyped-def]
    """A hash with one more word in it."""
    value = (value ^ word) * _K
    return value ^ (value >> np.uint64(32))


@njit(nogil=True, cache=True)
def line_end(b, p, stop):  # type: ignore[no-untyped-def]
    """Where the line that `p` is in ends: at its line feed, or at `stop`."""
    while p < stop:
        found = equal_mask(b, p, 10)
        if found:
            return min(p + lowest_bit(found), stop)
        p += 64
    return stop


@njit(nogil=True, cache=True)
def _names_file(b, p, stop):  # type: ignore[no-untyped-def]
    """Whether `.c:1` or the like stands between two offsets (or begins there)."""
    dots = equal_mask(b, p, 46)
    while dots:
        at = p + lowest_bit(dots) + 1
        dots &= dots - _ONE
        if at > stop:
            return False
        n = 0
        while n < 4 and ((b[at + n] >= 97 and b[at + n] <= 122) or (b[at + n] >= 65 and b[at + n] <= 90)):
            n += 1
        if n > 0 and b[at + n] == 58 and b[at + n + 1] >= 48 and b[at + n + 1] <= 57:
            return True
    return False


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
        within = _ALL if reach >= 64 else (_ONE << np.uint64(reach)) - _ONE
        odd = odd_mask(b, at) & within
        if odd:
            returns = equal_mask(b, at, 13) & within
            if returns != odd:
                hint = True
            if returns:
                # At the end of a line they belong to its ending.
                first_one = lowest_bit(returns)
                behind = within & ~((_ONE << np.uint64(first_one)) - _ONE)
                if returns != behind if ends or at + reach >= stop else first_one < _STEP:
                    hint = stray = True
        # `+0x` of entries, `[<` and `<` of addresses and markers; files of decoded entries; words of the title table.
        plus = equal_mask(b, at, 43) & within
        if plus and plus & (equal_mask(b, at, 48) >> _ONE) & (equal_mask(b, at, 120) >> np.uint64(2)):
            hint = True
        less = equal_mask(b, at, 60) & within
        opened = equal_mask(b, at, 91)
        if less & (opened << _ONE):
            hint = True
        if less | (opened & within):
            bracket = True
        for i in range(n_pieces):
            found = equal_mask(b, at, pieces[4 * i]) & within & (equal_mask(b, at, pieces[4 * i + 1]) >> _ONE)
            if found:
                if pieces[4 * i + 2]:
                    found &= equal_mask(b, at, pieces[4 * i + 2]) >> np.uint64(2)
                if pieces[4 * i + 3]:
                    found &= equal_mask(b, at, pieces[4 * i + 3]) >> np.uint64(3)
                if found:
                    hint = True
        if ends or at + reach >= stop:
            break
        at += _STEP
    end = at + reach
    while bracket and not hint and p < end:
        hint = _names_file(b, p, end)
        p += _STEP
    return end, hint, stray


@njit(nogil=True, cache=True, inline="always")
def has_shape(b, p, room, shapes, at, length):  # type: ignore[no-untyped-def]
    """Whether a line of `room` bytes begins with the shape of `length` bytes that stands at `at`."""
    if room < length:
        return False
    first = length if length < 64 else 64
    want = _ALL if first >= 64 else (_ONE << np.uint64(first)) - _ONE
    if (shape_mask(b, p, shapes, at) & want) != want:
        return False
    if length > 64:
        want = _ALL if length >= 128 else (_ONE << np.uint64(length - 64)) - _ONE
        return (shape_mask(b, p + 64, shapes, at + 64) & want) == want
    return True


@njit(nogil=True, cache=True, inline="always")
def _sixteen(value, b, p, salt):  # type: ignore[no-untyped-def]
    """Sixteen bytes more in a hash; no step waits for the one before."""
    return value + folded_product(word_at(b, p) ^ salt, word_at(b, p + 8) ^ ~value_free(salt))


@njit(nogil=True, cache=True, inline="always")
def value_free(salt):  # type: ignore[no-untyped-def]
    """A second salt from the first."""
    return salt * _K + _L


@njit(nogil=True, cache=True, inline="always")
def _kept(n):  # type: ignore[no-untyped-def]
    """Mask of the lowest `n` bytes of a word."""
    return _ALL if n >= 8 else ((_ONE << np.uint64(8 * n)) - _ONE if n > 0 else np.uint64(0))


@njit(nogil=True, cache=True)
def bytes_hash(b, p, q, seed):  # type: ignore[no-untyped-def]
    """Hash of the bytes from `p` to `q`."""
    value = np.uint64(q - p)
    salt = seed
    while p + 16 <= q:
        value = _sixteen(value, b, p, salt)
        salt += _K
        p += 16
    if p < q:
        n = q - p
        value += folded_product(
            (word_at(b, p) & _kept(n)) ^ salt, (word_at(b, p + 8) & _kept(n - 8)) ^ ~value_free(salt)
        )
    return mixed(value, seed) | _ONE


@njit(nogil=True, cache=True, inline="always")
def zero_digits(word):  # type: ignore[no-untyped-def]
    """Eight bytes with a zero for every digit."""
    t = word ^ (np.uint64(0x30) * _LOW)
    other = (((t & (np.uint64(0x7F) * _LOW)) + np.uint64(0x76) * _LOW) | t) & (np.uint64(0x80) * _LOW)
    digits = ((other ^ (np.uint64(0x80) * _LOW)) >> np.uint64(7)) * np.uint64(0xFF)
    return (word & ~digits) | ((np.uint64(0x30) * _LOW) & digits)


@njit(nogil=True, cache=True)
def register_hash(b, p, q, seed, scratch):  # type: ignore[no-untyped-def]
    """Hash of a line of registers in which every run of four and more hexadecimal digits counts by its length only."""
    return _blotted_hash(b, p, q, seed, scratch, False)


@njit(nogil=True, cache=True)
def plain_hash(b, p, q, seed, scratch):  # type: ignore[no-untyped-def]
    """The same with a zero for every other digit, too; `scratch` has room for 64 bytes."""
    return _blotted_hash(b, p, q, seed, scratch, True)


@njit(nogil=True, cache=True, inline="always")
def _blotted_hash(b, p, q, seed, scratch, zeros):  # type: ignore[no-untyped-def]
    value = np.uint64(q - p)
    goes_on = False
    while p < q:
        digits = hex_mask(b, p)
        four = digits & (digits >> _ONE)
        four &= four >> np.uint64(2)
        runs = four | (four << _ONE)
        runs |= runs << np.uint64(2)
        if goes_on:
            runs |= digits & ~(digits + _ONE)
        goes_on = (runs >> np.uint64(63)) != 0
        if zeros:
            zeros_to(b, p, scratch)
            blots_to(scratch, 0, runs, scratch)
        else:
            blots_to(b, p, runs, scratch)
        value = mixed(value, bytes_hash(scratch, 0, min(q - p, 64), seed))
        p += 64
    return value | _ONE


@njit(nogil=True, cache=True, inline="always")
def find_key(table, mask, key):  # type: ignore[no-untyped-def]
    """Where the entry of a key begins in an open table of four words an entry, -1 if it is not there; no key is 0."""
    slot = np.int64(key >> np.uint64(20)) & mask
    while True:
        held = table[4 * slot]
        if held == key:
            return 4 * slot
        if held == 0:
            return np.int64(-1)
        slot = (slot + 1) & mask


@njit(nogil=True, cache=True, inline="always")
def six_digits(b, p):  # type: ignore[no-untyped-def]
    """The number that the six digits at `p` make; two bytes must stand before them."""
    word = (word_at(b, p - 2) >> np.uint64(16)) << np.uint64(16)
    word = (word | np.uint64(0x3030)) - np.uint64(0x30) * _LOW
    word = (word * np.uint64(10)) + (word >> np.uint64(8))
    low = (word & np.uint64(0x000000FF000000FF)) * np.uint64(0x000F424000000064)
    high = ((word >> np.uint64(16)) & np.uint64(0x000000FF000000FF)) * np.uint64(0x0000271000000001)
    return np.int64((low + high) >> np.uint64(32))


@njit(nogil=True, cache=True, inline="always")
def eight_digits(b, p):  # type: ignore[no-untyped-def]
    """The number that the eight hexadecimal digits at `p` make."""
    v = word_at(b, p)
    v = (v & (np.uint64(0x0F) * _LOW)) + np.uint64(9) * ((v >> np.uint64(6)) & _LOW)
    v = ((v << np.uint64(4)) | (v >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    v = ((v << np.uint64(8)) | (v >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return ((v << np.uint64(16)) | (v >> np.uint64(32))) & np.uint64(0xFFFFFFFF)


@njit(nogil=True, cache=True, inline="always")
def read_hex(b, p, q):  # type: ignore[no-untyped-def]
    """The hexadecimal number at `p`, and where it ends; a number of no or of more than 16 digits ends at -1."""
    value = np.uint64(0)
    i = p
    while i < q:
        c = b[i]
        if c >= 48 and c <= 57:
            value = (value << np.uint64(4)) | np.uint64(c - 48)
        elif c >= 97 and c <= 102:
            value = (value << np.uint64(4)) | np.uint64(c - 87)
        else:
            break
        i += 1
    return value, (i if i > p and i - p <= 16 else np.int64(-1))


@njit(nogil=True, cache=True, inline="always")
def read_decimal(b, p, q, most):  # type: ignore[no-untyped-def]
    """The decimal number at `p`, with a sign or none, and where it ends; one of no or of too many digits ends at -1."""
    value = np.int64(0)
    i = p
    minus = i < q and b[i] == 45
    if minus:
        i += 1
    first = i
    while i < q and b[i] >= 48 and b[i] <= 57 and i - first <= most:
        value = value * 10 + (np.int64(b[i]) - 48)
        i += 1
    return (-value if minus else value), (i if i > first and i - first <= most else np.int64(-1))
