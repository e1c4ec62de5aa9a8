"""The model beside the shipped captures, counted by kernel."""

from __future__ import annotations

import pytest

from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import shipped_runs
from kvmlab.inquiry.ttm_agreement import df_agreement, df_listed, df_series

RUNS = shipped_runs()
KERNELS = {run.release for run in RUNS if run.run == "machine"}


def test_every_series_after_boot_is_predicted() -> None:
    frame = df_series(RUNS)
    agreed = df_agreement(frame)
    assert set(agreed.kernel) == KERNELS
    assert len(frame) == 29 * len(KERNELS)
    assert (agreed.same_orders == agreed.buffers).all()
    assert (agreed.same_pool == agreed.pool_known).all()
    assert (agreed.pool_known == 29).all()


def test_listed_buffers_are_counted_as_they_are() -> None:
    frame = df_listed(RUNS)
    agreed = df_agreement(frame)
    assert len(frame) == 54
    assert agreed.close.sum() == (frame.misplaced_share <= 0.02).sum() >= 46
    assert agreed.same_pfns.sum() == (frame.exact_pfn_share == 1).sum() >= 32
    assert (agreed.pool_known == 0).all()
    assert frame.groupby("kernel").folder.nunique().eq(18).all()


def test_runs_without_buffers_are_refused() -> None:
    storms = [run for run in RUNS if run.run.startswith("storm")]
    for table in (df_series, df_listed):
        with pytest.raises(MissingInput, match=r"none of the runs"):
            table(storms)
