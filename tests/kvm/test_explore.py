"""The answer of an exploration: bounds, options, traces, frames, bad arguments."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.errors import KvmlabError
from kvmlab.kvm.config import BadConfig, Config, describe, parse_config
from kvmlab.kvm.explore import BadSearch, df_policy_matrix, explore, policy_matrix
from kvmlab.kvm.invariants import CUTTING
from kvmlab.kvm.policies import POLICIES, find_policy
from kvmlab.kvm.scenario import Runner
from kvmlab.kvm.search_python import search
from kvmlab.kvm.symmetry import canonical_by_vcpu, vcpu_record
from kvmlab.kvm.system import System
from kvmlab.memory.state import read, write


def test_a_bound_that_is_reached_is_said_and_promises_nothing() -> None:
    answer = explore("c_69", max_states=20)
    assert not answer.complete
    assert answer.violation("I3") is None
    assert "the bound was reached, so no more can be said" in str(answer)
    assert explore("c_69", max_states=335).complete
    assert not explore("c_69", max_states=334).complete


def test_a_bound_never_turns_into_no_violation() -> None:
    """Whatever the bound, either everything was seen or it is said; and what is told under a bound is true."""
    whole = {v.invariant.id: v.depth for v in explore("c_69").violations}
    for bound in range(1, 336, 7):
        answer = explore("c_69", max_states=bound)
        assert answer.complete == (bound >= 335)
        assert {(v.invariant.id, v.depth) for v in answer.violations} <= whole.items()
        assert "no more can be said" in str(answer)


def test_without_a_bound_the_memory_bounds_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    from kvmlab.kvm import search_bound

    assert explore("d").bound <= search_bound.DEFAULT_BOUND
    monkeypatch.setattr(search_bound, "free_memory", lambda: 60_000)
    answer = explore("d", engine="python")
    assert (answer.bound, answer.complete) == (200, False)
    monkeypatch.setattr(search_bound, "free_memory", lambda: None)
    assert explore("d").bound == search_bound.DEFAULT_BOUND


def test_the_free_memory_is_what_the_machine_and_the_group_leave(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from kvmlab.kvm import search_bound

    monkeypatch.setattr(search_bound, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(search_bound, "_CGROUP", tmp_path)
    assert search_bound.free_memory() is None
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert search_bound.free_memory() == 2 << 20
    (tmp_path / "memory.max").write_text("max\n")
    assert search_bound.free_memory() == 2 << 20
    (tmp_path / "memory.max").write_text("1048576\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    assert search_bound.free_memory() == 48_576
    assert search_bound.bound_by_memory(1, compiled=True) == 48_576 // 2 // 32


def test_numba_that_is_not_there_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from kvmlab.kvm import explore as module

    monkeypatch.setattr(module, "_has_numba", lambda: False)
    with pytest.raises(BadSearch, match="not installed"):
        explore("d", engine="numba")
    assert explore("d").engine == "python"


def test_the_same_question_has_the_same_answer() -> None:
    first, second = explore("c_69"), explore("c_69")
    assert first.violations == second.violations
    assert (first.states, first.transitions) == (second.states, second.transitions)


def test_going_on_behind_a_bad_page_shows_what_the_guest_meets_next() -> None:
    config = parse_config(find_policy("c_69"), "A,follow_up=yes")
    answer = explore(config, keep_going=True)
    after = answer.violation("EFAULT after bad page")
    assert after is not None
    assert after.depth > 7
    assert after.trace[-1].action == "grab"
    assert answer.violation("hung guest") is None
    hung = explore(parse_config(find_policy("c_69"), "A,follow_up=yes,async_pf=yes"), keep_going=True)
    assert hung.violation("hung guest") is not None
    assert hung.violation("EFAULT after bad page") is None


def test_without_checks_a_freed_page_is_handed_out_while_it_is_mapped() -> None:
    system = System(parse_config(find_policy("c_69"), "gfns=2,zaps=0,follow_up=yes,check_pages=no"))
    result = search(system, cutting=0, max_states=100_000, keep_states=True)
    fields = [system.decode(s) for s in result.seen]
    assert any(f["pte"][0] == f["pte"][1] >= 2 for f in fields)
    checked = System(parse_config(find_policy("c_69"), "gfns=2,zaps=0,follow_up=yes"))
    result = search(checked, cutting=0, max_states=100_000, keep_states=True)
    assert result.complete
    assert not any(checked.decode(s)["pte"][0] == checked.decode(s)["pte"][1] >= 2 for s in result.seen)


@pytest.mark.parametrize("policy", [p.id for p in POLICIES])
@pytest.mark.parametrize("config", ["A,vcpus=2", "T,vcpus=2", "R"])
def test_symmetry_finds_the_same_with_fewer_states(policy: str, config: str) -> None:
    full = explore(parse_config(find_policy(policy), config), engine="python")
    half = explore(parse_config(find_policy(policy), config), engine="python", symmetry=True)
    assert half.states < full.states <= 2 * half.states
    assert [(v.invariant.id, v.depth) for v in half.violations] == [(v.invariant.id, v.depth) for v in full.violations]
    for violation in half.violations:
        assert len(violation.trace) == violation.depth


def test_the_states_of_the_full_search_are_those_of_the_symmetric_one() -> None:
    system = System(parse_config(find_policy("c_69"), "A,vcpus=3,zaps=0"))
    canonical = canonical_by_vcpu(system)
    full = search(system, cutting=CUTTING, max_states=10**6, keep_states=True)
    half = search(system, cutting=CUTTING, max_states=10**6, keep_states=True, canonical=canonical)
    assert {canonical(s) for s in full.seen} == set(half.seen)
    for order in itertools.permutations(range(3)):
        for s in full.seen[::97]:
            fields = system.decode(s)
            assert canonical(_permuted(system, s, order)) == canonical(s), fields


def _permuted(system: System, s: int, order: tuple[int, ...]) -> int:
    record = vcpu_record(system.machine)
    values = [read(s, record, v) for v in range(len(order))]
    for place, v in enumerate(order):
        s = write(s, record, place, values[v])
    return s


def test_only_the_chosen_invariants_stop_the_search() -> None:
    assert explore("c_69", invariants=["I1"]).states > explore("c_69").states
    with pytest.raises(BadSearch, match="unknown invariant"):
        explore("c_69", invariants=["I99"])


@pytest.mark.parametrize("options", [{"engine": "spin"}, {"threads": 3}, {"max_states": 0}, {"max_states": 1 << 31}])
def test_bad_searches_are_refused_in_one_sentence(options: dict[str, object]) -> None:
    with pytest.raises(KvmlabError):
        explore("d", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["B", "vcpus=0", "vcpus=9", "pages=x", "nonsense=1", "driver=ugly", "reads=maybe", "T,zaps=1", "reads=no,writes=no",
     "others=2", "vcpus=99999999999999999999", "gfns=0", "=", "A=1"],
)  # fmt: skip
def test_bad_configurations_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BadConfig):
        parse_config(find_policy("d"), text)


@given(st.text(max_size=30))
def test_no_text_makes_the_parser_of_configurations_fail_otherwise(text: str) -> None:
    with contextlib.suppress(BadConfig):
        parse_config(find_policy("d"), text)


def test_a_configuration_is_told_by_name() -> None:
    told = describe(parse_config(find_policy("d"), "T"))
    assert told["policy"] == "d"
    assert told["driver"] == "good"


def test_frames() -> None:
    pd = pytest.importorskip("pandas")
    answer = explore("c_69")
    trace = answer.df_trace("I3")
    assert trace["step"].tolist() == list(range(8))
    assert trace["refcount_0"].tolist()[-3:] == [2, 1, 0]
    assert trace["mapcount_0"].tolist()[-1] == 1
    assert trace["use_0"].tolist()[-1] == "leaked"
    assert trace["batch"].tolist()[3] == (0,)
    assert answer.df_trace("I14").empty
    matrix = df_policy_matrix(policy_matrix(("A", "T")))
    assert set(matrix["policy"]) == {p.id for p in POLICIES}
    clean = matrix[(matrix["policy"] == "d") & (matrix["config"] == "A")]
    assert clean["invariant"].isna().all()
    assert isinstance(answer.df_violations(), pd.DataFrame)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([p.id for p in POLICIES]), st.lists(st.integers(0, 20), max_size=80))
def test_a_random_walk_of_a_replay_stays_inside_what_was_explored(policy: str, choices: list[int]) -> None:
    """Every state of a walk that has broken nothing is one of the explored states."""
    system, seen = _explored(policy)
    state = system.first
    for choice in choices:
        events = system.events(state)
        if not events:
            break
        after = system.step(state, events[choice % len(events)])
        if after not in seen:
            break
        state = after
    else:
        assert state in seen
    assert state in seen


_CACHE: dict[str, tuple[System, set[int]]] = {}


def _explored(policy: str) -> tuple[System, set[int]]:
    if policy not in _CACHE:
        system = System(Config(find_policy(policy), vcpus=2))
        result = search(system, cutting=CUTTING, max_states=10**6, keep_states=True)
        _CACHE[policy] = system, set(result.seen)
    return _CACHE[policy]


def test_a_counterexample_is_the_event_list_that_a_replay_plays() -> None:
    answer = explore("c_69")
    violation = answer.violation("I3")
    assert violation is not None
    config = parse_config(find_policy("c_69"), "A")
    runner = Runner(System(Config(find_policy("c_69"), tracked=True)))
    for step in violation.trace:
        runner.take(step.event)
    run = runner.finish()
    assert [step.actor for step in run.steps] == [step.actor for step in violation.trace]
    (bad,) = run.bad_pages
    assert (bad.page.refcount, bad.page.mapcount) == (0, 1)
    assert [e.holder for e in run.ledger.stray_puts(0)] == ["fault of vcpu0"]
    assert config.policy.id == "c_69"
