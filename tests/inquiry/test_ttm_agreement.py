"""The model beside the shipped captures, counted by kernel and by what the prediction knew."""

from __future__ import annotations

import pandas as pd
import pytest

from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import shipped_runs
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.ttm_agreement import df_agreement, df_knowledge, df_listed, df_series
from kvmlab.inquiry.ttm_counted import CLOSE, df_counted, df_counted_summary, predict_counted
from kvmlab.inquiry.ttm_listed import KNOWN, predict_listed

RUNS = shipped_runs()
KERNELS = {run.release for run in RUNS if run.run == "machine"}


@pytest.fixture(scope="module")
def listed() -> pd.DataFrame:
    return df_listed(RUNS, known=("lists", "sums"))


@pytest.fixture(scope="module")
def counted() -> pd.DataFrame:
    return df_counted(RUNS)


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
    # Where it was reclaim's own drain of all per-CPU lists, the model has it: on 6.1, whose large orders get that far.
    lists = listed[(listed.known == "lists") & (listed.drained > 0)]
    assert lists.misplaced_if_drained.notna().all()
    mended = lists[(lists.misplaced_share > CLOSE) & (lists.misplaced_if_drained <= CLOSE)]
    assert mended.kernel.str.startswith("6.1.").any()
    assert lists[lists.kernel.str.startswith("6.1.")].misplaced_if_drained.le(CLOSE).sum() == 6


def test_broken_memory_is_predicted_from_the_buddyinfo_and_pagetypeinfo_in_the_same_file(
    counted: pd.DataFrame,
) -> None:
    """The histogram of orders within 2 % of the pages, for each buffer that the same file does not call disturbed."""
    quiet = counted[counted.why == ""]
    assert (quiet.misplaced_share <= CLOSE).all()
    assert (quiet.verdict == "close").all()
    # Those are no handful: on each kernel, of each grade, from 64 pages to 32 MiB.
    assert len(counted) == 225
    assert len(quiet) >= 190
    assert quiet.groupby("kernel").size().min() >= 50
    grades = quiet.folder.str.extract(r"stride(\w+)_(\w+)/n(\d+)_")
    assert set(grades[0]) == {"none", "1", "2", "3", "5", "8"}
    assert set(grades[1]) == {"easy", "empty", "tight", "cache"}
    assert set(grades[2]) == {"64", "512", "2025", "8100"}
    assert quiet.same_orders.sum() >= 180


def test_a_disturbed_buffer_says_why_and_has_its_figure_all_the_same(counted: pd.DataFrame) -> None:
    disturbed = counted[counted.why != ""]
    assert 0 < len(disturbed) < len(counted) / 5
    assert (disturbed.verdict == "disturbed").all()
    assert disturbed.misplaced_share.notna().all()
    assert disturbed.misplaced_if_drained.notna().all()
    assert disturbed.why.str.contains("ompaction|per-CPU|Others|Reclaim").all()
    # Disturbed is not wrong: the counters only say that nobody can know.
    assert (disturbed.misplaced_share <= CLOSE).mean() > 0.5
    assert (disturbed.misplaced_if_drained < disturbed.misplaced_share).any()
    # Every large miss has a cause among the kernel's own counters: pages moved, handed over or brought back.
    assert counted[counted.misplaced_share > CLOSE].why.str.len().gt(0).all()


def test_counted_buffers_are_summed_up_by_kernel(counted: pd.DataFrame) -> None:
    summary = df_counted_summary(counted)
    assert summary.buffers.sum() == len(counted)
    assert summary.close.sum() == (counted.misplaced_share <= CLOSE).sum()
    quiet = summary[~summary.disturbed]
    assert (quiet.close == quiet.buffers).all()
    assert quiet.worst.max() <= CLOSE


def test_runs_without_buffers_are_refused() -> None:
    storms = [run for run in RUNS if run.run.startswith("storm")]
    for table in (df_series, df_listed, df_counted):
        with pytest.raises(MissingInput, match=r"none of the runs"):
            table(storms)
    broken = next(run for run in RUNS if run.run == "fragmented")
    with pytest.raises(UnusableInput, match=f"expected {', '.join(KNOWN)}"):
        predict_listed(broken.open(), known="everything")
    with pytest.raises(MissingInput, match="ttmcounts"):
        predict_counted(broken.open())
