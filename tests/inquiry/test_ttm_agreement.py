"""The model beside the shipped captures, counted by kernel and by what the prediction knew."""

from __future__ import annotations

import pandas as pd
import pytest

from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import shipped_runs
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.ttm_agreement import df_agreement, df_knowledge, df_listed, df_series
from kvmlab.inquiry.ttm_listed import KNOWN, predict_listed

RUNS = shipped_runs()
KERNELS = {run.release for run in RUNS if run.run == "machine"}


@pytest.fixture(scope="module")
def listed() -> pd.DataFrame:
    return df_listed(RUNS, known=("lists", "sums"))


def test_every_series_after_boot_is_predicted() -> None:
    frame = df_series(RUNS)
    agreed = df_agreement(frame)
    assert set(agreed.kernel) == KERNELS
    assert len(frame) == 29 * len(KERNELS)
    assert (agreed.same_orders == agreed.buffers).all()
    assert (agreed.same_pool == agreed.pool_known).all()
    assert (agreed.pool_known == 29).all()


def test_listed_buffers_are_counted_as_they_are(listed: pd.DataFrame) -> None:
    frame = listed[listed.known == "lists"]
    agreed = df_agreement(frame)
    assert len(frame) == 54
    assert agreed.close.sum() == (frame.misplaced_share <= 0.02).sum() >= 49
    assert agreed.same_pfns.sum() == (frame.exact_pfn_share == 1).sum() >= 38
    assert (agreed.pool_known == 0).all()
    assert frame.groupby("kernel").folder.nunique().eq(18).all()


def test_every_buffer_that_nobody_disturbed_is_predicted(listed: pd.DataFrame) -> None:
    """From the lists order by order; from the sums of the same moment, the histogram within two hundredths."""
    counted = df_knowledge(listed)
    quiet = counted[~counted.disturbed].set_index("known")
    assert quiet.buffers.tolist() == [37, 37]
    assert quiet.loc["lists", "same_orders"] == 37
    assert quiet.loc["lists", "same_pfns"] >= 36
    assert quiet.loc["sums", "close"] == 37
    assert quiet.worst.max() <= 0.02
    # Whatever is missed was filled while compaction, reclaim or another task drained per-CPU lists.
    missed = listed[listed.misplaced_share > 0.02]
    assert len(missed) > 0
    assert (missed.drained > 0).all()


def test_runs_without_buffers_are_refused() -> None:
    storms = [run for run in RUNS if run.run.startswith("storm")]
    for table in (df_series, df_listed):
        with pytest.raises(MissingInput, match=r"none of the runs"):
            table(storms)
    broken = next(run for run in RUNS if run.run == "fragmented")
    with pytest.raises(UnusableInput, match=f"expected {', '.join(KNOWN)}"):
        predict_listed(broken.open(), known="everything")
