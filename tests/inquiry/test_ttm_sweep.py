"""Sweeps: every combination once, the same on one thread and on many, and what they show."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from kvmlab.errors import KvmlabError
from kvmlab.inquiry import ttm_sweep
from kvmlab.inquiry.ttm_sweep import sweep

SMALL = {"size": "16MiB", "engine": "python", "pages": (700,)}


def test_every_combination_once_and_the_same_on_any_number_of_threads() -> None:
    grid = {
        **SMALL,
        "releases": ("6.12", "7.3"),
        "free_shares": (0.3, 0.6),
        "clusters": (1, 64),
        "cachings": ("cached", "wc"),
    }
    one = sweep(**grid, workers=1)  # type: ignore[arg-type]
    many = sweep(**grid, workers=4)  # type: ignore[arg-type]
    assert len(one) == 2 * 2 * 2 * 2
    assert not one.duplicated(["release", "free_share", "cluster", "seed", "pages", "caching"]).any()
    assert one.equals(many)
    ok = one[~one.failed]
    assert (ok.tail_share <= ok.highest_tail_share + 1e-12).all()
    assert (ok.refused == ok.tails.where(ok.release == "6.12", 0)).all()
    assert (ok.linear[ok.release == "7.3"] == 700).all()
    assert (ok.tails + ok.blocks == ok.pages).all()


def test_less_free_memory_and_smaller_clusters_leave_fewer_tails() -> None:
    frame = sweep(**SMALL, free_shares=(0.25, 0.9), clusters=(1, 512), seeds=(0, 1))  # type: ignore[arg-type]
    mean = frame.groupby(["free_share", "cluster"]).tail_share.mean()
    assert mean[0.25, 1] < mean[0.25, 512]
    assert mean[0.25, 1] < mean[0.9, 1]


def test_pools_and_failures_are_shown() -> None:
    frame = sweep(**SMALL, free_shares=(0.9,), clusters=(64,), cachings=("wc",), pooled=1)  # type: ignore[arg-type]
    assert frame.from_pool.iloc[0] == frame.blocks.iloc[0]
    full = sweep(**SMALL, free_shares=(0.01,), clusters=(1,))  # type: ignore[arg-type]
    assert full.failed.all()
    assert full.tail_share.isna().all()


def test_every_machine_moves_the_bar_where_somebody_looks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moved: list[float] = []
    monkeypatch.setattr("rich.progress.Progress.advance", lambda self, task, n: moved.append(n))
    four = SMALL | {"free_shares": (0.3, 0.5), "clusters": (1, 8)}

    def shown(**settings: bool | None) -> int:
        moved.clear()
        sweep(**four, **settings)  # type: ignore[arg-type]
        return int(sum(moved))

    assert shown(progress=True) == 4
    assert shown() == 0, "four machines are no long sweep"
    monkeypatch.setattr(ttm_sweep, "LONG", 4)
    assert shown() == 0, "standard error is no terminal here"
    assert capsys.readouterr().out == ""
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda *objects, **options: None)
    assert shown() == 4
    assert shown(progress=False) == 0


def test_sweeps_use_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    class Recorded(ThreadPoolExecutor):
        def __init__(self, max_workers: int | None = None) -> None:
            asked.append(max_workers)
            super().__init__(max_workers)

    monkeypatch.setattr(ttm_sweep, "ThreadPoolExecutor", Recorded)
    sweep(**SMALL, free_shares=(0.5,), clusters=(8,))  # type: ignore[arg-type]
    assert asked == [os.cpu_count()]


@pytest.mark.parametrize(
    "bad",
    [
        {"seeds": ()},
        {"pages": ()},
        {"free_shares": (2.0,)},
        {"clusters": (0,)},
        {"releases": ("9.9",)},
        {"cachings": ("warm",)},
        {"size": "0"},
    ],
)
def test_impossible_sweeps(bad: dict[str, object]) -> None:
    with pytest.raises(KvmlabError, match=r"\.$"):
        sweep(**{**SMALL, **bad})  # type: ignore[arg-type]
