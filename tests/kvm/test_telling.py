"""What steps say of themselves: the outcome, not the name of the action; and which of them a reported stack shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kvmlab.kvm.config import parse_config
from kvmlab.kvm.explore import explore
from kvmlab.kvm.policies import POLICIES, AfterCheck, Finish, Policy, find_policy
from kvmlab.kvm.scenario import Runner
from kvmlab.kvm.system import System
from kvmlab.kvm.telling import tell

C_69 = find_policy("c_69")
REPORTED = ("bad_page", "folios_put_refs", "folio_batch_move_lru", "kvm_faultin_pfn", "kvm_tdp_page_fault")


def texts(policy: Policy, config: str) -> dict[str, set[str]]:
    """Every sentence of every step that can be taken, by action."""
    system = System(parse_config(policy, config))
    alarm = system.layout.fields["alarm"][0]
    seen, queue, found = {system.first}, [system.first], {}
    for state in queue:
        for event in system.events(state):
            after = system.step(state, event)
            said = tell(system, state, event, after)
            found.setdefault(system.name(event).split(" ", 1)[1], set()).add(said)
            after &= ~(((1 << alarm.width) - 1) << alarm.at)
            if after not in seen and len(seen) < 1500:
                seen.add(after)
                queue.append(after)
    return found


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.id)
@pytest.mark.parametrize(
    "config",
    [
        "A",
        "A,follow_up=yes",
        "T",
        "R",
        "X",
        "T,driver_page=uncounted",
        "T,driver_page=compound",
        "T,nested=yes,unsafe=yes",
        "A,writebacks=1",
    ],
)
def test_every_step_has_a_sentence(policy: Policy, config: str) -> None:
    for action, said in texts(policy, config).items():
        assert all(text and text == text.strip() and "None" not in text for text in said), action


def test_a_grab_says_what_it_got() -> None:
    assert texts(C_69, "A,follow_up=yes")["grab"] >= {
        "GUP finds the zero page; its reference is given back at once",
        "GUP finds page 0, takes a reference and drops it at once (no FOLL_GET): 2, 3, 2",
        "GUP finds page 0 with refcount 0 and takes nothing: KVM_RUN returns -EFAULT",
    }
    assert any("async page fault" in text for text in texts(C_69, "A,follow_up=yes,async_pf=yes")["grab"])
    kept = texts(find_policy("d"), "A")["grab"]
    assert "GUP finds page 0 and takes a reference: 2 to 3" in kept
    assert not any("drops" in text or "given back" in text for text in kept)


@pytest.mark.parametrize(
    ("policy", "stale"),
    [
        ("c_69", "kvm_release_pfn_clean() puts page 0, though the fault holds no reference"),
        ("b68", "kvm_release_pfn_clean() puts page 0, the fault's own reference"),
        ("c_fix", "page 0 is marked accessed, nothing is put"),
        ("d", "the fault puts its reference of page 0, unused"),
    ],
)
def test_a_late_check_says_whether_it_was_stale_and_what_it_let_go(policy: str, stale: str) -> None:
    said = texts(find_policy(policy), "A")["late check"]
    assert "not stale: on to mmu_lock" in said
    assert any(stale in text for text in said)
    assert all(text.startswith(("not stale", "stale: ")) for text in said)


def test_a_look_up_of_a_tail_says_what_the_policy_does_with_it() -> None:
    told = {p.id: " ".join(sorted(texts(p, "T")["follow pfn"])) for p in POLICIES}
    assert "get_page() on page 0 whatever its count is: 0 to 1" in told["a"]
    assert "refused, KVM_RUN returns -EFAULT" in told["b68"]
    assert "remembered as not refcounted" in told["c_69"]
    assert "neither read nor changed" in told["d"]


def test_the_steps_of_a_run_tell_the_same_as_the_trace() -> None:
    answer = explore(parse_config(C_69, "zaps=0,pages=1"))
    found = answer.violation("I3")
    assert found is not None
    runner = Runner(System(answer.config))
    for step in found.trace:
        assert runner.take(step.event).detail == step.does


def test_a_trace_marks_the_stray_put_the_report_and_the_reported_functions() -> None:
    pytest.importorskip("pandas")
    answer = explore(parse_config(C_69, "zaps=0,pages=1"))
    trace = answer.df_trace("I3", REPORTED).set_index("step")
    marked = {
        mark: trace.index[[mark in marks for marks in trace["marks"]]].tolist() for mark in ("stray put", "bad page")
    }
    assert marked == {"stray put": [13], "bad page": [14]}
    assert trace.loc[13, "action"] == "late check"
    assert trace.loc[14, "frames"] == ("folio_batch_move_lru", "folios_put_refs", "bad_page")
    assert trace.loc[13, "frames"] == ("kvm_tdp_page_fault", "kvm_faultin_pfn")
    assert trace.loc[12, "holders"] == ("page 0: PTE", "page 0: lru_add batch")
    assert not any(answer.df_trace("I3")["frames"].map(len))


def test_a_fault_that_keeps_its_reference_holds_none_of_a_page_it_could_not_get() -> None:
    """v11's truth table: a reference is kept of a page whose count is above 0, with FOLL_GET, and of no other."""
    for finish in (Finish.MARK_LOCKED, Finish.RELEASE_LOCKED):
        policy = replace(C_69, takes_ref=True, after_check=AfterCheck.PUT_UNUSED, finish=finish)
        assert not explore(parse_config(policy, "T")).bugs, "a tail is put although nothing was taken"
    balanced = replace(C_69, takes_ref=True, after_check=AfterCheck.PUT_UNUSED, finish=Finish.RELEASE_LOCKED)
    for config in ("A", "A,vcpus=2", "R"):
        assert not explore(parse_config(balanced, config)).bugs, config
    system = System(parse_config(balanced, "R,vcpus=1"))
    runner = Runner(system)
    runner.access(0, 0, 1)
    counts = [(step.action, step.page.refcount) for step in runner.finish().steps if step.page is not None]
    assert ("follow pfn", 2) in counts
    assert counts[-1] == ("install", 1)
