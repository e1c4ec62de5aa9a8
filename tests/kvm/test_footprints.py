"""What an actor is said to read is all that it reads: states that agree there have the same steps."""

from __future__ import annotations

from typing import Any

import pytest

from kvmlab.kvm.config import parse_config
from kvmlab.kvm.events import apply, most_events, successors
from kvmlab.kvm.footprints import DRIVER, MATTER, MM, VCPU, actors, judged_bits
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
    out = [0] * most_events(system.machine)
    known: list[dict[int, Any]] = [{} for _ in actors(system)]
    for s in _states(system):
        told: list[int] = []
        for actor, memory in zip(actors(system), known, strict=True):
            changes = actor.changes(s, out)
            told += changes
            mask = actor.masks[s >> actor.at & actor.low]
            assert memory.setdefault(s & mask, changes) == changes, system.decode(s)
            for change in changes:
                alarm = system.layout.fields["alarm"][0]
                outside = change & ~mask & ~(((1 << alarm.width) - 1) << alarm.at)
                assert outside == 0, (system.decode(s), system.decode(s ^ change))
        codes, states = [0] * len(out), [0] * len(out)
        n = successors(s, codes, states, system.machine)
        assert told == [s ^ after for after in states[:n]]
        assert states[:n] == [apply(s, code, None, system.machine) for code in codes[:n]]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("policy", ["b68", "c_69", "d"])
def test_equal_judged_bits_break_the_same(policy: str, config: str) -> None:
    system = System(parse_config(find_policy(policy), config))
    mask, known = judged_bits(system), dict[int, int]()
    for s in _states(system):
        bits = broken(s, system.machine)
        assert known.setdefault(s & mask, bits) == bits, system.decode(s)


@pytest.mark.parametrize("policy", [p.id for p in POLICIES])
def test_every_named_field_exists(policy: str) -> None:
    config = "driver=good,nested=yes,unsafe=yes,writebacks=1,follow_up=yes"
    fields = set(System(parse_config(find_policy(policy), config)).layout.fields)
    for table in (VCPU, MM, DRIVER):
        for names in table.values():
            assert names <= fields
    assert fields >= MATTER
