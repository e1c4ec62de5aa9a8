"""Bytes to numbers and text codes, compiled: the smallest parts of the fast trace engine."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, forceinline=True)
def fnv_hash(data, begin, end):  # type: ignore[no-untyped-def]
    value = np.uint64(0xCBF29CE484222325)
    for i in range(begin, end):
        value = (value ^ np.uint64(data[i])) * np.uint64(0x100000001B3)
    return value


@njit(nogil=True, forceinline=True)
def same_bytes(data, one, two, length):  # type: ignore[no-untyped-def]
    for i in range(length):  # noqa: SIM110 (the compiler knows no generators)
        if data[one + i] != data[two + i]:
            return False
    return True


@njit(nogil=True, forceinline=True)
def same_as(one, one_begin, two, two_begin, length):  # type: ignore[no-untyped-def]
    for i in range(length):  # noqa: SIM110
        if one[one_begin + i] != two[two_begin + i]:
            return False
    return True


@njit(nogil=True, forceinline=True)
def intern(data, begin, end, table, spans, hashes, count, hint):  # type: ignore[no-untyped-def]
    # Returns the code of the text; a new text is entered, which the caller sees by a code equal to its count.
    # `hint` is the code of the text that stood here in the line before: most often it is the same.
    if (
        hint >= 0
        and spans[hint, 1] - spans[hint, 0] == end - begin
        and same_bytes(data, spans[hint, 0], begin, end - begin)
    ):
        return hint
    value = fnv_hash(data, begin, end)
    mask = np.uint64(len(table) - 1)
    slot = value & mask
    while True:
        code = table[slot]
        if code < 0:
            table[slot] = count
            spans[count, 0], spans[count, 1], hashes[count] = begin, end, value
            return count
        alike = hashes[code] == value and spans[code, 1] - spans[code, 0] == end - begin
        if alike and same_bytes(data, spans[code, 0], begin, end - begin):
            return code
        slot = (slot + np.uint64(1)) & mask


@njit(nogil=True, forceinline=True)
def is_blank(byte):  # type: ignore[no-untyped-def]
    return byte == 32 or byte == 9


@njit(nogil=True, forceinline=True)
def is_digit(byte):  # type: ignore[no-untyped-def]
    return 48 <= byte <= 57


@njit(nogil=True, forceinline=True)
def is_letter(byte):  # type: ignore[no-untyped-def]
    return 65 <= byte <= 90 or 97 <= byte <= 122


@njit(nogil=True, forceinline=True)
def hex_digit(byte):  # type: ignore[no-untyped-def]
    if 48 <= byte <= 57:
        return np.int64(byte) - 48
    if 97 <= byte <= 102:
        return np.int64(byte) - 87
    if 65 <= byte <= 70:
        return np.int64(byte) - 55
    return np.int64(-1)


@njit(nogil=True, forceinline=True)
def decimal(data, begin, end, digits):  # type: ignore[no-untyped-def]
    # Value and end of at most `digits` decimal digits; end is begin if there are none or too many.
    value = np.uint64(0)
    i = begin
    while i < end and is_digit(data[i]):
        value = value * np.uint64(10) + np.uint64(data[i] - 48)
        i += 1
    if i - begin > digits:
        return np.uint64(0), begin
    return value, i


@njit(nogil=True, forceinline=True)
def hexadecimal(data, begin, end):  # type: ignore[no-untyped-def]
    value = np.uint64(0)
    i = begin
    while i < end:
        digit = hex_digit(data[i])
        if digit < 0:
            break
        value = (value << np.uint64(4)) | np.uint64(digit)
        i += 1
    if i - begin > 16:
        return np.uint64(0), begin
    return value, i


@njit(nogil=True, forceinline=True)
def skip_blanks(data, i, end, most):  # type: ignore[no-untyped-def]
    j = i
    while j < end and is_blank(data[j]):
        j += 1
    if j - i > most:
        return i
    return j


@njit(cache=True, nogil=True)
def rehash(size, hashes):  # type: ignore[no-untyped-def]
    table = np.full(size, -1, dtype=np.int64)
    mask = np.uint64(size - 1)
    for code in range(len(hashes)):
        slot = hashes[code] & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = code
    return table
