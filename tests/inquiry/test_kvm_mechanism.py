"""The recorded lives of a storm's pages against the model: every count of every page, and the put that was too many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import kvmlab
from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import ShippedRun, shipped_runs
from kvmlab.charts.page_life import NoLife, df_page_life, plot_page_life
from kvmlab.inquiry.kvm_mechanism import Change, Life, df_lives, df_mechanism, extra_put_in_trace, page_lives
from kvmlab.inquiry.replay import Replay
from kvmlab.report.records import Kind
from tests.charts.figures import check_figure


@pytest.fixture(scope="module")
def storm(root: Path) -> ShippedRun:
    if not (root / "data" / "captures").is_dir():
        pytest.skip("data/captures is not in this checkout")
    return next(run for run in shipped_runs() if run.run == "storm-1vcpu-page-ref")


@pytest.fixture(scope="module")
def lives(storm: ShippedRun) -> tuple[Life, ...]:
    return page_lives(storm)


@pytest.fixture(scope="module")
def replayed(root: Path) -> Replay:
    log = kvmlab.read_log(root / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt")
    return kvmlab.replay(next(report for report in log.reports if report.kind is Kind.BAD_PAGE))


def test_every_count_of_every_page_is_predicted(lives: tuple[Life, ...]) -> None:
    table = df_lives(lives)
    assert len(table) == 70
    assert table["agrees"].all(), table[~table["agrees"]].to_string()
    assert table["ends"].value_counts().to_dict() == {"lost": 60, "alive": 10}
    # The page that fills a batch is on the LRU before the put: it lives on the activate batch's references.
    survivors = table[table["recorded"].str.startswith("1 2 1")]
    assert survivors["gfn"].tolist() == [30, 61]
    assert set(survivors["ends"]) == {"alive"}


def test_the_trace_alone_proves_that_the_reference_was_gone_before_the_report(lives: tuple[Life, ...]) -> None:
    table = df_lives(lives)
    assert set(table.loc[table["ends"] == "lost", "missing_from"]) == {5}
    assert table.loc[table["recorded"].str.startswith("1 2 1"), "missing_from"].isna().all()
    fact = extra_put_in_trace(lives)
    assert fact.holds is True
    assert fact.tells.startswith("of 60 pages that were lost while mapped, 60 were short")


def test_the_life_is_that_of_the_replayed_page(lives: tuple[Life, ...], replayed: Replay) -> None:
    table = df_mechanism(lives[0], replayed)
    assert table["agrees"].all()
    assert table["count"].tolist() == table["reported_count"].tolist() == [1, 2, 3, 2, 1, 2, 1, 0]
    assert table["step"].tolist() == [10, 10, 12, 12, 13, 16, 16, 28]
    # Two of the puts change places: the lab injects one beside KVM's own, v11 has only the one that it does not owe.
    assert table["lab"].tolist()[3:5] == ["stray: injected put puts", "fault of vcpu0 puts"]
    assert table["reported"].tolist()[3:5] == ["fault of vcpu0 puts", "stray: fault of vcpu0 puts"]
    # Marked by the look-up, made active by the release, marked once more by the second look-up: as reported.
    assert table["flags"].tolist()[-1] == ("active", "lru", "referenced")
    assert not df_mechanism(lives[30], replayed)["agrees"].all()


def test_a_healthy_page_is_never_short(lives: tuple[Life, ...]) -> None:
    def change(count: int, flags: str = "") -> Change:
        return Change(0, "mod", count, frozenset(flags.split("|")), 1)

    healthy = Life(0, 1, (change(1), change(2), change(3), change(2), change(1, "lru")), ())
    assert healthy.missing_from is None
    assert healthy.ends == "alive"
    assert not healthy.agrees, "the model was not asked"
    early = Life(0, 1, (change(1), change(2), change(1), change(0, "lru")), ())
    assert early.missing_from == 3
    assert extra_put_in_trace((healthy,)).holds is None
    assert extra_put_in_trace((early,)).holds is True


def test_a_kernel_without_a_late_check_is_refused(storm: ShippedRun) -> None:
    with pytest.raises(MissingInput, match="no late check"):
        page_lives(replace(storm, release="6.1.0", _opened=[storm.open()]))


def test_the_picture_rings_equal_counts_and_names_the_stray_put(lives: tuple[Life, ...], replayed: Replay) -> None:
    told = check_figure(plot_page_life(df_page_life(lives[0], replayed)))
    assert told["layout"]["title"]["text"].startswith("8 of 8 changes")
    bold = [text for text in told["layout"]["xaxis"]["ticktext"] if text.startswith("<b>")]
    assert bold == ["<b>fault puts</b><br><b>step 13</b>"]
    assert [shape["x0"] for shape in told["layout"]["shapes"]] == [3.5, 4.5]
    survivor = check_figure(plot_page_life(df_page_life(lives[30], replayed)))
    assert "another" in [trace["name"] for trace in survivor["data"]]
    empty = Life(0, 1, (), ())
    with pytest.raises(NoLife):
        df_page_life(empty, replace(replayed, run=None))
