"""Real logs from public lists against the index that says what is in them; skipped where they are absent."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from kvmlab.inquiry.triage import role_counts
from kvmlab.report.log import read_log
from kvmlab.report.records import Kind, Report

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
FOLDER = SHARED / "corpora" / "bad_page"
CAPTURES = SHARED / "captures"
# The index counts the dumps that name a reason; kernels before 4.4 print none.
NO_REASON = ("041-", "042-", "044-", "045-", "047-", "054-", "062-")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the public logs lie beside the checkout, not in it")


def _rows() -> list[dict[str, str]]:
    if not FOLDER.is_dir():
        return []
    with (FOLDER / "index.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row["file"])
def test_corpus_log(row: dict[str, str]) -> None:
    log = read_log(FOLDER / row["file"])
    bad = log.bad_pages
    assert len(bad) == int(row["n_distinct_reports"])
    assert len(bad) + sum(len(report.repeats) for report in bad) == int(row["n_headers"])
    assert [f"{report.pfn:05x}" for report in bad if report.pfn is not None] == row["pfns"].lower().split()
    assert sorted({report.process for report in bad if report.process}) == sorted(set(row["comms"].split()))
    dumps = sum(report.page is not None for report in log.reports)
    if not row["file"].startswith(NO_REASON):
        assert dumps == int(row["n_page_dumps"])
    reasons = {report.page.reason for report in bad if report.page is not None and report.page.reason}
    assert reasons == {reason for reason in row["reasons"].split(";") if reason}
    assert _kernels(bad) == sorted(row["kernel_releases"].split())


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row["file"])
def test_next_to_nothing_is_left_out(row: dict[str, str]) -> None:
    log = read_log(FOLDER / row["file"])
    counts = role_counts(log)
    assert sum(counts.values()) == sum(len(text.records) for text in log.text.walk())
    if log.text.kind == "dmesg":
        assert counts.get("other", 0) <= 8 + 0.01 * counts["log"]


def _kernels(bad: tuple[Report, ...]) -> list[str]:
    lines = (report.cpu_line for report in bad)
    return sorted({line.release.text for line in lines if line is not None and line.release is not None})


@pytest.mark.parametrize(
    ("path", "kinds", "suppressed"),
    [
        ("6.12.117+deb12-amd64/bad/badput_lruoff.dmesg.txt", {"bad_page": 60, "suppressed": 1}, 81),
        ("6.12.117+deb12-amd64/bad/kvmbad_lruoff.dmesg.txt", {"bad_page": 60}, 0),
        ("6.12.117+deb12-amd64/bad/kvmbad_lrugen.dmesg.txt", {"bad_page": 60, "suppressed": 1, "warning": 1}, 40),
        ("6.12.117+deb12-amd64/bad/exit.dmesg.txt", {"bad_rss_counter": 8}, 0),
        ("6.12.117-klab/bad/kvmbad_lruoff.dmesg.txt.gz", {"bad_page": 60}, 0),
        ("7.3.4+deb13-amd64/serial.txt.gz", {"bad_page": 120, "suppressed": 1, "bad_rss_counter": 4}, 81),
        ("7.3.4+deb13-amd64/oops_mttcg/serial.txt", {"oops": 1}, 0),
    ],
)
def test_capture(path: str, kinds: dict[str, int], suppressed: int) -> None:
    log = read_log(CAPTURES / path)
    assert Counter(report.kind.value for report in log.reports) == kinds
    assert all(report.complete for report in log.reports)
    counted = [report.fields["messages"] for report in log.reports if report.kind is Kind.SUPPRESSED]
    assert sum(n for n in counted if isinstance(n, int)) == suppressed
