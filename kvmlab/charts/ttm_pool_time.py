"""A workload over time: pages in live buffers and in the pools, and the share of tails of each buffer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.memory.workload import Step, df_steps

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_SETS: Final = 3
MOST_STEPS: Final = 3000
_MODES: Final = {"cached": look.BLUE, "write_combined": look.ORANGE, "uncached": look.PURPLE}


class NoSteps(KvmlabError):
    """Workloads of which none, or too many, could be drawn."""


def df_ttm_pool_time(sets: Mapping[str, Sequence[Step]], *, source: str | None = None) -> pd.DataFrame:
    """The steps of one to three workloads, or of one workload on several kernels.

    Args:
        sets: steps by name, which is what stands over the picture, such as the kernel.
        source: case or file, for the caption.

    Returns:
        `kvmlab.memory.workload.df_steps` with a column `set`.

    Raises:
        NoSteps: there is no workload, more than three, or one without steps.
    """
    import pandas as pd

    if not 1 <= len(sets) <= MOST_SETS or not all(sets.values()):
        raise NoSteps(f"from 1 to {MOST_SETS} workloads with steps can be drawn side by side, not {len(sets)}")
    parts = [df_steps(list(steps)).assign(set=name) for name, steps in sets.items()]
    frame = pd.concat(parts, ignore_index=True)
    frame.attrs = {"source": source, "kernel": ", ".join(sets)}
    return frame


def plot_ttm_pool_time(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_ttm_pool_time`'s frame: above pages by step, live and pooled on top of one another, below tail shares.

    Args:
        frame: as `df_ttm_pool_time` returns it.
    """
    from plotly.subplots import make_subplots

    names = list(dict.fromkeys(frame["set"]))
    titles = [""] * len(names) + [look.plain(name) for name in names] if len(names) > 1 else None
    picture = make_subplots(
        rows=2,
        cols=len(names),
        shared_xaxes=True,
        shared_yaxes=True,
        row_heights=[0.4, 0.6],
        start_cell="bottom-left",
        vertical_spacing=0.06,
        horizontal_spacing=0.04,
        subplot_titles=titles,
        figure=look.figure(),
    )
    for number, name in enumerate(names, 1):
        for trace in _areas(frame[frame["set"] == name], number == 1):
            picture.add_trace(trace, row=2, col=number)
        for trace in _shares(frame[frame["set"] == name], number == 1):
            picture.add_trace(trace, row=1, col=number)
    least = 100 * frame["tail_share"].min()
    low = 0.0 if least != least else max(0.0, least - 2)
    picture.update_xaxes(title={"text": "step"}, row=1)
    picture.update_yaxes(showgrid=True)
    most = int((frame["live_pages"] + frame["pooled_pages"]).max())
    picture.update_yaxes(range=[0, max(1, 1.05 * most)], row=2)
    picture.update_yaxes(title={"text": "pages"}, row=2, col=1)
    picture.update_yaxes(range=[low, 100 + (100 - low) / 16], row=1)
    picture.update_yaxes(title={"text": "tails, %"}, row=1, col=1)
    picture.update_annotations(font={"size": 13})
    picture.update_layout(
        title={"text": _title(frame, names)}, height=460, legend={"y": 1.06}, margin={"t": 104, "b": 0}
    )
    asked = int((frame["pages"] > 0).sum())
    failed = asked - int((frame["blocks"] > 0).sum())
    taken = int((frame["pool_blocks"] > 0).sum())
    return look.caption(
        picture,
        "Above: pages in live buffers and, on top of them, pages that wait in the pools. Below: one mark a buffer, how "
        "many of its pages have no reference; a filled mark took at least one block from a pool.",
        n=f"{asked:,} {'allocation' if asked == 1 else 'allocations'}, {taken:,} of them with blocks from a pool, "
        f"{failed:,} without memory",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=f"{_title(frame, names)} Pages in live buffers and in the pools over {len(frame) // len(names):,} steps.",
    )


def _areas(part: pd.DataFrame, legend: bool) -> list[go.Scatter]:
    import plotly.graph_objects as go

    thin = _thinned(part)
    return [
        go.Scatter(
            x=thin["step"],
            y=thin[column],
            name=name,
            legendgroup=name,
            showlegend=legend,
            stackgroup="pages",
            mode="lines",
            line={"color": colour, "width": 1, "shape": "hv"},
            fillcolor=look.tint(colour, 0.5),
            hovertemplate="step %{x}: %{y:,} pages<extra>" + name + "</extra>",
        )
        for column, name, colour in (
            ("live_pages", "in live buffers", look.GREEN),
            ("pooled_pages", "in the pools", look.SKY),
        )
    ]


def _shares(part: pd.DataFrame, legend: bool) -> list[go.Scatter]:
    import plotly.graph_objects as go

    out = []
    filled = _thinned(part[part["blocks"] > 0])
    for mode, colour in _MODES.items():
        rows = filled[filled["caching"] == mode]
        if rows.empty:
            continue
        out.append(
            go.Scatter(
                x=rows["step"],
                y=100 * rows["tail_share"],
                name=mode.replace("_", " "),
                legendgroup=mode,
                showlegend=legend,
                mode="markers",
                marker={
                    "size": 6,
                    "color": colour,
                    "symbol": ["circle" if n else "circle-open" for n in rows["pool_blocks"]],
                },
                hovertext=[_hover(row) for row in rows.itertuples()],
                hoverinfo="text",
            )
        )
    return out


def _thinned(part: pd.DataFrame) -> pd.DataFrame:
    """Every k-th step where there are more than can be drawn; the last one is always there."""
    if len(part) <= MOST_STEPS:
        return part
    every = -(-len(part) // MOST_STEPS)
    return part.iloc[(len(part) - 1) % every :: every]


def _hover(row: Any) -> str:
    tails = f"{row.pages - row.blocks:,} tails ({100 * row.tail_share:.2f} %)"
    blocks = f"{row.blocks:,} blocks, {row.pool_blocks:,} of them from a pool"
    mode = row.caching.replace("_", " ")
    return f"<b>{look.plain(row.object)}</b>, {mode}<br>{row.pages:,} pages in {blocks}<br>{tails}"


def _title(frame: pd.DataFrame, names: list[str]) -> str:
    lasts = frame.drop_duplicates("set", keep="last").set_index("set")
    said = [
        f"{int(lasts['live_pages'][name]):,} pages live and {int(lasts['pooled_pages'][name]):,} pooled"
        + (f" on {look.plain(name)}" if len(names) > 1 else "")
        for name in names
    ]
    return f"In the end {', '.join(said)}"
