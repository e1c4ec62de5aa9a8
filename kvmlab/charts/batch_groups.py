"""Bad pages by the drain that reported them: how many at a time, and which of them are neighbours in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.inquiry import batch_groups as groups
from kvmlab.inquiry.pfn_runs import pfn_runs
from kvmlab.memory.folio_batch import batch_capacity
from kvmlab.report.records import Report

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_GROUPS: Final = 200
MOST_MARKS: Final = 10_000
_ROW: Final = 30


class NoGroups(KvmlabError):
    """Reports without a single bad page that names its pfn."""


def df_batch_groups(reports: Iterable[Report], *, source: str | None = None) -> pd.DataFrame:
    """`kvmlab.inquiry.batch_groups.df_batch_groups` with what the caption needs.

    Args:
        reports: reports of one log, in order.
        source: case or file, for the caption.

    Raises:
        NoGroups: no bad page has a pfn.
    """
    given = tuple(reports)
    frame = groups.df_batch_groups(given)
    if frame.empty:
        raise NoGroups("no bad page with a pfn is among the reports")
    release = next((r.cpu_line.release for r in given if r.cpu_line is not None and r.cpu_line.release), None)
    capacity = None
    if release is not None and release.version is not None:
        try:
            capacity = batch_capacity(release)
        except KvmlabError:
            capacity = None
    frame.attrs = {"source": source, "kernel": None if release is None else release.text, "capacity": capacity}
    return frame


def plot_batch_groups(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_batch_groups`' frame: a row for each drain, a square for each page, one shade for each run of pfns.

    Args:
        frame: as `df_batch_groups` returns it; at most 200 groups and 10,000 pages of it are drawn.
    """
    import plotly.graph_objects as go

    shown = frame[frame["group"] < MOST_GROUPS].head(MOST_MARKS)
    picture = look.figure()
    theme = look.theme_of(picture)
    step = shown["pfn"].astype("int64").diff().abs() == 1
    same = step & (shown["group"].diff() == 0)
    shade = (~same).cumsum() % 2
    for value, colour in ((0, look.BLUE), (1, look.ORANGE)):
        part = shown[shade == value]
        picture.add_trace(
            go.Scatter(
                x=part["place"] + 1,
                y=part["group"],
                mode="markers",
                marker={"symbol": "square", "size": 12, "color": colour},
                hovertext=[_hover(row) for row in part.itertuples()],
                hoverinfo="text",
                showlegend=False,
            )
        )
    sizes = shown.groupby("group").size()
    longest = int(sizes.max())
    capacity = frame.attrs.get("capacity")
    column = max(longest, capacity or 0) + 1.0
    # All at once: plotly copies every annotation that is there whenever one is added.
    labels = [
        {"x": column, "y": group, "xanchor": "left", "text": _label(part), "font": {"size": 12}}
        for group, part in shown.groupby("group")
    ]
    picture.update_layout(annotations=labels)
    if capacity and longest <= capacity:
        picture.add_shape(
            type="line", x0=capacity + 0.5, x1=capacity + 0.5, y0=-0.7, y1=len(sizes) - 0.3,
            line={"color": theme.soft, "width": 1, "dash": "dot"},
        )  # fmt: skip
        picture.add_annotation(
            x=capacity + 0.4, y=-0.75, xanchor="right", yanchor="bottom", font={"size": 11, "color": theme.soft},
            text=f"a batch of this kernel holds {capacity} folios",
        )  # fmt: skip
    picture.update_layout(
        title={"text": _title(frame)},
        height=_ROW * len(sizes) + 130,
        xaxis={
            "title": {"text": "place in the group, in the order of the log"},
            "range": [0, column * 1.45],
            "tickvals": _places(longest),
        },
        yaxis={
            "title": {"text": "group"},
            "range": [len(sizes) - 0.4, -1.3],
            "tickvals": _ticks(len(sizes)),
            "ticks": "",
        },
        margin={"t": 52, "b": 0},
    )
    left_out = len(frame) - len(shown)
    return look.caption(
        picture,
        "A row is one pass over a folio batch: same task, same stack, same system call, and no more pages than a batch "
        "of this kernel holds. Squares of one colour side by side are neighbours in memory."
        + (f" {left_out} more pages are not drawn." if left_out else ""),
        n=f"{len(frame)} bad pages in {int(frame['group'].max()) + 1} groups",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=f"{_title(frame)}. Sizes in order: {', '.join(map(str, sizes.head(40)))}.",
    )


def _title(frame: pd.DataFrame) -> str:
    sizes = frame.groupby("group").size()
    if len(sizes) == 1:
        return f"{len(frame)} bad {'page' if len(frame) == 1 else 'pages'} in one group"
    return f"{len(frame)} bad pages came in {len(sizes)} groups, {int(sizes.max())} in the largest"


def _ticks(n: int) -> list[int]:
    return list(range(0, n, max(1, n // 40)))


def _label(part: pd.DataFrame) -> str:
    runs = len(pfn_runs(int(pfn) for pfn in part["pfn"]))
    times = part["time_ns"].dropna()
    spread = f", {(int(times.max()) - int(times.min())) / 1e6:.1f} ms" if len(times) > 1 else ""
    pages = f"{len(part)} {'page' if len(part) == 1 else 'pages'}"
    return f"{pages} in {runs} {'run' if runs == 1 else 'runs'}{spread}"


def _places(longest: int) -> list[int]:
    """Round places up to the longest group."""
    step = max(5, 10 ** len(str(longest // 10)) // 2)
    return [1, *range(step, longest + 1, step)]


def _hover(row: Any) -> str:
    import pandas as pd

    hva = "unknown" if pd.isna(row.hva) else look.hex_of(int(row.hva))
    return (
        f"<b>pfn {look.hex_of(int(row.pfn))}</b>, hva {hva}<br>{look.plain(row.reason)}"
        f"<br>{look.plain(row.comm)}, page {row.place + 1} of group {row.group}"
        f"<br>report {row.report}, line {row.line} of the source"
    )
