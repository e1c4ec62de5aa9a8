"""The life of a page as a picture: taken from the replay itself, nothing drawn by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmlab.charts.replay import NothingReplayed, df_replay, plot_replay
from kvmlab.inquiry.replay import Replay, replay, same_events
from kvmlab.kvm.policies import find_policy
from kvmlab.report.log import read_log
from tests.charts.figures import check_figure
from tests.charts.sample import RELEASE, report


@pytest.fixture(scope="module")
def replayed() -> Replay:
    raw = Path(__file__).resolve().parents[2] / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt"
    return replay(read_log(raw).bad_pages[0])


@pytest.fixture(scope="module")
def side_by_side(replayed: Replay) -> dict[str, Replay]:
    return same_events(replayed, [find_policy(p) for p in ("c_69", "b68", "d")])


def test_the_frame_is_the_replays_steps(replayed: Replay, side_by_side: dict[str, Replay]) -> None:
    frame = df_replay(side_by_side, source="case")
    assert frame.attrs == {"source": "case", "kernel": RELEASE}
    assert frame.drop_duplicates("policy")[["policy", "outcome"]].to_numpy().tolist() == [
        ["c_69", "bad page"],
        ["b68", "healthy page"],
        ["d", "healthy page"],
    ]
    alone = df_replay(replayed)
    assert len(alone) == len(replayed.steps)
    assert alone["refcount"].tolist()[-1] == 0


def test_the_line_is_the_count_and_the_blocks_are_the_holders(side_by_side: dict[str, Replay]) -> None:
    frame = df_replay(side_by_side)
    picture = plot_replay(frame)
    line = next(t for t in picture.data if t.name == "_refcount" and t.yaxis == "y")
    known = frame[(frame["policy"] == "c_69") & frame["refcount"].notna()]
    assert list(line.y) == known["refcount"].tolist()
    blocks = sum(sum(t.y) for t in picture.data if t.type == "bar" and t.yaxis == "y")
    assert blocks == known["holders"].map(len).sum()


def test_the_stray_put_and_the_bad_page_are_pointed_at_under_one_policy_only(side_by_side: dict[str, Replay]) -> None:
    told = check_figure(plot_replay(df_replay(side_by_side, source="case")))
    assert told["layout"]["title"]["text"] == "The same guest under 3 policies: a bad page only under c_69"
    pointed = [(a["text"], a["xref"]) for a in told["layout"]["annotations"] if a.get("showarrow")]
    assert pointed == [("<b>put without a reference</b>", "x"), ("<b>bad_page()</b>", "x")]
    texts = [a["text"] for a in told["layout"]["annotations"]]
    assert "1 reference is missing" in texts
    assert sum("ends in a healthy page" in t for t in texts) == 2
    assert "stray put in step 13" in told["layout"]["meta"]["alt"]


def test_steps_of_the_reported_stack_are_marked(replayed: Replay) -> None:
    picture = plot_replay(df_replay(replayed))
    marked = next(t for t in picture.data if t.name == "in the reported stack")
    assert list(marked.x) == [s.number for s in replayed.steps if "in stack" in replayed.marks(s)]
    assert "do_wp_page" in marked.hovertext[-1]


def test_a_single_healthy_replay_has_a_title_of_its_own(side_by_side: dict[str, Replay]) -> None:
    told = check_figure(plot_replay(df_replay(side_by_side["d"])))
    assert told["layout"]["title"]["text"] == "The life of the page under d: ends in a healthy page"


def test_a_replay_that_did_not_run_is_refused_with_its_reason() -> None:
    with pytest.raises(NothingReplayed, match="the replay has no step: not explained"):
        df_replay(replay(report(pfn=None, flags=0).__class__(0, report().kind, None, report().span, None, None)))
