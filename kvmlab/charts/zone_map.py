"""Pages on the map of the machine's zones, DMA and DMA32 wide enough to be seen although Normal is far larger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
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
_COLOURS: Final = (look.ORANGE, look.SKY, look.GREEN, look.PURPLE)
_WIDTHS: Final = (1.0, 1.8, 5.2)
_MOST_LABELS: Final = 4
_MOST_MARKS: Final = 5_000
_PAGE: Final = 4096
_BLOCK_ORDER: Final = 9


class NoPfn(KvmlabError):
    """Reports of which none holds a pfn, so that there is nothing to place on the map."""


@dataclass(frozen=True, slots=True)
class _Box:
    """A zone as drawn: pfns `first` to `stop` (not inside) at `x`, `w` wide, linear inside."""

    name: str
    first: int
    stop: int
    x: float
    w: float
    colour: str

    def at(self, pfn: int) -> float:
        return self.x + self.w * min(max((pfn - self.first) / (self.stop - self.first), 0.0), 1.0)


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
    boxes = _boxes(arch, int(frame["pfn"].max()))
    picture = look.figure()
    theme = look.theme_of(picture)
    for box in boxes:
        _draw_box(picture, box, theme)
    _draw_end(picture, boxes[-1], theme)
    xs = [_x(boxes, int(pfn)) for pfn in pages["pfn"]]
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
            xanchor="center" if 0.12 < x / sum(_WIDTHS) < 0.88 else ("right" if x > 1 else "left"),
            text=f"<b>pfn {look.hex_of(pfn)}</b>  physical {_address(pfn)}",
            font={"size": 13, "color": theme.ink},
        )
    single = len(frame) == 1
    if single:
        _draw_pageblock(picture, int(frame["pfn"].iloc[0]), xs[0], theme)
    height = 330 if single else 190
    picture.update_layout(
        title={"text": _title(frame)},
        height=height,
        xaxis={"visible": False, "range": [-0.05, sum(_WIDTHS) + 0.05], "fixedrange": True},
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


def _boxes(arch: str, largest: int) -> list[_Box]:
    """The zones with a fixed place; the last one ends at the power of two above the largest pfn."""
    fixed = [z for z in zones(arch) if z.first_pfn is not None]
    if not fixed:
        return [_Box("no fixed zones", 0, 1 << max(largest, 1).bit_length(), 0.0, sum(_WIDTHS), look.GREY)]
    boxes, x = [], 0.0
    for i, zone in enumerate(fixed):
        first = zone.first_pfn or 0
        stop = 1 << max(largest, 2 * first, 1).bit_length()
        if zone.last_pfn is not None and i + 1 < len(fixed):
            stop = zone.last_pfn + 1
        width = _WIDTHS[min(i, len(_WIDTHS) - 1)] * (sum(_WIDTHS) / sum(_WIDTHS[: len(fixed)]))
        boxes.append(_Box(zone.name, first, stop, x, width, _COLOURS[i % len(_COLOURS)]))
        x += width
    return boxes


def _x(boxes: Sequence[_Box], pfn: int) -> float:
    return next((box.at(pfn) for box in boxes if box.first <= pfn < box.stop), boxes[-1].at(pfn))


def _draw_box(picture: go.Figure, box: _Box, theme: look.Theme) -> None:
    picture.add_shape(
        type="rect",
        x0=box.x,
        x1=box.x + box.w,
        y0=0,
        y1=1,
        fillcolor=look.tint(box.colour, 0.3),
        line={"color": box.colour, "width": 1.5},
        layer="below",
    )
    picture.add_annotation(
        x=box.x + 0.06,
        y=0.92,
        xanchor="left",
        yanchor="top",
        text=f"<b>{look.plain(box.name)}</b>",
        font={"size": 14, "color": theme.ink},
    )
    picture.add_annotation(
        x=box.x,
        y=-0.06,
        xanchor="left",
        yanchor="top",
        align="left",
        text=f"{look.hex_of(box.first)}<br>{look.size_of(box.first * _PAGE) if box.first else 0}",
        font={"size": 11, "color": theme.soft, "family": look.MONO},
    )


def _draw_end(picture: go.Figure, box: _Box, theme: look.Theme) -> None:
    picture.add_annotation(
        x=box.x + box.w,
        y=-0.06,
        xanchor="right",
        yanchor="top",
        align="right",
        text=f"{look.hex_of(box.stop - 1)}<br>{look.size_of(box.stop * _PAGE)}?",
        font={"size": 11, "color": theme.soft, "family": look.MONO},
    )


def _address(pfn: int) -> str:
    return f"{look.hex_of(int(pfn) * _PAGE)} ({look.size_of(int(pfn) * _PAGE)})"


def _draw_pageblock(picture: go.Figure, pfn: int, x: float, theme: look.Theme) -> None:
    """The 512 pages around a single page, under the map, with the two lines that lead to it."""
    first = pfn >> _BLOCK_ORDER << _BLOCK_ORDER
    left, right, top, bottom = 1.0, sum(_WIDTHS), -1.0, -1.4
    at = left + (right - left) * (pfn - first + 0.5) / (1 << _BLOCK_ORDER)
    for end in (left, right):
        picture.add_shape(
            type="line", x0=x, x1=end, y0=-0.0, y1=top, line={"color": theme.faint, "width": 1}, layer="below"
        )
    picture.add_shape(
        type="rect",
        x0=left,
        x1=right,
        y0=bottom,
        y1=top,
        fillcolor=look.tint(look.GREY, 0.2),
        line={"color": theme.soft, "width": 1},
    )
    picture.add_shape(type="line", x0=at, x1=at, y0=bottom, y1=top, line={"color": look.VERMILION, "width": 3})
    order = (pfn & -pfn).bit_length() - 1 if pfn else 10
    picture.add_annotation(
        x=left,
        y=bottom - 0.06,
        xanchor="left",
        yanchor="top",
        text=(
            f"its 2 MiB block, pfn {look.hex_of(first)} to {look.hex_of(first + 511)}: {pfn - first} pages in,"
            f"<br>where no block of an order above {min(order, 10)} can begin"
        ),
        align="left",
        font={"size": 12, "color": theme.soft},
    )


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
        f"<b>pfn {look.hex_of(row.pfn)}</b><br>physical {_address(row.pfn)}"
        f"<br>zone {row.zone or 'unknown'} by the rules of {arch}, {printed}"
        f"<br>report {row.report}, line {row.line} of the source"
    )


def _alt(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    pfn = int(first["pfn"])
    told = f"Map of the zones. {_title(frame)}."
    return f"{told} The first page is pfn {look.hex_of(pfn)}, {look.size_of(pfn * _PAGE)} up in memory."
