"""KVM's recorded answers: which kinds of pages a guest could touch, kernel beside kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_ROW: Final = 24
_MARKS: Final = {"ok": (look.GREEN, "circle-open"), "efault": (look.VERMILION, "x")}


class NoMatrix(KvmlabError):
    """Runs of which none recorded a guest's accesses."""


def df_capture_matrix(
    matrix: pd.DataFrame, agreement: pd.DataFrame | None = None, *, source: str = "kernel lab, emulated machines"
) -> pd.DataFrame:
    """`df_kvm_matrix`' rows with what the caption needs, and what the model predicts beside them.

    Args:
        matrix: as `kvmlab.inquiry.captures_lab.df_kvm_matrix` returns it.
        agreement: as `kvmlab.inquiry.kvm_agreement.df_kvm_agreement` returns it; adds the column `predicted` (of the
            first read; None where the model says nothing).
        source: for the caption.

    Raises:
        NoMatrix: it has no row.
    """
    if matrix.empty:
        raise NoMatrix("no run recorded what a guest's accesses did, so there is no matrix to draw")
    frame = matrix.copy()
    if agreement is not None:
        reads = agreement[agreement["field"] == "read"].drop_duplicates(["kernel", "case", "page"])
        said = dict(
            zip(zip(reads["kernel"], reads["case"], reads["page"], strict=True), reads["predicted"], strict=True)
        )
        keys = zip(frame["kernel"], frame["case"], frame["page"], strict=True)
        frame["predicted"] = [said.get(key) for key in keys]
    injected = sorted(set(matrix["injected"]))
    frame.attrs = {"source": source, "kernel": ", ".join(dict.fromkeys(matrix["kernel"])), "injected": injected}
    return frame


def plot_capture_matrix(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_capture_matrix`' frame: a column a kernel, a row a page, a mark for what the first read did.

    A ring around a mark says that the model predicts it, a filled square that it does not.

    Args:
        frame: as `df_capture_matrix` returns it.
    """
    import plotly.graph_objects as go

    kernels = list(dict.fromkeys(frame["kernel"]))
    rows = list(dict.fromkeys(zip(frame["case"], frame["page"], strict=True)))
    place = {row: y for y, row in enumerate(rows)}
    counts = frame.drop_duplicates(["case", "page"]).set_index(["case", "page"])["refcount"]
    picture = look.figure()
    theme = look.theme_of(picture)
    fares = _draw_predictions(picture, frame, kernels, place, theme) if "predicted" in frame else ""
    for outcome in dict.fromkeys(frame["read"].fillna("-")):
        part = frame[frame["read"].fillna("-") == outcome]
        colour, symbol = _MARKS.get(outcome, (look.GREY, "square-open"))
        hover = [
            f"{look.plain(r.case)}, page {r.page}<br>{look.plain(r.kernel)}<br>refcount {r.refcount}, read {r.read}, "
            f"write {r.write}{_said(r)}<br>pfn {look.hex_of(None if r.pfn is None or r.pfn != r.pfn else int(r.pfn))}"
            for r in part.astype({"pfn": object}).where(part.notna(), None).itertuples()
        ]
        picture.add_trace(
            go.Scatter(
                x=[kernels.index(k) for k in part["kernel"]],
                y=[place[row] for row in zip(part["case"], part["page"], strict=True)],
                mode="markers",
                name=look.plain({"ok": "mapped", "efault": "KVM_RUN gave EFAULT"}.get(outcome, outcome)),
                marker={"color": colour, "symbol": symbol, "size": 12, "line": {"width": 2, "color": colour}},
                hovertext=hover,
                hoverinfo="text",
            )
        )
    refused = frame[frame["read"] == "efault"].groupby("kernel").size()
    told = ", ".join(f"{kernel} refused {int(refused.get(kernel, 0))} of {len(rows)}" for kernel in kernels)
    known = {
        row: "?" if count is None else count for row, count in counts.astype(object).where(counts.notna(), None).items()
    }
    labels = [look.plain(f"{case}  page {page}  ({known[(case, page)]})") for case, page in rows]
    # What follows the release stands under it: side by side, four names do not fit into a narrow picture.
    ticks = [
        f"{look.plain(k).replace('+', '<br>+', 1)}<br>{int(refused.get(k, 0))}/{len(rows)} refused" for k in kernels
    ]
    picture.update_layout(
        title={"text": f"A guest's first read of each kind of page, by kernel{fares}"},
        height=_ROW * len(rows) + 170,
        margin={"t": 140},
        legend={"y": 1 + 44 / (_ROW * len(rows))},
        xaxis={"tickvals": list(range(len(kernels))), "ticktext": ticks, "side": "top",
               "range": [-0.6, len(kernels) - 0.4], "fixedrange": True, "ticks": "", "tickangle": 0,
               "tickfont": {"size": 11}},
        yaxis={"tickvals": list(range(len(rows))), "ticktext": labels, "range": [len(rows) - 0.4, -0.6],
               "fixedrange": True, "ticks": "", "tickfont": {"size": 11}},
    )  # fmt: skip
    return look.caption(
        picture,
        "The number in brackets is the page's own reference count before the access. Injected: "
        + "; ".join(frame.attrs.get("injected", ["not said"])) + ".",
        n=f"{len(frame)} pages on {len(kernels)} kernels",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        width=90,
        alt=f"A table of dots, a row for each of {len(rows)} pages and a column for each kernel. {told}{fares}.",
    )  # fmt: skip


def _draw_predictions(
    picture: go.Figure, frame: pd.DataFrame, kernels: list[str], place: dict[tuple[str, int], int], theme: look.Theme
) -> str:
    """Rings and squares behind the marks; how many of the reads were predicted, for the title."""
    import plotly.graph_objects as go

    known = frame[frame["predicted"].notna() & frame["read"].notna()]
    right = known["predicted"] == known["read"]
    for part, name, symbol, colour in (
        (known[right], "as the model predicts", "circle-open", theme.soft),
        (known[~right], "not as the model predicts", "square", look.YELLOW),
    ):
        if part.empty:
            continue
        picture.add_trace(
            go.Scatter(
                x=[kernels.index(k) for k in part["kernel"]],
                y=[place[row] for row in zip(part["case"], part["page"], strict=True)],
                mode="markers",
                name=name,
                marker={"color": colour, "symbol": symbol, "size": 20, "line": {"width": 1, "color": colour}},
                hoverinfo="skip",
            )
        )
    return f": {int(right.sum())} of {len(known)} predicted"


def _said(row: Any) -> str:
    said = getattr(row, "predicted", None)
    return "" if said is None else f", read predicted {look.plain(said)}"
