"""Exhaustive exploration in plain Python: breadth first, one actor at a time, each actor's steps remembered.

What an actor does depends only on the part of the state that it reads. Its steps are therefore computed once for each
such part, by the step functions themselves, and kept as the bits that they change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kvmlab.kvm.events import apply, drain_events, mm_events, most_events, other_events, vcpu_events
from kvmlab.kvm.invariants import ALARM_BITS, broken
from kvmlab.kvm.machine import Machine
from kvmlab.kvm.system import System
from kvmlab.memory.state import read

_VCPU_OWN = ("gfn", "wants", "got", "slow", "accounted")
_MM = ("mm_pc", "mm_gfn", "mm_page", "mm_left", "wb_left")
_OUTSIDE = ("driver_pc", "nested_pc", "nested_got", "nested_held")


@dataclass(slots=True)
class Found:
    """The first state or step that broke an invariant.

    Args:
        depth: steps to it.
        parent: the state before the last step.
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
        path: the states from the first one to a given state, both included.
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


class _Actor:
    """One actor: the bits that it reads, and its steps by their value."""

    __slots__ = ("events", "mask", "steps")

    def __init__(self, mask: int, events: Callable[[int, list[int]], int]) -> None:
        self.mask = mask
        self.events = events
        self.steps: dict[int, tuple[int, ...]] = {}


def _mask(system: System, unread: dict[str, Sequence[int] | None]) -> int:
    """All bits of a state but those of the fields that an actor does not read."""
    fields = system.layout.fields
    mask = 0
    for name, (place, n) in fields.items():
        skipped = unread.get(name, ())
        for i in range(n):
            if skipped is not None and i not in skipped:
                mask |= ((1 << place.width) - 1) << (place.at + place.stride * i)
    return mask


def actors(system: System) -> list[_Actor]:
    """The actors of a system, in the order of `all_events`, with the fields that each of them reads.

    Args:
        system: the system.
    """
    c: Machine = system.machine
    everyone = range(c.vcpus)
    tlbs = [name for name in system.layout.fields if name.startswith("tlb ")]
    found = []
    for v in everyone:
        others = tuple(w for w in everyone if w != v)
        unread: dict[str, Sequence[int] | None] = dict.fromkeys((*_MM, *_OUTSIDE), None)
        unread |= dict.fromkeys(_VCPU_OWN, others)
        found.append(_Actor(_mask(system, unread), lambda s, out, v=v: vcpu_events(s, v, out, 0, c)))  # type: ignore[misc]
    own: dict[str, Sequence[int] | None] = dict.fromkeys(_VCPU_OWN, None)
    found.append(_Actor(_mask(system, own | dict.fromkeys(_OUTSIDE, None)), lambda s, out: mm_events(s, out, 0, c)))
    if c.driver or c.nested:
        found.append(_Actor(_mask(system, own | dict.fromkeys(_MM, None)), lambda s, out: other_events(s, out, 0, c)))
    only_matter = dict.fromkeys((*_MM, *_OUTSIDE, *tlbs, "pc", "stale", "pte", "spte", "counted", "in_progress"), None)
    found.append(_Actor(_mask(system, own | only_matter), lambda s, out: drain_events(s, out, 0, c)))
    return found


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
    everyone = actors(system)
    out = [0] * most_events(c)
    judged: dict[int, int] = {}
    own: dict[str, Sequence[int] | None] = dict.fromkeys(("gfn", "wants", "stale", "got", "slow", "accounted"), None)
    judge_mask = _mask(system, own)
    first = system.first if canonical is None else canonical(system.first)
    parents: dict[int, int] = {first: -1}
    found: dict[int, Found] = {}
    level, depth, transitions, complete = [first], 0, 0, True

    def steps(actor: _Actor, s: int) -> tuple[int, ...]:
        n = actor.events(s, out)
        changed = tuple(s ^ apply(s, code, None, c) for code in out[:n])
        actor.steps[s & actor.mask] = changed
        return changed

    def tell(bits: int, parent: int, state: int) -> None:
        for number in range(bits.bit_length()):
            if bits >> number & 1 and number not in found:
                found[number] = Found(depth + 1, parent, state)

    plan = [(actor, actor.mask, actor.steps) for actor in everyone]
    while level and complete:
        following: list[int] = []
        for s in level:
            for actor, mask, known in plan:
                changes = known.get(s & mask)
                if changes is None:
                    changes = steps(actor, s)
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
