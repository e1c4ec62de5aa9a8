"""Pages on the map of the machine's zones, DMA and DMA32 wide enough to be seen although Normal is far larger."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.charts.zone_marks import WIDTHS, address_of, boxes_of, draw_box, draw_end, draw_pageblock, place_of
from kvmlab.errors import KvmlabError
from kvmlab.kernel.zones import zone_name, zones
from kvmlab.report.arch import report_arch
from kvmlab.report.records import Report

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_COLUMNS: Final = {
    "pfn": "uint64",
    "zone": "str",
    "printed_zone": "str",
    "report": "int64",
    "line": "int64",
}
_MOST_LABELS: Final = 4
_MOST_MARKS: Final = 5_000
_PAGE: Final = 4096


class NoPfn(KvmlabError):
    """Reports of which none holds a pfn, so that there is nothing to place on the map."""


def df_zone_map(
    reports: Report | Iterable[Report], *, source: str | None = None, arch: str | None = None
) -> pd.DataFrame:
    """The pages of reports with the zone that each lies in by rule and the zone that its flags print.

    Args:
        reports: a report or several; those without a pfn are left out.
        source: case or file that they came from, for the caption.
        arch: whose zone boundaries count: `x86_64`, `i686`, `arm64`; None: as the reports show, else x86_64.

    Returns:
        one row a page: `pfn` (uint64), `zone` (by the rules of the architecture, "" if none covers it), `printed_zone`
        ("" if not printed), `report`, `line`.

    Raises:
        NoPfn: no report holds a pfn.
    """
    import pandas as pd

    given = (reports,) if isinstance(reports, Report) else tuple(reports)
    known = arch or next(filter(None, map(report_arch, given)), None)
    arch = known or "x86_64"
    rows, kernel = [], None
    for report in given:
        if report.pfn is None:
            continue
        release = report.cpu_line.release if report.cpu_line is not None else None
        kernel = kernel or release
        printed = None
        if report.page is not None and report.page.flags is not None:
            number = report.page.flags.fields.get("zone")
            printed = None if number is None else zone_name(number, arch, release)
        place = report.title_span or report.span
        rows.append((report.pfn, _zone_by_rule(report.pfn, arch), printed or "", report.index, place.first_line))
    if not rows:
        raise NoPfn("none of the reports holds a pfn; a 'Bad page state' line or a page dump would")
    frame = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)
    frame.attrs = {
        "source": source,
        "kernel": None if kernel is None else kernel.text,
        "arch": arch,
        "assumed": known is None,
    }
    return frame


def plot_zone_map(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_zone_map`'s frame: the zones as boxes, each linear in itself, and every page at its place.

    Args:
        frame: as `df_zone_map` returns it; at most 5,000 of its pages are drawn.
    """
    import plotly.graph_objects as go

    pages = frame.head(_MOST_MARKS)
    arch = str(frame.attrs.get("arch", "x86_64"))
    boxes = boxes_of(arch, int(frame["pfn"].max()))
    picture = look.figure()
    theme = look.theme_of(picture)
    for box in boxes:
        draw_box(picture, box, theme)
    draw_end(picture, boxes[-1], theme)
    xs = [place_of(boxes, int(pfn)) for pfn in pages["pfn"]]
    picture.add_trace(
        go.Scatter(
            x=xs,
            y=[1.0] * len(pages),
            mode="markers",
            marker={
                "symbol": "triangle-down",
                "size": 15,
                "color": look.VERMILION,
                "line": {"color": theme.ink, "width": 1},
            },
            hovertext=[_hover(row, arch) for row in pages.itertuples()],
            hoverinfo="text",
            showlegend=False,
        )
    )
    for x, pfn in zip(xs[:_MOST_LABELS], pages["pfn"][:_MOST_LABELS], strict=False):
        picture.add_shape(type="line", x0=x, x1=x, y0=0, y1=1, line={"color": look.VERMILION, "width": 2})
        picture.add_annotation(
            x=x,
            y=1.06,
            yanchor="bottom",
            xanchor="center" if 0.12 < x / sum(WIDTHS) < 0.88 else ("right" if x > 1 else "left"),
            text=f"<b>pfn {look.hex_of(pfn)}</b>  physical {address_of(pfn)}",
            font={"size": 13, "color": theme.ink},
        )
    single = len(frame) == 1
    if single:
        draw_pageblock(picture, int(frame["pfn"].iloc[0]), xs[0], theme)
    height = 330 if single else 190
    picture.update_layout(
        title={"text": _title(frame)},
        height=height,
        xaxis={"visible": False, "range": [-0.05, sum(WIDTHS) + 0.05], "fixedrange": True},
        yaxis={"visible": False, "range": [-2.05 if single else -0.5, 1.5], "fixedrange": True},
        margin={"t": 52, "b": 0},
    )
    return look.caption(
        picture,
        f"Each zone is drawn to a scale of its own and begins where the rules of {arch} put it"
        f"{' (assumed: the log does not show it)' if frame.attrs.get('assumed') else ''}. Where memory ends is not "
        "in the log: it is drawn to the next power of two. One page is 4 KiB.",
        n=f"{len(frame)} {'page' if single else 'pages'}",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=_alt(frame),
    )


def _zone_by_rule(pfn: int, arch: str) -> str:
    for zone in zones(arch):
        if zone.first_pfn is not None and zone.first_pfn <= pfn and (zone.last_pfn is None or pfn <= zone.last_pfn):
            return zone.name
    return ""


def _title(frame: pd.DataFrame) -> str:
    differ = frame[(frame["printed_zone"] != "") & (frame["zone"] != "") & (frame["zone"] != frame["printed_zone"])]
    if len(frame) == 1:
        row = frame.iloc[0]
        if row["zone"] == "":
            return f"The page's flags say zone {row['printed_zone'] or 'nothing'}; no rule says where the zones lie"
        if row["printed_zone"] == "":
            said = "; the log prints no zone"
        else:
            said = ", as its flags say" if differ.empty else f", but its flags say {row['printed_zone']}"
        return f"The page lies in zone {row['zone']}{said}"
    told = f"{len(differ)} of them against what their flags say" if len(differ) else "none against what its flags say"
    counts = ", ".join(f"{n} in {name or 'no zone'}" for name, n in frame["zone"].value_counts().items())
    return f"{len(frame)} pages: {counts}; {told}"


def _hover(row: Any, arch: str) -> str:
    printed = f"printed: {row.printed_zone}" if row.printed_zone else "no zone printed"
    return (
        f"<b>pfn {look.hex_of(row.pfn)}</b><br>physical {address_of(row.pfn)}"
        f"<br>zone {row.zone or 'unknown'} by the rules of {arch}, {printed}"
        f"<br>report {row.report}, line {row.line} of the source"
    )


def _alt(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    pfn = int(first["pfn"])
    told = f"Map of the zones. {_title(frame)}."
    return f"{told} The first page is pfn {look.hex_of(pfn)}, {look.size_of(pfn * _PAGE)} up in memory."
