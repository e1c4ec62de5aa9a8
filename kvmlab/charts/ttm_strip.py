"""Where a TTM buffer lies in memory: its pages by pfn, coloured by block, head and tail, and what waits in pools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import plotly.graph_objects as go
    from numpy.typing import NDArray

    from kvmlab.memory.ttm_buffer import TtmBuffer

Blocks = tuple[tuple[int, int], ...]  # (first pfn, order)
MOST_SETS: Final = 2
MOST_ROWS: Final = 64
_COLUMNS: Final = 256
_ORDERS: Final = 10
_HEAD, _POOLED = 0, 11


class NoStrip(KvmlabError):
    """Buffers of which none, or too many, could be drawn."""


def df_ttm_strip(
    sets: Mapping[str, TtmBuffer | Blocks],
    *,
    pooled: Mapping[str, Blocks] | None = None,
    source: str | None = None,
    kernel: str | None = None,
) -> pd.DataFrame:
    """The pages of one or two buffers by pfn, several in a cell where they lie far apart.

    Args:
        sets: buffers by name, which is what stands over the picture: of the model, or blocks as (first pfn, order).
        pooled: blocks that wait in the pools, by the same names.
        source: case or file, for the caption.
        kernel: release text, for the caption.

    Returns:
        one row a cell with pages in it: `set`, `pfn` (of the cell's first page, uint64), `pages` (of the buffer),
        `heads` (first pages of blocks), `order` (largest of its blocks), `pooled` (pages in pools). The attribute
        `cell_order` is the grain.

    Raises:
        NoStrip: there is no buffer, more than two, or one without pages.
    """
    import numpy as np
    import pandas as pd

    blocks = {name: _blocks(buffer) for name, buffer in sets.items()}
    waiting = {name: _blocks((pooled or {}).get(name, ())) for name in sets}
    if not 1 <= len(blocks) <= MOST_SETS or not all(len(first) for first, _ in blocks.values()):
        raise NoStrip(f"from 1 to {MOST_SETS} buffers with pages can be drawn side by side, not {len(blocks)}")
    columns = _COLUMNS // len(blocks)
    pages = {name: np.concatenate([_pages(*blocks[name])[0], _pages(*waiting[name])[0]]) for name in sets}
    grain = 0
    while any(len(np.unique(pfn // np.uint64(columns << grain))) > MOST_ROWS for pfn in pages.values()):
        grain += 1
    parts = [_cells(blocks[name], waiting[name], grain).assign(set=name) for name in sets]
    frame = pd.concat(parts, ignore_index=True)[["set", "pfn", "pages", "heads", "order", "pooled"]]
    frame.attrs = {
        "cell_order": grain,
        "source": source,
        "kernel": kernel,
        "said": {name: _summary(*blocks[name]) for name in sets},
    }
    return frame


def plot_ttm_strip(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_ttm_strip`'s frame: rows of memory from the lowest pfn down, those without pages left out.

    Args:
        frame: as `df_ttm_strip` returns it.
    """
    from plotly.subplots import make_subplots

    names = list(dict.fromkeys(frame["set"]))
    grain, columns = int(frame.attrs["cell_order"]), _COLUMNS // len(names)
    titles = [look.plain(name) for name in names] if len(names) > 1 else None
    picture = make_subplots(
        rows=1, cols=len(names), subplot_titles=titles, horizontal_spacing=0.2, figure=look.figure()
    )
    theme, rows = look.theme_of(picture), 0
    for number, name in enumerate(names, 1):
        part = frame[frame["set"] == name]
        rows = max(rows, part["pfn"].floordiv(columns << grain).nunique())
        picture.add_trace(_heatmap(part, columns, grain, theme, number == len(names)), row=1, col=number)
    picture.update_xaxes(
        title={"text": "page inside the row"}, tickvals=[i << grain for i in range(0, columns + 1, columns // 4)]
    )
    picture.update_yaxes(autorange="reversed", type="category", tickfont={"family": look.MONO, "size": 11}, nticks=12)
    picture.update_yaxes(title={"text": "first pfn of the row"}, col=1)
    picture.update_annotations(font={"size": 13})
    said = "; ".join(look.plain(f"{name}: {frame.attrs['said'][name]}") for name in names)
    picture.update_layout(
        title={"text": said if len(names) == 1 else _compared(frame, names)},
        height=max(230, min(560, 7 * rows + 150)),
        margin={"t": 72, "b": 0},
    )
    cell = 1 << grain
    what = "a page" if cell == 1 else f"{cell:,} pages ({look.size_of(4096 * cell)}), orange if a head is among them"
    return look.caption(
        picture,
        f"A cell is {what}; a row is {look.size_of(4096 * columns * cell)} of memory, rows without pages are left out. "
        "Orange: the first page of a block, with a reference count of 1. Blue: its tails, with 0, darker in larger "
        "blocks. Pink: blocks that wait in TTM's pools.",
        n=said,
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=f"Where buffers lie in memory: {said}.",
    )


def _blocks(buffer: TtmBuffer | Blocks) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    import numpy as np

    if isinstance(buffer, tuple):
        first = np.array([pfn for pfn, _ in buffer], dtype=np.uint64)
        return first, np.array([order for _, order in buffer], dtype=np.int64)
    return buffer.pfn, buffer.order.astype(np.int64)


def _pages(first: NDArray[np.uint64], order: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The pfn of every page of some blocks, and its place inside its block."""
    import numpy as np

    sizes = np.int64(1) << order
    inside = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.repeat(first, sizes) + inside.astype(np.uint64), inside


def _cells(
    blocks: tuple[NDArray[np.uint64], NDArray[np.int64]],
    waiting: tuple[NDArray[np.uint64], NDArray[np.int64]],
    grain: int,
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    pfn, inside = _pages(*blocks)
    other, _ = _pages(*waiting)
    order = np.repeat(blocks[1], np.int64(1) << blocks[1])
    mine = pd.DataFrame({"pfn": pfn, "pages": 1, "heads": (inside == 0).astype(int), "order": order, "pooled": 0})
    theirs = pd.DataFrame({"pfn": other, "pages": 0, "heads": 0, "order": -1, "pooled": 1})
    both = pd.concat([mine, theirs], ignore_index=True) if len(theirs) else mine
    both["pfn"] = both["pfn"].to_numpy(np.uint64) >> np.uint64(grain) << np.uint64(grain)
    sums = {"pages": "sum", "heads": "sum", "order": "max", "pooled": "sum"}
    return both.groupby("pfn", as_index=False, sort=True).agg(sums)


def _heatmap(part: pd.DataFrame, columns: int, grain: int, theme: look.Theme, scale: bool) -> go.Heatmap:
    import numpy as np
    import plotly.graph_objects as go

    span = np.uint64(columns << grain)
    starts = part["pfn"].to_numpy() // span * span
    rows, row = np.unique(starts, return_inverse=True)
    column = ((part["pfn"].to_numpy() - starts) >> np.uint64(grain)).astype(np.int64)
    shade = np.full((len(rows), columns), np.nan, dtype=np.float32)
    mine = part["pages"].to_numpy() > 0
    shade[row, column] = np.where(
        mine, np.where(part["heads"].to_numpy() > 0, _HEAD, part["order"].to_numpy()), _POOLED
    )
    texts = np.full((len(rows), columns), "", dtype=object)
    texts[row, column] = [_hover(cell) for cell in part.itertuples()]
    return go.Heatmap(
        z=shade,
        x=np.arange(columns) << grain,
        y=[look.hex_of(int(start)) for start in rows],
        zmin=-0.5,
        zmax=_POOLED + 0.5,
        colorscale=_scale(theme),
        text=texts,
        hovertemplate="%{text}<extra></extra>",
        hoverongaps=False,
        showscale=scale,
        colorbar={
            "title": {"text": "tail, order of its block", "side": "right"},
            "tickvals": list(range(_POOLED + 1)),
            "ticktext": ["head", *map(str, range(1, _ORDERS + 1)), "pooled"],
            "thickness": 12,
            "outlinewidth": 0,
        },
    )


def _hover(cell: Any) -> str:
    if not cell.pages:
        return f"{look.hex_of(cell.pfn)}: in a pool"
    if cell.pages + cell.pooled == 1:
        return f"{look.hex_of(cell.pfn)}: {'head' if cell.heads else 'tail'}, order {cell.order}"
    return f"from {look.hex_of(cell.pfn)}: {cell.pages} pages of the buffer, {cell.heads} of them heads"


def _scale(theme: look.Theme) -> list[tuple[float, str]]:
    """A step of colour for heads, one for each order, and one for pooled pages."""
    from plotly.colors import sample_colorscale

    shades = sample_colorscale(list(theme.ramp), [i / (_ORDERS - 1) for i in range(_ORDERS)], colortype="rgb")
    steps = [look.ORANGE, *shades, look.PURPLE]
    return [(edge / len(steps), colour) for i, colour in enumerate(steps) for edge in (i, i + 1)]


def _summary(first: NDArray[np.uint64], order: NDArray[np.int64]) -> str:
    pages, blocks = int((1 << order).sum()), len(first)
    runs = int(1 + (first[1:] != first[:-1] + (1 << order[:-1]).astype(first.dtype)).sum())
    return (
        f"{pages:,} pages in {blocks:,} {'block' if blocks == 1 else 'blocks'} and {runs:,} "
        f"{'run' if runs == 1 else 'runs'} of pfns, {100 * (1 - blocks / pages):.2f} % tails"
    )


def _compared(frame: pd.DataFrame, names: list[str]) -> str:
    one, other = (frame[(frame["set"] == name) & (frame["pages"] > 0)] for name in names)
    both = len(set(one["pfn"]) & set(other["pfn"]))
    if both == len(one) == len(other):
        return "Both buffers have the same frames"
    what = "frames" if frame.attrs["cell_order"] == 0 else "cells"
    return f"The buffers share {both:,} of {max(len(one), len(other)):,} {what}"
