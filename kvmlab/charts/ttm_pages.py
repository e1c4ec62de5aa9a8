"""The pages of TTM buffers in the order of their page vector: heads of blocks, and tails by the order of the block."""

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

MOST_CELLS: Final = 8192
MOST_SETS: Final = 3
_COLUMNS: Final = 64
_ORDERS: Final = 10
_HEAD: Final = 0


class NoPages(KvmlabError):
    """Buffers of which none, or too many, could be drawn."""


def df_ttm_pages(
    sets: Mapping[str, TtmBuffer | tuple[tuple[int, int], ...]],
    *,
    source: str | None = None,
    kernel: str | None = None,
) -> pd.DataFrame:
    """The pages of one to three buffers, several in a cell where there are more than 8,192.

    Args:
        sets: buffers by name: of the model, or the blocks as (first pfn, order) in the order of the page vector.
        source: case or file, for the caption.
        kernel: release text, for the caption.

    Returns:
        one row a cell: `set`, `page` (index of its first page in the vector), `pages`, `pfn` (of that page, uint64),
        `order` (of its block), `heads` (pages in the cell that are the first of their block). The attribute
        `cell_order` is the grain.

    Raises:
        NoPages: there is no buffer, more than three, or one without pages.
    """
    import numpy as np
    import pandas as pd

    blocks = {name: _blocks(buffer) for name, buffer in sets.items()}
    if not 1 <= len(blocks) <= MOST_SETS or not all(len(first) for first, _ in blocks.values()):
        raise NoPages(f"from 1 to {MOST_SETS} buffers with pages can be drawn side by side, not {len(blocks)}")
    most = max(int((1 << order).sum()) for _, order in blocks.values())
    cell_order = max(0, (most - 1).bit_length() - MOST_CELLS.bit_length() + 1)
    parts = []
    for name, (first, order) in blocks.items():
        starts = np.concatenate([[0], np.cumsum(1 << order)])
        page = np.arange(0, starts[-1], 1 << cell_order)
        block = np.searchsorted(starts, page, side="right") - 1
        ends = np.minimum(page + (1 << cell_order), starts[-1])
        heads = np.searchsorted(starts[:-1], ends) - np.searchsorted(starts[:-1], page)
        part = {"set": name, "page": page, "pages": ends - page, "order": order[block], "heads": heads}
        pfn = first[block] + (page - starts[block]).astype(np.uint64)
        parts.append(pd.DataFrame({**part, "pfn": pfn}))
    frame = pd.concat(parts, ignore_index=True)
    frame.attrs = {
        "cell_order": cell_order,
        "source": source,
        "kernel": kernel,
        "tails": {name: (int((1 << o).sum()), len(o)) for name, (_, o) in blocks.items()},
    }
    return frame


