"""The seven policies: names, aliases, and which stock release has which."""

from __future__ import annotations

import pytest

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
