"""Fragmentation explained: all free memory of each zone as one bar, cut by the order of the blocks that it lies in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.captures_free import fragmentation_of

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from kvmlab.capture.buddyinfo import Buddyinfo

MOST_BARS: Final = 40
PAGEBLOCK_ORDER: Final = 9
_ROW: Final = 58
_PAGE: Final = 4096
_TYPES: Final = {
    "set": "str",
    "node": "int16",
    "zone": "str",
    "order": "int8",
    "blocks": "uint64",
    "pages": "uint64",
    "free_pages": "uint64",
    "below_share": "float64",
    "fit": "uint64",
    "line": "int64",
}


class NothingFree(KvmlabError):
    """Free lists without a single block, so that there is no memory to divide."""


def df_fragmentation(
    sets: Mapping[str, Buddyinfo], *, source: str | None = None, kernel: str | None = None
) -> pd.DataFrame:
    """Free memory by zone and by the order of its blocks.

    Args:
        sets: what `/proc/buddyinfo` said, of a machine or of the model, by a name such as `before`.
        source: case or file, for the caption.
        kernel: release text, for the caption.

    Returns:
        one row a zone and order: `set`, `node`, `zone`, `order`, `blocks`, `pages` (in them), `free_pages` (of the
        zone), `below_share` (0 to 1: share of the free pages in blocks too small for this order; the kernel's unusable
        free space index), `fit` (requests of this order that could be served), `line` (of the text). Zones of which
        nothing is free are left out.

    Raises:
        NothingFree: no zone has a free block.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for name, info in sets.items():
        told = iter(fragmentation_of(info))
        for zone in info.rows:
            for order, blocks in enumerate(zone.nr_free):
                one = next(told)
                if one.unusable_share is not None:
                    where = (name, zone.node, zone.zone, order, blocks, blocks << order)
                    rows.append((*where, one.free_pages, one.unusable_share, one.blocks, zone.line))
    if not rows:
        raise NothingFree("no zone has a free block, so there is no free memory to divide")
    frame = pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)
    frame.attrs = {"source": source, "kernel": kernel}
    return frame


def plot_fragmentation(frame: pd.DataFrame, *, order: int = PAGEBLOCK_ORDER) -> go.Figure:
    """Draw `df_fragmentation`'s frame: a bar for each zone, small blocks left, large ones right, a line at one order.

    What lies left of the line cannot serve a request of that order, however much of it there is.

    Args:
        frame: as `df_fragmentation` returns it; at most forty zones are drawn.
        order: of the request that the line stands for; 9 is a pageblock of 2 MiB on x86.
    """
    import plotly.graph_objects as go

    several = frame["set"].nunique() > 1
    bars = list(frame.groupby(["set", "node", "zone"], sort=False))[:MOST_BARS]
    picture = look.figure()
    theme = look.theme_of(picture)
    top = int(frame["order"].max())
    colours = _ramp(theme, top + 1)
    for k in range(top + 1):
        rows = [(y, part[part["order"] == k].iloc[0]) for y, (_, part) in enumerate(bars) if k <= part["order"].max()]
        shares = [100 * int(row.pages) / int(row.free_pages) for _, row in rows]
        picture.add_trace(
            go.Bar(
                orientation="h",
                y=[y for y, _ in rows],
                x=shares,
                width=0.6,
                name=str(k),
                marker={"color": colours[k], "line": {"color": theme.paper, "width": 1}},
                text=[str(k) if share >= 3 else "" for share in shares],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                textfont={"color": look.ink_on(colours[k]), "size": 12},
                constraintext="none",
                hovertext=[_hover(row) for _, row in rows],
                hoverinfo="text",
            )
        )
    for y, (_, part) in enumerate(bars):
        at = part[part["order"] == order]
        _draw_line(picture, y, None if at.empty else at.iloc[0], order, theme)
    labels = [_label(part.iloc[0], several) for _, part in bars]
    left_out = frame.groupby(["set", "node", "zone"], sort=False).ngroups - len(bars)
    title = _title([part for _, part in bars], order)
    picture.update_layout(
        title={"text": title},
        height=_ROW * len(bars) + 130,
        barmode="stack",
        showlegend=False,
        xaxis={"title": {"text": "share of the zone's free memory, %"}, "range": [0, 100.5]},
        yaxis={
            "tickvals": list(range(len(bars))),
            "ticktext": labels,
            "range": [len(bars) - 0.5, -0.75],
            "ticks": "",
        },
        margin={"t": 56, "b": 0},
    )
    return look.caption(
        picture,
        "A bar is all free memory of a zone; a number is the order of the blocks (2^order pages of 4 KiB) that this "
        f"part lies in. What is left of the line lies in blocks below order {order} and cannot serve a request of "
        f"{look.size_of(_PAGE << order)} in one piece. Pages on per-CPU lists are not counted."
        + (f" {left_out} more zones are not drawn." if left_out else ""),
        n=f"{int(frame['blocks'].sum()):,} free blocks, {int(frame['pages'].sum()):,} pages",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=f"{title}. " + " ".join(_words(part, order) for _, part in bars),
        width=76,
    )


