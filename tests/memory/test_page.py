"""Get, put and free of pages in a packed state."""

from __future__ import annotations

import pytest

from kvmlab.kvm.config import Config
from kvmlab.kvm.policies import find_policy
from kvmlab.kvm.system import System
from kvmlab.memory.ledger import FAULT, PTE, Ledger
from kvmlab.memory.page import alloc_anon, get_page, lowest_free, put_page, refcount
from kvmlab.memory.page_state import page_state


def _system(**settings: object) -> System:
    return System(Config(find_policy("c_69"), tracked=True, **settings))  # type: ignore[arg-type]


def test_a_fresh_anonymous_page() -> None:
    system = _system()
    m = system.machine.matter
    page = page_state(alloc_anon(system.first, 0, 0, None, m), 0, m)
    assert (page.use, page.refcount, page.mapcount, page.mapping) == ("anonymous", 1, 1, True)
    assert page.flags == {"uptodate", "anon_exclusive", "swapbacked"}
    assert page.list_poison is False


def test_the_last_put_of_a_mapped_page_leaks_it_and_is_reported_with_its_mapcount() -> None:
    seen = []
    system = _system()
    m = system.machine.matter
    ledger = Ledger(on_bad_page=lambda page, reason, s: seen.append((reason, page_state(s, page, m).mapcount)))
    s = put_page(alloc_anon(system.first, 0, 0, ledger, m), 0, FAULT, ledger, m)
    page = page_state(s, 0, m)
    assert (page.use, page.refcount) == ("leaked", 0)
    assert seen == [(1, 1)]
    assert page.mapcount == 0, "6.9 resets the mapcount after the report"
    assert page.mapping is False


def test_later_releases_keep_the_mapcount() -> None:
    system = _system(resets_mapcount=False)
    m = system.machine.matter
    s = put_page(alloc_anon(system.first, 0, 0, None, m), 0, FAULT, None, m)
    assert page_state(s, 0, m).mapcount == 1


def test_without_checks_the_page_is_free_while_it_is_mapped() -> None:
    system = _system(check_pages=False)
    m = system.machine.matter
    s = put_page(alloc_anon(system.first, 0, 0, None, m), 0, FAULT, None, m)
    assert page_state(s, 0, m).use == "free"
    assert lowest_free(s, m) == 0


def test_an_underflow_stays_at_minus_one() -> None:
    system = _system()
    m = system.machine.matter
    s = put_page(put_page(system.first, 0, FAULT, None, m), 0, FAULT, None, m)
    assert refcount(s, 0, m) == -1


@pytest.mark.parametrize("gets", range(1, 5))
def test_gets_and_puts_balance(gets: int) -> None:
    system = _system()
    m = system.machine.matter
    start = alloc_anon(system.first, 0, 0, None, m)
    s = start
    for _ in range(gets):
        s = get_page(s, 0, PTE, None, m)
    assert refcount(s, 0, m) == 1 + gets
    for _ in range(gets):
        s = put_page(s, 0, PTE, None, m)
    assert s == start
