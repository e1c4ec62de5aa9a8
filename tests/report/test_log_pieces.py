"""A log read piece by piece gives the reports of the whole log, each with all its parts."""

from __future__ import annotations

import contextlib
import io
from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from kvmlab.report import log_pieces
from kvmlab.report.jsonable import report_json
from kvmlab.report.log import read_log
from kvmlab.report.log_pieces import read_pieces
from kvmlab.report.repeats import fold_repeats
from kvmlab.report.scan_text import NotPlain
from tests.report.generator import DAMAGES, ENDINGS, STYLES, damaged, log


def check(data: bytes, piece: int) -> int:
    """Compares the pieces with the whole; how many pieces there were."""
    whole = read_log(data)
    parts = list(read_pieces(io.BytesIO(data).readinto, piece=piece))
    reports = fold_repeats([report for part in parts for report in part.reports])
    assert [report_json(report) for report in reports] == [report_json(report) for report in whole.reports]
    assert sum(part.unparsed for part in parts) == len(whole.unparsed)
    assert sum((part.roles for part in parts), Counter()) == Counter(r.role.value for r in whole.text.records)
    assert sum(part.size for part in parts) == len(data)
    assert sum(part.lines for part in parts) == whole.text.n_lines
    # Damage of a whole block of lines is said of each piece of it.
    assert {damage.kind for part in parts for damage in part.damage} == {damage.kind for damage in whole.text.damage}
    return len(parts)


@pytest.mark.parametrize("style", STYLES)
def test_pieces_of_a_storm(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pieces, "MARGIN", 300)
    data = ("\n".join(log(5, style, 0.9, 150_000)) + "\n").encode()
    assert check(data, 30_000) >= 3
    assert check(data, len(data) + 1) == 1


# Where lines name their callers, a report may go on behind any number of lines of others, more than a margin for tests.
_ONE_BY_ONE = [style for style in STYLES if style != "caller"]


@given(
    # Larger seeds make times of more seconds than the age of the universe has.
    st.integers(0, 1 << 20), st.sampled_from(_ONE_BY_ONE), st.lists(st.sampled_from(sorted(DAMAGES)), max_size=3),
    st.sampled_from(ENDINGS), st.integers(20_000, 90_000),
)  # fmt: skip
@settings(
    max_examples=10,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
def test_pieces_of_damaged_logs(
    monkeypatch: pytest.MonkeyPatch, seed: int, style: str, kinds: list[str], ending: str, piece: int
) -> None:
    monkeypatch.setattr(log_pieces, "MARGIN", 300)
    data = damaged(seed, style, kinds, ending, 0.6, 90_000)
    # A carrier that no table knows, as clocks with damage make one, is learned from the whole text.
    assume(not any("unknown_carrier" in (block.prefix_style or "") for block in read_log(data).text.log_blocks))
    with contextlib.suppress(NotPlain):
        check(data, piece)


@pytest.mark.parametrize("further", ["cut lines", "drop characters", "foreign lines"])
def test_blanks_are_judged_of_a_whole_block(further: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pieces, "MARGIN", 300)
    data = damaged(621, "short", ["collapse", "cut lines", further], "\r\r\n", 0.6, 90_000)
    with contextlib.suppress(NotPlain):
        check(data, 35541)


@pytest.mark.parametrize(("seed", "kinds", "piece"), [(550498, [], 58602), (499907, ["interleave"], 56074)])
def test_a_wrap_is_judged_as_a_whole(seed: int, kinds: list[str], piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pieces, "MARGIN", 300)
    ending = "\r\n" if kinds else "\n"
    with contextlib.suppress(NotPlain):
        check(damaged(seed, "iso", ["wrap", *kinds, "time jumps"], ending, 0.6, 90_000), piece)


@pytest.mark.parametrize("lost", ["  ", "\n "])
def test_a_piece_alone_does_not_say_that_blanks_are_lost(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pieces, "MARGIN", 10)
    rows = [
        "BUG: Bad page state in process fizz  pfn:12345", "page:ffff88 refcount:0 mapcount:1 mapping:0000000000000000",
        "page dumped because: nonzero mapcount", "CPU: 1 PID: 7 Comm: fizz Not tainted 5.10.0 #1", "Call Trace:",
        " bad_page+0x1/0x2",
    ]  # fmt: skip
    whole = "".join(f"{row}\n" for row in rows)
    poor = whole.replace(lost, lost[:-1])
    log = "".join(
        f"[{n:5}.{k:06}] {row}\n"
        for n, text in enumerate([*[whole] * 30, *[poor] * 30])
        for k, row in enumerate(text.splitlines())
    )
    with pytest.raises(NotPlain):
        check(log.encode(), 5000)
    uniform = "".join(f"[{n:5}.{k:06}] {row}\n" for n in range(60) for k, row in enumerate(poor.splitlines()))
    assert check(uniform.encode(), 5000) > 2


@pytest.mark.parametrize("kinds", [[], ["no markers", "change characters", "repeat"], ["interleave", "drop lines"]])
def test_pieces_of_interleaved_callers(kinds: list[str]) -> None:
    # With the margin of real logs, reports that go on behind hundreds of lines of others are whole.
    data = damaged(139, "caller", kinds, "\n", 0.6, 1_400_000)
    assert check(data, 700_000) >= 2


def test_a_report_longer_than_a_piece_is_whole() -> None:
    data = ("\n".join(log(6, "dmesg", 0.95, 60_000)) + "\n").encode()
    assert check(data, 500) >= 1


def test_what_nothing_can_be_cut_out_of_is_not_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pieces, "LONGEST", 100_000)
    with pytest.raises(NotPlain):
        list(read_pieces(io.BytesIO(b"[    1.000000] x" * 100_000).readinto, piece=1000))
    mail = b"From: someone@example.org\nSubject: a splat\n\n" + b"text\n" * 10
    with pytest.raises(NotPlain):
        list(read_pieces(io.BytesIO(mail).readinto))


def test_nothing_has_no_pieces() -> None:
    assert list(read_pieces(io.BytesIO(b"").readinto)) == []
