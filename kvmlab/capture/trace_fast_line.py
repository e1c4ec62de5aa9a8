"""The parts of a trace line, compiled: the same grammar as `trace_line`, where it leaves no doubt."""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.capture.trace_fast_tables import KINDS
from kvmlab.capture.trace_fast_text import (
    decimal,
    hex_digit,
    hexadecimal,
    is_blank,
    is_digit,
    is_letter,
    skip_blanks,
)

# Nothing before the CPU of an event line is longer than this.
HEAD_LIMIT = 128
D, X, N, S, W, G, P = (KINDS.index(letter) for letter in "dxnswgp")


@njit(nogil=True, forceinline=True)
def is_stack(data, i, end):  # type: ignore[no-untyped-def]
    if data[i] == 61:
        return i + 1 < end and data[i + 1] == 62
    j = i
    while j < end and j - i < 17 and hex_digit(data[j]) >= 0:
        j += 1
    if not 6 <= j - i <= 16:
        return False
    k = j
    while k < end and k - j < 9 and is_blank(data[k]):
        k += 1
    if not 1 <= k - j <= 8 or k >= end:
        return False
    byte = data[k]
    return is_letter(byte) or byte == 95 or byte == 91 or byte == 46


@njit(nogil=True, forceinline=True)
def find_anchor(data, i, end):  # type: ignore[no-untyped-def]
    # Position of `[cpu] `, of its bracket's end, and the CPU; position -1 if there is none.
    stop = min(end, i + HEAD_LIMIT)
    j = i
    while j < stop:
        if data[j] == 91:
            cpu, k = decimal(data, j + 1, stop, 6)
            if k > j + 1 and k + 1 < stop and data[k] == 93 and is_blank(data[k + 1]):
                return j, k + 1, np.int64(cpu)
        j += 1
    return -1, 0, 0


@njit(nogil=True, forceinline=True)
def digits_before(data, begin, end):  # type: ignore[no-untyped-def]
    # Where the digits that end at `end` begin; `end` itself if there are none or more than ten.
    k = end
    while k > begin and is_digit(data[k - 1]):
        k -= 1
    if end - k > 10:
        return end
    return k


@njit(nogil=True, forceinline=True)
def read_head(data, begin, anchor, head):  # type: ignore[no-untyped-def]
    # Fills head with comm begin, comm end, pid, tgid; False if this is no head.
    k = anchor
    while k > begin and is_blank(data[k - 1]):
        k -= 1
    if k in (anchor, begin):
        return False
    head[3] = -1
    bracketed = data[k - 1] == 41
    if bracketed:
        k -= 1
        d = digits_before(data, begin, k)
        if d < k:
            head[3] = np.int64(decimal(data, d, k, 10)[0])
        else:
            while d > begin and data[d - 1] == 45:
                d -= 1
            if not 1 <= k - d <= 16:
                return False
        k = d
        while k > begin and is_blank(data[k - 1]):
            k -= 1
        if d - k > 16 or k == begin or data[k - 1] != 40:
            return False
        k -= 1
        d = k
        while k > begin and is_blank(data[k - 1]):
            k -= 1
        if not 1 <= d - k <= 32:
            return False
    d = digits_before(data, begin, k)
    if d in (k, begin):
        return False
    head[2] = np.int64(decimal(data, d, k, 10)[0])
    k = d - 1
    if data[k] == 45:
        comm_end = k
    elif bracketed:
        return False
    else:
        if data[k] == 47:
            d = digits_before(data, begin, k)
            if d in (k, begin):
                return False
            head[3] = np.int64(decimal(data, d, k, 10)[0])
            k = d - 1
        comm_end = k + 1
        while comm_end > begin and is_blank(data[comm_end - 1]):
            comm_end -= 1
        if not 1 <= k + 1 - comm_end <= 64:
            return False
    if not 1 <= comm_end - begin <= 32:
        return False
    while comm_end > begin and is_blank(data[comm_end - 1]):
        comm_end -= 1
    if comm_end == begin:
        return False
    head[0], head[1] = begin, comm_end
    return True


