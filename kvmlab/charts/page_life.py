"""One page of a recorded storm, change by change of its count, with the replay of the report around it."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from kvmlab.capture.shelf import ShippedRun
from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.kvm_mechanism import Life, df_mechanism
from kvmlab.inquiry.replay import Replay

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_CHANGES: Final = 60


class NoLife(KvmlabError):
    """A page of which neither trace nor replay holds a change."""


def df_page_life(life: Life, replayed: Replay, run: ShippedRun | None = None) -> pd.DataFrame:
    """`df_mechanism`'s rows with what the caption needs.

    Args:
        life: a page of the storm.
        replayed: the replay of a report.
        run: the run that the page was recorded in.

    Raises:
        NoLife: there is no change to show.
    """
    frame = df_mechanism(life, replayed)
    if frame.empty:
        raise NoLife("neither the trace nor the replay changes the count of this page")
    frame.attrs = {
        "source": None if run is None else f"kernel lab, {run.run}",
        "kernel": None if run is None else run.release,
        "injected": "not said" if run is None else run.injected,
        "pfn": life.pfn,
        "replayed": "" if replayed.release is None else replayed.release.text,
    }
    return frame


def plot_page_life(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_page_life`'s frame: the recorded count as a line, a ring where the replayed count is the same.

    Under each change stands who makes it in the replay and in which step; puts by somebody who holds nothing are bold.

    Args:
        frame: as `df_page_life` returns it; at most 60 changes are drawn.
    """
    import plotly.graph_objects as go

    rows: list[dict[Any, Any]] = frame.head(MOST_CHANGES).astype(object).where(frame.notna(), None).to_dict("records")
    picture = look.figure()
    theme = look.theme_of(picture)
    for row in rows:
        if str(row["lab"]).startswith("stray") or str(row["reported"]).startswith("stray"):
            _draw_band(picture, row)
    for rings, name, colour in (
        (True, "the replay of the report, same count", look.BLUE),
        (False, "another", look.VERMILION),
    ):
        part = [r for r in rows if r["reported_count"] is not None and (r["reported_count"] == r["count"]) is rings]
        if not part:
            continue
        picture.add_trace(
            go.Scatter(
                x=[r["change"] for r in part], y=[int(r["reported_count"]) for r in part], mode="markers", name=name,
                marker={"symbol": "circle-open", "size": 20, "color": colour, "line": {"width": 2, "color": colour}},
                hovertext=[_hover(r) for r in part], hoverinfo="text",
            )
        )  # fmt: skip
    seen = [r for r in rows if r["count"] is not None]
    picture.add_trace(
        go.Scatter(
            x=[r["change"] for r in seen], y=[int(r["count"]) for r in seen], mode="lines+markers+text",
            name=f"recorded _refcount of pfn {look.hex_of(frame.attrs['pfn'])}",
            line={"shape": "hv", "color": theme.ink, "width": 2.5}, marker={"size": 8, "color": theme.ink},
            text=[str(r["count"]) for r in seen], textposition="top right", textfont={"family": look.MONO, "size": 12},
            hovertext=[_hover(r) for r in seen], hoverinfo="text",
        )
    )  # fmt: skip
    same = sum(bool(row["agrees"]) for row in rows)
    high = max([int(r["count"]) for r in seen] or [1])
    picture.update_layout(
        title={"text": f"{same} of {len(rows)} changes of a recorded page's count are those of the replay"},
        height=430,
        xaxis={
            "title": {"text": " "},
            "tickvals": [r["change"] for r in rows], "ticktext": [_label(r) for r in rows], "tickangle": 0,
            "range": [0.4, len(rows) + 0.6], "tickfont": {"size": 10}, "ticks": "",
        },
        yaxis={"title": {"text": "reference count"}, "tickvals": list(range(high + 1)), "range": [-0.5, high + 0.8]},
    )  # fmt: skip
    told = "; ".join(f"{r['change']}: count {r['count']}, {r['lab']}" for r in rows)
    return look.caption(
        picture,
        "Under each change: who makes it in the replayed kernel, and in which step. Bold and shaded: a put by somebody "
        f"who holds no reference; pale: where the lab injects it. Injected: {frame.attrs['injected']}. "
        f"Replayed: {frame.attrs['replayed']}.",
        n=f"{len(seen)} recorded changes",
        source=frame.attrs["source"],
        kernel=frame.attrs["kernel"],
        width=92,
        alt=f"The count of one page: {told}.",
    )


def _draw_band(picture: go.Figure, row: dict[Any, Any]) -> None:
    """A band at a put that is too many: strong in the replay, pale where the lab injects it."""
    reported = str(row["reported"]).startswith("stray")
    picture.add_shape(
        type="rect", x0=row["change"] - 0.5, x1=row["change"] + 0.5, y0=0, y1=1, yref="paper", layer="below",
        fillcolor=look.tint(look.VERMILION, 0.28 if reported else 0.1), line={"width": 0},
    )  # fmt: skip


def _label(row: dict[Any, Any]) -> str:
    who = str(row["reported"] or "-").removeprefix("stray: ").replace("fault of vcpu0", "fault")
    lines = [look.plain(part) for part in wrap(who, 10)]
    if row["step"] is not None:
        lines.append(f"step {row['step']}")
    stray = str(row["reported"]).startswith("stray")
    return "<br>".join(f"<b>{line}</b>" if stray else line for line in lines)


def _hover(row: dict[Any, Any]) -> str:
    lines = [
        f"event {row['change']}: {row['event'] or 'not recorded'}, count {row['count']}",
        f"flags: {', '.join(row['flags']) or 'none of referenced, active, lru'}",
        f"model of the lab's kernel: {row['lab'] or '-'}",
        f"replay of the report: {row['reported'] or '-'}, step {row['step']}",
    ]
    return "<br>".join(look.plain(line) for line in lines)
