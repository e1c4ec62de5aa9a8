"""A page's recorded reference count while a guest reads and writes it, with KVM's events below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.captures_refs import df_page_references

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from kvmlab.capture.shelf import ShippedRun

_KVM: Final = {
    "kvm_page_fault": ("guest fault", "triangle-up", look.BLUE),
    "kvm_mmu_spte_requested": ("page mapped", "square", look.GREEN),
    "kvm_userspace_exit": ("KVM_RUN returns", "diamond", look.GREY),
}
_LANE: Final = -0.7


class NoReferences(KvmlabError):
    """A case of which the trace holds no event."""


def df_capture_refs(run: ShippedRun, case: str, page: int) -> pd.DataFrame:
    """`df_page_references` of one case with what the caption needs.

    Args:
        run: a run with page_ref events.
        case: name of the case in the matrix.
        page: number of the page in it.

    Raises:
        MissingInput: the run has no such trace.
        NoReferences: the trace has no event of that case.
    """
    frame = df_page_references(run, case, page)
    if frame.empty:
        raise NoReferences(f"the trace of {run.run} on {run.release} holds no event of {case}, page {page}")
    frame.attrs = {"source": f"kernel lab, {run.run}", "kernel": run.release}
    return frame


def plot_capture_refs(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_capture_refs`' frame: a step an event, the count as the kernel printed it, KVM's events in a lane below.

    Args:
        frame: as `df_capture_refs` returns it.
    """
    import plotly.graph_objects as go

    picture = look.figure()
    numbered = frame.assign(step=range(1, len(frame) + 1))
    refs = numbered[numbered["count"].notna()]
    for place, pfn in enumerate(dict.fromkeys(int(p) for p in refs["pfn"])):
        part = refs[refs["pfn"] == pfn]
        colour = look.PALETTE[(3 + place) % len(look.PALETTE)]
        rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in part.to_dict("records")]
        picture.add_trace(
            go.Scatter(
                x=part["step"].tolist(),
                y=[int(c) for c in part["count"]],
                mode="lines+markers+text",
                name=f"count of pfn {look.hex_of(pfn)}",
                line={"shape": "hv", "color": colour, "width": 1.5},
                marker={"color": colour, "size": 9},
                text=[_change(r["event"], r["val"], r["ret"]) for r in rows],
                textposition="top center",
                textfont={"size": 11},
                hovertext=[_hover(r) for r in rows],
                hoverinfo="text",
            )
        )
    for event, (name, symbol, colour) in _KVM.items():
        part = numbered[numbered["event"] == event]
        refused = part["detail"].str.startswith("error")
        picture.add_trace(
            go.Scatter(
                x=part["step"].tolist(),
                y=[_LANE] * len(part),
                mode="markers",
                name=name,
                marker={
                    "symbol": symbol,
                    "size": 11,
                    "color": [look.VERMILION if bad else colour for bad in refused],
                },
                hovertext=[f"{look.plain(event)}<br>{look.plain(detail)}" for detail in part["detail"]],
                hoverinfo="text",
            )
        )
    first = frame.iloc[0]
    faults = int((frame["event"] == "kvm_page_fault").sum())
    refused_runs = int(frame["detail"].str.startswith("error").sum())
    told = f"{faults} guest faults, {len(refs)} changes of the count, {refused_runs} refused"
    high = max([int(c) for c in refs["count"]] or [1])
    picture.update_layout(
        title={"text": look.plain(f"{first['case']}, page {first['page']}: {told}")},
        height=420,
        xaxis={"title": {"text": "event, in the order of the trace"}, "dtick": 1, "range": [0.5, len(frame) + 0.5]},
        yaxis={"title": {"text": "reference count"}, "range": [-1.1, high + 0.8], "tickvals": list(range(high + 1))},
    )
    return look.caption(
        picture,
        "Counts are as page_ref events print them, after the change; a try on a page with count 0 changes nothing. "
        f"Injected: {first['injected']}.",
        n=f"{len(frame)} events",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=f"Steps of a reference count with KVM's events below. {told}.",
    )


def _hover(row: dict[str, Any]) -> str:
    change = f"count {row['count']}, val {row['val']}, ret {row['ret']}"
    return look.plain(f"{row['event']} of pfn {look.hex_of(int(row['pfn']))}: {change}")


def _change(event: str, val: object, ret: object) -> str:
    if event == "page_ref_mod_unless" and ret == 0:
        return "refused"
    return f"{int(val):+d}" if isinstance(val, int) else ""
