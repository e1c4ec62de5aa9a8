"""Bytes and words of eight bytes looked at by NumPy: digits, rare words, what a line of a report could be known by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_ZERO, _HIGH, _LOW7, _ADD = (
    np.uint64(0x3030303030303030), np.uint64(0x8080808080808080), np.uint64(0x7F7F7F7F7F7F7F7F),
    np.uint64(0x7676767676767676),
)  # fmt: skip
_SEVEN, _FULL = np.uint64(7), np.uint64(0xFF)
# A byte that is rarer is looked for byte by byte.
_RARE = 1024
# What is rarer than that is looked at one by one.
_FEW = 512
# Bytes that are looked at together: what is made of them is small, and its memory used again.
_BLOCK = 1 << 17


def digits_zeroed(words: Any) -> Any:
    """Words of eight bytes with a zero for every digit."""
    t = words ^ _ZERO
    other = (((t & _LOW7) + _ADD) | t) & _HIGH
    digits = ((other ^ _HIGH) >> _SEVEN) * _FULL
    return (words & ~digits) | (_ZERO & digits)


def digits_zeroed_at(words: Any, starts: Any, shape: bytes) -> Any:
    """Whether a shape stands at places of a text: digits where it has zeros, otherwise its very bytes.

    Args:
        words: at each place, the eight bytes from there on.
        starts: the places.
        shape: the shape.
    """
    return fits(words, starts, [np.uint64(word) for word in eights(shape)], shape)


def eights(shown: bytes) -> list[int]:
    """Bytes as words of eight, zeros behind them."""
    return [int.from_bytes(shown[at : at + 8], "little") for at in range(0, len(shown), 8)]


def fits(words: Any, starts: Any, wanted: Sequence[Any], digits: bytes) -> Any:
    """Whether wanted bytes stand at places of a text.

    Args:
        words: at each place, the eight bytes from there on.
        starts: the places.
        wanted: the bytes by words of eight, the same for all places or one for each; zeros where any digit may stand.
        digits: as many bytes, zeros where any digit may stand.
    """
    bad, other = np.zeros(len(starts), np.uint64), np.zeros(len(starts), np.uint64)
    more = eights(bytes(0x76 if byte == 48 else 0x7F for byte in digits))
    at = starts.copy()
    for i, want in enumerate(wanted):
        found = words[at]
        at += 8
        # Without the wanted byte a digit is at most nine, and any other byte that fits is nothing.
        found ^= want
        if 8 * i + 8 > len(digits):
            found &= np.uint64((1 << 8 * (len(digits) - 8 * i)) - 1)
        if b"0" not in digits[8 * i : 8 * i + 8]:
            other |= found
            continue
        bad |= found
        found &= _LOW7
        found += np.uint64(more[i])
        bad |= found
    bad &= _HIGH
    bad |= other
    return bad == 0


def sparse(flags: Any) -> Any:
    """Where an array of booleans is true, quickly if that is rare."""
    n = int(np.count_nonzero(flags))
    if not n:
        return np.empty(0, np.int64)
    if n * _RARE > len(flags):
        return np.flatnonzero(flags)
    return _all_of(flags.tobytes(), b"\x01", n)


def places(text: bytes, data: Any, word: bytes) -> Any:
    """Where a short word stands.

    Args:
        text: the text.
        data: its bytes, as many as there are to look at (numpy uint8).
        word: the word; it is known by its rarest byte.
    """
    at = min(range(len(word)), key=lambda i: (chr(word[i]).isalnum(), word[i] in b" :[]()-._", i))
    if _is_rare(data, word[at]):
        found = rare(text, data, word[at]) - at
    else:
        # Its first and its last byte together are rarer.
        found = _pairs(data, word[0], word[-1], len(word) - 1)
    found = found[(found >= 0) & (found + len(word) <= len(data))]
    for i, byte in enumerate(word):
        found = found[data[found + i] == byte]
    return found


def _is_rare(data: Any, byte: int) -> bool:
    """Whether a byte is rare at the beginning of a text."""
    head = data[:_BLOCK]
    return int(np.count_nonzero(head == byte)) * _RARE <= len(head) + _RARE


def _pairs(data: Any, first: int, last: int, apart: int) -> Any:
    """Where two bytes stand so far apart.

    Args:
        data: bytes (numpy uint8).
        first, last: the bytes.
        apart: from the one to the other.
    """
    n = max(0, len(data) - apart)
    flags, held = np.empty(_BLOCK, bool), np.empty(_BLOCK, bool)
    found = [np.empty(0, np.int64)]
    for at in range(0, n, _BLOCK):
        stop = min(n, at + _BLOCK)
        part, behind = flags[: stop - at], held[: stop - at]
        np.equal(data[at:stop], first, out=part)
        np.equal(data[at + apart : stop + apart], last, out=behind)
        part &= behind
        if part.any():
            found.append(np.flatnonzero(part) + at)
    return np.concatenate(found)


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
    return _pairs(data, 46, 93, 7) + 7


def count_times(data: Any) -> int:
    """How often.

    Args:
        data: its bytes (numpy uint8).
    """
    n = max(0, len(data) - 7)
    flags, held, found = np.empty(_BLOCK, bool), np.empty(_BLOCK, bool), 0
    for at in range(0, n, _BLOCK):
        stop = min(n, at + _BLOCK)
        part, dots = flags[: stop - at], held[: stop - at]
        np.equal(data[at + 7 : stop + 7], 93, out=part)
        np.equal(data[at:stop], 46, out=dots)
        part &= dots
        found += int(np.count_nonzero(part))
    return found


def _files(data: Any) -> Any:
    """Where `.c:1` stands: a colon between a letter and a digit, and a dot not far before it."""
    n = max(0, len(data) - 6)
    # Small arrays, which are used again: fresh memory would cost more than all that is done with it.
    flags, room, held = np.empty(_BLOCK, bool), np.empty(_BLOCK, np.uint8), np.empty(_BLOCK, bool)
    found = [np.empty(0, np.int64)]
    for at in range(0, n, _BLOCK):
        stop = min(n, at + _BLOCK)
        part, byte, flag = flags[: stop - at], room[: stop - at], held[: stop - at]
        np.equal(data[at + 5 : stop + 5], 58, out=part)
        np.subtract(data[at + 6 : stop + 6], 48, out=byte)
        np.less(byte, 10, out=flag)
        part &= flag
        if np.count_nonzero(part) * _FEW > stop - at:
            np.bitwise_or(data[at + 4 : stop + 4], 32, out=byte)
            np.subtract(byte, 97, out=byte)
            np.less(byte, 26, out=flag)
            part &= flag
        found.append(sparse(part) + (at + 5))
    colons = np.concatenate(found)
    colons = colons[((data[colons - 1] | 32) - np.uint8(97)) < 26]
    dots = np.zeros(len(colons), bool)
    for back in range(2, 6):
        dots |= data[colons - back] == 46
    return colons[dots]
