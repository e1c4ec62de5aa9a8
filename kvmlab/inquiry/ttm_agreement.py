"""How often the allocator's model agrees with the kernel lab's recorded buffers, run by run, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from kvmlab.capture.klttm import TtmRun
from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import CaptureSet, ShippedRun
from kvmlab.inquiry.ttm_capture import state_of_capture
from kvmlab.inquiry.ttm_listed import drained_blocks, predict_listed
from kvmlab.inquiry.ttm_predict import BufferPrediction, df_predictions, predict_run

if TYPE_CHECKING:
    import pandas as pd

# What a prediction from the free lists is asked to keep to.
CLOSE: Final = 0.02


def predict_series(captures: CaptureSet) -> tuple[BufferPrediction, ...]:
    """Predict the series of buffers that the lab fills right after boot, from the files of /proc of the same boot.

    Args:
        captures: a run of the lab with `ttm/fresh.txt`.

    Raises:
        MissingInput: the run has no such series.
    """
    for path in captures.kinds().get("ttm_run", ()):
        if path.rpartition("/")[2].startswith("fresh."):
            run = captures.read(path).value
            if isinstance(run, TtmRun):
                return predict_run(run, state_of_capture(captures, engine="python").buddy)
    raise MissingInput(f"{captures.name} has no series of buffers from after boot (ttm/fresh.txt).")


def df_series(runs: Iterable[ShippedRun]) -> pd.DataFrame:
    """Every buffer of every run that has a series from after boot, recorded and predicted.

    Args:
        runs: runs of the lab; those without a series give no rows.

    Returns:
        `df_predictions` with a column `kernel` in front.
    """
    parts = []
    for run in runs:
        try:
            parts.append((run.release, df_predictions(predict_series(run.open()))))
        except MissingInput:
            continue
    return _joined(parts)


def df_listed(runs: Iterable[ShippedRun], *, known: Sequence[str] = ("lists",)) -> pd.DataFrame:
    """Every buffer before which the lab's module wrote the free lists down, recorded and predicted.

    Args:
        runs: runs of the lab; those without free lists give no rows.
        known: what the predictions may use (`kvmlab.inquiry.ttm_listed.KNOWN`); each gives a row for every buffer.

    Returns:
        `df_predictions` with `kernel`, `known` and `folder` in front, and at the end `drained`: how many blocks were
        seen leaving per-CPU lists while the buffer was filled, <NA> where no trace was recorded; and
        `misplaced_if_drained`: `misplaced_share`, had reclaim done that, of a buffer with drains predicted from its
        lists, NaN for others.
    """
    parts = []
    for run in runs:
        captures = run.open()
        try:
            predictions = {what: predict_listed(captures, known=what) for what in known}
        except MissingInput:
            continue
        drained = drained_blocks(captures)
        for what, found in predictions.items():
            frame = df_predictions(list(found.values()))
            frame.insert(0, "folder", list(found))
            frame.insert(0, "known", what)
            frame["drained"] = [drained.get(folder) for folder in found]
            frame["drained"] = frame["drained"].astype("Int64")
            seen = [folder for folder in found if drained.get(folder)] if what == "lists" else []
            again = predict_listed(captures, drain=True, folders=seen)
            frame["misplaced_if_drained"] = [
                again[folder].misplaced_share if folder in again else float("nan") for folder in found
            ]
            parts.append((run.release, frame))
    return _joined(parts)


def df_knowledge(listed: pd.DataFrame) -> pd.DataFrame:
    """How far each kind of knowledge leads, for buffers that nobody disturbed and for the others.

    Args:
        listed: as `df_listed` returns it; only buffers with a trace are counted.

    Returns:
        known, disturbed (whether blocks were drained meanwhile), buffers, close, same_orders, same_pfns, worst
        (largest `misplaced_share`), pfns_in_place (share of all pages whose pfn was predicted at its place).
    """
    import pandas as pd

    traced = listed[listed["drained"].notna()]
    rows = []
    for (known, disturbed), part in traced.groupby(["known", traced["drained"] > 0], sort=False):
        pages = part["pages"].sum()
        rows.append(
            {
                "known": known,
                "disturbed": bool(disturbed),
                "buffers": len(part),
                "close": int((part["misplaced_share"] <= CLOSE).sum()),
                "same_orders": int(part["same_orders"].sum()),
                "same_pfns": int((part["exact_pfn_share"] == 1).sum()),
                "worst": round(float(part["misplaced_share"].max()), 4),
                "pfns_in_place": round(float((part["exact_pfn_share"] * part["pages"]).sum() / pages), 4),
            }
        )
    return pd.DataFrame(rows)


def df_agreement(predictions: pd.DataFrame) -> pd.DataFrame:
    """How many buffers agree, by kernel.

    Args:
        predictions: as `df_series` or `df_listed` returns it.

    Returns:
        kernel, buffers, same_orders (the orders one after the other), close (at most 2 % of the pages in blocks of
        another order), same_pfns (every pfn at its place), pool_known and same_pool (blocks of the pools afterwards
        recorded, and equal), pfns_found (share of all pages whose pfn was predicted at any place).
    """
    import pandas as pd

    rows = []
    for kernel, part in predictions.groupby("kernel", sort=False):
        rows.append(
            {
                "kernel": kernel,
                "buffers": len(part),
                "same_orders": int(part["same_orders"].sum()),
                "close": int((part["misplaced_share"] <= CLOSE).sum()),
                "same_pfns": int((part["exact_pfn_share"] == 1).sum()),
                "pool_known": int(part["same_pool"].notna().sum()),
                "same_pool": int((part["same_pool"] == True).sum()),  # noqa: E712
                "pfns_found": round(float((part["common_pfn_share"] * part["pages"]).sum() / part["pages"].sum()), 4),
            }
        )
    return pd.DataFrame(rows)


def _joined(parts: list[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    import pandas as pd

    if not parts:
        raise MissingInput("none of the runs holds buffers that can be predicted.")
    return pd.concat([frame.assign(kernel=kernel) for kernel, frame in parts], ignore_index=True).pipe(_kernel_first)


def _kernel_first(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["kernel", *(column for column in frame if column != "kernel")]]
