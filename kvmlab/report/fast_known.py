"""What the compiled engine knows of lines, in the arrays that it reads, and the room that a thread writes into."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_heads import searched_words
from kvmlab.report.fast_lines import three_tables
from kvmlab.report.fast_meaning import MAX_TEMPLATES, Template
from kvmlab.report.fast_state import N_FORM, T_TIME

# How the shape of a kernel's time ends.
_TIME = b".000000]"
# How many sets of prefixes are held.
_MAX_HELD = 256


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
        # By what they share, in the order in which texts have taught them.
        self.templates: dict[tuple[str, bytes], dict[Template, None]] = {}
        self._prefixes: dict[tuple[Template, ...], tuple[Any, Any, int]] = {}
        self.table = Table(1 << 12)
        self.steps = np.frombuffer(g.step_table(), np.uint8).copy()
        pieces = [piece_of(word) for word in searched_words()]
        self.holds = np.frombuffer(b"".join(pieces) or bytes(4), np.uint8).copy()
        self.n_holds = len(pieces)
        self.look = np.frombuffer(three_tables(pieces), np.uint8).copy()

    def prefixes(self, templates: tuple[Template, ...]) -> tuple[Any, Any, int]:
        """Shapes and numbers of templates in the arrays that the engine reads, and how many there are.

        Args:
            templates: the templates, longest first.
        """
        held = self._prefixes.get(templates)
        if held is not None:
            return held
        shapes, forms = np.zeros(MAX_TEMPLATES * r.PREFIX_ROOM, np.uint8), np.zeros(MAX_TEMPLATES * N_FORM, np.int64)
        for i, t in enumerate(templates):
            if t.style not in self.styles:
                self.styles.append(t.style)
            at = i * r.PREFIX_ROOM
            shapes[at : at + len(t.shape)] = np.frombuffer(t.shape, np.uint8)
            longer = any(other.shape.startswith(t.shape) for other in templates if len(other.shape) > len(t.shape))
            forms[N_FORM * i : N_FORM * (i + 1)] = (
                len(t.shape), *t.seconds, t.micros, *t.caller, self.styles.index(t.style), not longer,
                t.shape.rfind(_TIME) + len(_TIME) if _TIME in t.shape else 0,
            )  # fmt: skip
        assert T_TIME == N_FORM - 1
        if len(self._prefixes) == _MAX_HELD:
            self._prefixes.clear()
        self._prefixes[templates] = shapes, forms, len(templates)
        return self._prefixes[templates]


def piece_of(word: str) -> bytes:
    """Four bytes of a word to look for in lines, the rarest; the last is 0 where the word is shorter."""
    shown = word.encode()
    pieces = [shown[i : i + 4] for i in range(max(1, len(shown) - 3))]
    return min(pieces, key=lambda piece: sum(byte in b" etaoinsrhl" for byte in piece)).ljust(4, b"\0")
