"""Every row of the tables matches its own sample, and no row before it does."""

from __future__ import annotations

from dataclasses import fields

import pytest

from kvmlab.report import scan_packed
from kvmlab.report.details import DetailRow, detail_rows, match_detail
from kvmlab.report.register_row import How, RegisterRow
from kvmlab.report.register_table import ANY_ROW, REGISTER_ROWS
from kvmlab.report.registers import match_registers
from kvmlab.report.titles import Title, match_title, titles


@pytest.mark.parametrize("row", titles(), ids=lambda row: row.name)
def test_title_sample(row: Title) -> None:
    found = match_title(row.sample)
    assert found is not None
    assert found[0].name == row.name
    assert row.source
    assert row.starts or row.holds


def test_title_names_are_unique() -> None:
    names = [row.name for row in titles()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", detail_rows(), ids=lambda row: row.name)
def test_detail_sample(row: DetailRow) -> None:
    found = match_detail(row.sample)
    assert found is not None
    assert found.name == row.name


def test_the_group_of_a_register_row_is_its_number() -> None:
    assert ANY_ROW.groups == len(REGISTER_ROWS)


def test_packed_kinds_are_made_from_all_their_fields() -> None:
    for kind in scan_packed._KINDS:
        # One value alone is no tuple of them.
        assert len(fields(kind)) > 1
        assert all(field.init and not field.kw_only for field in fields(kind))


@pytest.mark.parametrize("row", REGISTER_ROWS, ids=lambda row: f"{row.arch}-{row.how.name}")
def test_register_sample(row: RegisterRow) -> None:
    found = match_registers(row.sample)
    assert found is not None
    assert found.arch == row.arch
    if row.how in (How.PAIRS, How.STATE):
        assert found.values


@pytest.mark.parametrize(
    "line",
    [
        "I think BUG: Bad page state in process qemu  pfn:12345 is what you see",
        "BUG: Bad page state in process qemu  pfn:12345 was printed, then the guest hung",
        ' * pr_alert("BUG: Bad page state in process %s  pfn:%05lx\\n", current->comm, page_to_pfn(page));',
        "mm/page_alloc.c: BUG: Bad page state in process X  pfn:1",
        "Re: BUG: Bad page state in process kswapd0  pfn:1234",
        "bad_page: BUG",
        "Bad page state in process, says the manual",
        "BUG: Bad page state in process %s  pfn:%05lx",
    ],
)
def test_look_alikes_are_no_title_of_a_bad_page(line: str) -> None:
    found = match_title(line)
    assert found is None or found[0].kind != "bad_page" or found[0].weak


def test_other_bad_pages_are_not_bad_page() -> None:
    for line, kind in (
        ("BUG: Bad page map in process oom_reaper  pte:06e76c3e pmd:0583f067", "bad_page_map"),
        ("BUG: Bad page map in process qemu  pmd:8000000012345067", "bad_page_map"),
        ("BUG: Bad page cache in process systemd-journal  pfn:11ca9c", "bug"),
        ("BUG: Bad page state: 81 messages suppressed", "suppressed"),
        ("BUG: Bad page map: 2 messages suppressed", "suppressed"),
    ):
        found = match_title(line)
        assert found is not None
        assert found[0].kind == kind


@pytest.mark.parametrize(
    "noise", ["BUG: " * 200, "Oops" * 300, "x: page allocation failure" * 40, "rcu: INFO: " * 90, " " * 1024]
)
def test_a_long_line_costs_no_more_than_its_length(noise: str) -> None:
    # Patterns see at most TITLE_LENGTH characters; a megabyte more of the same must not change the answer.
    assert (match_title(noise) is None) == (match_title(noise + noise[:1] * 1_000_000) is None)
