"""Strips of pfns under one another: which stretch of memory each of several sets of pages lies in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.charts.pfn_names import named_text, names_in
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.pfn_ranges import PfnRanges

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_SEGMENTS: Final = 3000
MOST_BARS: Final = 250
_CELLS: Final = 1600
_PAGE: Final = 4096
_ROW: Final = 46


class EmptyStrip(KvmlabError):
    """A strip was asked for of sets without a single pfn in the stretch."""


def df_pfn_strip(
    sets: Mapping[str, PfnRanges],
    *,
    first: int | None = None,
    last: int | None = None,
    segments: int = MOST_SEGMENTS,
    lines: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """The runs of several sets of pages, merged just as far as is needed to stay below a number of segments.

    Args:
        sets: the pages by name, one lane each.
        first, last: the stretch of pfns; all that the sets hold if None.
        segments: the most segments in all lanes together; where there are more runs, those in neighbouring cells of a
            power of two of pages are merged, and `pages` says how many pages a segment really holds.
        lines: for some of the sets where their pages are named, as `PfnSource.lines`.

    Returns:
        one row a segment: `lane`, `first`, `last` (uint64, inside), `pages` (uint64), `whole` (no hole in it), `names`
        (entries of `lines` that name a page of it) and `line` (the first of them, -1 if there is none). The attribute
        `cell_order` is the grain, -1 if nothing was merged.

    Raises:
        EmptyStrip: no pfn lies in the stretch.
    """
    import pandas as pd

    spans = [span for ranges in sets.values() if (span := ranges.span) is not None]
    if not spans:
        raise EmptyStrip("there is no pfn to draw")
    low = min(s.first for s in spans) if first is None else first
    high = max(s.last for s in spans) if last is None else last
    parts = {name: ranges.between(low, high) for name, ranges in sets.items()}
    if not any(len(part) for part in parts.values()):
        raise EmptyStrip(f"no pfn of the sets lies between {low:#x} and {high:#x}")
    order = -1
    merged = parts
    while sum(map(len, merged.values())) > segments:
        order += 1 if order >= 0 else 1 + max(0, ((high - low) // segments).bit_length() - 4)
        merged = {name: _merged(part, order) for name, part in parts.items()}
    lanes = [_lane(name, parts[name], merged[name], (lines or {}).get(name)) for name in sets]
    frame = pd.concat(lanes, ignore_index=True)
    known = next(iter(sets.values()))
    frame.attrs = {"cell_order": order, "low": low, "high": high, "source": known.source, "kernel": known.kernel}
    return frame


def plot_pfn_strip(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_pfn_strip`'s frame: a lane for each set, a block for each segment; pale blocks have holes.

    Args:
        frame: as `df_pfn_strip` returns it.
    """
    import plotly.graph_objects as go

    lanes = list(dict.fromkeys(frame["lane"]))
    picture = look.figure()
    theme = look.theme_of(picture)
    low, high = int(frame.attrs["low"]), int(frame.attrs["high"])
    many = len(frame) > MOST_BARS
    if many:
        for number, lane in enumerate(lanes):
            picture.add_trace(_shaded(frame[frame["lane"] == lane], lane, number, low, high, theme))
    least = (high - low + 1) / 1200
    for number, lane in enumerate(lanes):
        colour = look.PALETTE[number % len(look.PALETTE)]
        for whole in (True, False):
            part = frame[(frame["lane"] == lane) & (frame["whole"] == whole)]
            if part.empty or many:
                continue
            length = (part["last"] - part["first"]).astype("float64") + 1
            picture.add_trace(
                go.Bar(
                    orientation="h",
                    y=[look.plain(lane)] * len(part),
                    base=part["first"].astype("float64"),
                    x=length.clip(lower=least),
                    width=0.62,
                    marker={"color": look.tint(colour, 0.95 if whole else 0.55), "line": {"width": 0}},
                    hovertext=[_hover(row) for row in part.itertuples()],
                    hoverinfo="text",
                    showlegend=False,
                )
            )
    height = _ROW * len(lanes) + 66
    total = {lane: int(frame.loc[frame["lane"] == lane, "pages"].sum()) for lane in lanes}
    margin = (high - low + 1) * 0.01
    picture.update_layout(
        title={"text": _title(total, low, high)},
        height=height,
        barmode="overlay",
        xaxis={
            "title": {"text": "pfn"},
            "range": [low - margin, high + margin],
            "tickvals": _ticks(low, high),
            "tickformat": "#x",
            "showgrid": True,
            "gridcolor": theme.faint,
        },
        yaxis={
            "autorange": "reversed",
            "ticks": "",
            "categoryorder": "array",
            "categoryarray": [look.plain(x) for x in lanes],
        },
        margin={"t": 56, "b": 0},
    )
    order = int(frame.attrs["cell_order"])
    grain = "Every run is drawn" if order < 0 else f"Runs in neighbouring blocks of {1 << order} pages are drawn as one"
    return look.caption(
        picture,
        f"{grain}; pale where there are holes in it. One page is 4 KiB. What is thinner than a line is a line.",
        n="; ".join(f"{pages:,} pages in {look.visible(lane)}" for lane, pages in total.items()),
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt="Strips of pfns. " + " ".join(_words(frame[frame["lane"] == lane], lane) for lane in lanes),
    )


