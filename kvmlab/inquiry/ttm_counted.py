"""Buffers predicted from counts alone: buddyinfo, pagetypeinfo and zoneinfo printed in the same file just before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kvmlab.capture.klttm import TtmRun
from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import CaptureSet, ShippedRun
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.ttm_capture import build_state
from kvmlab.inquiry.ttm_meanwhile import Meanwhile, meanwhile
from kvmlab.inquiry.ttm_predict import BufferPrediction, df_predictions, predict_buffer
from kvmlab.memory.ttm import TtmPool

if TYPE_CHECKING:
    import pandas as pd

# What a prediction is asked to keep to, as a share of the buffer's pages.
CLOSE: Final = 0.02
# Nothing but the free lists decides an undisturbed buffer; of a disturbed one the model says so, with its figure.
VERDICTS: Final = ("close", "differs", "disturbed", "not predicted")


@dataclass(frozen=True, slots=True)
class CountedBuffer:
    """One buffer beside what the counts of the moment before lead to.

    Args:
        prediction: recorded and predicted blocks; the predicted positions are invented, their orders are not.
        drained: the same if direct reclaim made progress and so drained the per-CPU lists; None where nothing happened
            meanwhile that speaks for it.
        meanwhile: what the counters say happened besides; None if they were not printed on both sides.
        assumed: what the counts do not say, one sentence each.
    """

    prediction: BufferPrediction
    drained: BufferPrediction | None
    meanwhile: Meanwhile | None
    assumed: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the counts do not decide the buffer; empty if nothing is known that speaks against."""
        found = () if self.meanwhile is None else self.meanwhile.reasons
        if self.prediction.recorded and not self.prediction.predicted:
            # Which pages reclaim would free stands in no file: there the model ends.
            return (*found, "The free lists alone could not serve it: reclaim was needed, which is not modelled.")
        return found

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`: a prediction stands only where nothing disturbed the buffer."""
        if self.prediction.recorded and not self.prediction.predicted:
            return "not predicted"
        if self.reasons:
            return "disturbed"
        return "close" if self.prediction.misplaced_share <= CLOSE else "differs"


def predict_counted(captures: CaptureSet, *, release: str | None = None) -> dict[str, CountedBuffer]:
    """Predict every buffer before which buddyinfo and pagetypeinfo were printed into the same file.

    Args:
        captures: a run of the lab with listings of `kl ttmcounts`.
        release: kernel release; None for what the captures say.

    Returns:
        By path of the listing.

    Raises:
        MissingInput: no listing holds these texts and one buffer.
        UnusableInput: the release is not said.
        ZoneError: texts that describe a machine that cannot be.
    """
    out = {}
    name = release or captures.release
    for path in captures.kinds().get("ttm_run", ()):
        run = captures.read(path).value
        if not isinstance(run, TtmRun) or len(run.buffers) != 1 or not {0} <= dict(run.pagetypeinfo).keys():
            continue
        if name is None:
            raise UnusableInput(f"{captures.name} does not say which kernel it was recorded on; name the release.")
        out[path] = predict_from_counts(run, name)
    if not out:
        raise MissingInput(
            f"{captures.name} has no buffer with buddyinfo and pagetypeinfo in the same file (kl ttmcounts N CACHING)."
        )
    return out


def predict_from_counts(run: TtmRun, release: str) -> CountedBuffer:
    """Predict the first buffer of a listing from the texts that stand before it.

    Args:
        run: the listing; a pagetypeinfo or a buddyinfo must stand before the buffer.
        release: kernel release.

    Raises:
        MissingInput: there is no such text, or no buffer.
    """
    texts = {"buddyinfo": run.buddyinfo, "pagetypeinfo": run.pagetypeinfo, "zoneinfo": run.zoneinfo}
    files = {kind: dict(found)[0] for kind, found in texts.items() if 0 in dict(found)}
    if not run.buffers or not files.keys() & {"buddyinfo", "pagetypeinfo"}:
        raise MissingInput("the listing holds no buffer with a buddyinfo or pagetypeinfo before it.")
    around = meanwhile(run)
    predictions = []
    assumed: tuple[str, ...] = ()
    for drain in (False, True) if around is not None and around.disturbed else (False,):
        # Watermarks are read from zoneinfo; without it they would be those of an invented machine.
        state = build_state(files, release=release, watermarks="zoneinfo" in files, drain=drain, engine="python")
        predictions.append(predict_buffer(TtmPool(state.buddy), 0, run.buffers[0], None, True))
        assumed = state.assumed
    return CountedBuffer(predictions[0], predictions[1] if predictions[1:] else None, around, assumed)


def df_counted(runs: Iterable[ShippedRun]) -> pd.DataFrame:
    """Every buffer of every run that was recorded with the counts of the moment, recorded and predicted.

    Args:
        runs: runs of the lab; those without such listings give no rows.

    Returns:
        `df_predictions` with `kernel`, `memory` (the folder above that of the listing: how memory was broken up, and
        what weighed on it) and `folder` in front, and behind: `verdict`, `why` (the reasons, empty if there are none)
        and `misplaced_if_drained` (the measure, had direct reclaim drained the per-CPU lists; NaN where nothing
        disturbed the buffer).

    Raises:
        MissingInput: none of the runs has such a listing.
    """
    import pandas as pd

    parts = []
    for run in runs:
        try:
            found = predict_counted(run.open())
        except MissingInput:
            continue
        frame = df_predictions([c.prediction for c in found.values()])
        frame.insert(0, "folder", [path.rpartition("/")[0] for path in found])
        frame.insert(0, "memory", [path.split("/")[-3] if path.count("/") > 1 else "" for path in found])
        frame.insert(0, "kernel", run.release)
        frame["verdict"] = pd.Categorical([c.verdict for c in found.values()], categories=VERDICTS)
        frame["why"] = [" ".join(c.reasons) for c in found.values()]
        frame["misplaced_if_drained"] = [
            float("nan") if c.drained is None else c.drained.misplaced_share for c in found.values()
        ]
        parts.append(frame.drop(columns=["same_pool", "buffer"]))
    if not parts:
        raise MissingInput("none of the runs holds buffers with the counts of the moment.")
    return pd.concat(parts, ignore_index=True)


def df_counted_summary(counted: pd.DataFrame) -> pd.DataFrame:
    """How many buffers the counts of the moment predict, by kernel, and by whether anything disturbed them.

    Args:
        counted: as `df_counted` returns it.

    Returns:
        kernel, disturbed, buffers, close (at most 2 % of the pages in blocks of another order), same_orders, worst
        (largest `misplaced_share`).
    """
    import pandas as pd

    rows = []
    for (kernel, disturbed), part in counted.groupby(["kernel", counted["why"] != ""], sort=False):
        rows.append(
            {
                "kernel": kernel,
                "disturbed": bool(disturbed),
                "buffers": len(part),
                "close": int((part["misplaced_share"] <= CLOSE).sum()),
                "same_orders": int(part["same_orders"].sum()),
                "worst": round(float(part["misplaced_share"].max()), 4),
            }
        )
    return pd.DataFrame(rows).sort_values(["kernel", "disturbed"], ignore_index=True)
