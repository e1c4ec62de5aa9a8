"""Six hypotheses, compared with the reported trace and with storms of real kernels (whose put was injected)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kvmlab.inquiry.batch_groups import batch_groups
from kvmlab.inquiry.hypotheses import HYPOTHESES, Weighed, weigh
from kvmlab.inquiry.hypothesis_facts import report_facts
from kvmlab.inquiry.hypothesis_storms import extra_put_was_earlier, storm_facts
from kvmlab.inquiry.injected import injected
from kvmlab.kernel.release import KernelRelease
from kvmlab.report.log import Log, read_log
from kvmlab.report.records import Kind, Report

ROOT = Path(__file__).resolve().parents[2]
STORMS = ROOT / "data" / "captures" / "6.12.117+deb12-amd64"
RESEARCH = ROOT.parent / "shared" / "captures"


@pytest.fixture(scope="module")
def report() -> Report:
    return read_log(str(ROOT / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt")).bad_pages[0]


def _by_id(weighed: tuple[Weighed, ...]) -> dict[str, Weighed]:
    return {w.hypothesis.id: w for w in weighed}


def test_the_table_is_complete() -> None:
    assert [h.id for h in HYPOTHESES] == ["H1", "H2", "H3", "H4", "H5", "H6"]
    known = set(storm_facts(()))
    for hypothesis in HYPOTHESES:
        assert hypothesis.expects
        assert hypothesis.would_decide
        assert {e.fact for e in hypothesis.expects} <= known


def test_the_reported_trace(report: Report) -> None:
    found = _by_id(weigh(report))
    assert found["H1"].stands
    assert found["H1"].contradicts == ()
    assert len(found["H1"].fits) == 9
    for excluded in ("H2", "H3", "H5"):
        assert not found[excluded].stands, excluded
    assert [f.fact.id for f in found["H2"].contradicts] == ["early-check base"]
    # One report cannot exclude these two: a drain blames whoever runs it.
    for weak in ("H4", "H6"):
        assert [f.fact.id for f in found[weak].contradicts] == ["only KVM tasks"]
        assert found[weak].stands
    assert all(len(found["H1"].fits) > len(w.fits) for name, w in found.items() if name != "H1")


def test_without_the_eight_commits_the_first_hypothesis_falls(report: Report) -> None:
    assert report.cpu_line is not None
    stock = replace(report, cpu_line=replace(report.cpu_line, release=KernelRelease.parse("6.9.12")))
    assert [f.fact.id for f in _by_id(weigh(stock))["H1"].contradicts] == ["v11 kernel"]


def test_what_the_text_does_not_hold_is_open(report: Report) -> None:
    bare = replace(report, page=None, call_trace=None, cpu_line=None)
    assert all(fact.holds is None for fact in report_facts(bare).values())
    for weighed in weigh(bare):
        assert weighed.fits == weighed.contradicts == ()
        assert not weighed.stands


def test_damaged_words_contradict_a_counting_fault(report: Report) -> None:
    assert report.page is not None
    assert report.page.raw is not None
    words = (*report.page.raw.words[:4], 0x1234, *report.page.raw.words[5:])
    damaged = replace(report, page=replace(report.page, raw=replace(report.page.raw, words=words)))
    found = _by_id(weigh(damaged))
    assert "consistent" in [f.fact.id for f in found["H1"].contradicts]
    assert found["H5"].stands


def _log(path: Path) -> Log:
    if not path.is_file():
        pytest.skip(f"{path.parent.parent.name}: this storm is not in the checkout")
    return read_log(str(path))


@pytest.mark.parametrize(
    ("run", "groups"),
    [
        ("storm-1vcpu", [30, 30]),
        ("storm-1vcpu-mglru", [30, 1]),
        ("storm-1vcpu-second-minute", [30, 30, 19, 30, 11]),
        ("../6.12.117-klab/storm-1vcpu-page-ref", [30, 30]),
    ],
)
def test_batch_groups_of_recorded_storms(run: str, groups: list[int]) -> None:
    log = _log(STORMS / run / "storm" / "dmesg.txt.gz")
    assert injected(log.reports).holds is True
    assert [len(group) for group in batch_groups(log.reports)] == groups
    fact = extra_put_was_earlier(log.reports)
    assert fact.holds is True
    assert "before" in fact.tells
    facts = storm_facts(log.reports)
    assert facts["group limit"].holds
    assert facts["guest order"].holds
    assert facts["KVM put"].holds is (run == "storm-1vcpu-mglru")


def test_a_recorded_storm_is_no_stock_kernels_own_fault() -> None:
    """The put was injected, so everything fits but the kernel: the log shows an extra put, not whose code it was."""
    log = _log(STORMS / "storm-1vcpu" / "storm" / "dmesg.txt.gz")
    found = _by_id(weigh(log.reports))
    assert [f.fact.id for f in found["H1"].contradicts] == ["v11 kernel"]
    assert len(found["H1"].fits) == len(found["H1"].findings) - 1
    assert not found["H5"].stands
    assert storm_facts(log.reports)["survivor"].holds


@pytest.mark.parametrize("name", ["kvmbad_lruoff.dmesg.txt", "kvmbad_lrugen.dmesg.txt", "badput_lruoff.dmesg.txt"])
def test_the_research_storms(name: str) -> None:
    log = _log(RESEARCH / "6.12.117+deb12-amd64" / "bad" / name)
    assert max(len(group) for group in batch_groups(log.reports)) == 30
    assert "not that this kernel makes them" in injected(log.reports).tells
    assert extra_put_was_earlier(log.reports).holds is True
    if name.startswith("badput"):
        # No guest is involved there: the reports come from a task outside KVM, some from the put itself.
        facts = storm_facts(log.reports)
        assert facts["only KVM tasks"].holds is False
        assert facts["by drain"].holds is False
        assert _by_id(weigh(log.reports))["H4"].stands


def test_the_newest_kernels_storm_has_groups_of_a_batch_less_one() -> None:
    log = _log(STORMS.parent / "7.3.4+deb13-amd64" / "storm-1vcpu-touch" / "storm" / "dmesg.txt.gz")
    facts = storm_facts(log.reports)
    assert facts["group limit"].holds
    assert "groups of 30, 30; a batch allows at most 30" in facts["group limit"].tells
    assert extra_put_was_earlier(log.reports).holds is True


def test_the_reported_trace_is_not_the_labs(report: Report) -> None:
    assert injected([report]).holds is False
    assert injected(()).holds is None


def test_a_log_without_a_drain_tells_nothing_about_earlier_puts() -> None:
    assert extra_put_was_earlier(()).holds is None


def test_suppressed_reports_count() -> None:
    log = _log(STORMS / "storm-1vcpu-second-minute" / "storm" / "dmesg.txt.gz")
    fact = storm_facts(log.reports)["report limit"]
    assert fact.holds
    assert "60 counted as suppressed" in fact.tells
    assert any(r.kind is Kind.SUPPRESSED for r in log.reports)
