"""Sweeps: every combination once, the same on one thread and on many, and what they show."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import loky
import pytest

from kvmlab.errors import KvmlabError
from kvmlab.inquiry import ttm_sweep
from kvmlab.inquiry.ttm_sweep import Shared, sweep
from kvmlab.inquiry.ttm_workers import spread

SMALL: dict[str, Any] = {"size": "16MiB", "engine": "python", "pages": (700,)}


def test_every_combination_once_and_the_same_on_any_number_of_threads() -> None:
    grid = {
        **SMALL,
        "releases": ("6.12", "7.3"),
        "free_shares": (0.3, 0.6),
        "clusters": (1, 64),
        "cachings": ("cached", "wc"),
    }
    one = sweep(**grid, workers=1)
    many = sweep(**grid, workers=4)
    assert len(one) == 2 * 2 * 2 * 2
    assert not one.duplicated(["release", "free_share", "cluster", "seed", "pages", "caching"]).any()
    assert one.equals(many)
    ok = one[~one.failed]
    assert (ok.tail_share <= ok.highest_tail_share + 1e-12).all()
    assert (ok.refused == ok.tails.where(ok.release == "6.12", 0)).all()
    assert (ok.linear[ok.release == "7.3"] == 700).all()
    assert (ok.tails + ok.blocks == ok.pages).all()


def test_less_free_memory_and_smaller_clusters_leave_fewer_tails() -> None:
    frame = sweep(**SMALL, free_shares=(0.25, 0.9), clusters=(1, 512), seeds=(0, 1))
    mean = frame.groupby(["free_share", "cluster"]).tail_share.mean()
    assert mean[0.25, 1] < mean[0.25, 512]
    assert mean[0.25, 1] < mean[0.9, 1]


def test_pools_and_failures_are_shown() -> None:
    frame = sweep(**SMALL, free_shares=(0.9,), clusters=(64,), cachings=("wc",), pooled=1)
    assert frame.from_pool.iloc[0] == frame.blocks.iloc[0]
    full = sweep(**SMALL, free_shares=(0.01,), clusters=(1,))
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
        sweep(**four, **settings)
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


FOUR: dict[str, Any] = SMALL | {"releases": ("6.12", "7.3"), "free_shares": (0.3, 0.6), "clusters": (8,)}


def test_a_sweep_on_processes_gives_the_frame_of_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    one = sweep(**FOUR, workers=1)
    started: list[int] = []

    class Counted(loky.ProcessPoolExecutor):  # type: ignore[misc]
        def __init__(self, max_workers: int) -> None:
            started.append(max_workers)
            super().__init__(max_workers)

    monkeypatch.setattr(loky, "ProcessPoolExecutor", Counted)
    assert sweep(**FOUR, workers=2).equals(one)
    assert started == [], "so short a sweep does not pay for processes"
    monkeypatch.setattr(ttm_sweep, "PAYS", 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        many = sweep(**FOUR, workers=2)
    assert many.equals(one)
    assert many.attrs == one.attrs
    assert started == [2]
    assert sweep(**FOUR, workers=1).equals(one)
    assert started == [2], "one worker is this process"


def test_plain_sweeps_use_all_cores_and_so_do_compiled_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ttm_sweep, "PAYS", 0.0)
    processes: list[int] = []
    threads: list[int | None] = []

    def here(function: Any, shared: Any, items: Any, workers: int, done: Any) -> list[Any]:
        processes.append(workers)
        return [function(shared, item) for item in items]

    class Recorded(ThreadPoolExecutor):
        def __init__(self, max_workers: int | None = None) -> None:
            threads.append(max_workers)
            super().__init__(max_workers)

    monkeypatch.setattr(ttm_sweep, "spread", here)
    monkeypatch.setattr(ttm_sweep, "ThreadPoolExecutor", Recorded)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    sweep(**FOUR)
    assert (processes, threads) == ([3], [])
    sweep(**FOUR | {"engine": "auto"})
    assert (processes, threads) == ([3], [3])
    monkeypatch.setattr(ttm_sweep, "find_spec", lambda name: None)
    sweep(**FOUR | {"engine": "auto"})
    assert (processes, threads) == ([3, 3], [3])


def test_processes_that_end_leave_their_part_to_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    one = sweep(**FOUR, workers=1)
    monkeypatch.setattr(ttm_sweep, "PAYS", 0.0)

    class Dying(loky.ProcessPoolExecutor):  # type: ignore[misc]
        def submit(self, function: Any, /, *args: Any) -> Any:
            return super().submit(os._exit, 3)

    def nothing(workers: int) -> None:
        raise OSError("no process can be started")

    for pool in (Dying, nothing):
        monkeypatch.setattr(loky, "ProcessPoolExecutor", pool)
        with pytest.warns(UserWarning, match="its part is done in this one"):
            assert sweep(**FOUR, workers=2).equals(one)


def test_what_a_process_raises_is_raised_here() -> None:
    shared = Shared("16MiB", "python", ((700, "cached"),), 0)
    points = [ttm_sweep.Point("6.12", share, 8, 0) for share in (0.5, 2.0)]
    with pytest.raises(KvmlabError, match=r"\.$"):
        spread(ttm_sweep.rows_of_point, shared, points, 2, lambda _: None)
    assert len(spread(ttm_sweep.rows_of_point, shared, points[:1], 2, lambda _: None)) == 1


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
        sweep(**{**SMALL, **bad})
