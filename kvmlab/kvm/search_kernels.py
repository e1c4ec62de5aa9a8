"""The two loops of the compiled search, made for one machine: expand a stretch of the frontier, insert what came out.

Everything that the machine fixes is a constant to the compiler. Import only where Numba is wanted.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator, arg-type, return-value, assignment, misc"

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from kvmlab.kvm import compiled
from kvmlab.kvm.compiled import first_place, holds, key, load, search_from, spread, store
from kvmlab.kvm.events import most_events, successors
from kvmlab.kvm.invariants import ALARM_BITS, broken
from kvmlab.kvm.machine import Machine
from kvmlab.kvm.symmetry import sort_vcpus, vcpu_record
from kvmlab.memory.state import all_model_code, read, write

NUMBERS = 20
"""Room for the numbers of invariants and events."""

RECENT_BITS = 13
"""States that each thread remembers, as a power of two: 64 KiB for states of one word."""

LOOKAHEAD = 256
"""States whose places in the table are fetched before the first of them is looked at."""


@cache
def model_digest() -> int:
    """A number that changes when a file with model code does, or one that decides how it is compiled."""
    digest = hashlib.sha256()
    sources = {inspect.getfile(function) for function in all_model_code()} | {__file__, compiled.__file__}
    for path in sorted(sources):
        digest.update(Path(path).read_bytes())
    return int.from_bytes(digest.digest()[:4], "little") | 1


class Kernels(NamedTuple):
    """The compiled loops.

    Args:
        expand: frontier to successors, sorted by the part of the table that owns them.
        insert: successors into one part of the table; new ones into the next frontier.
        owner: which of two parts a state belongs to.
    """

    expand: Callable[..., Any]
    insert: Callable[..., Any]
    owner: Callable[..., Any]


@njit(nogil=True, cache=True)
def owner_of(s: Any) -> int:
    """Which of two parts of the table a state belongs to."""
    return np.int64(spread(s) & np.uint64(1))


def build_kernels(c: Machine, cutting: int, parts: int, symmetry: bool) -> Kernels:
    """Compile the loops for one machine.

    Args:
        c: the machine.
        cutting: bits of the invariants at which the search does not go on.
        parts: parts of the table, 1 or 2.
        symmetry: whether vCPUs are sorted.
    """
    alarms = ALARM_BITS
    most = most_events(c)
    record = vcpu_record(c)
    alarm = c.matter.alarm
    # Numba keys its cache by the values that a loop refers to; with this one, changed rules are compiled anew.
    source_digest = model_digest()

    @njit(nogil=True, cache=True)
    def expand(
        frontier: Any, first_id: int, low: int, high: int, states: Any, recent: Any, out: Any, parents: Any,
        choices: Any, counts: Any, found: Any, found_states: Any, found_parents: Any,
    ) -> int:  # fmt: skip
        codes = np.empty(most, np.int64)
        taken = 0 if source_digest else 1
        for place in range(low, high):
            s = load(frontier, place)
            me = first_id + place * parts
            n = successors(s, codes, states, c)
            taken += n
            for e in range(n):
                y = load(states, e)
                raised = read(y, alarm, 0)
                if raised != 0:
                    bits = alarms[raised]
                    y = write(y, alarm, 0, 0)
                    for number in range(NUMBERS):
                        if bits >> number & 1 and found[number] == 0:
                            found[number] = 1
                            store(found_states, number, y)
                            found_parents[number] = me
                    if bits & cutting:
                        continue
                if symmetry:
                    y = sort_vcpus(y, record, c.vcpus)
                h = spread(y)
                # What was seen a moment ago needs no look into the large table: most repetitions are that close.
                slot = np.int64(h >> np.uint64(64 - RECENT_BITS))
                if holds(recent, slot, key(y)):
                    continue
                store(recent, slot, key(y))
                part = np.int64(h & np.uint64(1)) if parts == 2 else 0
                at = counts[part]
                store(out[part], at, y)
                parents[part][at] = me
                choices[part][at] = e
                counts[part] = at + 1
        return taken

    @njit(nogil=True, cache=True)
    def insert(
        table: Any, size: int, source: Any, parents: Any, choices: Any, n: int, frontier: Any, m: int,
        origins: Any, chosen: Any, used: int, found: Any, found_states: Any, found_parents: Any,
    ) -> int:  # fmt: skip
        places = np.empty(LOOKAHEAD if source_digest else 1, np.int64)
        seen = np.empty(LOOKAHEAD, np.int64)
        for start in range(0, n, LOOKAHEAD):
            k = min(LOOKAHEAD, n - start)
            for i in range(k):
                places[i] = first_place(load(source, start + i), size)
            for i in range(k):
                seen[i] = table[0][places[i]]
            for i in range(k):
                s = load(source, start + i)
                wanted = key(s)
                at = places[i]
                if seen[i] != 0 and holds(table, at, wanted):
                    continue
                if table[0][at] != 0:
                    at = search_from(table, size, at, wanted)
                    if table[0][at] != 0:
                        continue
                bits = broken(s, c)
                if bits != 0:
                    for number in range(NUMBERS):
                        if bits >> number & 1 and found[number] == 0:
                            found[number] = 1
                            store(found_states, number, s)
                            found_parents[number] = parents[start + i]
                    if bits & cutting:
                        continue
                store(table, at, wanted)
                store(frontier, m, s)
                origins[used] = parents[start + i]
                chosen[used] = choices[start + i]
                used += 1
                m += 1
        return m

    return Kernels(expand, insert, owner_of)
