"""What the compiled engine knows of lines, in the arrays that it reads, and the room that a thread writes into."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kvmlab.report import fast_grammar as g
from kvmlab.report.fast_heads import searched_words
from kvmlab.report.fast_lines import three_tables


@dataclass(slots=True)
class Room:
    """Arrays that a thread writes into, kept from chunk to chunk."""

    rows: Any
    marks: Any
    unknown: Any
    state: Any
    quiet: Any
    ends: Any
    trail: Any
    seen: Any


@dataclass(slots=True)
class Table:
    """An open hash table, four words an entry (key, class, number, hash); bigger when a quarter is full."""

    size: int
    used: int = 0
    words: Any = field(init=False)
    _held: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.words = np.zeros(4 * self.size, np.uint64)

    def __contains__(self, key: int) -> bool:
        return key in self._held

    def add(self, key: int, found: int, number: int, mix: int) -> None:
        """Puts an entry in."""
        if 4 * (self.used + 1) > len(self.words) // 4:
            held = self.words.reshape(-1, 4)
            bigger = Table(len(self.words) // 2)
            for row in held[held[:, 0] != 0].tolist():
                bigger.put(*row)
            self.words = bigger.words
        self.put(key, found, number & ((1 << 64) - 1), mix)
        self._held.add(key)
        self.used += 1

    def put(self, key: int, found: int, number: int, mix: int) -> None:
        """Writes an entry where there is room."""
        mask = len(self.words) // 4 - 1
        slot = (key >> 20) & mask
        while self.words[4 * slot]:
            slot = (slot + 1) & mask
        self.words[4 * slot + 1 : 4 * slot + 4] = found, number, mix
        # The key comes last: another thread may be reading.
        self.words[4 * slot] = key


class Known:
    """What is known of lines, whatever text they stand in."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rooms = threading.local()
        # Hashes differ from run to run, so that no text can be made to collide.
        self.seed = np.uint64(int.from_bytes(os.urandom(8), "little"))
        self.salts = np.frombuffer(os.urandom(128), np.uint64).copy()
        self.styles: list[str] = []
        self.table = Table(1 << 12)
        self.steps = np.frombuffer(g.step_table(), np.uint8).copy()
        pieces = [piece_of(word) for word in searched_words()]
        self.holds = np.frombuffer(b"".join(pieces) or bytes(4), np.uint8).copy()
        self.n_holds = len(pieces)
        self.look = np.frombuffer(three_tables(pieces), np.uint8).copy()


def piece_of(word: str) -> bytes:
    """Four bytes of a word to look for in lines, the rarest; the last is 0 where the word is shorter."""
    shown = word.encode()
    pieces = [shown[i : i + 4] for i in range(max(1, len(shown) - 3))]
    return min(pieces, key=lambda piece: sum(byte in b" etaoinsrhl" for byte in piece)).ljust(4, b"\0")
