"""Exhaustive exploration in plain Python: breadth first, one actor at a time, each actor's steps remembered.

What an actor does depends only on the part of the state that it reads (`footprints`). Its steps are therefore computed
once for each such part, by the step functions themselves, and kept as the bits that they change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kvmlab.kvm.footprints import Judge, actors
from kvmlab.kvm.invariants import ALARM_BITS
from kvmlab.kvm.system import System
from kvmlab.memory.state import read

_STRETCH = 128
"""States whose steps are looked up together."""
_TELL_EVERY = 1 << 13
"""States between two words about progress."""

Progress = Callable[[int, int], None]
"""Called now and then with the number of states so far, and how deep the last ones lie."""


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
    progress: Progress | None = None,
) -> SearchResult:
    """Visit every reachable state, nearest first.

    Args:
        system: the system.
        cutting: bits of the invariants at which it does not go on.
        max_states: how many states may be kept.
        keep_states: whether the result lists the states.
        canonical: the representative of a state among those that differ only in the names of vCPUs.
        progress: told now and then how many states there are, and how deep they lie.
    """
    alarm = system.layout.fields["alarm"][0]
    alarm_mask = ((1 << alarm.width) - 1) << alarm.at
    judge, plan = Judge(system), actors(system)
    # What it has found sound is looked up here, without a call.
    sptes, pages, motion, counts = judge.sound_sptes, judge.sound_pages, judge.in_motion, judge.sound_counts
    of_sptes, of_pages, of_motion, of_counts = judge.sptes, judge.pages, judge.moving, judge.counts
    first = system.first if canonical is None else canonical(system.first)
    parents: dict[int, int] = {first: -1}
    found: dict[int, Found] = {}
    level, depth, again, complete = [first], 0, 0, True

    def tell(bits: int, parent: int, state: int) -> None:
        for number in range(bits.bit_length()):
            if bits >> number & 1 and number not in found:
                found[number] = Found(depth + 1, parent, state)

    while level and complete:
        following: list[int] = []
        for begin in range(0, len(level), _STRETCH):
            stretch = level[begin : begin + _STRETCH]
            for s, steps in zip(stretch, zip(*[actor.changes(stretch) for actor in plan], strict=True), strict=True):
                for changes in steps:
                    for change in changes:
                        y = s ^ change
                        if y in parents:
                            again += 1
                            continue
                        if y & alarm_mask:
                            bits = ALARM_BITS[read(y, alarm, 0)]
                            y &= ~alarm_mask
                            tell(bits, s, y)
                            if bits & cutting:
                                again += 1
                                continue
                        if canonical is not None:
                            y = canonical(y)
                        if y in parents:
                            again += 1
                            continue
                        if (
                            y & of_sptes not in sptes
                            or y & of_pages not in pages
                            or (y & of_motion not in motion and y & of_counts not in counts)
                        ):
                            bits = judge(y)
                            tell(bits, s, y)
                            if bits & cutting:
                                again += 1
                                continue
                        parents[y] = s
                        following.append(y)
            if progress is not None and begin % _TELL_EVERY == 0:
                progress(len(parents), depth)
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
        len(parents), again + len(parents) - 1, depth, complete, found, path, seen=list(parents) if keep_states else []
    )
