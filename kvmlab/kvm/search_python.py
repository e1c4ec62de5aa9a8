"""Exhaustive exploration in plain Python: breadth first, one actor at a time, each actor's steps remembered.

What an actor does depends only on the part of the state that it reads (`footprints`). Its steps are therefore computed
once for each such part, by the step functions themselves, and kept as the bits that they change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kvmlab.kvm.events import most_events
from kvmlab.kvm.footprints import actors, judged_bits
from kvmlab.kvm.invariants import ALARM_BITS, broken
from kvmlab.kvm.system import System
from kvmlab.memory.state import read


@dataclass(slots=True)
class Found:
    """The first state or step that broke an invariant.

    Args:
        depth: steps to it.
        parent: what `SearchResult.path` takes for the state before the last step.
        state: the state after it, without its alarm.
    """

    depth: int
    parent: int
    state: int


@dataclass(slots=True)
class SearchResult:
    """What a search hands back.

    Args:
        states, transitions, depth, complete: as in `Exploration`.
        found: invariant number to first violation.
        path: the states from the first one to a `Found.parent`, both included.
        bytes_used: memory of the tables, 0 if not known.
        seen: the states themselves, if the engine can list them.
    """

    states: int
    transitions: int
    depth: int
    complete: bool
    found: dict[int, Found]
    path: Callable[[int], list[int]]
    bytes_used: int = 0
    seconds: float = 0.0
    seen: Sequence[int] = field(default_factory=list)


def search(
    system: System,
    *,
    cutting: int,
    max_states: int,
    keep_states: bool = False,
    canonical: Callable[[int], int] | None = None,
) -> SearchResult:
    """Visit every reachable state, nearest first.

    Args:
        system: the system.
        cutting: bits of the invariants at which it does not go on.
        max_states: how many states may be kept.
        keep_states: whether the result lists the states.
        canonical: the representative of a state among those that differ only in the names of vCPUs.
    """
    c = system.machine
    alarm = system.layout.fields["alarm"][0]
    alarm_mask = ((1 << alarm.width) - 1) << alarm.at
    out = [0] * most_events(c)
    judged: dict[int, int] = {}
    judge_mask = judged_bits(system)
    first = system.first if canonical is None else canonical(system.first)
    parents: dict[int, int] = {first: -1}
    found: dict[int, Found] = {}
    level, depth, transitions, complete = [first], 0, 0, True

    def tell(bits: int, parent: int, state: int) -> None:
        for number in range(bits.bit_length()):
            if bits >> number & 1 and number not in found:
                found[number] = Found(depth + 1, parent, state)

    plan = [(a.at, a.low, a.masks, a.steps, a.changes) for a in actors(system)]
    while level and complete:
        following: list[int] = []
        for s in level:
            for at, low, masks, known, compute in plan:
                key = s & masks[s >> at & low]
                changes = known.get(key)
                if changes is None:
                    changes = known[key] = compute(s, out)
                for change in changes:
                    y = s ^ change
                    if y & alarm_mask:
                        bits = ALARM_BITS[read(y, alarm, 0)]
                        y &= ~alarm_mask
                        tell(bits, s, y)
                        if bits & cutting:
                            continue
                    if canonical is not None:
                        y = canonical(y)
                    if y in parents:
                        continue
                    bits = judged.get(y & judge_mask, -1)
                    if bits < 0:
                        bits = judged[y & judge_mask] = broken(y, c)
                    if bits:
                        tell(bits, s, y)
                        if bits & cutting:
                            continue
                    parents[y] = s
                    following.append(y)
                transitions += len(changes)
            if len(parents) > max_states:
                complete = False
                break
        level = following
        depth += bool(following)

    def path(state: int) -> list[int]:
        states = []
        while state != -1:
            states.append(state)
            state = parents[state]
        return states[::-1]

    return SearchResult(
        len(parents), transitions, depth, complete, found, path, seen=list(parents) if keep_states else []
    )
