"""The lines of a report whose numbers differ from report to report, read by the compiled engine into a row.

Each reader accepts a subset of the tolerant parser's grammar, with single blanks where the kernel prints single blanks.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_hash import bytes_hash, find_key, holds, literal
from kvmlab.report.fast_numbers import below, eight_digits, read_decimal, read_hex
from kvmlab.report.fast_simd import equal_mask, hex_mask, leading_zeros, lowest_bit, name_mask, word_at

# Words of eight bytes, as the machine loads them, that lines begin with.
BUG_BAD = np.uint64(int.from_bytes(b"BUG: Bad", "little"))
_TITLE = b"BUG: Bad page state in process "
_TITLE_BYTES = len(_TITLE)
_TITLE_MIDDLE, _TITLE_END = literal(_TITLE[8:24]), literal(_TITLE[15:])
_REFCOUNT, _COUNT, _MAPCOUNT, _MAPPING, _NULL, _INDEX, _PFN, _COMPOUND, _COMPOUND_END = (
    literal(b"refcount:"), literal(b"count:"), literal(b" mapcount:"), literal(b" mapping:"), literal(b"(null)"),
    literal(b" index:0x"), literal(b" pfn:0x"), literal(b" compound_mapcou"), literal(b"mapcount: "),
)  # fmt: skip
_FLAGS, _CMA = literal(b"flags: 0x"), literal(b" CMA")
_NODE, _ZONE = np.uint64(int.from_bytes(b"node=", "little")), np.uint64(int.from_bytes(b"zone=", "little"))
_CPU, _UID, _PID, _COMM = literal(b"CPU: "), literal(b" UID: "), literal(b" PID: "), literal(b" Comm: ")
_OLD_PID, _OLD_COMM = literal(b"Pid: "), literal(b", comm: ")


@njit(nogil=True, cache=True)
def is_title(b, p, q):  # type: ignore[no-untyped-def]
    """Whether a line begins as the title of a bad page does."""
    return word_at(b, p) == BUG_BAD and holds(b, p + 8, q, _TITLE_MIDDLE) and holds(b, p + 15, q, _TITLE_END)


@njit(nogil=True, cache=True)
def read_title(b, p, q, row, table, mask, seed, salts):  # type: ignore[no-untyped-def]
    """The title: 1 if it was read, 0 if not; 2 and the place of the name if the name has to be learned."""
    start = p + _TITLE_BYTES
    if q - start < 7:
        return 0, start, start, np.uint64(0)
    # The digits at the end, counted from behind; the title before them is longer than a vector is wide.
    digits = leading_zeros(~(hex_mask(b, q - 32) << np.uint64(32)))
    i = q - digits
    if digits < 1 or digits > 16 or i - 5 <= start:
        return 0, start, start, np.uint64(0)
    if not (b[i - 4] == 112 and b[i - 3] == 102 and b[i - 2] == 110 and b[i - 1] == 58 and b[i - 5] == 32):
        return 0, start, start, np.uint64(0)
    value, _ = read_hex(b, i, q)
    end = i - 4
    while end > start and b[end - 1] == 32:
        end -= 1
    if end == start or b[start] == 32 or end - start > 64:
        return 0, start, start, np.uint64(0)
    row[r.PFN] = np.int64(value)
    row[r.PFN_DIGITS] = digits
    row[r.GAP] = i - 4 - end
    key = bytes_hash(b, start, end, seed ^ np.uint64(r.NAME), salts)
    slot = find_key(table, mask, key)
    if slot < 0:
        return 2, start, end, key
    row[r.COMM] = np.int64(table[slot + 2])
    return (1 if row[r.COMM] >= 0 else 0), start, end, key


@njit(nogil=True, cache=True)
def read_page(b, p, q, row):  # type: ignore[no-untyped-def]
    """The page line of 3.10 and later."""
    i = p + 5
    if i < q and b[i] != 32:
        _, i = read_hex(b, i, q)
        if i < 0:
            return False
    if i >= q or b[i] != 32:
        return False
    i += 1
    if holds(b, i, q, _REFCOUNT):
        i += 9
    elif holds(b, i, q, _COUNT):
        i += 6
    else:
        return False
    value, i = read_decimal(b, i, q, 10)
    if i < 0 or not holds(b, i, q, _MAPCOUNT):
        return False
    row[r.REFCOUNT] = value
    value, i = read_decimal(b, i + 10, q, 10)
    if i < 0 or not holds(b, i, q, _MAPPING):
        return False
    row[r.MAPCOUNT] = value
    i += 9
    while i < q and b[i] == 32:
        i += 1
    if holds(b, i, q, _NULL):
        row[r.MAPPING] = 0
        i += 6
    else:
        word, i = read_hex(b, i, q)
        if i < 0:
            return False
        row[r.MAPPING] = np.int64(word)
    if not holds(b, i, q, _INDEX):
        return False
    word, i = read_hex(b, i + 9, q)
    if i < 0:
        return False
    row[r.INDEX] = np.int64(word)
    if holds(b, i, q, _PFN):
        word, i = read_hex(b, i + 7, q)
        # Another pfn than the title's is a contradiction, which the tolerant parser writes down.
        if i < 0 or np.int64(word) != row[r.PFN]:
            return False
    if holds(b, i, q, _COMPOUND) and holds(b, i + 10, q, _COMPOUND_END):
        value, i = read_decimal(b, i + 20, q, 10)
    return i == q


@njit(nogil=True, cache=True)
def read_flags(b, p, q, row):  # type: ignore[no-untyped-def]
    """The flags line: the number, and node and zone among the names."""
    if b[p] != 102:
        while p < q and b[p] != 32:
            p += 1
        p += 1
    if not holds(b, p, q, _FLAGS):
        return False
    word, i = read_hex(b, p + 9, q)
    if i < 0 or i >= q or b[i] != 40:
        return False
    row[r.FLAGS_WORD] = np.int64(word)
    i += 1
    start = i
    while True:
        # Up to the closing parenthesis, names, bars and numbers only.
        n = lowest_bit(~name_mask(b, i))
        equals = equal_mask(b, i, 61)
        equals &= below(n)
        while equals:
            at = i + lowest_bit(equals)
            equals &= equals - np.uint64(1)
            if at - 4 < start or (b[at - 5] != 124 and b[at - 5] != 40):
                continue
            name = word_at(b, at - 4) & np.uint64(0xFFFFFFFFFF)
            if name == _NODE or name == _ZONE:  # noqa: SIM109
                value, j = read_decimal(b, at + 1, q, 6)
                if j < 0 or value < 0 or (b[j] != 124 and b[j] != 41):
                    return False
                row[r.ZONE if name == _ZONE else r.NODE] = value
        i += n
        if n < 64:
            break
    if i >= q or b[i] != 41:
        return False
    i += 1
    return i == q or (holds(b, i, q, _CMA) and i + 4 == q)


@njit(nogil=True, cache=True, forceinline=True)
def _four_words(b, p):  # type: ignore[no-untyped-def]
    """Whether four words of 16 digits stand at `p`, a blank between two."""
    want = np.uint64(0xFFFF) | np.uint64(0xFFFF) << np.uint64(17) | np.uint64(0xFFFF) << np.uint64(34)
    want |= np.uint64(0xFFFF) << np.uint64(51)
    found = hex_mask(b, p)
    behind = hex_mask(b, p + 64)
    blanks = b[p + 16] == 32 and b[p + 33] == 32 and b[p + 50] == 32
    return blanks and (found & want) == want and (behind & np.uint64(7)) == np.uint64(7)


@njit(nogil=True, cache=True)
def read_words(b, p, q, row, keep):  # type: ignore[no-untyped-def]
    """A line of struct page words behind `raw: ` or `head: `; kept in the row if they are the page's own."""
    if q - p == 67 and _four_words(b, p):
        if keep:
            n = row[r.N_WORDS]
            # More words than a page has are those of another report, which broke into this one.
            if (n > 0 and row[r.WORD_WIDTH] != 16) or n + 4 > r.MAX_WORDS:
                return False
            row[r.WORD_WIDTH] = 16
            row[r.N_WORDS] = n + 4
            for k in range(4):
                high, low = eight_digits(b, p + 17 * k), eight_digits(b, p + 17 * k + 8)
                row[r.WORD_0 + n + k] = np.int64((high << np.uint64(32)) | low)
            # The first word of a page is its flags; another one is of a report that broke into this one.
            return n > 0 or row[r.WORD_0] == row[r.FLAGS_WORD]
        return True
    i = p
    n = 0
    while i < q:
        word, j = read_hex(b, i, q)
        if j < 0 or (j - i != 16 and j - i != 8):
            return False
        if n == 0 and keep and row[r.N_WORDS] == 0:
            row[r.WORD_WIDTH] = j - i
        if n == 0:
            width = j - i
        elif j - i != width:
            return False
        if keep:
            if row[r.WORD_WIDTH] != j - i or (row[r.N_WORDS] >= r.MAX_WORDS and j - i == 16):
                return False
            if row[r.N_WORDS] < r.MAX_WORDS:
                row[r.WORD_0 + row[r.N_WORDS]] = np.int64(word)
            row[r.N_WORDS] += 1
        n += 1
        i = j
        if i < q:
            if b[i] != 32 or i + 1 >= q:
                return False
            i += 1
    return n > 0 and n <= (8 if width == 16 else 16)


