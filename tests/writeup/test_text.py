"""The plain text: complete, narrow, and never at the mercy of what a log holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kvmlab.errors import KvmlabError
from kvmlab.inquiry.explain import explain
from kvmlab.report.log import read_log
from kvmlab.writeup.case import Case, open_case
from kvmlab.writeup.text import WIDTH, to_text, write_text


@pytest.fixture
def case(case_dir: Path) -> Case:
    return open_case(case_dir)


def test_the_reported_case_is_told_from_the_log_to_what_would_decide(case: Case) -> None:
    text = to_text(case, read_log(case.raw))
    titles = ["In short", "The replay, step by step", "What is proved, what is likely", "What would decide"]
    places = [text.index(f"\n{title}\n{'-' * len(title)}\n") for title in titles]
    assert places == sorted(places)
    assert "step 13, late check: a put by somebody who held no reference" in text
    assert "   28 s B    vcpu0   copy-on-write copy    0   1     0  PTE" in text
    assert "c_69    the v11 series on 6.8 and later, as in the reported kernel: ends in" in text
    assert "not known: the QEMU command line and the guest" in text
    assert case.files[0].sha256 in text


def test_every_statement_of_explain_stands_in_it_with_its_basis_and_line(case: Case) -> None:
    log = read_log(case.raw)
    flat = " ".join(to_text(case, log).split())
    for row in explain(log).rows:
        line = f", line {row.line}" if row.line is not None else ""
        assert " ".join(f"{row.field}: {row.value} [{row.basis}{line}]".split()) in flat
        assert " ".join(row.meaning.split()) in flat


def test_lines_are_narrow_and_end_without_blanks(case: Case) -> None:
    lines = to_text(case, read_log(case.raw)).splitlines()
    assert not [line for line in lines if len(line) > WIDTH and len(line.split()) > 1]
    assert [line for line in lines if line != line.rstrip()] == ["-- "]


def test_it_is_the_same_each_time(case: Case, tmp_path: Path) -> None:
    first = write_text(case, tmp_path / "a" / "1.txt").read_bytes()
    assert write_text(case, tmp_path / "a" / "2.txt").read_bytes() == first


def test_control_characters_and_markup_of_a_log_stay_text(case: Case) -> None:
    evil = case.raw.read_bytes().replace(b"CPU 0/KVM", b"<b>\x1b[31m\x07")
    text = to_text(case, read_log(evil))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "<b>" in text


@pytest.mark.parametrize("keep", [1, 3, 8, 20, 40])
def test_a_report_that_was_cut_is_written_up_all_the_same(case: Case, keep: int) -> None:
    lines = case.raw.read_bytes().splitlines(keepends=True)
    text = to_text(replace(case, report=None), read_log(b"".join(lines[6 : 6 + keep])))
    assert "not explained" in text or "explained:" in text


def test_a_log_without_reports_is_refused(case: Case) -> None:
    with pytest.raises(KvmlabError, match="no report"):
        to_text(replace(case, report=None), read_log(b"[    1.000000] usb 1-1: new device\n"))
