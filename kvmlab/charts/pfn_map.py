"""A map of pfns from the whole of memory down to single pages; a row is a fixed power of two of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvmlab.charts import template as look
from kvmlab.charts.pfn_names import named_text, names_in
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.pfn_ranges import PfnRanges, pfn_ranges
from kvmlab.inquiry.pfn_zones import MemoryLayout, memory_layout

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_CELLS: Final = 1 << 16
_FEWEST_CELLS: Final = 2048
_CELLS_FOR_A_RUN: Final = 64
_MOST_WITH_GAPS: Final = 2048
_PAGE: Final = 4096


class EmptyMap(KvmlabError):
    """A map was asked for of pfns of which none lies in the stretch."""


def df_pfn_map(
    ranges: PfnRanges,
    *,
    first: int | None = None,
    last: int | None = None,
    cells: int | None = None,
    layout: MemoryLayout | None = None,
    lines: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count the pages in each cell of a map; the level of detail follows from the stretch.

    Args:
        ranges: the pages.
        first, last: the stretch of pfns to map, widened to whole rows; from the lowest to the highest page if None.
        cells: the most cells that the map may have, at most 65,536; None: fewer, and so larger ones, for few runs.
        layout: where zones and RAM lie; by the rules of x86-64, with nothing known of holes, if None.
        lines: where pages are named, as `PfnSource.lines`; a cell then leads to the first of its lines.

    Returns:
        one row a cell: `pfn` (its first page, uint64), `pages` (how many of the set lie in it, uint64), `ram` (how many
        of its pages are RAM as far as is known, uint64); with `lines` also `names` (entries that name a page of it) and
        `line` (the first of them, -1 if there is none). The attributes hold `cell_order` and `row_order` (a cell and a
        row are two to that power of pages) and the layout.

    Raises:
        EmptyMap: there is no page in the stretch.
    """
    import numpy as np
    import pandas as pd

    span = ranges.span
    if span is None:
        raise EmptyMap("there is no pfn to map")
    low, high = span.first if first is None else first, span.last if last is None else last
    inside = ranges.between(low, high)
    if not inside.pages:
        raise EmptyMap(f"no pfn of the set lies between {low:#x} and {high:#x}")
    cells = min(MOST_CELLS, max(_FEWEST_CELLS, len(inside) * _CELLS_FOR_A_RUN) if cells is None else cells)
    cell_order = 0
    while (row_order := cell_order + _columns_order(low, high, cell_order)) >= 0:
        start, rows = low >> row_order, (high >> row_order) - (low >> row_order) + 1
        if rows << (row_order - cell_order) <= cells:
            break
        cell_order += 1
    edges = np.arange((rows << (row_order - cell_order)) + 1, dtype=np.uint64) << np.uint64(cell_order)
    edges += np.uint64(start << row_order)
    frame = pd.DataFrame({"pfn": edges[:-1], "pages": np.diff(ranges.below(edges))})
    layout = memory_layout() if layout is None else layout
    frame["ram"] = np.uint64(1 << cell_order)
    if layout.ram is not None:
        ram = pfn_ranges([run.first for run in layout.ram], last=[run.last for run in layout.ram])
        frame["ram"] = np.diff(ram.below(edges))
    if lines is not None:
        frame["names"], frame["line"] = names_in(edges[:-1], edges[1:] - np.uint64(1), lines)
    frame.attrs = {
        "layout": layout,
        "cell_order": cell_order,
        "row_order": row_order,
        "source": ranges.source,
        "kernel": ranges.kernel,
        "runs": len(inside),
    }
    return frame