def _draw_line(picture: go.Figure, y: int, row: Any, order: int, theme: look.Theme) -> None:
    """Where the blocks of the order begin; at the right end if the zone has no lists of that order."""
    share = 100.0 if row is None else 100 * float(row.below_share)
    picture.add_shape(
        type="line", x0=share, x1=share, y0=y - 0.42, y1=y + 0.36, line={"color": look.VERMILION, "width": 3}
    )
    picture.add_annotation(
        x=share,
        y=y - 0.36,
        xanchor="left" if share < 50 else "right",
        yanchor="bottom",
        text=f"{share:.1f} % in blocks below order {order}",
        font={"size": 12, "color": theme.ink},
    )


def _ramp(theme: look.Theme, n: int) -> list[str]:
    """`n` colours from a little to much."""
    parts = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in theme.ramp]
    found = []
    for k in range(n):
        at = 2 * k / max(n - 1, 1)
        low, share = parts[min(int(at), 1)], at - min(int(at), 1)
        high = parts[min(int(at), 1) + 1]
        found.append("#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(low, high, strict=True)))
    return found


def _label(row: Any, several: bool) -> str:
    free = f"{look.plain(row['zone'])}, {look.size_of(int(row['free_pages']) * _PAGE)} free"
    return f"{look.plain(row['set'])}<br>{free}" if several else f"node {row['node']}<br>{free}"


def _hover(row: Any) -> str:
    return (
        f"<b>{int(row.blocks):,} free blocks of order {row.order}</b>: {look.size_of(int(row.pages) * _PAGE)}"
        f"<br>{100 * float(row.below_share):.1f} % of the zone's free memory lies in smaller blocks"
        f"<br>{int(row.fit):,} requests of order {row.order} fit<br>line {row.line} of the source"
    )


def _words(part: pd.DataFrame, order: int) -> str:
    first, at = part.iloc[0], part[part["order"] == order]
    free = look.size_of(int(first["free_pages"]) * _PAGE)
    below = 1.0 if at.empty else float(at["below_share"].iloc[0])
    fit = 0 if at.empty else int(at["fit"].iloc[0])
    return (
        f"{look.visible(first['set'])}, node {first['node']} zone {look.visible(first['zone'])}: {free} free, "
        f"{below:.1%} of it in blocks below order {order}, {fit:,} requests of that order fit."
    )


def _title(parts: list[pd.DataFrame], order: int) -> str:
    """How broken up the zone with the most free memory is, in every set."""
    largest: dict[str, pd.DataFrame] = {}
    for part in parts:
        name = str(part["set"].iloc[0])
        if name not in largest or part["free_pages"].iloc[0] > largest[name]["free_pages"].iloc[0]:
            largest[name] = part
    told = {}
    for name, part in largest.items():
        at = part[part["order"] == order]
        told[name] = 1.0 if at.empty else float(at["below_share"].iloc[0])
    if len(told) == 1:
        first = next(iter(largest.values())).iloc[0]
        free = f"{look.size_of(int(first['free_pages']) * _PAGE)} free in {look.plain(first['zone'])}"
        return f"{next(iter(told.values())):.0%} of {free} lies in blocks below order {order}"
    shares = [f"{share:.0%} ({look.plain(name)})" for name, share in list(told.items())[:3]]
    return f"Free memory in blocks below order {order}: {', '.join(shares)}"
