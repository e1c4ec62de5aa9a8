"""What a printed reason proves, and what it rules out because a later test would have been printed instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.kernel.bad_page_reasons import Stage, explain_reason, reasons


def test_nonzero_mapcount_of_the_reported_page_rules_out_all_the_rest() -> None:
    facts = explain_reason("nonzero mapcount", "6.9.12-ajb")
    assert facts is not None
    assert facts.printed_by_release is True
    assert facts.reason.stage is Stage.PAGE
    assert facts.implied == {
        "mapping": "NULL",
        "refcount": "0",
        "free_flags": "none",
        "memcg_data": "0",
        "pp_magic": "no page_pool mark",
    }
    assert facts.uncertain == ()


def test_before_the_page_pool_test_its_mark_is_not_ruled_out() -> None:
    old = explain_reason("nonzero mapcount", "6.1.192")
    between = explain_reason("nonzero mapcount", "6.7.0")
    assert old is not None
    assert between is not None
    assert "pp_magic" not in old.implied
    assert "pp_magic" not in between.implied
    assert [test.text for test in between.uncertain] == ["page_pool leak"]


@pytest.mark.parametrize(
    ("text", "release", "fields"),
    [
        ("page_pool leak", "6.9", set()),
        ("page still charged to cgroup", "6.9", {"pp_magic"}),
        ("PAGE_FLAGS_CHECK_AT_FREE flag(s) set", "6.9", {"memcg_data", "pp_magic"}),
        ("nonzero _refcount", "6.1", {"free_flags", "memcg_data"}),
        ("non-NULL mapping", "6.1", {"refcount", "free_flags", "memcg_data"}),
        ("nonzero _count", "4.4", {"free_flags", "memcg_data"}),
        ("nonzero mapcount", "4.4", {"mapping", "refcount", "free_flags", "memcg_data"}),
    ],
)
def test_later_tests_have_passed(text: str, release: str, fields: set[str]) -> None:
    facts = explain_reason(text, release)
    assert facts is not None
    assert set(facts.implied) == fields


def test_on_the_allocation_side_other_flags_are_forbidden() -> None:
    facts = explain_reason("nonzero mapcount", "6.9.12", freeing=False)
    assert facts is not None
    assert "prep_flags" in facts.implied
    assert "free_flags" not in facts.implied


def test_of_tail_tests_the_first_failure_is_printed_so_earlier_ones_have_passed() -> None:
    facts = explain_reason("nonzero pincount", "6.12.117")
    assert facts is not None
    assert facts.reason.stage is Stage.TAIL
    assert set(facts.implied) == {"entire_mapcount", "large_mapcount", "nr_pages_mapped"}


@pytest.mark.parametrize(
    ("text", "release", "printed"),
    [
        ("nonzero _count", "6.9", False),
        ("nonzero _refcount", "4.9", True),
        ("nonzero _refcount", "4.6", None),
        ("page_pool leak", "6.6", False),
        ("page_pool leak", "6.7", None),
        ("nonzero large_mapcount", "6.9", False),
        ("bad pte", "6.9", True),
        ("bad pte", "6.18", False),
        ("nonzero mapcount", "syzkaller", None),
    ],
)
def test_whether_the_release_prints_it(text: str, release: str, printed: bool | None) -> None:
    facts = explain_reason(text, release)
    assert facts is not None
    assert facts.printed_by_release is printed


def test_assertions_of_debug_builds_print_their_condition() -> None:
    facts = explain_reason("VM_BUG_ON_FOLIO(folio_ref_count(folio) <= 0)", "6.9")
    assert facts is not None
    assert facts.reason.stage is Stage.DUMP
    assert facts.implied == {}


@pytest.mark.parametrize("text", ["", "no such reason", "nonzero", "VM_BUG_ON"])
def test_other_texts_are_not_reasons(text: str) -> None:
    assert explain_reason(text, "6.9") is None


def test_every_reason_proves_something_and_page_tests_have_one_order() -> None:
    assert all(reason.proves for reason in reasons())
    orders = {(r.order, r.field) for r in reasons() if r.stage is Stage.PAGE}
    assert len({field for _, field in orders}) == len(orders)


@given(st.text(max_size=60), st.sampled_from(["6.9", "4.4", "syzkaller"]))
def test_no_text_makes_it_raise(text: str, release: str) -> None:
    facts = explain_reason(text, release)
    assert facts is None or facts.reason.text
