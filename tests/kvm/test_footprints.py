"""What an actor is said to read is all that it reads: states that agree there have the same steps."""

from __future__ import annotations

import pytest

from kvmlab.kvm.config import parse_config
from kvmlab.kvm.events import apply, most_events, successors
from kvmlab.kvm.footprints import DRIVER, MATTER, MM, VCPU, Judge, actors
from kvmlab.kvm.invariants import broken
from kvmlab.kvm.policies import POLICIES, find_policy
from kvmlab.kvm.system import System

CONFIGS = [
    "A,vcpus=2", "T,vcpus=2", "R", "X,vcpus=2", "gfns=2,pages=3", "driver=good",
    "driver=good,nested=yes,unsafe=yes,tlb=yes,writebacks=1,follow_up=yes,zaps=1,pages=1",
    "A,vcpus=2,tlb=yes,zaps=1,writebacks=1,follow_up=yes",
]  # fmt: skip


def _states(system: System, most: int = 4000) -> list[int]:
    """States found by plain stepping, without any memory of steps; what lies behind a bad page only with follow_up."""
    alarm = system.layout.fields["alarm"][0]
    keep = ~(((1 << alarm.width) - 1) << alarm.at)
    seen, queue, stepped = {system.first}, [system.first], []
    for s in queue:
        if broken(s, system.machine) & 0b1110 and not system.config.follow_up:
            continue
        stepped.append(s)
        for event in system.events(s):
            after = system.step(s, event) & keep
            if after not in seen:
                seen.add(after)
                queue.append(after)
        if len(queue) > most:
            break
    return stepped


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("policy", ["b68", "c_69", "d"])
def test_equal_footprints_have_equal_steps(policy: str, config: str) -> None:
    system = System(parse_config(find_policy(policy), config))
    alarm = system.layout.fields["alarm"][0]
    room = most_events(system.machine)
    all_actors = actors(system)
    for s in _states(system):
        told: list[int] = []
        for actor in all_actors:
            # Computed from the bits that the actor reads, all others 0, and remembered for the next state like it.
            (changes,) = actor.changes([s])
            told += changes
            mask = actor.masks[s >> actor.at & actor.low]
            for change in changes:
                outside = change & ~mask & ~(((1 << alarm.width) - 1) << alarm.at)
                assert outside == 0, (system.decode(s), system.decode(s ^ change))
        codes, states = [0] * room, [0] * room
        n = successors(s, codes, states, system.machine)
        assert told == [s ^ after for after in states[:n]], system.decode(s)
        assert states[:n] == [apply(s, code, None, system.machine) for code in codes[:n]]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("policy", ["b68", "c_69", "d"])
def test_the_judge_says_what_the_invariants_say(policy: str, config: str) -> None:
    """Of states that go on behind violations, too: what is remembered of one holds for all like it."""
    system = System(parse_config(find_policy(policy), config))
    judge = Judge(system)
    for s in _states(system):
        assert judge(s) == broken(s, system.machine), system.decode(s)
        for event in system.events(s):
            after = system.step(s, event)
            assert judge(after) == broken(after, system.machine), system.decode(after)


@pytest.mark.parametrize("policy", [p.id for p in POLICIES])
def test_every_named_field_exists(policy: str) -> None:
    config = "driver=good,nested=yes,unsafe=yes,writebacks=1,follow_up=yes"
    fields = set(System(parse_config(find_policy(policy), config)).layout.fields)
    for table in (VCPU, MM, DRIVER):
        for names in table.values():
            assert names <= fields
    assert fields >= MATTER
