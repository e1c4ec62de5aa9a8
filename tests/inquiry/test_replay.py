"""The replay of the reported trace: exactly its page state under one policy, a healthy page under the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.replay import STEP_COLUMNS, Replay, replay, same_events
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.policies import POLICIES, PolicyNotFound
from kvmlab.report.log import read_log
from kvmlab.report.records import Kind, PageDump, PrintedFlags, Report


@pytest.fixture(scope="module")
def report() -> Report:
    raw = Path(__file__).resolve().parents[2] / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt"
    return next(r for r in read_log(str(raw)).reports if r.kind is Kind.BAD_PAGE)


def _dump(report: Report) -> PageDump:
    assert report.page is not None
    return report.page


def _with_page(report: Report, **changes: Any) -> Report:
    return replace(report, page=replace(_dump(report), **changes))


def _with_release(report: Report, text: str) -> Report:
    assert report.cpu_line is not None
    return replace(report, cpu_line=replace(report.cpu_line, release=KernelRelease.parse(text)))


def _with_raw(report: Report, place: int, word: int) -> Report:
    raw = _dump(report).raw
    assert raw is not None
    words = tuple(word if i == place else old for i, old in enumerate(raw.words))
    return _with_page(report, raw=replace(raw, words=words))


def test_it_ends_in_exactly_the_reported_page_state(report: Report) -> None:
    found = replay(report)
    assert found.explained, found.why
    assert found.policy is not None
    assert found.policy.id == "c_69"
    assert found.predicted == found.reported | {"stack": found.predicted["stack"]}
    assert found.predicted["refcount"] == 0
    assert found.predicted["mapcount"] == 1
    assert found.predicted["mapping"] == "NULL"
    assert found.predicted["index"] == "0x7fa8117c3"
    assert found.predicted["flags"] == ("anon_exclusive", "referenced", "swapbacked", "uptodate")
    assert found.predicted["list"] == "LIST_POISON"
    assert found.predicted["reason"] == "nonzero mapcount"
    assert all(row.agrees for row in found.agreement)
    last = found.steps[-1]
    assert last.page is not None
    assert (last.page.refcount, last.page.mapcount) == (0, 1)
    assert last.functions[-3:] == ("free_unref_folios", "free_unref_page_prepare", "bad_page")
    assert "folio_batch_move_lru" in last.functions


def test_the_reported_step_is_in_the_stack_and_the_culprit_is_not(report: Report) -> None:
    found = replay(report)
    (culprit,) = [step for step in found.steps if step.stray_put]
    assert "in stack" not in found.marks(culprit)
    assert "kvm_release_pfn_clean" not in found.in_stack(culprit)
    last = found.steps[-1]
    assert found.marks(last) == ("bad page", "in stack")
    assert culprit.number < last.number
    trace = report.call_trace
    assert trace is not None
    reliable = [frame.function for frame in trace.reliable]
    assert set(found.in_stack(last)) <= set(reliable)
    assert {"bad_page", "folio_batch_move_lru", "do_wp_page", "kvm_faultin_pfn"} <= set(found.in_stack(last))


@pytest.mark.parametrize("policy", [p.id for p in POLICIES if p.id != "c_69"])
def test_the_same_events_leave_a_healthy_page_under_every_other_policy(report: Report, policy: str) -> None:
    other = same_events(replay(report))[policy]
    assert not other.explained
    assert other.healthy
    assert other.run is not None
    page = other.run.page(0)
    assert (page.use, page.refcount, page.mapcount) == ("anonymous", 1, 1)


def test_a_policy_can_be_asked_for_by_either_name(report: Report) -> None:
    assert replay(report, policy="v11-early-checks").explained
    assert replay(report, policy="c_69").explained
    assert not replay(report, policy="refcounted-page").explained
    with pytest.raises(PolicyNotFound):
        replay(report, policy="e")


def test_a_batch_full_of_the_guests_own_pages_ends_in_the_same_state(report: Report) -> None:
    found = replay(report, pages=31)
    assert found.explained
    assert found.assumptions[0].startswith("0 of the 31")
    assert found.steps[-1].bad_pages == tuple(range(30)), "the page that fills the batch survives"


_MORE = ("referenced", "uptodate", "dirty", "mappedtodisk", "swapbacked")
_LESS = ("uptodate", "mappedtodisk", "swapbacked")


def _flags(report: Report, value: int, names: tuple[str, ...]) -> PrintedFlags:
    flags = _dump(report).flags
    assert flags is not None
    return replace(flags, value=value, names=names)


TAMPERED = {
    "refcount": lambda r: _with_page(r, refcount=1),
    "negative refcount": lambda r: _with_page(r, refcount=-1),
    "mapcount": lambda r: _with_page(r, mapcount=0),
    "mapping": lambda r: _with_page(r, mapping=0xFFFF88800123),
    "index": lambda r: _with_page(r, index=0x7FA8117C4),
    "index and its raw word": lambda r: _with_raw(_with_page(r, index=0xFFFF888001234), 4, 0xFFFF888001234),
    "a file offset": lambda r: _with_raw(_with_page(r, index=3), 4, 3),
    "reason": lambda r: _with_page(r, reason="nonzero _refcount"),
    "one flag more": lambda r: _with_raw(
        _with_page(r, flags=_flags(r, 0x17FFFFC00A001C, _MORE)),
        0, 0x17FFFFC00A001C,
    ),
    "one flag less": lambda r: _with_raw(
        _with_page(r, flags=_flags(r, 0x17FFFFC00A0008, _LESS)), 0, 0x17FFFFC00A0008
    ),
    "a printed name that the word lacks": lambda r: _with_page(
        r, flags=_flags(r, 0x17FFFFC00A000C, _MORE)
    ),
    "raw flags": lambda r: _with_raw(r, 0, 0x17FFFFC00A000D),
    "no list poison": lambda r: _with_raw(r, 1, 0xFFFFEA0000000000),
    "raw mapping": lambda r: _with_raw(r, 3, 0xFFFF888000000001),
    "raw counts": lambda r: _with_raw(r, 6, 0x1_00000000),
    "still charged": lambda r: _with_raw(r, 7, 0xFFFF888000000000),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_report_is_not_explained_and_the_nearest_miss_says_why(report: Report, what: str) -> None:
    found = replay(TAMPERED[what](report))
    assert not found.explained
    assert found.why.startswith("not explained")
    assert found.misses
    assert len(found.misses[0].disagrees) >= 1
    assert str(found.misses[0])


def _with_stack(report: Report, *functions: str) -> Report:
    trace = report.call_trace
    assert trace is not None
    frame = trace.reliable[0]
    return replace(report, call_trace=replace(trace, frames=tuple(replace(frame, function=f) for f in functions)))


def test_another_stack_is_not_explained(report: Report) -> None:
    exits = ("bad_page", "free_unref_page", "__folio_put", "zap_pte_range", "unmap_vmas", "exit_mmap", "do_exit")
    found = replay(_with_stack(report, *exits))
    assert not found.explained
    assert [row.field for row in found.misses[0].disagrees] == ["stack"]


@pytest.mark.parametrize(
    "release",
    ["6.9.12", "6.9.12-ajb-00007-gfcd4b7efbad0", "6.7.12-ajb-00008-gfcd4b7efbad0", "6.13.1-x-00008-gfcd4b7efbad0"],
)
def test_the_release_decides_which_policies_are_tried(report: Report, release: str) -> None:
    """The same page on a kernel without the eight patches, or on another base, is not explained."""
    found = replay(_with_release(report, release))
    assert not found.explained
    assert found.policy is None or found.policy.id != "c_69"


@pytest.mark.parametrize("release", ["next-20240731", "2.4.20"])
def test_an_unknown_release_is_said(report: Report, release: str) -> None:
    found = replay(_with_release(report, release))
    assert not found.explained
    assert found.steps == ()
    assert release in found.why or "release" in found.why


def test_a_report_without_a_dump_or_of_another_kind_is_answered(report: Report) -> None:
    for other in (replace(report, page=None), replace(report, kind=Kind.FRAGMENT), replace(report, cpu_line=None)):
        found = replay(other)
        assert not found.explained
        assert found.agreement == ()
        assert same_events(found) == {}


def test_a_report_that_does_not_say_enough_is_not_explained(report: Report) -> None:
    found = replay(_with_page(report, reason=None))
    assert not found.explained
    assert found.why == "not explained: the report does not say reason"


def test_what_the_text_does_not_hold_is_neither_right_nor_wrong(report: Report) -> None:
    found = replay(_with_page(report, raw=None))
    assert found.explained
    (row,) = [row for row in found.agreement if row.field == "list"]
    assert row.agrees is None


def test_observed_and_inferred_stay_apart(report: Report) -> None:
    basis = {row.field: row.basis for row in replay(report).agreement}
    assert basis["refcount"] is Basis.OBSERVED
    assert basis["flags"] is Basis.INFERRED


def test_frames(report: Report) -> None:
    pytest.importorskip("pandas")
    found = replay(report)
    steps = found.df_steps()
    assert tuple(steps.columns) == STEP_COLUMNS
    assert len(steps) == len(found.steps)
    assert steps["refcount"].dtype == "Int64"
    assert steps["step"].tolist() == list(range(1, len(found.steps) + 1))
    assert steps.iloc[-1]["in_stack"]
    agreement = found.df_agreement()
    assert agreement["agrees"].all()
    assert replay(replace(report, page=None)).df_steps().empty


def test_a_replay_is_the_same_every_time(report: Report) -> None:
    def key(found: Replay) -> object:
        return [(s.state, s.functions) for s in found.steps], found.agreement, found.why

    assert key(replay(report)) == key(replay(report))


def test_the_same_events_under_every_policy_are_one_table(report: Report) -> None:
    import kvmlab

    frame = kvmlab.replay(report).df_policies()
    assert frame["policy"].tolist() == [p.id for p in POLICIES]
    ends = frame.set_index("policy")
    assert ends.loc["c_69", ["ends", "reason", "stray_put"]].tolist() == ["as reported", "nonzero mapcount", 13]
    assert ends.loc["c_69", "differs"] == ()
    others = ends.drop("c_69")
    assert set(others["ends"]) == {"healthy page"}
    assert others["stray_put"].isna().all()
    assert others["differs"].map(lambda fields: "refcount" in fields).all()


def test_the_functions_of_every_step_are_held_against_the_stack(report: Report) -> None:
    found = replay(report)
    assert found.stack[0] == "dump_stack_lvl" or "bad_page" in found.stack[:2]
    for step in found.steps:
        assert ("in stack" in found.marks(step)) == (step.marks(found.stack)[-1:] == ("in stack",))
        assert "in stack" not in step.marks()
