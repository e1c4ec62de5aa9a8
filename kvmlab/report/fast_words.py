"""Long words found in a text all at once: for the engine without a compiler, one pass whatever their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

_BITS = 14
_SHIFT, _FACTOR = np.uint64(64 - _BITS), np.uint64(0x9E3779B97F4A7C15)
# Words of eight bytes that are looked at together: what is made of them stays in the cache.
_AT_ONCE = 1 << 15


class WordFinder:
    """Finds words of 15 bytes and more: each holds eight bytes that stand where a text is cut into eights.

    Args:
        words: the words.

    >>> WordFinder([b"page allocation failure"]).find(b"x: page allocation failure; page allocation failure")
    [(3, b'page allocation failure'), (28, b'page allocation failure')]
    """

    def __init__(self, words: Sequence[bytes]) -> None:
        if any(len(word) < 15 for word in words):
            raise ValueError("a word of fewer than 15 bytes may stand between two cuts")
        self._pieces: dict[int, list[tuple[int, bytes]]] = {}
        for word in words:
            for at in range(8):
                self._pieces.setdefault(int.from_bytes(word[at : at + 8], "little"), []).append((at, word))
        self._table = np.zeros(1 << _BITS, bool)
        for piece in self._pieces:
            self._table[((piece * int(_FACTOR)) & ((1 << 64) - 1)) >> int(_SHIFT)] = True

    def find(self, text: bytes) -> list[tuple[int, bytes]]:
        """Where the words stand, in order: each place and the word.

        Args:
            text: the text.
        """
        pieces = np.frombuffer(text, "<u8", len(text) // 8)
        found: set[tuple[int, bytes]] = set()
        for start in range(0, len(pieces), _AT_ONCE):
            part = pieces[start : start + _AT_ONCE]
            slots: Any = ((part * _FACTOR) >> _SHIFT).view(np.int64)
            places = np.flatnonzero(self._table.take(slots, mode="clip"))
            for i, piece in zip(places.tolist(), part[places].tolist(), strict=True):
                for within, word in self._pieces.get(piece, ()):
                    at = 8 * (start + i) - within
                    if at >= 0 and text.startswith(word, at):
                        found.add((at, word))
        return sorted(found)
