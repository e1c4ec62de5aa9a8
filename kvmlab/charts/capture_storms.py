"""Recorded storms: how many bad pages came at a time, run beside run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.captures_storms import bad_page_groups

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from kvmlab.capture.shelf import ShippedRun

_ROW: Final = 34


class NoStorm(KvmlabError):
    """Runs of which none recorded a bad page."""


def df_capture_storms(runs: Iterable[ShippedRun], *, source: str = "kernel lab, emulated machines") -> pd.DataFrame:
    """The groups of bad pages of each recorded storm, in their order.

    Args:
        runs: runs of the lab; those without a bad page give no rows.
        source: for the caption.

    Returns:
        kernel, run, injected, group, size, first (bad pages before it) int64, drain bool.

    Raises:
        NoStorm: no run has a bad page.
    """
    import pandas as pd

    cells = []
    for run in runs:
        captures = run.open()
        if "storm/log.jsonl" not in captures:
            continue
        first = 0
        for number, (drain, pfns) in enumerate(bad_page_groups(captures.read("storm/log.jsonl").value.df_log())):
            cells.append((run.release, run.run, run.injected, number, len(pfns), first, drain))
            first += len(pfns)
    if not cells:
        raise NoStorm("no run recorded a bad page, so there is no storm to draw")
    frame = pd.DataFrame(cells, columns=["kernel", "run", "injected", "group", "size", "first", "drain"])
    injected = sorted(set(frame["injected"]))
    frame.attrs = {"source": source, "kernel": ", ".join(dict.fromkeys(frame["kernel"])), "injected": injected}
    return frame


def plot_capture_storms(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_capture_storms`' frame: a row a run, a box a group, as long as its number of bad pages.

    Args:
        frame: as `df_capture_storms` returns it.
    """
    import plotly.graph_objects as go

    rows = list(dict.fromkeys(zip(frame["kernel"], frame["run"], strict=True)))
    picture = look.figure()
    theme = look.theme_of(picture)
    for drain, name, colour in ((True, "by the drain of a batch", look.BLUE), (False, "directly", look.ORANGE)):
        part = frame[frame["drain"] == drain]
        if part.empty:
            continue
        picture.add_trace(
            go.Bar(
                x=part["size"],
                base=part["first"],
                y=[rows.index(row) for row in zip(part["kernel"], part["run"], strict=True)],
                orientation="h",
                name=name,
                marker={"color": look.tint(colour, 0.6), "line": {"color": colour, "width": 1.5}},
                text=[str(size) if size > 3 else "" for size in part["size"]],
                textposition="inside",
                insidetextanchor="middle",
                textfont={"color": theme.ink, "size": 11},
                hovertext=[
                    f"{look.plain(kernel)}, {look.plain(run)}<br>group {number + 1}: {size} bad pages"
                    for kernel, run, number, size in part[["kernel", "run", "group", "size"]].values.tolist()
                ],
                hoverinfo="text",
            )
        )
    sizes = frame["size"].mode()
    told = f"{len(frame)} groups in {len(rows)} runs; the most frequent size is {int(sizes.iloc[0])}"
    picture.update_layout(
        title={"text": f"Bad pages come in groups: {told}"},
        barmode="overlay",
        height=_ROW * len(rows) + 150,
        xaxis={"title": {"text": "bad pages, in the order of bad_page() calls"}},
        yaxis={
            "tickvals": list(range(len(rows))),
            "ticktext": [look.plain(f"{kernel}  {run}") for kernel, run in rows],
            "range": [len(rows) - 0.4, -0.6],
            "fixedrange": True,
            "ticks": "",
        },
    )
    return look.caption(
        picture,
        "Every one of these storms was provoked by a module. Injected: "
        + "; ".join(frame.attrs.get("injected", []))
        + ".",
        n=f"{int(frame['size'].sum())} bad pages in {len(frame)} groups",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        width=90,
        alt=f"A row of boxes for each recorded storm, a box as long as its group of bad pages. {told}.",
    )
