"""The loops of the compiled search, made for one machine: expand a stretch of the frontier, insert what came out.

Everything that the machine fixes is a constant to the compiler. Import only where Numba is wanted.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator, arg-type, return-value, assignment, misc"

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from kvmlab.kvm import compiled, search_table
from kvmlab.kvm.events import most_events, successors
from kvmlab.kvm.invariants import ALARM_BITS, broken
from kvmlab.kvm.machine import Machine
from kvmlab.kvm.search_parts import NUMBERS, RECENT_BITS, ROOT
from kvmlab.kvm.search_table import fetch, first_line, free_place, holds, key, load, spread, store
from kvmlab.kvm.symmetry import sort_vcpus, vcpu_record
from kvmlab.memory.state import all_model_code, read, write

LOOKAHEAD = 128
"""States whose lines of the table are fetched before the first of them is looked at."""

_COMPILED = (compiled, search_table, sys.modules[__name__])


@cache
def model_digest() -> int:
    """A number that changes when a file with model code does, or one that decides how it is compiled."""
    digest = hashlib.sha256()
    sources = {inspect.getfile(function) for function in all_model_code()} | {str(m.__file__) for m in _COMPILED}
    for path in sorted(sources):
        digest.update(Path(path).read_bytes())
    return int.from_bytes(digest.digest()[:4], "little") | 1


class Kernels(NamedTuple):
    """The compiled loops.

    Args:
        expand: part of a frontier to successors, in lists by the part of the table that owns them.
        insert: the lists of one part of the table into it; what is new into the next frontier.
        owner: which of two parts a state belongs to.
        enumerate: numbers for the states of the next frontier.
    """

    expand: Callable[..., Any]
    insert: Callable[..., Any]
    owner: Callable[..., Any]
    enumerate: Callable[..., Any]


@njit(nogil=True, cache=True)
def owner_of(s: Any) -> int:
    """Which of two parts of the table a state belongs to."""
    return np.int64(spread(s) & np.uint64(1))


@njit(nogil=True, forceinline=True)
def note(findings: Any, bits: int, s: Any, parent: int, choice: int) -> None:
    """Take down what a state breaks that nothing before it broke."""
    found, states, parents, choices = findings
    for number in range(NUMBERS):
        if bits >> number & 1 and found[number] == 0:
            found[number] = 1
            store(states, number, s)
            parents[number] = parent
            choices[number] = choice


@njit(nogil=True, cache=True)
def enumerate_states(
    parents: Any, choices: Any, n: int, other_parents: Any, other_choices: Any, m: int, first: int,
    ids: Any, origins: Any, chosen: Any,
) -> None:  # fmt: skip
    """Number states as one thread alone would meet them: by the number of the state before, then by the step from it.

    Both parts have them in this order, so a number is the state's place plus how many come before it in the other part.
    """
    before = 0
    for i in range(n):
        parent, choice = parents[i], choices[i]
        while before < m and (
            other_parents[before] < parent or (other_parents[before] == parent and other_choices[before] < choice)
        ):
            before += 1
        at = first + i + before
        ids[i] = at
        origins[at] = parent
        chosen[at] = choice


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
        frontier: Any, ids: Any, low: int, high: int, after: Any, recent: Any,
        out: Any, parents: Any, choices: Any, room: int, me: int, counts: Any, findings: Any,
    ) -> int:  # fmt: skip
        codes = np.empty(most if source_digest else 1, np.int64)
        taken, to_first, to_second = 0, 0, 0
        for place in range(low, high):
            s = load(frontier, place)
            n = successors(s, codes, after, c)
            taken += n
            for e in range(n):
                y = load(after, e)
                raised = read(y, alarm, 0)
                if raised != 0:
                    bits = alarms[raised]
                    y = write(y, alarm, 0, 0)
                    note(findings, bits, y, ids[place], e)
                    if bits & cutting:
                        continue
                if symmetry:
                    y = sort_vcpus(y, record, c.vcpus)
                h = spread(y)
                # What was seen a moment ago needs no look into the large table: most repetitions are that close.
                slot = np.int64(h >> np.uint64(64 - RECENT_BITS))
                wanted = key(y)
                if holds(recent, slot, wanted):
                    continue
                store(recent, slot, wanted)
                if parts == 2 and h & np.uint64(1):
                    at = (parts + me) * room + to_second
                    to_second += 1
                else:
                    at = me * room + to_first
                    to_first += 1
                store(out, at, y)
                parents[at] = ids[place]
                choices[at] = e
        counts[0] = to_first
        parents[me * room + to_first] = ROOT
        if parts == 2:
            counts[1] = to_second
            parents[(parts + me) * room + to_second] = ROOT
        return taken

    @njit(nogil=True, cache=True)
    def insert(
        table: Any, size: int, source: Any, parents: Any, choices: Any, first: int, n: int, second: int, m: int,
        frontier: Any, origins: Any, chosen: Any, used: int, findings: Any,
    ) -> int:  # fmt: skip
        lines = np.empty(LOOKAHEAD if source_digest else 1, np.int64)
        places = np.empty(LOOKAHEAD, np.int64)
        for start in range(0, n + m, LOOKAHEAD):
            k = min(LOOKAHEAD, n + m - start)
            for i in range(k):
                if parts == 2:
                    # Each list is in the order of the states before; taken together, one thread would meet them so.
                    later = np.int64(parents[first] > parents[second])
                    place = second if later else first
                    second += later
                    first += 1 - later
                else:
                    place = start + i
                places[i] = place
                lines[i] = first_line(load(source, place), size)
                fetch(table, lines[i])
            for i in range(k):
                place = places[i]
                s = load(source, place)
                wanted = key(s)
                at = free_place(table, size, lines[i], wanted)
                if at < 0:
                    continue
                bits = broken(s, c)
                if bits != 0:
                    note(findings, bits, s, parents[place], choices[place])
                    if bits & cutting:
                        continue
                store(table, at, wanted)
                store(frontier, used, s)
                origins[used] = parents[place]
                chosen[used] = choices[place]
                used += 1
        return used

    return Kernels(expand, insert, owner_of, enumerate_states)