def plot_pfn_map(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_pfn_map`'s frame: low pfns on top, each cell coloured by how full it is; one page is enough to be seen.

    Args:
        frame: as `df_pfn_map` returns it.
    """
    import numpy as np
    import plotly.graph_objects as go

    cell_order, row_order = int(frame.attrs["cell_order"]), int(frame.attrs["row_order"])
    columns, capacity = 1 << (row_order - cell_order), 1 << cell_order
    pages = frame["pages"].to_numpy().reshape(-1, columns)
    level = np.log2(np.maximum(pages, 1)) / max(cell_order, 1)
    hole = (frame["ram"].to_numpy().reshape(-1, columns) == 0) & (pages == 0)
    shade = np.where(pages == 0, 2 * hole, 8 + np.rint(247 * (level if cell_order else 1.0))).astype(np.uint8)
    rows = frame["pfn"].to_numpy()[::columns]
    # Gaps between many cells make a pan slow.
    gap = 1 if columns <= 64 and pages.size <= _MOST_WITH_GAPS else 0
    first, stop = int(rows[0]), int(rows[-1]) + (1 << row_order)
    ticks = _ticks(cell_order)
    picture = look.figure()
    theme = look.theme_of(picture)
    picture.add_trace(
        go.Heatmap(
            z=shade,
            x=(np.arange(columns) << cell_order).astype(np.float64),
            y=rows.astype(np.float64),
            zmin=0,
            zmax=255,
            colorscale=_colours(theme),
            xgap=gap,
            ygap=gap,
            text=_named(frame, columns),
            customdata=pages.astype(np.uint32 if cell_order >= 16 else np.uint16),
            hovertemplate=(
                f"pfn %{{y:#x}} + %{{x:#x}}<br>%{{customdata}} of {capacity} "
                f"{'page' if capacity == 1 else 'pages'}{'<br>%{text}' if 'line' in frame else ''}<extra></extra>"
            ),
            colorbar={
                "title": {"text": "pages in a cell", "side": "right"},
                "tickvals": [255 * t for t, _ in ticks],
                "ticktext": [text for _, text in ticks],
                "thickness": 12,
                "outlinewidth": 0,
            },
            showscale=cell_order > 0,
        )
    )
    layout: MemoryLayout = frame.attrs["layout"]
    _draw_zone_lines(picture, layout, first, stop, row_order, theme)
    n, touched = int(pages.sum()), int((pages > 0).sum())
    height = max(200, min(510, 14 * len(rows) + 80))
    picture.update_layout(
        title={"text": f"{n:,} pages in {int(frame.attrs['runs']):,} runs, pfn {first:#x} to {stop - 1:#x}"},
        height=height,
        xaxis={
            "title": {"text": f"pfn inside the row (a row is {look.size_of(_PAGE << row_order)})"},
            "tickformat": "#x",
            "tickvals": [i << (row_order - 3) for i in range(8)],
        },
        yaxis={
            "title": {"text": "first pfn of the row"},
            "tickformat": "#x",
            "tickvals": _row_ticks(first, stop, row_order),
            "autorange": "reversed",
        },
        margin={"t": 56, "b": 0},
    )
    return look.caption(
        picture,
        f"A cell is {capacity} {'page' if capacity == 1 else 'pages'} ({look.size_of(_PAGE << cell_order)}). "
        "Low pfns are on top. "
        + ("Colour follows the logarithm of the count, so that a single page is seen. " if cell_order else "")
        + ("Empty cells are blank" + (", grey where there is no RAM. " if layout.ram is not None else ". "))
        + f"Zones {layout.source}.",
        n=f"{n:,} pages in {touched:,} of {pages.size:,} cells",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=_alt(frame, rows, pages, row_order),
    )


def _named(frame: pd.DataFrame, columns: int) -> list[list[str]] | None:
    """What each cell says of its lines, row by row; None if no lines were given."""
    if "line" not in frame:
        return None
    texts = [named_text(n, at) for n, at in zip(frame["names"].tolist(), frame["line"].tolist(), strict=True)]
    return [texts[i : i + columns] for i in range(0, len(texts), columns)]


def _columns_order(low: int, high: int, cell_order: int) -> int:
    """Cells in a row as a power of two, so that the map is about twice as wide as high."""
    return min(10, max(3, (((high >> cell_order) - (low >> cell_order) + 1).bit_length() + 2) // 2))


def _ticks(cell_order: int) -> list[tuple[float, str]]:
    orders = sorted({0, cell_order // 4, cell_order // 2, 3 * cell_order // 4, cell_order})
    shade = 247 / max(cell_order, 1)
    return [
        ((8 + shade * order) / 255, f"{1 << order:,}" + (" (all)" if order == cell_order else "")) for order in orders
    ]


def _colours(theme: look.Theme) -> list[tuple[float, str]]:
    """Paper for nothing, grey for what is no RAM, then from a little to all."""
    low, middle, high = theme.ramp
    nothing = [(0.0, theme.paper), (0.004, theme.paper), (0.006, theme.faint), (0.01, theme.faint)]
    return [*nothing, (0.03, low), (0.5, middle), (1.0, high)]


def _draw_zone_lines(
    picture: go.Figure, layout: MemoryLayout, first: int, stop: int, row_order: int, theme: look.Theme
) -> None:
    """A line where a zone begins inside the map."""
    for zone in layout.spans:
        if first + (1 << row_order) <= zone.first < stop:
            y = zone.first - (1 << row_order) / 2
            line = {"color": theme.ink, "width": 1.5, "dash": "dot"}
            picture.add_shape(type="line", xref="paper", x0=0, x1=1, y0=y, y1=y, line=line)
            picture.add_annotation(
                xref="paper",
                x=1,
                xanchor="right",
                y=y,
                yanchor="top",
                text=f"{look.plain(zone.name)} begins ({zone.first:#x})",
                font={"size": 11, "color": theme.ink},
                bgcolor=theme.paper,
                opacity=0.9,
            )


def _row_ticks(first: int, stop: int, row_order: int) -> list[int]:
    """Round pfns, at most sixteen, where rows begin."""
    order = max(row_order, ((stop - first) >> 4).bit_length())
    return list(range(-(-first >> order) << order, stop, 1 << order))


def _alt(frame: pd.DataFrame, rows: object, pages: object, row_order: int) -> str:
    import numpy as np

    per_row = np.asarray(pages).sum(axis=1)
    fullest = int(per_row.argmax())
    first = int(np.asarray(rows)[fullest])
    held = int((per_row > 0).sum())
    return (
        f"Map of {int(per_row.sum()):,} pages. {held} of {len(per_row)} rows hold pages; the fullest begins at pfn "
        f"{first:#x} and holds {int(per_row[fullest]):,} of its {1 << row_order:,} pages."
    )
