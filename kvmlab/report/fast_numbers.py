"""Numbers in bytes for the compiled engine: decimal and hexadecimal, eight digits at a time, on bare pointers."""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report.fast_simd import hex_mask, lowest_bit, word_at

ONE = np.uint64(1)
ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOW = np.uint64(0x0101010101010101)
_NINES, _SIGNS = np.uint64(0x7F) * _LOW, np.uint64(0x80) * _LOW
_NIBBLES = np.uint64(0x0F) * _LOW
_ZEROS, _ABOVE = np.uint64(0x30) * _LOW, np.uint64(0x76) * _LOW


@njit(nogil=True, cache=True, forceinline=True)
def below(n):  # type: ignore[no-untyped-def]
    """Mask of the lowest `n` bits of a word, all for 64 and more."""
    return ALL if n >= 64 else (ONE << np.uint64(n)) - ONE


@njit(nogil=True, cache=True, forceinline=True)
def _no_digits(word):  # type: ignore[no-untyped-def]
    """The highest bit of every byte that is no decimal digit."""
    t = word ^ _ZEROS
    return (((t & _NINES) + _ABOVE) | t) & _SIGNS


@njit(nogil=True, cache=True, forceinline=True)
def zero_digits(word):  # type: ignore[no-untyped-def]
    """Eight bytes with a zero for every digit."""
    digits = ((_no_digits(word) ^ _SIGNS) >> np.uint64(7)) * np.uint64(0xFF)
    return (word & ~digits) | (_ZEROS & digits)


@njit(nogil=True, cache=True, forceinline=True)
def _decimal(word):  # type: ignore[no-untyped-def]
    """The number that eight digits make, NUL for leading zeros."""
    word = word & _NIBBLES
    word = (word * np.uint64(10) + (word >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    word = (word * np.uint64(100) + (word >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return (word * np.uint64(10000) + (word >> np.uint64(32))) & np.uint64(0xFFFFFFFF)


@njit(nogil=True, cache=True, forceinline=True)
def six_digits(b, p):  # type: ignore[no-untyped-def]
    """The number that the six digits at `p` make."""
    return np.int64(_decimal(word_at(b, p) << np.uint64(16)))


@njit(nogil=True, cache=True, forceinline=True)
def eight_digits(b, p):  # type: ignore[no-untyped-def]
    """The number that the eight hexadecimal digits at `p` make; what else stands there spoils its own digit only."""
    v = word_at(b, p)
    v = ((v & _NIBBLES) + np.uint64(9) * ((v >> np.uint64(6)) & _LOW)) & _NIBBLES
    v = ((v << np.uint64(4)) | (v >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    v = ((v << np.uint64(8)) | (v >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return ((v << np.uint64(16)) | (v >> np.uint64(32))) & np.uint64(0xFFFFFFFF)


@njit(nogil=True, cache=True, forceinline=True)
def read_hex(b, p, q):  # type: ignore[no-untyped-def]
    """The hexadecimal number at `p`, and where it ends; a number of no or of more than 16 digits ends at -1.

    Sixteen bytes must stand before `p`.
    """
    n = min(lowest_bit(~hex_mask(b, p)), q - p)
    if n <= 0 or n > 16:
        return np.uint64(0), np.int64(-1)
    value = eight_digits(b, p + n - 8)
    if n > 8:
        value |= eight_digits(b, p + n - 16) << np.uint64(32)
    return value & below(4 * n), p + n


@njit(nogil=True, cache=True, forceinline=True)
def read_decimal(b, p, q, most):  # type: ignore[no-untyped-def]
    """The decimal number at `p`, with a sign or none, and where it ends; one of no or of too many digits ends at -1."""
    minus = p < q and b[p] == 45
    i = p + 1 if minus else p
    word = word_at(b, i)
    n = min(lowest_bit(_no_digits(word)) >> 3, q - i)
    if n <= 0 or n > most:
        return np.int64(0), np.int64(-1)
    value = np.int64(_decimal(word << np.uint64(64 - 8 * n)))
    i += n
    if n == 8:
        while i < q and b[i] >= 48 and b[i] <= 57:
            n += 1
            if n > most:
                return np.int64(0), np.int64(-1)
            value = value * 10 + (np.int64(b[i]) - 48)
            i += 1
    return (-value if minus else value), i
