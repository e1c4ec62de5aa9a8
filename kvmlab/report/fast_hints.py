"""Bytes and words of eight bytes looked at by NumPy: digits, rare words, what a line of a report could be known by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from kvmlab.report.fast_heads import COMMON

_ZERO, _HIGH, _LOW7, _ADD = (
    np.uint64(0x3030303030303030), np.uint64(0x8080808080808080), np.uint64(0x7F7F7F7F7F7F7F7F),
    np.uint64(0x7676767676767676),
)  # fmt: skip
_SEVEN, _FULL = np.uint64(7), np.uint64(0xFF)
# A byte that is rarer is looked for byte by byte.
_RARE = 1024
# Bytes that are looked at together: what is made of them is small, and its memory used again.
_BLOCK = 1 << 17
# The number of the lowest bit of a byte.
_LOWEST = np.array([0, *((byte & -byte).bit_length() - 1 for byte in range(1, 256))])
# Places of a text that are looked at together.
_PLACES = 1 << 11
# A dot, and a bracket behind six digits.
_TIME = (46, 93, 7)


def digits_zeroed(words: Any) -> Any:
    """Words of eight bytes with a zero for every digit."""
    t = words ^ _ZERO
    other = (((t & _LOW7) + _ADD) | t) & _HIGH
    digits = ((other ^ _HIGH) >> _SEVEN) * _FULL
    return (words & ~digits) | (_ZERO & digits)


def digits_zeroed_at(data: Any, starts: Any, shape: bytes) -> Any:
    """Whether a shape stands at places of a text: digits where it has zeros, otherwise its very bytes.

    Args:
        data: bytes (numpy uint8); seven more than the shape stand behind each place.
        starts: the places.
        shape: the shape.
    """
    return fits(data, starts, np.array([eights(shape)], np.uint64), shape)


def eights(shown: bytes) -> list[int]:
    """Bytes as words of eight, zeros behind them."""
    return [int.from_bytes(shown[at : at + 8], "little") for at in range(0, len(shown), 8)]


@lru_cache(maxsize=256)
def _added(digits: bytes) -> Any:
    """What makes the highest bit of a byte tell that it is too much: more than nine where a digit may stand, or any."""
    return np.array(eights(bytes(0x76 if byte == 48 else 0x7F for byte in digits)), np.uint64)


def fits(data: Any, starts: Any, wanted: Any, digits: bytes, which: Any = None) -> Any:
    """Whether wanted bytes stand at places of a text.

    Args:
        data: bytes (numpy uint8); seven more than wanted stand behind each place.
        starts: the places.
        wanted: rows of the bytes by words of eight (numpy uint64); zeros where any digit may stand.
        digits: as many bytes, zeros where any digit may stand.
        which: the number of the row that is wanted at each place; None for the only one.
    """
    n, width = min(len(starts), _PLACES), wanted.shape[1]
    wide = f"V{8 * width}"
    # All bytes of a place are fetched at once; then the rows are looked at as one long array.
    stretches, wants = np.ndarray((len(data) - 8 * width + 1,), wide, data, 0, (1,)), wanted.view(wide)[:, 0]
    more, want = np.tile(_added(digits), n), np.tile(wanted[0], n) if which is None else wanted[:0]
    beyond = -len(digits) % 8
    within = np.uint64((1 << 8 * (8 - beyond)) - 1)
    good = np.ones(len(starts), bool)
    for at in range(0, len(starts), _PLACES):
        found = stretches[starts[at : at + _PLACES]].view(np.uint64)
        # Without the wanted byte a digit is at most nine, and any other byte that fits is nothing.
        found ^= want[: len(found)] if which is None else wants[which[at : at + _PLACES]].view(np.uint64)
        if beyond:
            found[width - 1 :: width] &= within
        bad = found & _LOW7
        bad += more[: len(bad)]
        bad |= found
        bad &= _HIGH
        if bad.any():
            good[at : at + _PLACES] = ~bad.reshape(-1, width).any(axis=1)
    return good


def seldom(flags: Any) -> Any:
    """Where an array of booleans is true, quickly if few of them are and none stand side by side.

    >>> seldom(np.array([False, True, False] + 9 * [False] + [True])).tolist()
    [1, 12]
    """
    bits = np.packbits(flags, bitorder="little")
    at = np.flatnonzero(bits != 0)
    held = bits[at]
    if (held & (held - 1)).any():
        return np.flatnonzero(flags)
    return 8 * at + _LOWEST.take(held)


def places(text: bytes, data: Any, word: bytes) -> Any:
    """Where a short word stands.

    Args:
        text: the text.
        data: its bytes, as many as there are to look at (numpy uint8).
        word: the word; it is known by its rarest byte.
    """
    first, second = sorted(range(len(word)), key=lambda i: _commonness(word[i]))[:2]
    if _is_rare(data, word[first]):
        found = rare(text, data, word[first]) - first
    else:
        # Its two rarest bytes together are rarer.
        i, j = sorted((first, second))
        found = _places(_pairs(data, word[i], word[j], j - i)) - i
    found = found[(found >= 0) & (found + len(word) <= len(data))]
    for i, byte in enumerate(word):
        found = found[data[found + i] == byte]
    return found


def _commonness(byte: int) -> int:
    """How common a byte is in logs, roughly."""
    return 2 if byte in COMMON else int(chr(byte).islower())


def _is_rare(data: Any, byte: int) -> bool:
    """Whether a byte is rare at the beginning of a text."""
    head = data[:_BLOCK]
    return int(np.count_nonzero(head == byte)) * _RARE <= len(head) + _RARE


def _pairs(data: Any, first: int, last: int, apart: int) -> Iterator[tuple[int, Any]]:
    """Whether two bytes stand so far apart, block by block: where it begins, and a flag a place, until the next one.

    Args:
        data: bytes (numpy uint8).
        first, last: the bytes.
        apart: from the one to the other.
    """
    n = max(0, len(data) - apart)
    flags, held = np.empty(_BLOCK, bool), np.empty(_BLOCK, bool)
    for at in range(0, n, _BLOCK):
        stop = min(n, at + _BLOCK)
        part, behind = flags[: stop - at], held[: stop - at]
        np.equal(data[at:stop], first, out=part)
        np.equal(data[at + apart : stop + apart], last, out=behind)
        part &= behind
        yield at, part


def _places(pairs: Iterable[tuple[int, Any]]) -> Any:
    found = [np.flatnonzero(part) + at for at, part in pairs if part.any()]
    return np.concatenate([np.empty(0, np.int64), *found])


def rare(text: bytes, data: Any, byte: int) -> Any:
    """Where a byte stands that is thought to be rare.

    Args:
        text: the text.
        data: its bytes, as many as there are to look at (numpy uint8).
        byte: the byte.
    """
    limit = len(data) // _RARE + 1
    found = _all_of(text, bytes((byte,)), limit, len(data))
    return found if len(found) < limit else np.flatnonzero(data == byte)


def _all_of(text: bytes, byte: bytes, limit: int, stop: int | None = None) -> Any:
    found: list[int] = []
    at = text.find(byte, 0, stop)
    while at >= 0 and len(found) < limit:
        found.append(at)
        at = text.find(byte, at + 1, stop)
    return np.array(found, np.int64)


def hints(text: bytes, data: Any) -> Any:
    """Where something stands that parts of reports are known by: `+0x` of entries, `[<` of addresses, files, DEL.

    Args:
        text: the text.
        data: its bytes, as many as there are to look at (numpy uint8).
    """
    found = [places(text, data, b"+0x"), rare(text, data, 127)]
    less = rare(text, data, 60)
    found.append(less[data[np.maximum(less - 1, 0)] == 91])
    found.append(_files(data))
    return np.concatenate(found)


def times(data: Any) -> Any:
    """Where `.123456]` ends in a text, as the kernel's times do.

    Args:
        data: its bytes (numpy uint8).
    """
    return _places(_pairs(data, *_TIME)) + _TIME[2]


def count_times(data: Any) -> int:
    """How often.

    Args:
        data: its bytes (numpy uint8).
    """
    return sum(int(np.count_nonzero(part)) for _, part in _pairs(data, *_TIME))


def _files(data: Any) -> Any:
    """Where `.c:1` stands: a colon between a letter and a digit, and a dot not far before it."""
    n = max(0, len(data) - 6)
    # Small arrays, which are used again: fresh memory would cost more than all that is done with it.
    flags, held = np.empty(_BLOCK, bool), np.empty(_BLOCK, bool)
    found = [np.empty(0, np.int64)]
    for at in range(0, n, _BLOCK):
        stop = min(n, at + _BLOCK)
        part, flag = flags[: stop - at], held[: stop - at]
        np.equal(data[at + 5 : stop + 5], 58, out=part)
        np.greater(data[at + 6 : stop + 6], 47, out=flag)
        part &= flag
        # Clocks have digits on both sides.
        np.greater(data[at + 4 : stop + 4], 58, out=flag)
        part &= flag
        if part.any():
            found.append(np.flatnonzero(part) + (at + 5))
    colons = np.concatenate(found)
    colons = colons[(((data[colons - 1] | 32) - np.uint8(97)) < 26) & (data[colons + 1] - np.uint8(48) < 10)]
    dots = np.zeros(len(colons), bool)
    for back in range(2, 6):
        dots |= data[colons - back] == 46
    return colons[dots]
