"""Hashes of lines and the open table of what is known of them, for the compiled engine, on bare pointers."""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report.fast_numbers import ALL, ONE, below
from kvmlab.report.fast_simd import hex_mask, window_hash, word_at

_K, NONE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0)


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


@njit(nogil=True, cache=True, forceinline=True)
def holds(b, p, q, word):  # type: ignore[no-untyped-def]
    """Whether a literal stands at `p`, before `q`."""
    return p + word[0] <= q and (word_at(b, p) & word[2]) == word[1] and (word_at(b, p + word[3]) & word[2]) == word[4]


@njit(nogil=True, cache=True, forceinline=True)
def mixed(value, word):  # type: ignore[no-untyped-def]
    """A hash with one more word in it."""
    value = (value ^ word) * _K
    return value ^ (value >> np.uint64(32))


@njit(nogil=True, cache=True, forceinline=True)
def bytes_hash(b, p, q, seed, salts):  # type: ignore[no-untyped-def]
    """Hash of the bytes from `p` to `q`."""
    value = seed ^ np.uint64(q - p)
    while q - p > 64:
        value = window_hash(b, p, False, NONE, ALL, salts, value)
        p += 64
    return window_hash(b, p, False, NONE, below(q - p), salts, value) | ONE


@njit(nogil=True, cache=True)
def register_hash(b, p, q, seed, salts):  # type: ignore[no-untyped-def]
    """Hash of a line of registers in which every run of four and more hexadecimal digits counts by its length only."""
    return _blotted_hash(b, p, q, seed, salts, False)


@njit(nogil=True, cache=True)
def plain_hash(b, p, q, seed, salts):  # type: ignore[no-untyped-def]
    """The same with a zero for every other digit, too."""
    return _blotted_hash(b, p, q, seed, salts, True)


@njit(nogil=True, cache=True, forceinline=True)
def _blotted_hash(b, p, q, seed, salts, zeros):  # type: ignore[no-untyped-def]
    value = seed ^ np.uint64(q - p)
    goes_on = False
    while True:
        digits = hex_mask(b, p)
        four = digits & (digits >> ONE)
        four &= four >> np.uint64(2)
        runs = four | (four << ONE)
        runs |= runs << np.uint64(2)
        if goes_on:
            runs |= digits & ~(digits + ONE)
        goes_on = (runs >> np.uint64(63)) != 0
        value = window_hash(b, p, zeros, runs, below(q - p), salts, value)
        p += 64
        if p >= q:
            return value | ONE


@njit(nogil=True, cache=True, forceinline=True)
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
