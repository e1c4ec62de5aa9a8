"""The call trace of a report as a picture: innermost call on top, confirmed entries against `?` entries, by module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from kvmlab.report.records import Report

CORE: Final = "core kernel"
_COLUMNS: Final = {
    "entry": "int64",
    "function": "str",
    "offset": "UInt64",
    "size": "UInt64",
    "module": "str",
    "reliable": "bool",
    "context": "str",
    "line": "int64",
    "timestamp": "str",
}
_ROW: Final = 21
MOST_ENTRIES: Final = 400


class NoCallTrace(KvmlabError):
    """A report without a single call trace entry, so that there is no stack to draw."""


def df_call_stack(report: Report, *, source: str | None = None) -> pd.DataFrame:
    """The entries of a report's call trace, innermost first, as a frame.

    Args:
        report: the report; its `call_trace` is read.
        source: case or file that it came from, for the caption.

    Returns:
        one row an entry: `entry` (0 is the innermost), `function`, `offset` and `size` (bytes, UInt64), `module` (`core
        kernel` where none is printed), `reliable`, `context`, `line` (number in the source) and `timestamp` as printed.

    Raises:
        NoCallTrace: the report holds no entry.
    """
    import pandas as pd

    frames = report.call_trace.frames if report.call_trace is not None else ()
    if not frames:
        raise NoCallTrace(f"report {report.index} holds no call trace entry; the log may have been cut before it")
    rows = [
        (i, f.function, f.offset, f.size, f.module or CORE, f.reliable, f.context or "", f.span.first_line, f.timestamp)
        for i, f in enumerate(frames)
    ]
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    release = report.cpu_line.release if report.cpu_line is not None else None
    frame.attrs = {"source": source, "kernel": None if release is None else release.text}
    return frame


def plot_call_stack(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_call_stack`'s frame: a block an entry, whole for confirmed ones, hollow for those marked `?`.

    Args:
        frame: as `df_call_stack` returns it.
    """
    import plotly.graph_objects as go

    left_out = max(0, len(frame) - MOST_ENTRIES)
    told, frame = frame.attrs, frame.head(MOST_ENTRIES)
    modules = sorted(frame["module"].unique(), key=lambda m: (m != CORE, int(frame.index[frame["module"] == m][0])))
    colours = {m: look.PALETTE[i % len(look.PALETTE)] for i, m in enumerate(modules)}
    picture = look.figure()
    theme = look.theme_of(picture)
    _draw_chain(picture, frame, theme.soft)
    for module in modules:
        for reliable in (True, False):
            part = frame[(frame["module"] == module) & (frame["reliable"] == reliable)]
            if part.empty:
                continue
            colour = colours[module]
            picture.add_trace(
                go.Bar(
                    orientation="h",
                    y=part["entry"],
                    x=[55.0 if reliable else 41.0] * len(part),
                    base=0.0 if reliable else 58.0,
                    width=0.86 if reliable else 0.74,
                    text=[_label(row) for row in part.itertuples()],
                    hovertext=[_hover(row) for row in part.itertuples()],
                    hoverinfo="text",
                    textposition="inside",
                    insidetextanchor="start",
                    textangle=0,
                    constraintext="none",
                    textfont={"family": look.MONO, "size": 12.5 if reliable else 11, "color": theme.ink},
                    marker={
                        "color": look.tint(colour, 0.3 if reliable else 0.0),
                        "line": {"color": colour, "width": 1.5 if reliable else 1},
                    },
                    name=look.plain(module) if reliable else f"? {look.plain(module)}",
                    legendgroup=look.plain(module),
                )
            )
    n, sure = len(frame), int(frame["reliable"].sum())
    height = n * _ROW + 96
    picture.update_layout(
        title={"text": f"Call stack, innermost call on top: {sure} entries confirmed, {n - sure} marked ?"},
        height=height,
        barmode="overlay",
        bargap=0,
        xaxis={"visible": False, "range": [-1.5, 100], "fixedrange": True},
        yaxis={"visible": False, "range": [n - 0.4, -0.6], "fixedrange": True},
        margin={"t": 88, "b": 0},
    )
    return look.caption(
        picture,
        "Left: the calls that the unwinder confirmed, each called by the one below. Right, marked ? in the log: "
        "addresses found on the stack, perhaps left from an earlier call. +offset/size in bytes. Point at a block for "
        "its line." + (f" {left_out} more entries are not drawn." if left_out else ""),
        n=f"{n} entries",
        source=told.get("source"),
        kernel=told.get("kernel"),
        alt=f"Call stack of {n} entries, {sure} of them confirmed. From the innermost outwards: "
        + ", ".join(str(f) for f in frame.loc[frame["reliable"], "function"])
        + ".",
    )


def _draw_chain(picture: go.Figure, frame: pd.DataFrame, colour: str) -> None:
    """A line down the confirmed calls, so that the eye finds the caller across a gap."""
    sure = frame.loc[frame["reliable"], "entry"]
    if len(sure) > 1:
        picture.add_shape(
            type="line",
            x0=-0.8,
            x1=-0.8,
            y0=int(sure.iloc[0]),
            y1=int(sure.iloc[-1]),
            line={"color": colour, "width": 1.5},
        )


def _place(row: Any) -> str:
    import pandas as pd

    return "" if pd.isna(row.offset) or pd.isna(row.size) else f"+{int(row.offset):#x}/{int(row.size):#x}"


def _label(row: Any) -> str:
    mark = "" if row.reliable else "? "
    tail = "" if row.module == CORE else f" [{look.plain(row.module)}]"
    return f"{mark}{look.plain(row.function)}{_place(row)}{tail}"


def _hover(row: Any) -> str:
    said = "confirmed by the unwinder" if row.reliable else "marked ?, not confirmed: may be left from an earlier call"
    time = f", [{look.plain(row.timestamp)}] s after boot" if isinstance(row.timestamp, str) and row.timestamp else ""
    lines = [
        f"<b>{look.plain(row.function)}</b>{_place(row)}",
        f"entry {row.entry}, {look.plain(row.module)}, {said}",
        f"line {row.line} of the source{time}",
    ]
    if row.context:
        lines.append(f"on the {look.plain(row.context)} stack")
    return "<br>".join(lines)
