"""The tests at free: order, last answer, texts from the tables, and when they run."""

from __future__ import annotations

import itertools

import pytest

from kvmlab.kernel.bad_page_reasons import Stage, reasons
from kvmlab.memory.free_checks import FIELDS, checks_freed_pages, free_check, reason_text


@pytest.mark.parametrize("values", list(itertools.product((0, 1), repeat=len(FIELDS))))
def test_the_last_failing_test_is_reported(values: tuple[int, ...]) -> None:
    failing = [code for code, value in enumerate(values, start=1) if value]
    assert free_check(*values) == (failing[-1] if failing else 0)


def test_the_order_is_that_of_the_table_of_reasons() -> None:
    order = {row.field: row.order for row in reasons() if row.stage is Stage.PAGE}
    places = [order[field] for field in FIELDS]
    assert None not in places
    assert places == sorted(places, key=lambda place: place or 0)


def test_a_mapped_page_without_references_is_the_reported_reason() -> None:
    assert reason_text(free_check(1, 0, 0, 0, 0, 0), "6.9.12") == "nonzero mapcount"
    assert reason_text(free_check(0, 0, 1, 0, 0, 0), "6.9.12") == "nonzero _refcount"
    assert reason_text(free_check(0, 0, 0, 1, 0, 0), "6.1") == "PAGE_FLAGS_CHECK_AT_FREE flag(s) set"


def test_a_reason_that_a_release_lacks_has_no_text() -> None:
    assert reason_text(6, "6.1") is None
    assert reason_text(6, "6.12") == "page_pool leak"


@pytest.mark.parametrize(
    ("version", "debug_vm", "init_on_alloc", "checked"),
    [
        ((6, 1), False, True, False),
        ((6, 1), True, False, True),
        ((6, 9, 12), False, True, True),
        ((6, 12), False, False, False),
        (None, False, True, True),
    ],
)
def test_when_freed_pages_are_checked(
    version: tuple[int, ...] | None, debug_vm: bool, init_on_alloc: bool, checked: bool
) -> None:
    assert checks_freed_pages(version, debug_vm=debug_vm, init_on_alloc=init_on_alloc) is checked