@njit(nogil=True, cache=True)
def read_cpu(b, p, q, row, table, mask, seed, salts):  # type: ignore[no-untyped-def]
    """The CPU line: 1 if it was read, 0 if not; 2 and the place of what is behind `Comm: ` if it must be learned."""
    row[r.CPU_NUMBER] = -1
    if holds(b, p, q, _CPU):
        value, i = read_decimal(b, p + 5, q, 6)
        if i < 0 or value < 0:
            return 0, p, p, np.uint64(0)
        row[r.CPU_NUMBER] = value
        if holds(b, i, q, _UID):
            value, i = read_decimal(b, i + 6, q, 10)
            if i < 0 or value < 0:
                return 0, p, p, np.uint64(0)
        if not holds(b, i, q, _PID):
            return 0, p, p, np.uint64(0)
        value, i = read_decimal(b, i + 6, q, 10)
        if i < 0 or not holds(b, i, q, _COMM):
            return 0, p, p, np.uint64(0)
        i += 7
    else:
        if not holds(b, p, q, _OLD_PID):
            return 0, p, p, np.uint64(0)
        value, i = read_decimal(b, p + 5, q, 10)
        if i < 0 or not holds(b, i, q, _OLD_COMM):
            return 0, p, p, np.uint64(0)
        i += 8
    row[r.PID] = value
    key = bytes_hash(b, i, q, seed ^ np.uint64(r.TASK), salts)
    slot = find_key(table, mask, key)
    if slot < 0:
        return 2, i, q, key
    row[r.TASK_ID] = np.int64(table[slot + 2])
    return (1 if row[r.TASK_ID] >= 0 else 0), i, q, key
