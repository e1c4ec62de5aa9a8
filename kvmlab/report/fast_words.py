"""Long words found in a text all at once: for the engine without a compiler, one pass whatever their number."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

_BITS = 10
_SHIFT = np.uint64(64 - _BITS)
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
        rnd = random.Random(1)
        while True:
            self._factor = rnd.getrandbits(64) | 1
            slots = {self._slot(piece): piece for piece in self._pieces}
            if len(slots) == len(self._pieces) and 0 not in slots:
                break
        self._table = np.zeros(1 << _BITS, np.uint64)
        for slot, piece in slots.items():
            self._table[slot] = piece
        # Zero has the first slot, and must not be found there.
        self._table[0] = next(iter(self._pieces))

    def _slot(self, piece: int) -> int:
        return ((piece * self._factor) & ((1 << 64) - 1)) >> (64 - _BITS)

    def find(self, text: bytes) -> list[tuple[int, bytes]]:
        """Where the words stand, in order: each place and the word.

        Args:
            text: the text.
        """
        pieces, factor = np.frombuffer(text, "<u8", len(text) // 8), np.uint64(self._factor)
        found: set[tuple[int, bytes]] = set()
        for start in range(0, len(pieces), _AT_ONCE):
            part = pieces[start : start + _AT_ONCE]
            slots: Any = ((part * factor) >> _SHIFT).view(np.int64)
            for i in np.flatnonzero(self._table.take(slots, mode="clip") == part).tolist():
                for within, word in self._pieces[int(part[i])]:
                    at = 8 * (start + i) - within
                    if at >= 0 and text.startswith(word, at):
                        found.add((at, word))
        return sorted(found)
