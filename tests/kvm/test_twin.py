"""The model against an independent twin in plain Python: every state, every transition, every first violation."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.explore.twin import State, Twin
from kvmlab.kvm.config import Config
from kvmlab.kvm.explore import CUTTING
from kvmlab.kvm.invariants import BY_NUMBER
from kvmlab.kvm.policies import POLICIES, find_policy
from kvmlab.kvm.search_python import search
from kvmlab.kvm.system import System

CONFIGS: dict[str, dict[str, Any]] = {
    "A": {},
    "A, two vCPUs": {"vcpus": 2},
    "A, no zap": {"vcpus": 2, "zaps": 0},
    "A, writes only": {"vcpus": 2, "reads": False},
    "A, reads only": {"vcpus": 2, "writes": False},
    "A, two zaps, larger batch": {"zaps": 2, "batch": 3, "pages": 3},
    "two gfns": {"gfns": 2, "pages": 3},
    "two gfns, two frames, two zaps": {"gfns": 2, "zaps": 2},
    "T": {"gfns": 0, "pages": 0, "zaps": 0, "driver": "good"},
    "T, two vCPUs": {"gfns": 0, "pages": 0, "zaps": 0, "driver": "good", "vcpus": 2},
    "R": {"gfns": 0, "pages": 0, "zaps": 0, "driver": "good", "driver_page": "refcounted", "vcpus": 2},
    "X": {"gfns": 0, "pages": 0, "zaps": 0, "driver": "bad"},
    "tail and anonymous": {"driver": "good"},
    "refcounted and anonymous": {"driver": "good", "driver_page": "refcounted", "zaps": 0},
    "tail, anonymous, bad driver": {"driver": "bad"},
}
MM = {"idle": 0, "started": 1, "gathered": 2, "cleared": 3}
DRIVER = {"none": 0, "owns": 0, "unmapping": 1, "cleared": 2, "unmapped": 3, "gone": 4}


def _of_twin(state: State) -> tuple[Any, ...]:
    use, ref, mapped, pte, spte, counted, busy, batch, vcpus, mm, driver = state
    return use, ref, mapped, pte, spte, counted, busy, batch, vcpus, (MM[mm[0]], *mm[1:]), DRIVER[driver]


def _of_model(system: System, state: int) -> tuple[Any, ...]:
    f = system.decode(state)
    accounted = f["accounted"]
    vcpus = tuple(zip(f["pc"], f["gfn"], f["wants"], f["stale"], f["got"], accounted, strict=True))
    refcount = tuple(count - 1 for count in f["refcount"])
    mm = (f["mm_pc"][0], f["mm_gfn"][0], f["mm_page"][0], f["mm_left"][0])
    batch = tuple(slot - 1 for slot in f["batch"] if slot)
    return (
        f["use"], refcount, f["mapcount"], f["pte"], f["spte"], f["counted"], f["in_progress"], batch, vcpus, mm,
        f["driver_pc"][0],
    )  # fmt: skip


def _compare(policy: str, settings: dict[str, Any]) -> int:
    depths, transitions, first = Twin(policy, **settings).explore()
    system = System(Config(find_policy(policy), **settings))
    result = search(system, cutting=CUTTING, max_states=10**7, keep_states=True)
    assert {_of_model(system, s) for s in result.seen} == {_of_twin(s) for s in depths}
    assert (result.states, result.transitions) == (len(depths), transitions)
    assert {BY_NUMBER[n].id: found.depth for n, found in result.found.items()} == first
    assert result.depth == max(depths.values())
    return result.states


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("policy", [p.id for p in POLICIES])
def test_every_state_agrees(policy: str, config: str) -> None:
    _compare(policy, CONFIGS[config])


@pytest.mark.slow
@pytest.mark.parametrize("policy", [p.id for p in POLICIES])
def test_every_state_agrees_on_the_mixed_configuration(policy: str) -> None:
    assert _compare(policy, {"vcpus": 2, "driver": "good"}) > 70_000


@pytest.mark.slow
def test_every_state_agrees_on_three_vcpus() -> None:
    assert _compare("d", {"vcpus": 3, "pages": 3}) == 192_416
