"""Exhaustive exploration compiled: packed states, open addressing, look-ups in batches, one or two threads.

The table is split by a bit of the hash, one part a thread. Each level is walked in stretches: every thread expands some
of its frontier, then inserts what it owns of all that came out. Import only where Numba is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from kvmlab.errors import KvmlabError
from kvmlab.kvm.compiled import LINE
from kvmlab.kvm.events import most_events, successors
from kvmlab.kvm.search_grow import rehash
from kvmlab.kvm.search_kernels import NUMBERS, RECENT_BITS, build_kernels
from kvmlab.kvm.search_python import Found, SearchResult
from kvmlab.kvm.symmetry import canonical_by_vcpu
from kvmlab.kvm.system import System
from kvmlab.memory.state import WORD, write

FULL = 0.6
"""Share of a table that may be taken."""
ROOT = 0xFFFFFFFF
"""What stands for the state before the first one."""
_AT_ONCE = 1 << 24
"""A table of at most so many places is made at once: growing costs time, and memory that is not reached is not used."""
_FIRST_SIZE = 1 << 21
_GROWTH = 4
_MOST_EVENTS = 255
_STRETCH = {1: 1 << 13, 2: 1 << 14}

Words = tuple[Any, ...]


class TooLarge(KvmlabError):
    """A configuration that the compiled search cannot hold; the message says why."""


def _words(n: int, words: int) -> Words:
    return tuple(np.empty(n, np.int64) for _ in range(words))


def _table(size: int, words: int) -> Words:
    """Zeroes, each array beginning with a cache line."""
    arrays = []
    for _ in range(words):
        whole = np.zeros(size + LINE, np.int64)
        skip = -(whole.ctypes.data // 8) % LINE
        arrays.append(whole[skip : skip + size])
    return tuple(arrays)


def whole_lines(n: int) -> int:
    """So many places, or a few more, that they fill cache lines."""
    return -(-n // LINE) * LINE


class Growing:
    """Arrays that grow together: so many entries in use, room for more."""

    __slots__ = ("arrays", "n")

    def __init__(self, *arrays: Any) -> None:
        self.arrays, self.n = arrays, 0

    def reserve(self, more: int) -> None:
        """Make room for so many more entries."""
        need = self.n + more
        if need > len(self.arrays[0]):
            room = max(need, len(self.arrays[0]) * 5 // 4)
            larger = tuple(np.empty(room, array.dtype) for array in self.arrays)
            for new, old in zip(larger, self.arrays, strict=True):
                new[: self.n] = old[: self.n]
            self.arrays = larger


class Part:
    """One thread's share of the search: its table, its frontiers, and the buffers of what it has expanded.

    Its states are numbered as they come; the id of a state is that number * parts + part. `history` holds for each the
    id of the state before and which of that one's successors it is, so that a path can be walked again.
    """

    def __init__(self, number: int, words: int, size: int, parts: int, buffer: int, most: int) -> None:
        self.number, self.words, self.size, self.transitions = number, words, size, 0
        self.table = _table(size, words)
        self.history = Growing(np.empty(1 << 12, np.uint32), np.empty(1 << 12, np.uint8))
        self.frontier, self.following = (Growing(*_words(1 << 12, words)) for _ in range(2))
        self.low = 0
        self.after = _words(most, words)
        self.recent = _table(1 << RECENT_BITS, words)
        self.out = tuple(_words(buffer, words) for _ in range(parts))
        self.out_parents = tuple(np.empty(buffer, np.uint32) for _ in range(parts))
        self.out_choices = tuple(np.empty(buffer, np.uint8) for _ in range(parts))
        self.counts = np.zeros(parts, np.int64)
        self.found, self.found_parents = np.zeros(NUMBERS, np.int64), np.zeros(NUMBERS, np.uint32)
        self.found_states = _words(NUMBERS, words)

    @property
    def bytes_used(self) -> int:
        """Bytes of all its arrays."""
        arrays = [*self.table, *self.recent, *self.out_parents, *self.out_choices]
        arrays += [word for out in self.out for word in out]
        arrays += [a for growing in (self.history, self.frontier, self.following) for a in growing.arrays]
        return sum(int(array.nbytes) for array in arrays)


def split(s: int, words: int) -> Any:
    """A state as compiled code takes it: an integer, or a pair of words."""
    return s if words == 1 else (s & (1 << WORD) - 1, s >> WORD)


def joined(states: Words, i: int, less: int = 0) -> int:
    """The state in place `i` of arrays of words, as one integer; `less` is 1 for arrays of keys."""
    return int(states[0][i]) - less + sum(int(word[i]) << WORD * k for k, word in enumerate(states) if k)


class _Search:
    """One compiled search; see `search_compiled`."""

    def __init__(self, system: System, cutting: int, max_states: int, threads: int, symmetry: bool) -> None:
        self.kernels = build_kernels(system.machine, cutting, threads, symmetry)
        self.system, self.threads, self.max_states = system, threads, max_states
        self.words = system.layout.words
        self.canonical = canonical_by_vcpu(system) if symmetry else None
        self.stretch = _STRETCH[threads]
        most = most_events(system.machine)
        self.buffer = self.stretch * most
        # A stretch may add as many states as the buffers hold; there is always room for them.
        self.largest = whole_lines(int(max_states / FULL / threads) + self.buffer * threads)
        size = self.largest
        if size > _AT_ONCE:
            size = whole_lines(max(_FIRST_SIZE, int(self.buffer * threads / (1 - FULL))))
        self.parts = [Part(p, self.words, size, threads, self.buffer, most) for p in range(threads)]
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.found: dict[int, Found] = {}
        self.depth, self.complete = 0, True
        self.first = self.canonical(system.first) if self.canonical else system.first

    def _each(self, work: Callable[[Part], None]) -> None:
        """Let every part do its share, at the same time if there are threads."""
        if self.pool is None:
            work(self.parts[0])
        else:
            list(self.pool.map(work, self.parts))

    def _expand(self, part: Part) -> None:
        part.counts[:] = 0
        high = min(part.low + self.stretch, part.frontier.n)
        # The states of a frontier came last but for those of the level that is being filled.
        first = part.history.n - part.following.n - part.frontier.n
        part.transitions += self.kernels.expand(
            part.frontier.arrays, first * self.threads + part.number, part.low, high, part.after, part.recent, part.out,
            part.out_parents, part.out_choices, part.counts, part.found, part.found_states, part.found_parents,
        )  # fmt: skip
        part.low = high

    def _insert(self, part: Part) -> None:
        target, history = part.following, part.history
        for source in self.parts:
            n = int(source.counts[part.number])
            target.reserve(n)
            history.reserve(n)
            before = target.n
            target.n = self.kernels.insert(
                part.table, part.size, source.out[part.number], source.out_parents[part.number],
                source.out_choices[part.number], n, target.arrays, before, *history.arrays, history.n,
                part.found, part.found_states, part.found_parents,
            )  # fmt: skip
            history.n += target.n - before

    def run(self) -> SearchResult:
        """Search; the time does not include compiling."""
        self._seed()
        began = time.perf_counter()
        while self.complete and any(part.frontier.n for part in self.parts):
            self._level()
        seconds = time.perf_counter() - began
        if self.pool is not None:
            self.pool.shutdown()
        return SearchResult(
            self._states(), sum(part.transitions for part in self.parts), self.depth, self.complete, self.found,
            self._path, bytes_used=sum(part.bytes_used for part in self.parts), seconds=seconds,
        )  # fmt: skip

    def _states(self) -> int:
        return sum(part.history.n for part in self.parts)

    def _seed(self) -> None:
        """Put the first state where it belongs, and let all loops compile."""
        first = split(self.first, self.words)
        for part in self.parts:
            self._expand(part)
            self._insert(part)
        table = _table(LINE, self.words)
        rehash(table, 0, table, LINE)
        owner = self.parts[int(self.kernels.owner(first)) if self.threads > 1 else 0]
        for word, value in zip(owner.out[owner.number], (first,) if self.words == 1 else first, strict=True):
            word[0] = value
        owner.out_parents[owner.number][0] = ROOT
        owner.counts[owner.number] = 1
        self._insert(owner)
        owner.counts[:] = 0
        self._turn()

    def _turn(self) -> None:
        """The next level becomes this one."""
        for part in self.parts:
            part.frontier, part.following = part.following, part.frontier
            part.following.n = part.low = 0

    def _level(self) -> None:
        """Expand one level, stretch by stretch."""
        while any(part.low < part.frontier.n for part in self.parts):
            self._each(self._expand)
            self._each(self._insert)
            self._tell()
            if self._states() > self.max_states:
                self.complete = False
                return
            for part in self.parts:
                if part.history.n + self.buffer * self.threads > FULL * part.size:
                    self._grow(part)
        self.depth += any(part.following.n for part in self.parts)
        self._turn()

    def _tell(self) -> None:
        """Take down what the last stretch broke first."""
        for part in self.parts:
            for number in map(int, np.flatnonzero(part.found)):
                if number not in self.found:
                    parent = int(part.found_parents[number])
                    self.found[number] = Found(self.depth + 1, parent, joined(part.found_states, number))

    def _grow(self, part: Part) -> None:
        """Give a part a table that is four times as large, up to the bound."""
        size = min(part.size * _GROWTH, self.largest)
        if size > part.size:
            table = _table(size, self.words)
            rehash(part.table, part.size, table, size)
            part.table, part.size = table, size

    def _path(self, number: int) -> list[int]:
        """The states from the first one to that with this id, walked again by the step functions."""
        choices = []
        while True:
            origins, chosen = self.parts[number % self.threads].history.arrays
            origin = int(origins[number // self.threads])
            if origin == ROOT:
                break
            choices.append(int(chosen[number // self.threads]))
            number = origin
        c = self.system.machine
        alarm = self.system.layout.fields["alarm"][0]
        room = most_events(c)
        codes, after = [0] * room, [0] * room
        states = [self.first]
        for choice in reversed(choices):
            successors(states[-1], codes, after, c)
            state = write(after[choice], alarm, 0, 0)
            states.append(self.canonical(state) if self.canonical else state)
        return states

    def all_states(self) -> list[int]:
        """Every state that was kept, in no order."""
        return [joined(part.table, int(i), less=1) for part in self.parts for i in np.flatnonzero(part.table[0])]


def search_compiled(
    system: System,
    *,
    cutting: int,
    max_states: int,
    threads: int = 1,
    symmetry: bool = False,
    keep_states: bool = False,
) -> SearchResult:
    """Visit every reachable state, nearest first, with compiled step functions.

    Args:
        system: the system; a state of it has at most two words.
        cutting: bits of the invariants at which the search does not go on.
        max_states: how many states may be kept.
        threads: 1 or 2.
        symmetry: whether states that differ only in the names of vCPUs count as one.
        keep_states: whether the result lists the states.

    Raises:
        TooLarge: a state needs more than two words, or the memory is not there.
    """
    if system.layout.words > 2 or most_events(system.machine) > _MOST_EVENTS:
        raise TooLarge(
            f"a state of this configuration has {system.layout.bits} bits; the compiled search takes at most {2 * WORD}"
            f" and {_MOST_EVENTS} steps from one state"
        )
    try:
        search = _Search(system, cutting, max_states, threads, symmetry)
        result = search.run()
    except MemoryError:
        raise TooLarge(f"there is no memory for {max_states:,} states; give a smaller max_states") from None
    if keep_states:
        result.seen = search.all_states()
    return result