def plot_ttm_pages(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_ttm_pages`' frame: a cell a page, row by row; heads stand out, tails are darker in larger blocks.

    Args:
        frame: as `df_ttm_pages` returns it.
    """
    from plotly.subplots import make_subplots

    names = list(dict.fromkeys(frame["set"]))
    titles = [_short(name, frame) for name in names] if len(names) > 1 else None
    picture = make_subplots(
        rows=1, cols=len(names), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.03, figure=look.figure()
    )
    theme = look.theme_of(picture)
    for number, name in enumerate(names, 1):
        picture.add_trace(_heatmap(frame, frame[frame["set"] == name], theme, number == 1), row=1, col=number)
    cell_order = int(frame.attrs["cell_order"])
    rows = -(-int(frame.groupby("set", sort=False).size().max()) // _COLUMNS)
    picture.update_layout(
        title={"text": _title(frame, names)}, height=max(220, min(640, 5 * rows + 120)), margin={"t": 72, "b": 0}
    )
    ticks = [i << cell_order for i in range(0, _COLUMNS, 16)]
    picture.update_xaxes(title={"text": "page inside the row"}, tickvals=ticks)
    picture.update_yaxes(autorange="reversed", tickformat=",d")
    picture.update_yaxes(title={"text": "first page of the row"}, col=1)
    picture.update_annotations(font={"size": 13})
    cell = 1 << cell_order
    grain = "a page" if cell == 1 else f"{cell:,} pages ({look.size_of(4096 * cell)}), orange if one of them is a head"
    return look.caption(
        picture,
        f"A cell is {grain}, in the order of the page vector. A head is the first page of its block and has a "
        "reference count of 1; all other pages are tails with 0, darker for larger blocks.",
        n="; ".join(_said(name, frame) for name in names),
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt="Pages of a buffer in order: " + "; ".join(_said(name, frame) for name in names) + ".",
    )


def _blocks(buffer: TtmBuffer | tuple[tuple[int, int], ...]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    import numpy as np

    if isinstance(buffer, tuple):
        first = np.array([pfn for pfn, _ in buffer], dtype=np.uint64)
        return first, np.array([order for _, order in buffer], dtype=np.int64)
    return buffer.pfn, buffer.order.astype(np.int64)


def _heatmap(frame: pd.DataFrame, part: pd.DataFrame, theme: look.Theme, scale: bool) -> go.Heatmap:
    import numpy as np
    import plotly.graph_objects as go

    cell_order = int(frame.attrs["cell_order"])
    rows = -(-len(part) // _COLUMNS)
    shade = np.full(rows * _COLUMNS, np.nan, dtype=np.float32)
    shade[: len(part)] = np.where(part["heads"] > 0, _HEAD, part["order"])
    orders = np.zeros(rows * _COLUMNS, dtype=np.uint8)
    orders[: len(part)] = part["order"]
    texts = np.full(rows * _COLUMNS, "", dtype=object)
    texts[: len(part)] = [_hover(row) for row in part.itertuples()]
    return go.Heatmap(
        z=shade.reshape(rows, _COLUMNS),
        x=np.arange(_COLUMNS) << cell_order,
        y=(np.arange(rows) * _COLUMNS) << cell_order,
        zmin=-0.5,
        zmax=_ORDERS + 0.5,
        colorscale=_scale(theme),
        text=texts.reshape(rows, _COLUMNS),
        customdata=orders.reshape(rows, _COLUMNS),
        hovertemplate="page %{y} + %{x}<br>%{text}, order %{customdata}<extra></extra>",
        hoverongaps=False,
        showscale=scale,
        colorbar={
            "title": {"text": "tail, order of its block", "side": "right"},
            "tickvals": list(range(_ORDERS + 1)),
            "ticktext": ["head", *map(str, range(1, _ORDERS + 1))],
            "thickness": 12,
            "outlinewidth": 0,
        },
    )


def _hover(row: Any) -> str:
    what = f"{row.heads} of {row.pages} heads" if row.pages > 1 else "head" if row.heads else "tail"
    return f"{look.hex_of(row.pfn)}, {what}"


def _scale(theme: look.Theme) -> list[tuple[float, str]]:
    """A step of colour for heads and one for each order."""
    from plotly.colors import sample_colorscale

    shades = sample_colorscale(list(theme.ramp), [i / (_ORDERS - 1) for i in range(_ORDERS)], colortype="rgb")
    steps = [look.ORANGE, *shades]
    return [(edge / len(steps), colour) for i, colour in enumerate(steps) for edge in (i, i + 1)]


def _said(name: str, frame: pd.DataFrame) -> str:
    pages, blocks = frame.attrs["tails"][name]
    return f"{look.visible(name)}: {pages - blocks:,} of {pages:,} pages are tails ({100 * (1 - blocks / pages):.2f} %)"


def _short(name: str, frame: pd.DataFrame) -> str:
    """What fits over one of several pictures side by side."""
    pages, blocks = frame.attrs["tails"][name]
    return f"{look.plain(name)}: {100 * (1 - blocks / pages):.2f} % tails"


def _title(frame: pd.DataFrame, names: list[str]) -> str:
    if len(names) == 1:
        return look.plain(_said(names[0], frame))
    shares = {name: frame.attrs["tails"][name] for name in names}
    least = min(1 - b / p for p, b in shares.values())
    most = max(1 - b / p for p, b in shares.values())
    if most - least < 5e-5:
        return f"{100 * most:.2f} % of the pages of each are tails"
    return f"From {100 * least:.2f} % to {100 * most:.2f} % of the pages are tails"
