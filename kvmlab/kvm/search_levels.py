"""The course of a compiled search: level by level, in stretches, on one or two threads.

The table is split by a bit of the hash, one part a thread. In each stretch every thread expands some of its frontier,
then inserts what it owns of all that came out, in the order in which one thread alone would meet it. So the answer does
not depend on the number of threads. Import only where Numba is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kvmlab.kvm.events import most_events, successors
from kvmlab.kvm.search_kernels import build_kernels
from kvmlab.kvm.search_parts import ROOT, Exchange, Growing, Part, joined, split, table_of
from kvmlab.kvm.search_python import Found, Progress, SearchResult
from kvmlab.kvm.search_table import LINE, rehash
from kvmlab.kvm.symmetry import canonical_by_vcpu
from kvmlab.kvm.system import System
from kvmlab.memory.state import write

FULL = 0.7
"""Share of a table that may be taken."""
_AT_ONCE = 1 << 22
"""A table of at most so many places is made at once; a larger one grows up to its bound as it fills."""
_DOUBLED = 1 << 24
"""So many places, of all threads together, from which on a table grows by a half only."""
_HISTORY = 1 << 25
"""States whose history gets its room at once: what is not written to takes no memory."""
_STRETCH = {1: 1 << 13, 2: 1 << 14}
"""States that a thread expands before it turns to inserting, by number of threads."""


def whole_lines(n: int) -> int:
    """So many places, or a few more, that they fill cache lines."""
    return -(-n // LINE) * LINE


def table_sizes(largest: int, doubled: int) -> list[int]:
    """The sizes that a table goes through, the last one being the bound.

    Args:
        largest: the bound.
        doubled: size from which on it grows by a half only.
    """
    sizes = [largest]
    while sizes[0] > _AT_ONCE:
        sizes.insert(0, whole_lines(sizes[0] * 2 // 3 if sizes[0] > doubled else sizes[0] // 2))
    return sizes


class LevelSearch:
    """One compiled search; see `search_compiled`."""

    def __init__(
        self, system: System, cutting: int, max_states: int, threads: int, symmetry: bool, progress: Progress | None
    ) -> None:
        self.kernels = build_kernels(system.machine, cutting, threads, symmetry)
        self.system, self.threads, self.max_states, self.progress = system, threads, max_states, progress
        self.words = system.layout.words
        self.canonical = canonical_by_vcpu(system) if symmetry else None
        self.stretch, most = _STRETCH[threads], most_events(system.machine)
        self.exchange = Exchange(threads, self.stretch * most, self.words)
        # A stretch may go beyond the bound by as much as the lists hold; there is always room for that.
        self.largest = whole_lines(int(max_states / FULL / threads) + self.exchange.room * threads)
        self.sizes = table_sizes(self.largest, _DOUBLED // threads)
        self.parts = [Part(p, self.words, self.sizes[0], most) for p in range(threads)]
        room = min(self.largest, _HISTORY)
        self.history = Growing(np.empty(room, np.uint32), np.empty(room, np.uint8))
        self.pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self.found: dict[int, Found] = {}
        self.depth, self.complete = 0, True
        self.first = self.canonical(system.first) if self.canonical else system.first

    def _each(self, work: Callable[[Part], None]) -> None:
        """Let every part do its share, at the same time if there are threads."""
        others = [self.pool.submit(work, part) for part in self.parts[1:]] if self.pool else []
        work(self.parts[0])
        for other in others:
            other.result()

    def _expand(self, part: Part) -> None:
        *states, _, _ = part.frontier.arrays
        out = self.exchange
        part.transitions += self.kernels.expand(
            tuple(states), part.ids.arrays[0], part.low, part.high, part.after, part.recent,
            out.states, out.parents, out.choices, out.room, part.number, out.counts[part.number], part.findings,
        )  # fmt: skip
        part.low = part.high

    def _insert(self, part: Part) -> None:
        lists, following = self.exchange, part.following
        counts = [int(n) for n in lists.counts[:, part.number]]
        following.reserve(sum(counts))
        self._make_room(part, sum(counts))
        *states, origins, chosen = following.arrays
        begin = part.number * self.threads * lists.room
        before = following.n
        following.n = self.kernels.insert(
            part.table, part.size, lists.states, lists.parents, lists.choices,
            begin, counts[0], begin + lists.room, counts[1] if self.threads > 1 else 0,
            tuple(states), origins, chosen, before, part.findings,
        )  # fmt: skip
        part.used += following.n - before

    def _make_room(self, part: Part, more: int) -> None:
        """Enlarge a table that would become too full, up to its bound; beyond it only if it could not hold them."""
        need = part.used + more
        if need <= FULL * part.size or (part.size >= self.largest and need < part.size):
            return
        enough = (size for size in self.sizes if need <= FULL * size or (size == self.largest and need < size))
        size = next(enough, whole_lines(int(need / FULL)))
        table = table_of(size, self.words)
        rehash(part.table, part.size, table, size)
        part.table, part.size = table, size

    def _enumerate(self, part: Part) -> None:
        """Give the states that one part has found in this level their numbers."""
        other = self.parts[-1 - part.number]
        n, m = part.following.n, other.following.n if self.threads > 1 else 0
        part.ids.n = 0
        part.ids.reserve(n)
        part.ids.n = n
        self.kernels.enumerate(
            *part.following.arrays[-2:], n, *other.following.arrays[-2:], m, self.history.n,
            part.ids.arrays[0], *self.history.arrays,
        )  # fmt: skip

    def run(self) -> SearchResult:
        """Search; the time does not include compiling."""
        self._seed()
        began = time.perf_counter()
        while self.complete and any(part.frontier.n for part in self.parts):
            self._level()
        seconds = time.perf_counter() - began
        if self.pool is not None:
            self.pool.shutdown()
        history = self.history.n * sum(array.itemsize for array in self.history.arrays)
        used = history + self.exchange.nbytes + sum(part.nbytes for part in self.parts)
        return SearchResult(
            self._states(), sum(part.transitions for part in self.parts), self.depth, self.complete, self.found,
            self._path, bytes_used=used, seconds=seconds,
        )  # fmt: skip

    def _states(self) -> int:
        return sum(part.used for part in self.parts)

    def _seed(self) -> None:
        """Put the first state where it belongs, and let all loops compile."""
        first = split(self.first, self.words)
        for part in self.parts:
            self._expand(part)
            self._insert(part)
        table = table_of(LINE, self.words)
        rehash(table, 0, table, LINE)
        owner = self.parts[int(self.kernels.owner(first)) if self.threads > 1 else 0]
        lists = self.exchange
        begin = owner.number * self.threads * lists.room
        for word, value in zip(lists.states, (first,) if self.words == 1 else first, strict=True):
            word[begin] = value
        lists.parents[begin : begin + 2], lists.choices[begin] = ROOT, 0
        lists.counts[0, owner.number] = 1
        self._insert(owner)
        self._turn()

    def _turn(self) -> None:
        """The next level becomes this one, and its states get their numbers."""
        total = sum(part.following.n for part in self.parts)
        self.history.reserve(total)
        self._each(self._enumerate)
        self.history.n += total
        for part in self.parts:
            part.frontier, part.following = part.following, part.frontier
            part.following.n = part.low = part.high = 0

    def _next_stretch(self) -> bool:
        """Choose what every part expands next, up to the same number; False at the end of the level."""
        ahead = [part.ids.arrays[0][part.low : part.frontier.n] for part in self.parts]
        limits = [int(ids[self.stretch]) for ids in ahead if len(ids) > self.stretch]
        for part, ids in zip(self.parts, ahead, strict=True):
            n = int(np.searchsorted(ids[: self.stretch + 1], min(limits))) if limits else len(ids)
            part.high = part.low + n
        return any(len(ids) for ids in ahead)

    def _level(self) -> None:
        """Expand one level, stretch by stretch."""
        while self._next_stretch():
            self._each(self._expand)
            self._each(self._insert)
            self._tell()
            if self.progress is not None:
                self.progress(self._states(), self.depth)
            if self._states() > self.max_states:
                self.complete = False
                return
        self.depth += any(part.following.n for part in self.parts)
        self._turn()

    def _tell(self) -> None:
        """Take down what the last stretch broke first."""
        new = {int(n) for part in self.parts for n in np.flatnonzero(part.found)} - self.found.keys()
        for number in new:
            parent, _, p = min(
                (int(part.found_parents[number]), int(part.found_choices[number]), part.number)
                for part in self.parts
                if part.found[number]
            )
            self.found[number] = Found(self.depth + 1, parent, joined(self.parts[p].found_states, number))

    def _path(self, number: int) -> list[int]:
        """The states from the first one to that with this number, walked again by the step functions."""
        origins, chosen = self.history.arrays
        choices = []
        while int(origins[number]) != ROOT:
            choices.append(int(chosen[number]))
            number = int(origins[number])
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
