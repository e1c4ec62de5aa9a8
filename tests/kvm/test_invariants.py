"""Every invariant can be broken, by a mutated policy or a bad neighbour: a check that cannot fail would be a defect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kvmlab.kvm.config import parse_config
from kvmlab.kvm.exploration import Exploration
from kvmlab.kvm.explore import explore
from kvmlab.kvm.invariants import ALARM_BITS, BY_NUMBER, CUTTING, INVARIANTS
from kvmlab.kvm.policies import AfterCheck, find_policy

# Invariant, policy, what is mutated, configuration, whether to go on behind violations.
BREAKS: list[tuple[str, str, dict[str, Any], str, bool]] = [
    ("I1", "d", {}, "X", False),
    ("I2", "c_69", {}, "T", False),
    ("I3", "c_69", {}, "A", False),
    ("I4", "c_69", {}, "A", False),
    ("I5", "d", {"sequence_tested": False}, "T", False),
    ("I6", "d", {"stale_exits": True}, "A", False),
    ("I7", "a", {}, "T", False),
    ("I8", "c_base", {}, "A", False),
    ("I9", "b57", {}, "R", False),
    ("I10", "c_69", {}, "A", False),
    ("I11", "c_69", {}, "A", False),
    ("I12", "d", {"flushes_tlb": False}, "A,tlb=yes", False),
    ("I13", "d", {}, "T,nested=yes,unsafe=yes", False),
    ("I14", "d", {}, "A,zaps=0,writebacks=1,nested=yes", False),
    ("block lost", "a", {}, "T", False),
    ("refused", "b68", {}, "T", False),
    ("EFAULT after bad page", "c_69", {}, "A,follow_up=yes", True),
    ("hung guest", "c_69", {}, "A,follow_up=yes,async_pf=yes", True),
]


def _explore(policy: str, mutation: dict[str, Any], config: str, keep_going: bool = False) -> Exploration:
    return explore(parse_config(replace(find_policy(policy), **mutation), config), keep_going=keep_going)


@pytest.mark.parametrize(("invariant", "policy", "mutation", "config", "keep_going"), BREAKS, ids=lambda x: str(x))
def test_it_can_be_broken(invariant: str, policy: str, mutation: dict[str, Any], config: str, keep_going: bool) -> None:
    answer = _explore(policy, mutation, config, keep_going)
    assert answer.complete
    found = answer.violation(invariant)
    assert found is not None
    assert found.depth == len(found.trace)


def test_the_list_leaves_out_only_the_guard_of_the_model_itself() -> None:
    assert {i.id for i in INVARIANTS} - {row[0] for row in BREAKS} == {"count overflow"}


@pytest.mark.parametrize(
    ("policy", "config"),
    [
        ("d", "A,tlb=yes"),
        ("b68", "A,tlb=yes"),
        ("d", "T,tlb=yes"),
        ("d", "A,zaps=0,writebacks=1"),
        ("d", "T,nested=yes"),
    ],
)
def test_the_same_configurations_are_clean_without_the_mutation(policy: str, config: str) -> None:
    answer = explore(parse_config(find_policy(policy), config))
    assert answer.complete
    assert answer.bugs == ()


def test_the_unsafe_mapping_needs_no_guest_fault() -> None:
    """Map, let the driver unmap and free, use: the hazard that was debated."""
    found = explore(parse_config(find_policy("d"), "T,nested=yes,unsafe=yes")).violation("I13")
    assert found is not None
    assert sorted((s.actor, s.action) for s in found.trace) == [
        ("driver", "free"),
        ("driver", "unmap clear"),
        ("driver", "unmap end"),
        ("driver", "unmap start"),
        ("nested", "map"),
        ("nested", "use"),
    ]
    assert (found.trace[-1].actor, found.trace[-1].action) == ("nested", "use")


@pytest.mark.parametrize("policy", ["a", "b57", "b68"])
def test_older_policies_map_uncounted_pages_without_any_guard(policy: str) -> None:
    answer = explore(parse_config(find_policy(policy), "T,nested=yes,driver_page=uncounted"))
    assert answer.violation("I13") is not None


@pytest.mark.parametrize("policy", ["c_base", "d"])
def test_newer_policies_refuse_them_unless_asked(policy: str) -> None:
    safe = explore(parse_config(find_policy(policy), "T,nested=yes,driver_page=uncounted"))
    unsafe = explore(parse_config(find_policy(policy), "T,nested=yes,driver_page=uncounted,unsafe=yes"))
    assert safe.violation("I13") is None
    assert unsafe.violation("I13") is not None


def test_a_pinned_page_is_not_freed_but_a_write_can_still_be_lost() -> None:
    answer = explore(parse_config(find_policy("d"), "A,writebacks=1,nested=yes"))
    assert answer.violation("I13") is None
    assert answer.violation("I14") is not None


def test_a_put_too_few_is_a_leak_that_the_count_shows() -> None:
    leaky = replace(find_policy("b68"), after_check=AfterCheck.NO_CHECK)
    found = explore(parse_config(leaky, "A")).violation("I4")
    assert found is not None


def test_a_count_that_does_not_fit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The field is as wide as the holders need; where a leak fills it, the search stops there and tells."""
    leaky = replace(find_policy("b68"), after_check=AfterCheck.NO_CHECK)
    answer = explore(parse_config(leaky, "A,vcpus=2,zaps=2"), max_states=100_000)
    found = answer.violation("count overflow")
    assert found is not None
    assert found.invariant.cuts


def test_numbers_bits_and_senses() -> None:
    assert len(BY_NUMBER) == len(INVARIANTS)
    assert all(i.number < 20 for i in INVARIANTS)
    assert {i.sense for i in INVARIANTS if i.is_bug} <= {None, 1, 2, 3}
    assert sum(1 << i.number for i in INVARIANTS if i.cuts) == CUTTING
    assert ALARM_BITS[0] == 0
    assert [i.id for i in INVARIANTS[:14]] == [f"I{n}" for n in range(1, 15)]
