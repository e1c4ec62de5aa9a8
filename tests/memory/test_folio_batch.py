"""The per-CPU batches: capacity by release, drain, activation, and what marking accessed does."""

from __future__ import annotations

import pytest

from kvmlab.errors import UnknownRelease
from kvmlab.kvm.config import Config
from kvmlab.kvm.policies import find_policy
from kvmlab.kvm.system import System
from kvmlab.memory.folio_batch import batch_capacity, batch_entries, drain, folio_add_lru, mark_page_accessed
from kvmlab.memory.page import alloc_anon, refcount
from kvmlab.memory.page_state import page_state


def _system(**settings: object) -> System:
    return System(Config(find_policy("c_69"), tracked=True, pages=4, gfns=4, **settings))  # type: ignore[arg-type]


def test_the_capacity_of_a_batch_by_release() -> None:
    assert [batch_capacity(r) for r in ("6.1.192", "6.8.1", "6.9.12", "6.12.117")] == [15, 15, 31, 31]
    with pytest.raises(UnknownRelease):
        batch_capacity("syzkaller")


def test_the_folio_that_fills_the_batch_is_drained_with_the_others() -> None:
    system = _system(batch=3)
    m = system.machine.matter
    s = system.first
    for page in range(3):
        assert batch_entries(s, m) == page
        s = folio_add_lru(alloc_anon(s, page, page, None, m), page, None, m)
    assert batch_entries(s, m) == 0
    for page in range(3):
        state = page_state(s, page, m)
        assert (state.refcount, state.flags) == (1, {"uptodate", "anon_exclusive", "swapbacked", "lru"})


def test_others_take_places_in_the_batch() -> None:
    system = _system(batch=31, others=30)
    m = system.machine.matter
    s = folio_add_lru(alloc_anon(system.first, 0, 0, None, m), 0, None, m)
    assert batch_entries(s, m) == 0
    assert refcount(s, 0, m) == 1


def test_a_page_in_the_batch_becomes_active_at_the_second_mark() -> None:
    system = _system(batch=31)
    m = system.machine.matter
    s = folio_add_lru(alloc_anon(system.first, 0, 0, None, m), 0, None, m)
    s = mark_page_accessed(s, 0, None, m)
    assert "referenced" in (page_state(s, 0, m).flags or ())
    s = mark_page_accessed(s, 0, None, m)
    assert page_state(s, 0, m).flags == {"uptodate", "anon_exclusive", "swapbacked", "active"}
    assert refcount(s, 0, m) == 2


def test_a_page_on_the_lru_is_queued_for_activation_and_the_queue_holds_a_reference() -> None:
    system = _system(batch=31)
    m = system.machine.matter
    s = drain(folio_add_lru(alloc_anon(system.first, 0, 0, None, m), 0, None, m), None, m)
    for _ in range(2):
        s = mark_page_accessed(s, 0, None, m)
    assert refcount(s, 0, m) == 2
    assert page_state(s, 0, m).flags == {"uptodate", "anon_exclusive", "swapbacked", "lru"}


def test_mglru_marks_workingset_instead() -> None:
    system = _system(batch=31, lru_gen=True)
    m = system.machine.matter
    s = folio_add_lru(alloc_anon(system.first, 0, 0, None, m), 0, None, m)
    for _ in range(2):
        s = mark_page_accessed(s, 0, None, m)
    born = {"uptodate", "anon_exclusive", "swapbacked", "active"}
    assert page_state(s, 0, m).flags == {*born, "referenced", "workingset"}
    drained = page_state(drain(s, None, m), 0, m).flags
    assert drained == {"uptodate", "anon_exclusive", "swapbacked", "workingset", "lru"}


def test_marking_a_free_page_changes_nothing() -> None:
    system = _system(batch=31)
    assert mark_page_accessed(system.first, 0, None, system.machine.matter) == system.first