def _merged(ranges: PfnRanges, order: int) -> PfnRanges:
    """The runs widened to whole blocks of an order, and joined where these touch."""
    import numpy as np

    from kvmlab.inquiry.pfn_ranges import pfn_ranges

    mask = np.uint64((1 << order) - 1)
    return pfn_ranges(ranges.first & ~mask, last=ranges.last | mask)


def _lane(name: str, exact: PfnRanges, merged: PfnRanges, lines: pd.DataFrame | None) -> pd.DataFrame:
    """Segments cut back to the pages that they hold, with how many these are and where they are named."""
    import numpy as np
    import pandas as pd

    stop = merged.last + np.uint64(1)
    pages = exact.below(stop) - exact.below(merged.first)
    first = exact.first[exact.first.searchsorted(merged.first)] if len(merged) else merged.first
    last = exact.last[exact.last.searchsorted(stop) - 1] if len(merged) else merged.last
    whole = pages == last - first + np.uint64(1)
    frame = pd.DataFrame({"lane": name, "first": first, "last": last, "pages": pages, "whole": whole})
    frame["names"], frame["line"] = (0, -1) if lines is None else names_in(first, last, lines)
    return frame


def _shaded(part: pd.DataFrame, lane: str, number: int, low: int, high: int, theme: look.Theme) -> Any:
    """A lane of too many segments as one row of cells; what pages a segment holds is spread evenly over it."""
    import numpy as np
    import plotly.graph_objects as go

    edges = np.linspace(low, high + 1, _CELLS + 1)
    at = np.ravel(np.column_stack((part["first"].to_numpy(), part["last"].to_numpy() + 1))).astype(np.float64)
    held = np.repeat(np.cumsum(part["pages"].to_numpy().astype(np.float64)), 2)
    held[0::2] -= part["pages"].to_numpy()
    pages = np.diff(np.interp(edges, at, held)) if len(at) else np.zeros(_CELLS)
    share = pages / (edges[1] - edges[0])
    colour = look.PALETTE[number % len(look.PALETTE)]
    return go.Heatmap(
        x=(edges[:-1] + edges[1:]) / 2,
        y=[look.plain(lane)],
        z=np.where(share > 0, 32 + 223 * share.clip(max=1), 0).astype(np.uint8).reshape(1, -1),
        zmin=0,
        zmax=255,
        colorscale=[(0.0, theme.paper), (0.1, look.tint(colour, 0.15)), (1.0, look.tint(colour, 1.0))],
        showscale=False,
        hovertemplate=f"{look.plain(lane)}<br>pfn %{{x:#x}}<extra></extra>",
    )


def _ticks(low: int, high: int) -> list[int]:
    """About eight round pfns: multiples of a power of two."""
    order = max(0, ((high - low) // 6).bit_length() - 1)
    return list(range(-(-low >> order) << order, high + 1, 1 << order))


def _title(total: Mapping[str, int], low: int, high: int) -> str:
    where = f"pfn {low:#x} to {high:#x} ({look.size_of((high - low + 1) * _PAGE)})"
    if len(total) == 1:
        return f"{next(iter(total.values())):,} pages in {where}"
    return f"{len(total)} sets of pages in {where}"


def _hover(row: Any) -> str:
    first, last, pages = int(row.first), int(row.last), int(row.pages)
    size = last - first + 1
    filled = "no hole" if pages == size else f"{pages:,} of {size:,} pages"
    named = named_text(row.names, row.line)
    return f"<b>{look.plain(row.lane)}</b><br>pfn {first:#x} to {last:#x}<br>{filled}, {look.size_of(size * _PAGE)}" + (
        f"<br>{named}" if named else ""
    )


def _words(part: pd.DataFrame, lane: str) -> str:
    if part.empty:
        return f"{lane}: none."
    first, last = int(part["first"].min()), int(part["last"].max())
    return f"{lane}: {int(part['pages'].sum()):,} pages from {first:#x} to {last:#x} in {len(part)} segments."
