"""The v11 series patch by patch: policies, truth table, and the pfn cache that puts what it never got."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kvmlab.kvm.config import parse_config
from kvmlab.kvm.explore import explore
from kvmlab.kvm.pfncache import TAIL, df_underflow, replay_underflow, shortest_underflow
from kvmlab.kvm.policies import find_policy
from kvmlab.kvm.v11 import CALLERS, PATCHES, NoSuchPatch, answer, changed_by, df_truth_table, truth_table, v11_policy

TRAITS = ("early_checks", "takes_ref", "remapped", "after_check", "finish", "zap")


@pytest.mark.parametrize(("early_checks", "whole", "base"), [(True, "c_69", "b68"), (False, "c_base", "b57")])
def test_the_series_leads_from_the_base_to_the_policy(early_checks: bool, whole: str, base: str) -> None:
    for patches, policy in ((0, base), (8, whole)):
        built, known = v11_policy(patches, early_checks=early_checks), find_policy(policy)
        assert [getattr(built, t) for t in TRAITS] == [getattr(known, t) for t in TRAITS]
        assert built.id == policy


@pytest.mark.parametrize("early_checks", [True, False])
@pytest.mark.parametrize("patches", range(8))
def test_only_the_last_patch_breaks_an_invariant(patches: int, early_checks: bool) -> None:
    answers = [
        explore(parse_config(v11_policy(patches, early_checks=early_checks), c)) for c in ("A", "A,vcpus=2", "R")
    ]
    assert not any(v.invariant.is_bug for a in answers for v in a.violations)


def test_the_last_patch_breaks_counts_only_on_the_base_with_early_checks() -> None:
    with_checks = explore(parse_config(v11_policy(8, early_checks=True), "A"))
    without = explore(parse_config(v11_policy(8, early_checks=False), "A"))
    assert {v.invariant.id for v in with_checks.violations} >= {"I2", "I3"}
    assert {v.invariant.id for v in without.violations} == {"I8"}


def test_the_tail_is_refused_until_the_last_patch() -> None:
    for patches in range(9):
        found = {v.invariant.id for v in explore(parse_config(v11_policy(patches, early_checks=True), "T")).violations}
        assert ("refused" in found) is (patches < 8)


def test_the_truth_table_of_the_whole_series() -> None:
    """Row by row as the discussion of the series gives it."""
    rows = {(a.caller, a.struct_page, a.unsafe): a.result for a in truth_table(8)}
    assert rows["guest fault", "none", False] == "no reference"
    assert rows["guest fault", "count 0", False] == "no reference"
    assert rows["guest fault", "count above 0", False] == "no reference"
    for unguarded in CALLERS[1:]:
        assert rows[unguarded, "none", False] == "EFAULT"
        assert rows[unguarded, "none", True] == "no reference"
        assert rows[unguarded, "count 0", False] == "EFAULT"
        assert rows[unguarded, "count above 0", False] == "reference"
    assert rows["kvm_vcpu_map", "count 0", True] == "no reference"
    assert rows["pfn cache", "count 0", True] == "EFAULT"


def test_which_patch_changes_which_rows() -> None:
    changes = {n: {(a.caller, a.struct_page) for _, a in changed_by(n)} for n in range(1, 9)}
    assert changes[4] == {("kvm_vcpu_map", "none"), ("pfn cache", "none")}
    assert changes[5] == {("kvm_vcpu_map", "count 0")}
    assert changes[8] == {("guest fault", "count 0"), ("guest fault", "count above 0")}
    assert all(not changes[n] for n in (1, 2, 3, 6, 7))


@pytest.mark.parametrize("struct_page", ["none", "count 0", "count above 0"])
@pytest.mark.parametrize("patches", [0, 8])
def test_the_table_agrees_with_the_step_functions(patches: int, struct_page: str) -> None:
    """The guest's fault in the table and in the model: refused, or mapped."""
    kind = {"none": "uncounted", "count 0": "tail", "count above 0": "refcounted"}[struct_page]
    config = parse_config(v11_policy(patches, early_checks=True), f"T,driver_page={kind}")
    refused = explore(config).violation("refused") is not None
    assert refused is (answer(patches, "guest fault", struct_page).result == "EFAULT")


def test_numbers_beyond_the_series_are_refused() -> None:
    for wrong in (-1, 9):
        with pytest.raises(NoSuchPatch):
            v11_policy(wrong, early_checks=True)
        with pytest.raises(NoSuchPatch):
            answer(wrong, "guest fault", "none")
    with pytest.raises(NoSuchPatch):
        changed_by(0)
    assert [p.number for p in PATCHES] == list(range(1, 9))


def test_the_frame_of_the_table() -> None:
    pytest.importorskip("pandas")
    frame = df_truth_table()
    assert set(frame["patches"]) == set(range(9))
    assert set(frame[frame["changed"]]["patches"]) == {4, 5, 8}


def test_the_pfn_cache_puts_a_tail_that_it_never_got() -> None:
    path = shortest_underflow(resets=False)
    assert path is not None
    assert [step.actor for step in path].count("driver") == 2
    assert path[-1].state.counts[TAIL] == -1
    taken, entries = replay_underflow()
    assert taken == path
    assert (entries[-1].page, entries[-1].stray, entries[-1].refcount) == (TAIL, True, -1)
    assert not any(entry.stray for entry in entries[:-1])


def test_a_loop_that_forgets_is_safe() -> None:
    assert shortest_underflow(resets=True) is None


def test_a_mutated_series_that_keeps_its_reference_is_safe() -> None:
    """The stray release is balanced as soon as the fault keeps what GUP took, which is what the series gave up."""
    balanced = replace(v11_policy(8, early_checks=True), takes_ref=True)
    found = explore(parse_config(balanced, "A")).violations
    assert "I3" not in {v.invariant.id for v in found if v.depth <= 7}


def test_the_pfn_caches_underflow_as_a_table() -> None:
    table = df_underflow()
    assert table["step"].tolist() == [1, 2, 3, 4, 5, 6]
    assert table["stray"].tolist() == [False] * 5 + [True]
    assert table["tail"].tolist()[-2:] == [0, -1]
    assert table["remembered"].tolist()[4] == "the counted page"