@njit(nogil=True, forceinline=True)
def read_tail(data, i, end, tail):  # type: ignore[no-untyped-def]
    # Fills tail with latency begin, latency end, time; returns where the rest begins, -1 if this is no tail.
    q = skip_blanks(data, i, end, 64)
    if q == i:
        return -1
    j = q
    while j < end and j - q < 9:
        byte = data[j]
        if not (
            is_digit(byte) or is_letter(byte) or byte == 46 or byte == 35 or byte == 42 or byte == 33 or byte == 43
        ):
            break
        j += 1
    tail[0] = tail[1] = -1
    if 4 <= j - q <= 8 and j < end and is_blank(data[j]):
        tail[0], tail[1] = q, j
        q = skip_blanks(data, j, end, 64)
        if q == j:
            return -1
    seconds, j = decimal(data, q, end, 9)
    if j == q or j >= end or data[j] != 46:
        return -1
    fraction, k = decimal(data, j + 1, end, 9)
    if k == j + 1 or k >= end or data[k] != 58:
        return -1
    for _ in range(9 - (k - j - 1)):
        fraction *= np.uint64(10)
    tail[2] = np.int64(seconds) * 1000000000 + np.int64(fraction)
    rest = skip_blanks(data, k + 1, end, 64)
    if rest == k + 1:
        return -1
    return rest


@njit(nogil=True, forceinline=True)
def read_name(data, i, end):  # type: ignore[no-untyped-def]
    # End of an event or system name, i if there is none; second: whether it has only the characters of a system.
    if i >= end or not (is_letter(data[i]) or data[i] == 95):
        return i, False
    j = i + 1
    plain = True
    while j < end:
        byte = data[j]
        if is_letter(byte) or is_digit(byte) or byte == 95:
            j += 1
        elif byte == 46 or byte == 64 or byte == 45:
            plain = False
            j += 1
        else:
            break
    if j - i > 64:
        return i, False
    return j, plain


@njit(nogil=True, forceinline=True)
def match_form(data, i, end, names, literal, kind, fields, form, numbers, spans):  # type: ignore[no-untyped-def]
    # Reads a body by one form: numbers[k] the value of field k, spans[k] the text of a text field.
    at = i
    for k in range(fields[form] + 1):
        begin, length = literal[form, k, 0], literal[form, k, 1]
        if at + length > end:
            return False
        for j in range(length):
            if data[at + j] != names[begin + j]:
                return False
        at += length
        if k == fields[form]:
            return at == end
        what = kind[form, k]
        if what == G:
            if at < end and is_blank(data[at]):
                return False
            spans[k, 0], spans[k, 1] = at, end
            at = end
            continue
        if what == D:
            negative = at < end and data[at] == 45
            start = at + 1 if negative else at
            value, stop = decimal(data, start, end, 19)
            if stop == start or value >= np.uint64(1) << np.uint64(63):
                return False
            numbers[k] = np.uint64(0) - value if negative else value
            at = stop
        elif what in (X, N):
            prefixed = at + 2 < end and data[at] == 48 and data[at + 1] == 120 and hex_digit(data[at + 2]) >= 0
            if prefixed:
                at += 2
            if prefixed or what == X:
                value, stop = hexadecimal(data, at, end)
            else:
                value, stop = decimal(data, at, end, 19)
            if stop == at:
                return False
            numbers[k] = value
            at = stop
        else:
            stop_byte = 32
            if what == P:
                stop_byte = 44
            elif what == S and literal[form, k + 1, 1] > 0:
                stop_byte = names[literal[form, k + 1, 0]]
            start = at
            while at < end and not is_blank(data[at]) and data[at] != stop_byte:
                at += 1
            if at == start:
                return False
            spans[k, 0], spans[k, 1] = start, at
    return True
