"""Scripted runs: the mechanism of the reported bug, one vCPU and nobody else."""

from __future__ import annotations

import pytest

from kvmlab.kvm.config import BadConfig, Config
from kvmlab.kvm.kernel_names import match_stack
from kvmlab.kvm.machine import READ, WRITE
from kvmlab.kvm.policies import POLICIES, find_policy
from kvmlab.kvm.scenario import Run, Runner
from kvmlab.kvm.system import System


def _run(policy: str, *accesses: int, drain: bool = True) -> Run:
    runner = Runner(System(Config(find_policy(policy), batch=31, zaps=0, tracked=True)))
    for access in accesses:
        runner.access(0, 0, access)
    if drain:
        runner.drain()
    return runner.finish()


def test_read_then_write_ends_in_a_bad_page_only_under_v11_with_early_checks() -> None:
    assert [p.id for p in POLICIES if _run(p.id, READ, WRITE).bad_pages] == ["c_69"]


@pytest.mark.parametrize("policy", [p.id for p in POLICIES])
def test_a_guest_that_only_writes_is_safe_everywhere(policy: str) -> None:
    run = _run(policy, WRITE)
    assert run.bad_pages == ()
    assert run.page(0).refcount == len(run.ledger.holders(0)) == 1


def test_the_stray_put_is_the_late_check_of_the_fault_whose_own_copy_made_it_stale() -> None:
    run = _run("c_69", READ, WRITE)
    (stray,) = [step for step in run.steps if step.stray_put]
    assert stray.action == "late check"
    assert "kvm_release_pfn_clean" in stray.functions
    assert [e.holder for e in run.ledger.stray_puts(0)] == ["fault of vcpu0"]
    (bad,) = run.bad_pages
    assert bad.step > stray.number
    assert (bad.page.refcount, bad.page.mapcount, bad.page.mapping, bad.page.list_poison) == (0, 1, False, True)
    assert bad.page.flags == {"referenced", "uptodate", "anon_exclusive", "swapbacked"}


def test_without_the_refault_the_page_would_not_be_referenced() -> None:
    """The flag shows that the guest came back between the stray put and the drain."""
    runner = Runner(System(Config(find_policy("c_69"), batch=31, zaps=0, tracked=True)))
    runner.access(0, 0, READ)
    system, c = runner.system, runner.system.machine
    from kvmlab.kvm import vcpu
    from kvmlab.kvm.system import Event

    runner.take(Event(vcpu.SNAPSHOT, 0, WRITE))
    while action := vcpu.next_action(runner.state, 0, c):
        runner.take(Event(action, 0, 0))
        if action == vcpu.CHECK_LATE:
            break
    runner.drain()
    (bad,) = runner.finish().bad_pages
    assert bad.page.flags == {"uptodate", "anon_exclusive", "swapbacked"}
    assert system.config.policy.id == "c_69"


def test_the_copy_makes_its_own_fault_stale_so_the_page_is_grabbed_twice() -> None:
    actions = [step.action for step in _run("b68", READ, WRITE, drain=False).steps]
    assert actions.count("grab") == 3
    assert actions[6:].count("snapshot") == 2


@pytest.mark.parametrize("policy", [p.id for p in POLICIES])
def test_the_book_agrees_with_the_count_at_every_step(policy: str) -> None:
    for step in _run(policy, READ, WRITE).steps:
        if step.page is not None and not any(e.stray for e in step.entries) and policy != "c_69":
            assert step.page.refcount == len(step.holders), step


def test_a_batch_without_room_is_refused() -> None:
    with pytest.raises(BadConfig, match="others=31"):
        System(Config(find_policy("d"), batch=31, others=31))
    with pytest.raises(BadConfig, match="vcpus=0"):
        System(Config(find_policy("d"), vcpus=0))


def test_stacks_are_compared_in_order_and_clone_suffixes_do_not_matter() -> None:
    chain = ("hva_to_pfn", "do_wp_page", "folio_add_lru", "folio_batch_move_lru", "bad_page")
    good = ("dump_stack_lvl", "bad_page.isra.0", "folio_batch_move_lru", "folio_add_lru", "do_wp_page", "hva_to_pfn")
    assert match_stack(chain, good).agrees
    assert match_stack(chain, good[::-1]).lacking
    foreign = match_stack(
        chain, ("bad_page", "folio_batch_move_lru", "shrink_folio_list", "folio_add_lru", "do_wp_page", "hva_to_pfn")
    )
    assert foreign.foreign == ("shrink_folio_list",)
