"""Exhaustive exploration compiled: packed states, open addressing, look-ups in batches, one or two threads.

The table is split by a bit of the hash, one part a thread. Each level is walked in stretches: every thread expands some
of its frontier, then inserts what it owns of all that came out. Import only where Numba is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from kvmlab.errors import KvmlabError
from kvmlab.kvm.compiled import LINE
from kvmlab.kvm.events import most_events
from kvmlab.kvm.search_grow import ROOT, place_of, rehash, rename, rename_parents
from kvmlab.kvm.search_kernels import NUMBERS, RECENT_BITS, build_kernels
from kvmlab.kvm.search_python import Found, SearchResult
from kvmlab.kvm.symmetry import canonical_by_vcpu
from kvmlab.kvm.system import System
from kvmlab.memory.state import WORD

FULL = 0.68
"""Share of a table that may be taken."""
_AT_ONCE = 1 << 24
"""A table of at most so many places is made at once: growing costs time, and memory that is not reached is not used."""
_FIRST_SIZE = 1 << 21
_GROWTH = 4
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


class Frontier:
    """States of one level that belong to one part, with their ids (place * parts + part)."""

    __slots__ = ("ids", "n", "states", "words")

    def __init__(self, room: int, words: int) -> None:
        self.words, self.n = words, 0
        self.states, self.ids = _words(room, words), np.empty(room, np.uint32)

    def reserve(self, more: int) -> None:
        """Make room for so many more."""
        need = self.n + more
        if need > len(self.ids):
            room = max(need, len(self.ids) * 3 // 2)
            states, ids = _words(room, self.words), np.empty(room, np.uint32)
            for new, old in zip(states, self.states, strict=True):
                new[: self.n] = old[: self.n]
            ids[: self.n] = self.ids[: self.n]
            self.states, self.ids = states, ids


class Part:
    """One thread's share of the search: its table, its frontiers, and the buffers of what it has expanded."""

    def __init__(self, number: int, words: int, size: int, parts: int, buffer: int) -> None:
        self.number, self.words, self.size, self.used, self.transitions = number, words, size, 0, 0
        self.table, self.parents = _table(size, words), np.empty(size, np.uint32)
        self.frontier, self.following = Frontier(1 << 12, words), Frontier(1 << 12, words)
        self.low = 0
        self.recent = _table(1 << RECENT_BITS, words)
        self.out = tuple(_words(buffer, words) for _ in range(parts))
        self.out_parents = tuple(np.empty(buffer, np.uint32) for _ in range(parts))
        self.counts = np.zeros(parts, np.int64)
        self.found, self.found_parents = np.zeros(NUMBERS, np.int64), np.zeros(NUMBERS, np.uint32)
        self.found_states = _words(NUMBERS, words)

    @property
    def bytes_used(self) -> int:
        """Bytes of all its arrays."""
        arrays = [self.parents, *self.table, *self.out_parents, *(word for out in self.out for word in out)]
        arrays += [a for f in (self.frontier, self.following) for a in (f.ids, *f.states)]
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
        self.words, self.threads, self.max_states = system.layout.words, threads, max_states
        self.stretch = _STRETCH[threads]
        self.buffer = self.stretch * most_events(system.machine)
        # A stretch may add as many states as the buffers hold; there is always room for them.
        self.largest = whole_lines(int(max_states / FULL / threads) + self.buffer * threads)
        size = self.largest
        if size > _AT_ONCE:
            size = whole_lines(max(_FIRST_SIZE, int(self.buffer * threads / (1 - FULL))))
        self.parts = [Part(p, self.words, size, threads, self.buffer) for p in range(threads)]
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.found: dict[int, Found] = {}
        self.depth, self.complete = 0, True
        self.first = canonical_by_vcpu(system)(system.first) if symmetry else system.first

    def _each(self, work: Callable[[Part], None], parts: Sequence[Part]) -> None:
        """Let every part do its share, at the same time if there are threads."""
        if self.pool is None:
            for part in parts:
                work(part)
        else:
            list(self.pool.map(work, parts))

    def _expand(self, part: Part) -> None:
        part.counts[:] = 0
        high = min(part.low + self.stretch, part.frontier.n)
        part.transitions += self.kernels.expand(
            part.frontier.states, part.frontier.ids, part.low, high, part.recent,
            part.out, part.out_parents, part.counts, part.found, part.found_states, part.found_parents,
        )  # fmt: skip
        part.low = high

    def _insert(self, part: Part) -> None:
        target = part.following
        for source in self.parts:
            n = int(source.counts[part.number])
            target.reserve(n)
            before = target.n
            target.n = self.kernels.insert(
                part.table, part.parents, part.size, part.number, source.out[part.number],
                source.out_parents[part.number], n, target.states, target.ids, before,
                part.found, part.found_states, part.found_parents,
            )  # fmt: skip
            part.used += target.n - before

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
        return sum(part.used for part in self.parts)

    def _seed(self) -> None:
        """Put the first state where it belongs, and let both loops compile."""
        first = split(self.first, self.words)
        for part in self.parts:
            self._expand(part)
            for source in self.parts:
                source.counts[:] = 0
            self._insert(part)
        for part in self.parts:
            # Growing compiles here too: into tables of one free place, with nothing to carry over.
            table, parents = _table(LINE, self.words), np.empty(LINE, np.uint32)
            rehash(table, parents, 0, table, parents, LINE)
            rename_parents(table, parents, 0, tuple(p.table[0] for p in self.parts), self.threads)
            rename(part.frontier.ids, 0, tuple(p.table[0] for p in self.parts), self.threads)
        owner = self.parts[self.kernels.owner(first) if self.threads > 1 else 0]
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
            self._each(self._expand, self.parts)
            self._each(self._insert, self.parts)
            self._tell()
            if self._states() > self.max_states:
                self.complete = False
                return
            if any(part.used + self.buffer * self.threads > FULL * part.size for part in self.parts):
                self._grow()
        self.depth += any(part.following.n for part in self.parts)
        self._turn()

    def _tell(self) -> None:
        """Take down what the last stretch broke first, while ids still fit."""
        for part in self.parts:
            for number in np.flatnonzero(part.found):
                if int(number) not in self.found:
                    parent = self._state(int(part.found_parents[number]))
                    self.found[int(number)] = Found(self.depth + 1, parent, joined(part.found_states, int(number)))

    def _grow(self) -> None:
        """Give every part a table that is four times as large, up to the bound."""
        sizes = [min(part.size * _GROWTH, self.largest) for part in self.parts]
        if sizes == [part.size for part in self.parts]:
            return
        maps = []
        for part, size in zip(self.parts, sizes, strict=True):
            table, parents = _table(size, self.words), np.empty(size, np.uint32)
            rehash(part.table, part.parents, part.size, table, parents, size)
            maps.append(part.table[0])
            part.table, part.parents, part.size = table, parents, size
        names = tuple(maps)
        for part in self.parts:
            rename_parents(part.table, part.parents, part.size, names, self.threads)
            rename(part.frontier.ids, part.frontier.n, names, self.threads)
            rename(part.following.ids, part.following.n, names, self.threads)

    def _state(self, number: int) -> int:
        """The state with this id."""
        part = self.parts[number % self.threads]
        return joined(part.table, number // self.threads, less=1)

    def _path(self, state: int) -> list[int]:
        """The states from the first one to this one."""
        words = split(state, self.words)
        part = self.parts[self.kernels.owner(words) if self.threads > 1 else 0]
        number = int(place_of(part.table, part.size, words)) * self.threads + part.number
        states = []
        while number != ROOT:
            states.append(self._state(number))
            number = int(self.parts[number % self.threads].parents[number // self.threads])
        return states[::-1]

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
    if system.layout.words > 2:
        raise TooLarge(
            f"a state of this configuration has {system.layout.bits} bits; the compiled search takes at most {2 * WORD}"
        )
    try:
        search = _Search(system, cutting, max_states, threads, symmetry)
        result = search.run()
    except MemoryError:
        raise TooLarge(f"there is no memory for {max_states:,} states; give a smaller max_states") from None
    if keep_states:
        result.seen = search.all_states()
    return result
