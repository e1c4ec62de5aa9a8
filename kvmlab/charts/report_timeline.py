"""When reports came, by kind, and the stretches in which the kernel kept silent about more of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.batch_groups import time_ns
from kvmlab.report.records import Kind, Report

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_MARKS: Final = 5_000
_BINS: Final = 2_000
_ROW: Final = 58
_TYPES: Final = {
    "time_ns": "int64",
    "since_ns": "Int64",
    "kind": "str",
    "messages": "Int64",
    "pfn": "UInt64",
    "comm": "str",
    "title": "str",
    "report": "int64",
    "line": "int64",
}


class NoTimes(KvmlabError):
    """Reports without a single time stamp, so that there is nothing to lay out in time."""


def df_report_timeline(reports: Iterable[Report], *, source: str | None = None) -> pd.DataFrame:
    """Reports with a time stamp, and what each 'messages suppressed' line stands for.

    Args:
        reports: reports of one log, in order.
        source: case or file, for the caption.

    Returns:
        one row a report: `time_ns` (since boot), `kind`, `pfn`, `comm`, `title`, `report`, `line`. A suppression line
        has `messages` (how many were not printed) and `since_ns` (the last printed report of what it is about).

    Raises:
        NoTimes: no report has a time stamp.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    last: dict[str, int] = {}
    kernel = None
    for report in reports:
        kernel = kernel or (report.cpu_line.release if report.cpu_line is not None else None)
        at = time_ns(report)
        if at is None:
            continue
        kind, since, messages = str(report.kind), None, None
        if report.kind is Kind.SUPPRESSED:
            kind = "bad_page_map" if report.fields.get("what") == "map" else "bad_page"
            messages, since = report.fields.get("messages"), last.get(kind)
        else:
            last[kind] = at
        line = (report.title_span or report.span).first_line
        title = report.title or "fragment of a report"
        rows.append((at, since, kind, messages, report.pfn, report.process, title, report.index, line))
    if not rows:
        raise NoTimes("no report has a time stamp; dmesg prints them unless it is told not to")
    frame = pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)
    frame.attrs = {"source": source, "kernel": None if kernel is None else kernel.text}
    return frame


def plot_report_timeline(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_report_timeline`'s frame: a lane for each kind, a stroke for each report, a box where some are missing.

    Args:
        frame: as `df_report_timeline` returns it.
    """
    import plotly.graph_objects as go

    lanes = list(dict.fromkeys(frame["kind"]))
    start = int(frame["time_ns"].min())
    picture = look.figure()
    theme = look.theme_of(picture)
    printed = frame[frame["messages"].isna()]
    for number, lane in enumerate(lanes):
        part = _thinned(printed[printed["kind"] == lane], start)
        colour = look.PALETTE[number % len(look.PALETTE)]
        picture.add_trace(
            go.Scatter(
                x=(part["time_ns"] - start) / 1e9,
                y=[number] * len(part),
                mode="markers",
                marker={"symbol": "line-ns", "size": 24, "line": {"color": colour, "width": 2}},
                hovertext=[_hover(row) for row in part.itertuples()],
                hoverinfo="text",
                showlegend=False,
            )
        )
    hidden = frame[frame["messages"].notna()]
    seconds = max((int(frame["time_ns"].max()) - start) / 1e9, 1e-6)
    early = bool(hidden["since_ns"].isna().any())
    for row in _rows(hidden):
        _draw_silence(picture, row, lanes.index(row.kind), start, seconds, theme)
    counts = printed["kind"].value_counts()
    missing = int(hidden["messages"].sum())
    picture.update_layout(
        title={"text": _title(len(printed), missing, frame)},
        height=_ROW * len(lanes) + 96,
        xaxis={
            "title": {"text": f"seconds after the first report (at {start / 1e9:.6f} s after boot)"},
            "range": [-0.14 * seconds if early else -0.02 * seconds, 1.02 * seconds],
        },
        yaxis={
            "tickvals": list(range(len(lanes))),
            "ticktext": [f"{look.plain(lane)} ({counts.get(lane, 0)})" for lane in lanes],
            "range": [len(lanes) - 0.45, -0.75],
            "ticks": "",
        },
        margin={"t": 56, "b": 0},
    )
    return look.caption(
        picture,
        "A stroke is a report; a grey box is a stretch in which the kernel counted reports without printing them (it "
        "lets 60 through, then waits until a minute after the first). Point at a stroke for its line in the log.",
        n=f"{len(printed)} reports printed, {missing} not printed",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=f"Time line. {_title(len(printed), missing, frame)}: "
        + ", ".join(f"{n} of kind {kind}" for kind, n in counts.items())
        + ".",
    )


def _rows(frame: pd.DataFrame) -> Iterable[Any]:
    yield from frame.itertuples()


def _thinned(part: pd.DataFrame, start: int) -> pd.DataFrame:
    """At most one mark for each two-thousandth of the time where there are too many to draw."""
    if len(part) <= MOST_MARKS:
        return part
    width = max(1, (int(part["time_ns"].max()) - start) // _BINS)
    return part.loc[~((part["time_ns"] - start) // width).duplicated()]


def _draw_silence(picture: go.Figure, row: Any, lane: int, start: int, seconds: float, theme: look.Theme) -> None:
    """A box from the last printed report, or from before the log if that is not in it, to the line that counts."""
    import pandas as pd

    begins = -0.2 * seconds if pd.isna(row.since_ns) else (int(row.since_ns) - start) / 1e9
    ends = (int(row.time_ns) - start) / 1e9
    picture.add_shape(
        type="rect",
        x0=begins,
        x1=ends,
        y0=lane - 0.3,
        y1=lane + 0.3,
        fillcolor=look.tint(look.GREY, 0.3),
        line={"color": look.GREY, "width": 1},
        layer="below",
    )
    noun = "report" if row.messages == 1 else "reports"
    picture.add_annotation(
        x=max(begins, -0.13 * seconds),
        xanchor="left",
        y=lane - 0.32,
        yanchor="bottom",
        text=f"<b>{row.messages} {noun} not printed</b>, line {row.line}",
        font={"size": 12, "color": theme.ink},
    )


def _title(printed: int, missing: int, frame: pd.DataFrame) -> str:
    seconds = (int(frame["time_ns"].max()) - int(frame["time_ns"].min())) / 1e9
    more = f", and {missing} that were not printed" if missing else ""
    return f"{printed} {'report' if printed == 1 else 'reports'} in {seconds:.3f} s{more}"


def _hover(row: Any) -> str:
    import pandas as pd

    where = "" if pd.isna(row.pfn) else f"pfn {look.hex_of(int(row.pfn))}<br>"
    return (
        f"<b>{look.plain(row.title)}</b><br>{where}{int(row.time_ns) / 1e9:.6f} s after boot"
        f"<br>report {row.report}, line {row.line} of the source"
    )
