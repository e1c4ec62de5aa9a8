"""Events and steps: deterministic, only what is allowed, and nothing outside the state."""

from __future__ import annotations

import random

import pytest

from kvmlab.kvm.config import Config
from kvmlab.kvm.policies import POLICIES, find_policy
from kvmlab.kvm.system import Event, System


def test_an_event_and_its_number() -> None:
    event = Event(10, 3, 77)
    assert Event.of(event.code) == event


def test_a_step_changes_nothing_but_its_result() -> None:
    system = System(Config(find_policy("d"), vcpus=2))
    before = system.first
    events = system.events(before)
    assert events == system.events(before)
    assert system.step(before, events[0]) == system.step(before, events[0])
    assert system.first == before


@pytest.mark.parametrize("policy", [p.id for p in POLICIES])
def test_a_walk_of_one_vcpu_that_only_writes_visits_eleven_states(policy: str) -> None:
    """Without early checks there are fewer."""
    system = System(Config(find_policy(policy), zaps=0, reads=False))
    seen, queue = {system.first}, [system.first]
    for state in queue:
        for event in system.events(state):
            after = system.step(state, event)
            if after not in seen:
                seen.add(after)
                queue.append(after)
    if policy == "c_69":
        assert len(seen) == 11


def test_a_random_walk_never_leaves_the_fields() -> None:
    system = System(Config(find_policy("c_69"), vcpus=2, gfns=2, pages=3, batch=3, zaps=2, follow_up=True))
    rng = random.Random(7)
    for _ in range(50):
        state = system.first
        for _ in range(60):
            events = system.events(state)
            if not events or system.decode(state)["alarm"] != (0,):
                break
            state = system.step(state, rng.choice(events))
            assert state < 1 << (63 * system.layout.words)
            rebuilt, values = 0, system.decode(state)
            for name, (field, n) in system.layout.fields.items():
                for i in range(n):
                    rebuilt |= values[name][i] << (field.at + field.stride * i)
            assert rebuilt == state


def test_names_of_events() -> None:
    system = System(Config(find_policy("d"), gfns=2, pages=2))
    names = [system.name(event) for event in system.events(system.first)]
    assert names == [
        "vcpu0 snapshot gfn 0 read",
        "vcpu0 snapshot gfn 0 write",
        "vcpu0 snapshot gfn 1 read",
        "vcpu0 snapshot gfn 1 write",
        "mm zap start gfn 0",
    ]
    free = System(Config(find_policy("d"), gfns=2, pages=2, zap_any=True))
    assert [free.name(event) for event in free.events(free.first)][4:] == ["mm zap start gfn 0", "mm zap start gfn 1"]
