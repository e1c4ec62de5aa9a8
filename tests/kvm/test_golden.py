"""Measured values of the reference: the violation matrix, shortest depths, guard mutations, negatives, state counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kvmlab.kvm.config import NAMED, Config, parse_config
from kvmlab.kvm.exploration import Exploration
from kvmlab.kvm.explore import explore, policy_matrix
from kvmlab.kvm.policies import POLICIES, find_policy


def _found(answer: Exploration, *, only_cutting: bool = True) -> dict[str, int]:
    return {v.invariant.id: v.depth for v in answer.violations if v.invariant.cuts or not only_cutting}


# Cutting invariants and their shortest depths.
MATRIX = {
    ("a", "A"): {}, ("a", "T"): {"I7": 4, "block lost": 6}, ("a", "R"): {}, ("a", "X"): {"I1": 4, "I7": 4},
    ("b57", "A"): {}, ("b57", "T"): {}, ("b57", "R"): {}, ("b57", "X"): {},
    ("b68", "A"): {}, ("b68", "T"): {}, ("b68", "R"): {}, ("b68", "X"): {},
    ("c_base", "A"): {"I8": 8}, ("c_base", "T"): {}, ("c_base", "R"): {}, ("c_base", "X"): {"I1": 4},
    ("c_69", "A"): {"I3": 7, "I2": 9, "I8": 10, "I1": 14}, ("c_69", "T"): {"I2": 5}, ("c_69", "R"): {"I7": 5, "I2": 8},
    ("c_69", "X"): {"I1": 6},
    ("c_fix", "A"): {"I8": 9}, ("c_fix", "T"): {}, ("c_fix", "R"): {}, ("c_fix", "X"): {"I1": 6},
    ("d", "A"): {}, ("d", "T"): {}, ("d", "R"): {}, ("d", "X"): {"I1": 6},
}  # fmt: skip

EVENTS = {
    ("a", "T"): {"I9": 6}, ("a", "R"): {"I9": 6}, ("b57", "R"): {"I9": 6}, ("b68", "R"): {"I9": 7},
    ("b57", "T"): {"refused": 2}, ("b57", "X"): {"refused": 2},
    ("b68", "T"): {"refused": 3}, ("b68", "X"): {"refused": 3},
    ("c_69", "A"): {"I4": 8, "I10": 6, "I11": 8},
}  # fmt: skip


@pytest.fixture(scope="module")
def matrix() -> dict[tuple[str, str], Exploration]:
    return policy_matrix()


@pytest.mark.parametrize("key", MATRIX)
def test_the_violation_matrix(matrix: dict[tuple[str, str], Exploration], key: tuple[str, str]) -> None:
    assert matrix[key].complete
    assert _found(matrix[key]) == MATRIX[key]
    others = {v.invariant.id: v.depth for v in matrix[key].violations if not v.invariant.cuts}
    assert others == EVENTS.get(key, {})


@pytest.mark.parametrize("key", MATRIX)
def test_a_trace_is_as_long_as_its_depth_and_its_steps_are_allowed(
    matrix: dict[tuple[str, str], Exploration], key: tuple[str, str]
) -> None:
    from kvmlab.kvm.system import System

    system = System(matrix[key].config)
    for violation in matrix[key].violations:
        assert len(violation.trace) == violation.depth
        state = system.first
        for step in violation.trace:
            assert step.event in system.events(state)
            state = step.state


COUNTS = [
    ("a", "A", 301), ("b57", "A", 301), ("b68", "A", 336), ("c_base", "A", 239), ("c_69", "A", 335),
    ("c_fix", "A", 308), ("d", "A", 308, 657),
    ("a", "A,vcpus=2", 7_445), ("b57", "A,vcpus=2", 7_445), ("b68", "A,vcpus=2", 9_932), ("c_base", "A,vcpus=2", 4_417),
    ("c_69", "A,vcpus=2", 9_760), ("c_fix", "A,vcpus=2", 8_590), ("d", "A,vcpus=2", 8_428, 27_126),
    ("b68", "gfns=2,pages=3", 4_112), ("c_base", "gfns=2,pages=3", 2_532), ("d", "gfns=2,pages=3", 3_642, 7_933),
    ("a", "T", 35), ("b57", "T", 29), ("b68", "T", 43), ("c_base", "T", 30), ("d", "T", 54, 99),
    ("a", "T,vcpus=2", 257), ("b57", "T,vcpus=2", 173), ("b68", "T,vcpus=2", 389), ("c_base", "T,vcpus=2", 182),
    ("d", "T,vcpus=2", 598, 1_713),
    ("d", "A,pages=3", 308, 657), ("d", "A,vcpus=2,pages=3", 8_428, 27_126),
]  # fmt: skip


@pytest.mark.parametrize("row", COUNTS, ids=lambda row: f"{row[0]} {row[1]}")
def test_state_counts(row: tuple[str, str, int, int] | tuple[str, str, int]) -> None:
    answer = explore(parse_config(find_policy(row[0]), row[1]), engine="python")
    assert answer.complete
    assert (answer.states, answer.transitions)[: len(row) - 2] == row[2:]


LARGE = [
    ("b57", "vcpus=2,driver=good", 101_157), ("b68", "vcpus=2,driver=good", 182_124),
    ("c_base", "vcpus=2,driver=good", 74_864), ("d", "vcpus=2,driver=good", 202_224, 816_923),
    ("d", "vcpus=3,pages=3", 192_416, 822_308),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("row", LARGE, ids=lambda row: f"{row[0]} {row[1]}")
def test_large_state_counts(row: tuple[str, str, int, int] | tuple[str, str, int]) -> None:
    test_state_counts(row)


VERY_LARGE = [
    ("a", "gfns=2,vcpus=2,pages=3,zaps=2", 481_892), ("b57", "gfns=2,vcpus=2,pages=3,zaps=2", 481_892),
    ("b68", "gfns=2,vcpus=2,pages=3,zaps=2", 886_721), ("c_base", "gfns=2,vcpus=2,pages=3,zaps=2", 285_177),
    ("c_69", "gfns=2,vcpus=2,pages=3,zaps=2", 665_658), ("c_fix", "gfns=2,vcpus=2,pages=3,zaps=2", 702_456),
    ("d", "gfns=2,vcpus=2,pages=3,zaps=2", 677_623, 2_360_009),
    ("d", "vcpus=3,pages=3,batch=3,zaps=2", 898_052, 4_054_276),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("row", VERY_LARGE, ids=lambda row: f"{row[0]} {row[1]}")
def test_very_large_state_counts(row: tuple[str, str, int, int] | tuple[str, str, int]) -> None:
    pytest.importorskip("numba")
    answer = explore(parse_config(find_policy(row[0]), row[1]), engine="numba", max_states=1_200_000)
    assert answer.complete
    assert (answer.states, answer.transitions)[: len(row) - 2] == row[2:]


@pytest.mark.parametrize("policy", [p.id for p in POLICIES])
@pytest.mark.parametrize("config", ["A,vcpus=2", "gfns=2,pages=3", "gfns=2"])
def test_more_vcpus_or_gfns_break_the_same_at_the_same_depths(
    matrix: dict[tuple[str, str], Exploration], policy: str, config: str
) -> None:
    answer = explore(parse_config(find_policy(policy), config), engine="python")
    assert answer.complete
    assert _found(answer, only_cutting=False) == _found(matrix[policy, "A"], only_cutting=False)


@pytest.mark.parametrize("config", ["A,vcpus=2", "A,zaps=2", "gfns=2,pages=3", "T,vcpus=2", "R", "driver=good"])
def test_the_series_on_its_own_base_breaks_no_count(config: str) -> None:
    """Without the early checks of 6.8 the only fault is that a page is marked without a reference."""
    answer = explore(parse_config(find_policy("c_base"), config), engine="python")
    assert answer.complete
    assert set(_found(answer, only_cutting=False)) <= {"I8"}


def test_the_seed_form_needs_one_vcpu_and_nobody_else() -> None:
    alone = explore(parse_config(find_policy("c_69"), "A,zaps=0"))
    assert _found(alone)["I3"] == 14
    trace = alone.violation("I3")
    assert trace is not None
    assert {step.actor for step in trace.trace} == {"vcpu0", "lru drain"}
    assert [step.detail for step in trace.trace if step.action == "snapshot"] == ["gfn 0 read", "gfn 0 write"]
    two = explore(parse_config(find_policy("c_69"), "A,zaps=0,vcpus=2"))
    assert _found(two)["I3"] == 10


@pytest.mark.parametrize(("vcpus", "states"), [(1, 11), (2, 69)])
def test_a_guest_that_only_writes_breaks_nothing(vcpus: int, states: int) -> None:
    answer = explore(parse_config(find_policy("c_69"), f"A,zaps=0,reads=no,vcpus={vcpus}"))
    assert answer.complete
    assert answer.violations == ()
    assert answer.states == states


@pytest.mark.parametrize("policy", [p.id for p in POLICIES if p.id not in ("c_base", "c_69", "c_fix")])
@pytest.mark.parametrize("config", ["A", "A,vcpus=2", "gfns=2,pages=3"])
def test_the_released_policies_are_clean_on_anonymous_memory(policy: str, config: str) -> None:
    answer = explore(parse_config(find_policy(policy), config))
    assert answer.complete
    assert answer.violations == ()


# The reference names only I1@9 for (d, T); the stale SPTE itself is told, too, one step earlier.
GUARDS = [
    ({"in_progress_tested": False, "sequence_tested": False}, "b57", "A", {"I5": 7, "I1": 9}),
    ({"in_progress_tested": False, "sequence_tested": False}, "d", "T", {"I5": 8, "I1": 9}),
    ({"sequence_tested": False}, "b57", "A", {"I5": 7}),
    ({"sequence_tested": False}, "d", "T", {"I5": 8, "I1": 9}),
    ({"in_progress_tested": False}, "b57", "A", {"I5": 7, "I1": 9}),
    ({"in_progress_tested": False}, "d", "T", {"I5": 8}),
]


@pytest.mark.parametrize(("without", "policy", "config", "expected"), GUARDS)
def test_each_half_of_the_locked_retry_test_is_needed(
    without: dict[str, bool], policy: str, config: str, expected: dict[str, int]
) -> None:
    mutated = replace(find_policy(policy), **without)  # type: ignore[arg-type]
    assert _found(explore(parse_config(mutated, config))) == expected


def test_the_checks_without_a_lock_are_no_safety() -> None:
    for policy in ("b57", "b68"):
        assert explore(parse_config(find_policy(policy), "A,vcpus=2")).violations == ()


def test_the_zero_page_is_dropped_six_steps_deep() -> None:
    answer = explore("c_69")
    violation = answer.violation("I10")
    assert violation is not None
    assert violation.depth == 6
    assert [step.action for step in violation.trace][-2:] == ["zap start", "late check"]


def test_the_named_configurations_are_those_of_the_reference() -> None:
    assert set(NAMED) == {"A", "T", "R", "X"}
    assert parse_config(find_policy("d"), "A") == Config(find_policy("d"))
