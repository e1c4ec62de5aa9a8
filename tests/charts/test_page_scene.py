"""The scene of one step: the page's box, its holders, the batch, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

import kvmlab
from kvmlab.charts.page_scene import df_page_scene, plot_page_scene
from kvmlab.charts.replay import NothingReplayed
from kvmlab.inquiry.replay import Replay
from tests.charts.figures import check_figure


@pytest.fixture(scope="module")
def replayed(root: Path) -> Replay:
    return kvmlab.replay(kvmlab.read_log(root / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt").bad_pages[0])


def words(replayed: Replay, position: int) -> list[str]:
    told = check_figure(plot_page_scene(df_page_scene(replayed, position)))
    return [a["text"] for a in told["layout"]["annotations"] if a.get("name") != "caption"]


def test_the_batch_has_a_place_for_every_folio(replayed: Replay) -> None:
    for position in range(1, len(replayed.steps) + 1):
        frame = df_page_scene(replayed, position)
        slots = frame[frame["part"] == "slot"]["name"]
        assert len(slots) == 31
        assert (slots != "free").sum() == replayed.steps[position - 1].batch
        assert tuple(frame[frame["part"] == "holder"]["name"]) == replayed.steps[position - 1].holders


def test_before_the_page_is_there_nobody_holds_it(replayed: Replay) -> None:
    said = words(replayed, 1)
    assert "<b>no page yet</b>" in said
    assert "held by nobody" in said


def test_what_is_missing_and_what_is_reported_stands_under_the_box(replayed: Replay) -> None:
    assert not any("missing" in text for text in words(replayed, 12))
    assert "<b>1 reference is missing</b>" in words(replayed, 13)
    assert "<b>bad_page(): 1 reference is missing</b>" in words(replayed, 28)
    slots = df_page_scene(replayed, 13)
    assert (slots["name"] == "page 0").sum() == 1


@pytest.mark.parametrize("position", [0, 29, -1])
def test_a_step_that_is_not_there_is_said(replayed: Replay, position: int) -> None:
    with pytest.raises(NothingReplayed, match="has no step"):
        df_page_scene(replayed, position)
