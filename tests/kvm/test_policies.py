"""The seven policies: names, aliases, and which stock release has which."""

from __future__ import annotations

import pytest

from kvmlab.kvm.config import parse_config
from kvmlab.kvm.explore import explore
from kvmlab.kvm.policies import POLICIES, AfterCheck, PolicyNotFound, find_policy, stock_policy


def test_every_policy_is_found_by_name_and_by_alias() -> None:
    assert [p.id for p in POLICIES] == ["a", "b57", "b68", "c_base", "c_69", "c_fix", "d"]
    for policy in POLICIES:
        assert find_policy(policy.id) is policy
        assert find_policy(policy.name) is policy
        assert policy.source


def test_an_unknown_policy_is_one_sentence_with_those_that_exist() -> None:
    with pytest.raises(PolicyNotFound, match="'e'; there are blind-get"):
        find_policy("e")


@pytest.mark.parametrize(
    ("version", "policy"),
    [
        ((5, 10), "a"),
        ((5, 13), "b57"),
        ((6, 1), "b57"),
        ((6, 7), "b57"),
        ((6, 8), "b68"),
        ((6, 12, 117), "b68"),
        ((7, 3), "d"),
    ],
)
def test_stock_kernels(version: tuple[int, ...], policy: str) -> None:
    found = stock_policy(version)
    assert found is not None
    assert found.id == policy


def test_an_unknown_version_has_no_policy() -> None:
    assert stock_policy(None) is None
    assert stock_policy((6,)) is None


def test_the_conflict_is_one_release_that_two_policies_share() -> None:
    stock, patched = find_policy("b68"), find_policy("c_69")
    assert stock.after_check is patched.after_check is AfterCheck.RELEASE_PFN
    assert (stock.takes_ref, patched.takes_ref) == (True, False)


def _found(policy: str, config: str) -> dict[str, int]:
    answer = explore(parse_config(find_policy(policy), config))
    assert answer.complete
    return {v.invariant.id: v.depth for v in answer.violations}


def test_a_tail_of_a_compound_block_is_refused_like_any_and_freed_by_no_blind_get() -> None:
    """Get and put of a compound tail are its head's, which the driver holds; the rule looks at the tail's own count."""
    assert "I7" in _found("a", "T")
    assert _found("a", "T,driver_page=compound") == {"I9": 6}
    for policy in ("b57", "b68"):
        assert _found(policy, "T,driver_page=compound") == _found(policy, "T")
    # A stray put takes the driver's own reference: the block is freed under it instead of a count below 0.
    assert _found("c_69", "T,driver_page=compound")["I7"] == _found("c_69", "T")["I2"] == 5
    for policy in ("c_base", "c_fix", "d"):
        assert _found(policy, "T,driver_page=compound") == {}


def test_both_engines_know_compound_blocks() -> None:
    pytest.importorskip("numba")
    config = parse_config(find_policy("c_69"), "T,driver_page=compound,vcpus=2")
    plain, compiled = explore(config, engine="python"), explore(config, engine="numba")
    assert (plain.states, plain.transitions) == (compiled.states, compiled.transitions)
    depths = [[(v.invariant.id, v.depth) for v in answer.violations] for answer in (plain, compiled)]
    assert depths[0] == depths[1] == [("I2", 8), ("I7", 5)]
