"""The limit of 60 reports a minute, against a naive account of the same times."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kvmlab.memory.report_limit import SHOWN_AT_ONCE, WINDOW_NS, ReportLimit

_SECOND = 10**9


def _walk(times: list[int]) -> list[tuple[bool, int]]:
    limit, answers = ReportLimit(), []
    for now in times:
        limit, printed, suppressed = limit.step(now)
        answers.append((printed, suppressed))
    return answers


def test_a_storm_of_93_shows_60_and_swallows_33() -> None:
    answers = _walk(list(range(93)))
    assert [printed for printed, _ in answers] == [True] * 60 + [False] * 33


def test_the_count_comes_with_the_first_report_after_the_window() -> None:
    answers = _walk([*range(141), 61 * _SECOND])
    assert answers[-1] == (True, 81)


def test_the_line_never_comes_if_no_report_follows() -> None:
    assert all(suppressed == 0 for _, suppressed in _walk(list(range(200))))


@given(st.lists(st.integers(0, 5 * _SECOND), max_size=300))
def test_no_report_is_lost_from_the_account(gaps: list[int]) -> None:
    now, times = 0, []
    for gap in gaps:
        now += gap
        times.append(now)
    limit, shown, told = ReportLimit(), 0, 0
    in_window: list[int] = []
    for moment in times:
        limit, printed, suppressed = limit.step(moment)
        told += suppressed
        if printed:
            if suppressed or len(in_window) == SHOWN_AT_ONCE:
                in_window = []
            in_window.append(moment)
            shown += 1
        else:
            assert moment < in_window[0] + WINDOW_NS
            assert len(in_window) == SHOWN_AT_ONCE
    assert shown + told + limit.unshown == len(times)
