"""Recorded storms beside the model's: how many puts, how many bad pages, in which groups, and how the guest ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from kvmlab.capture.shelf import ShippedRun
from kvmlab.inquiry.captures_storms import bad_page_groups, df_storms
from kvmlab.inquiry.kvm_agreement import OPEN
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.policies import AfterCheck, stock_policy
from kvmlab.kvm.storm import Storm, simulate_storm, with_stale_put

if TYPE_CHECKING:
    import pandas as pd

COLUMNS: Final = ("kernel", "run", "field", "predicted", "recorded", "agrees", "note", "injected")
OTHERS: Final = "folios of others share the batch, or drain it early: smaller groups, never larger ones"
UNSEEN: Final = "explained: the module's probe misses the page that the put itself frees; the kernel printed it"
# What the model does not play: several vCPUs, memory touched beforehand, huge zero pages, a pause.
_NOT_PLAYED: Final = {
    "VCPUS": ("1",),
    "MEMORY": ("fresh",),
    "STALE_ZERO": ("0",),
    "STALE_TOUCH": ("0",),
    "PAUSE": ("",),
}


def predict_storm(run: ShippedRun) -> Storm | None:
    """The model's storm for a run of the lab with its parameters; None for runs that the model does not play.

    Args:
        run: a run of the lab.
    """
    machine = run.open().manifest.get("machine")
    told = machine.get("parameters") if isinstance(machine, Mapping) else None
    if not isinstance(told, Mapping) or "PAGES" not in told:
        return None
    policy = stock_policy(KernelRelease.parse(run.release).version)
    if policy is None or policy.after_check is AfterCheck.NO_CHECK:
        return None
    if any(str(told.get(name, known[0])) not in known for name, known in _NOT_PLAYED.items()):
        return None
    injected = with_stale_put(policy) if str(told.get("STALE_LEFT")) != "0" else policy
    access = told.get("ACCESS")
    return simulate_storm(
        injected, run.release, pages=int(told["PAGES"]), lru_gen=told.get("LRU_GEN") == "y",
        two_passes=access == "r_then_w", writes_only=access == "w",
    )  # fmt: skip


def df_storm_agreement(runs: Iterable[ShippedRun]) -> pd.DataFrame:
    """Every storm of one vCPU on fresh memory, recorded beside the model's.

    Args:
        runs: runs of the lab.

    Returns:
        kernel, run, field (`puts`, `bad pages`, `full groups`: number and size, `ends`), predicted, recorded (texts),
        agrees, note (why a disagreement is none, or that it is open), injected.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for run in runs:
        storm = predict_storm(run)
        recorded = df_storms([run])
        if storm is None or recorded.empty:
            continue
        seen = recorded.iloc[0]
        sizes = [
            len(pfns) for drain, pfns in bad_page_groups(run.open().read("storm/log.jsonl").value.df_log()) if drain
        ]
        puts = sum(entry.holder == "injected put" for entry in storm.run.ledger.entries)
        ends = "errno 14" if storm.exited else "to the end"
        pairs = (
            ("puts", str(puts), str(seen["puts"])),
            ("bad pages", str(len(storm.reports)), str(seen["bad_pages"])),
            ("full groups", _largest(storm.groups), _largest(sizes)),
            ("ends", ends, str(seen["ended"]).removeprefix("1 ")),
        )
        for field, said, found in pairs:
            note = "" if said == found else _why(field, said, seen)
            rows.append((run.release, run.run, field, said, found, said == found, note, run.injected))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"agrees": "bool"})


def _largest(sizes: Iterable[int]) -> str:
    """The largest groups: `6 x 30`; `none` where there is no group of more than one page."""
    counted = Counter(size for size in sizes if size > 1)
    return f"{counted[max(counted)]} x {max(counted)}" if counted else "none"


def _why(field: str, said: str, seen: Mapping[str, Any] | pd.Series[Any]) -> str:
    """Why a recorded value differs from the model's."""
    if field == "bad pages" and str(seen["printed"]) == said:
        return UNSEEN
    return OTHERS if field == "full groups" else OPEN


def df_storms_beside(agreement: pd.DataFrame) -> pd.DataFrame:
    """One row a storm: each recorded field, with the model's value beside it where that is another.

    Args:
        agreement: as `df_storm_agreement` returns it.

    Returns:
        kernel, run, puts, bad pages, full groups, ends (texts: `200`, or `30; predicted 31`), agrees (how many of the
        four), note, injected.
    """
    import pandas as pd

    rows = []
    for (kernel, run), part in agreement.groupby(["kernel", "run"], sort=False):
        told = {
            str(row["field"]): str(row["recorded"]) + ("" if row["agrees"] else f"; predicted {row['predicted']}")
            for row in part.to_dict("records")
        }
        agrees = f"{int(part['agrees'].sum())} of {len(part)}"
        last = {"agrees": agrees, "note": "; ".join(filter(None, part["note"])), "injected": part["injected"].iloc[0]}
        rows.append({"kernel": kernel, "run": run} | told | last)
    return pd.DataFrame(rows)
