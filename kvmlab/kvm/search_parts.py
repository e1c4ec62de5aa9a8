"""What a compiled search keeps: tables, frontiers, history, and the room where threads hand each other successors.

Import only where NumPy is wanted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kvmlab.memory.state import WORD

NUMBERS = 20
"""Room for the numbers of invariants and events."""
RECENT_BITS = 13
"""States that each thread remembers, as a power of two: 64 KiB for states of one word."""
ROOT = 0xFFFFFFFF
"""What stands for the state before the first one, and for the end of a list of parents."""
_LINE_BYTES = 64
_FIRST_ROOM = 1 << 12

Words = tuple[Any, ...]


def words_of(n: int, words: int) -> Words:
    """Room for `n` states, one array a word."""
    return tuple(np.empty(n, np.int64) for _ in range(words))


def table_of(size: int, words: int) -> Words:
    """Zeroes for `size` states, each array beginning with a cache line."""
    arrays = []
    for _ in range(words):
        whole = np.zeros(size + _LINE_BYTES // 8, np.int64)
        skip = -whole.ctypes.data % _LINE_BYTES // 8
        arrays.append(whole[skip : skip + size])
    return tuple(arrays)


def split(s: int, words: int) -> Any:
    """A state as compiled code takes it: an integer, or a pair of words."""
    return s if words == 1 else (s & (1 << WORD) - 1, s >> WORD)


def joined(states: Words, i: int, less: int = 0) -> int:
    """The state in place `i` of arrays of words, as one integer; `less` is 1 for arrays of keys."""
    return int(states[0][i]) - less + sum(int(word[i]) << WORD * k for k, word in enumerate(states) if k)


def bytes_of(*arrays: Any) -> int:
    """Bytes of arrays."""
    return sum(int(array.nbytes) for array in arrays)


class Growing:
    """Arrays that grow together: so many entries in use, room for more."""

    __slots__ = ("arrays", "n")

    def __init__(self, *arrays: Any) -> None:
        self.arrays, self.n = arrays, 0

    def reserve(self, more: int) -> None:
        """Make room for so many more entries; large arrays grow in place."""
        need = self.n + more
        if need > len(self.arrays[0]):
            room = max(need, len(self.arrays[0]) * 9 // 8)
            for array in self.arrays:
                array.resize(room, refcheck=False)


class Exchange:
    """Successors on their way: for each part of the table and each thread a list of its own, in the thread's order.

    Args:
        parts: parts of the table, and threads.
        room: longest list.
        words: words of a state.
    """

    def __init__(self, parts: int, room: int, words: int) -> None:
        # One place more for the mark at the end of a list.
        self.room = room + 1
        n = parts * parts * self.room
        self.states = words_of(n, words)
        self.parents, self.choices = np.empty(n, np.uint32), np.empty(n, np.uint8)
        self.counts = np.zeros((parts, parts), np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        return bytes_of(*self.states, self.parents, self.choices)


class Part:
    """One thread's share of the search: its part of the table, and the states of a level that belong there.

    `frontier` and `following` hold states, and for each which successor of which state it is; `ids` holds the numbers
    of the states in `frontier`.
    """

    def __init__(self, number: int, words: int, size: int, most: int) -> None:
        self.number, self.size, self.used, self.transitions = number, size, 0, 0
        self.table = table_of(size, words)
        self.frontier, self.following = (
            Growing(*words_of(_FIRST_ROOM, words), np.empty(_FIRST_ROOM, np.uint32), np.empty(_FIRST_ROOM, np.uint8))
            for _ in range(2)
        )
        self.ids = Growing(np.empty(_FIRST_ROOM, np.uint32))
        self.low = self.high = 0
        self.after = words_of(most, words)
        self.recent = table_of(1 << RECENT_BITS, words)
        self.found = np.zeros(NUMBERS, np.int64)
        self.found_states = words_of(NUMBERS, words)
        self.found_parents, self.found_choices = np.zeros(NUMBERS, np.uint32), np.zeros(NUMBERS, np.uint8)

    @property
    def findings(self) -> Any:
        """What the compiled loops take down: per invariant whether it was broken, by which state, and how."""
        return self.found, self.found_states, self.found_parents, self.found_choices

    @property
    def nbytes(self) -> int:
        """Bytes of its large arrays."""
        return bytes_of(*self.table, *self.recent, *self.frontier.arrays, *self.following.arrays, *self.ids.arrays)
