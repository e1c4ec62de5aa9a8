"""Sweeps: every combination once, the same on one thread and on many, and what they show."""

from __future__ import annotations

import pytest

from kvmlab.errors import KvmlabError
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


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    sweep(**SMALL, free_shares=(0.5,), clusters=(8,), progress=True)  # type: ignore[arg-type]
    out, _ = capsys.readouterr()
    assert out == ""


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
