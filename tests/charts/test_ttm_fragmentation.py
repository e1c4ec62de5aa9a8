"""Shares of tails by fragmentation, with the formula and the highest share beside them."""

from __future__ import annotations

import pytest

from kvmlab.charts.ttm_fragmentation import NoSweep, df_ttm_fragmentation, plot_ttm_fragmentation
from tests.charts.figures import check_figure

SMALL = {"size": "16MiB", "engine": "python", "pages": (700,), "free_shares": (0.3, 0.8)}


def test_a_line_for_each_cluster_and_kernel() -> None:
    frame = df_ttm_fragmentation(**SMALL, clusters=(1, 64), releases=("6.12", "7.3"))
    picture = plot_ttm_fragmentation(frame)
    told = check_figure(picture)
    names = [trace.name for trace in picture.data]
    assert names[:2] == ["6.12: 1 block a cluster", "6.12: 64 blocks a cluster"]
    assert names[-1].startswith("formula")
    assert len(names) == 5
    first = frame[(frame["release"] == "6.12") & (frame["cluster"] == 1)]
    assert picture.data[0].y.tolist() == pytest.approx((100 * first["tail_share"]).tolist())
    assert picture.data[-1].y.tolist() == pytest.approx((100 * first["scattered_tail_share"]).tolist())
    assert "kernel: 6.12, 7.3" in told["layout"]["meta"]["caption"]
    # Memory freed in blocks of several pages keeps more large blocks than independent single pages would.
    assert (frame["tail_share"] >= frame["scattered_tail_share"]).all()


def test_buffers_without_memory_are_counted_and_not_drawn() -> None:
    frame = df_ttm_fragmentation(**{**SMALL, "free_shares": (0.01, 0.8)}, clusters=(8,))
    picture = plot_ttm_fragmentation(frame)
    told = check_figure(picture)
    assert "1 of them found no memory" in told["layout"]["meta"]["caption"]
    assert len(picture.data[0].y) == 1
    with pytest.raises(NoSweep, match="found memory"):
        plot_ttm_fragmentation(df_ttm_fragmentation(**{**SMALL, "free_shares": (0.01,)}, clusters=(8,)))


def test_one_picture_is_one_kind_of_buffer() -> None:
    with pytest.raises(NoSweep, match="one size"):
        df_ttm_fragmentation(**{**SMALL, "pages": (1, 2)}, clusters=(8,))
