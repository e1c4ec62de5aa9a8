"""What a line is inside a report, for the compiled engine: read into the row, or looked up by its hash."""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_hash import bytes_hash, find_key, register_hash
from kvmlab.report.fast_outside import learn
from kvmlab.report.fast_report import BUG_BAD, is_title, read_cpu, read_flags, read_page, read_words
from kvmlab.report.fast_simd import lowest_bit, word_at

_EIGHT = np.uint64(8)
_BLANKS = np.uint64(int.from_bytes(b" " * 8, "little"))
# Heads, by four bytes, of lines that have numbers of their own.
FOUR = np.uint64((1 << 32) - 1)
RAW4, CPU4 = np.uint64(int.from_bytes(b"raw:", "little")), np.uint64(int.from_bytes(b"CPU:", "little"))
_FIVE, _SIX = np.uint64((1 << 40) - 1), np.uint64((1 << 48) - 1)
(_PAGE5, _RAW5, _CPU5, _PID5, _HEAD6, _FLAGS6, _ANON6, _KSM6, _PAGE6) = (
    np.uint64(int.from_bytes(word, "little"))
    for word in (b"page:", b"raw: ", b"CPU: ", b"Pid: ", b"head: ", b"flags:", b"anon f", b"ksm fl", b"page f")
)  # fmt: skip


@njit(nogil=True, cache=True, forceinline=True)
def message_key(b, m, q, seed, style, salts):  # type: ignore[no-untyped-def]
    """Key of a message inside a report."""
    i = m + (lowest_bit(word_at(b, m) ^ _BLANKS) >> 3)
    salt = seed ^ np.uint64((r.MESSAGE * 64 + style) * 16)
    # Registers are printed with their names in front of colons; their values do not matter to a report's row.
    named = q - i > 8 and (b[i + 2] == 58 or b[i + 3] == 58 or b[i + 4] == 58)
    if named and b[i] != 104 and not (b[i] == 67 and b[i + 1] == 111):
        return register_hash(b, m, q, salt ^ _EIGHT, salts)
    return bytes_hash(b, m, q, salt, salts)


@njit(nogil=True, cache=True)
def line_class(b, start, m, q, row, unknown, state, table, mask, seed, style, salts):  # type: ignore[no-untyped-def]
    """Class of a line of a report, its number, its hash, and whether there is something in it to be learned.

    Lines with numbers of their own are read into the row.
    """
    nothing, none = np.int64(-1), np.uint64(0)
    if q - m >= 8:
        word = word_at(b, m)
        five, six = word & _FIVE, word & _SIX
        if word == BUG_BAD and is_title(b, m, q):
            return np.int64(g.TITLE), nothing, none, False
        if five == _PAGE5:
            return np.int64(g.PAGE if read_page(b, m, q, row) else g.BAD), nothing, none, False
        if five == _RAW5:
            return np.int64(g.WORDS if read_words(b, m + 5, q, row, True) else g.BAD), nothing, none, False
        if six == _HEAD6 and b[m + 6] != 111:
            return np.int64(g.HEAD_WORDS if read_words(b, m + 6, q, row, False) else g.BAD), nothing, none, False
        if six == _FLAGS6 or six == _ANON6 or six == _KSM6 or six == _PAGE6:  # noqa: SIM109
            return np.int64(g.FLAGS if read_flags(b, m, q, row) else g.BAD), nothing, none, False
        if five == _CPU5 or five == _PID5:  # noqa: SIM109
            how, at, to, key = read_cpu(b, m, q, row, table, mask, seed, salts)
            if how == 2:
                learn(unknown, state, r.TASK, at, to, 0, key)
            return np.int64(g.CPU if how == 1 else g.BAD), nothing, none, how == 2
    key = message_key(b, m, q, seed, style, salts)
    slot = find_key(table, mask, key)
    if slot < 0:
        learn(unknown, state, r.MESSAGE, start, q, m - start, key)
        return np.int64(g.BAD), nothing, none, True
    return np.int64(table[slot + 1]), np.int64(table[slot + 2]), table[slot + 3], False


@njit(nogil=True, cache=True, forceinline=True)
def note(row, found, number, p):  # type: ignore[no-untyped-def]
    """Writes what a known line at `p` says into a row, if that is one number."""
    if found == g.REASON:
        row[r.REASON_ID] = number
    elif found == g.TRACE:
        row[r.TRACE_AT] = p
    elif found == g.HARDWARE:
        row[r.HARDWARE_ID] = number
    elif found == g.TYPE:
        row[r.TYPE_ID] = number
    elif found == g.HEAD:
        row[r.ORDER] = number
