"""A log appended to itself: copies are put together as the tolerant parser does it, without a report for each."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from kvmlab.report import scan_fold
from kvmlab.report.scan import scan_log
from tests.report.generator import STYLES, log
from tests.report.test_scan_equal import check


def times(n: int, style: str, *, untimed: bool = False) -> bytes:
    lines = log(11, style, 0.95, 30_000)
    if untimed:
        # A second that the console printed, none of the kernel.
        lines = [f"<4>{line.partition('] ')[2]}" for line in lines]
    return ("\n".join([*lines, ""]) * n).encode()


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("engine", ["python", "numba"])
def test_a_log_appended_to_itself_is_that_log(style: str, engine: str) -> None:
    data = times(3, style)
    assert check(data, engine) > 0
    found = scan_log(data, engine=engine)
    assert set(found.repeats.values()) == {2}
    assert len(found) == len(scan_log(times(1, style), engine=engine))


@pytest.mark.parametrize("style", ["dmesg", "caller"])
def test_no_report_is_made_for_a_copy(style: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = times(4, style)
    once = len(scan_log(times(1, style)))
    plain, packed = tmp_path / "log", tmp_path / "log.gz"
    plain.write_bytes(data)
    packed.write_bytes(gzip.compress(data))
    made: list[int] = []
    real = scan_fold._as_reports

    def counted(scan, text, chosen):  # type: ignore[no-untyped-def]
        made.extend(chosen)
        return real(scan, text, chosen)

    monkeypatch.setattr(scan_fold, "_as_reports", counted)
    for what in (data, plain, packed, io.BytesIO(data)):
        found = scan_log(what, engine="python")
        assert len(found) == once
    assert not made


def test_without_times_only_a_report_that_is_one_word_for_word_is_a_copy() -> None:
    data = times(2, "dmesg", untimed=True)
    check(data, "python")
    # The same page again, with one return address of the stack changed: to the kernel that is another report.
    other = data[len(data) // 2 :].replace(b"+0x1", b"+0x2")
    check(data + other, "python")


def test_a_copy_with_other_words_is_compared_as_a_report() -> None:
    once = times(1, "dmesg")
    other = once.replace(b"+0x1", b"+0x2")
    assert check(once + other + once, "python") > 0
