"""How many blocks of each order there are, in one set or several: what was seen beside what was predicted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_MAX_ORDER: Final = 10


class NoBlocks(KvmlabError):
    """Sets of which none holds a block."""


def df_order_histogram(
    sets: Mapping[str, Iterable[int]], *, source: str | None = None, kernel: str | None = None
) -> pd.DataFrame:
    """Count blocks by order.

    Args:
        sets: the orders of the blocks by name of the set, such as `captured` and `predicted`.
        source: case or file, for the caption.
        kernel: release text, for the caption.

    Returns:
        one row an order and set: `set`, `order`, `blocks`, `pages`, `share` (of the set's pages, 0 to 1).

    Raises:
        NoBlocks: there is no block.
    """
    import numpy as np
    import pandas as pd

    counts = {
        name: np.bincount(np.fromiter(orders, np.int64), minlength=_MAX_ORDER + 1) for name, orders in sets.items()
    }
    if not any(c.sum() for c in counts.values()):
        raise NoBlocks("there is no block whose order could be counted")
    top = max(len(c) for c in counts.values())
    parts = []
    for name, count in counts.items():
        blocks = np.pad(count, (0, top - len(count)))
        pages = blocks << np.arange(top)
        share = pages / max(int(pages.sum()), 1)
        parts.append(pd.DataFrame({"set": name, "order": range(top), "blocks": blocks, "pages": pages, "share": share}))
    frame = pd.concat(parts, ignore_index=True)
    frame.attrs = {"source": source, "kernel": kernel}
    return frame


def plot_order_histogram(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_order_histogram`'s frame: a bar for each order and set, as high as its share of the pages.

    Args:
        frame: as `df_order_histogram` returns it.
    """
    import plotly.graph_objects as go

    names = list(dict.fromkeys(frame["set"]))
    picture = look.figure()
    theme = look.theme_of(picture)
    for number, name in enumerate(names):
        part = frame[frame["set"] == name]
        colour = look.PALETTE[number % len(look.PALETTE)]
        picture.add_trace(
            go.Bar(
                x=part["order"],
                y=100 * part["share"],
                name=look.plain(name),
                marker={"color": look.tint(colour, 0.6), "line": {"color": colour, "width": 1.5}},
                text=[f"{b:,}" if b else "" for b in part["blocks"]],
                textposition="outside",
                textfont={"color": theme.ink, "size": 11},
                hovertext=[_hover(row) for row in part.itertuples()],
                hoverinfo="text",
            )
        )
    orders = sorted(set(frame["order"]))
    picture.update_layout(
        title={"text": _title(frame, names)},
        height=330,
        xaxis={
            "title": {"text": "order (a block is 2^order pages)"},
            "tickvals": orders,
            "ticktext": [f"{o}<br>{look.size_of(4096 << o)}" for o in orders],
        },
        yaxis={
            "title": {"text": "share of the pages, %"},
            "range": [0, 112],
            "showgrid": True,
            "gridcolor": theme.faint,
        },
        legend={"y": 1, "yanchor": "bottom"},
        margin={"t": 88, "b": 0},
    )
    totals = {
        n: (int(frame.loc[frame["set"] == n, "blocks"].sum()), int(frame.loc[frame["set"] == n, "pages"].sum()))
        for n in names
    }
    counted = "; ".join(
        f"{blocks:,} blocks, {pages:,} pages {look.visible(n)}" for n, (blocks, pages) in totals.items()
    )
    told = look.caption(
        picture,
        "The height is the share of the set's pages that lie in blocks of this order; the number is how many blocks.",
        n=counted,
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=f"{_title(frame, names)}. {counted}.",
    )
    return told.update_annotations({"yshift": -72}, {"name": "caption"}).update_layout(
        height=told.layout.height + 16, margin={"b": told.layout.margin.b + 16}
    )


def _hover(row: Any) -> str:
    counts = f"{row.blocks:,} blocks = {row.pages:,} pages ({100 * row.share:.1f} %)"
    return f"<b>{look.plain(row.set)}</b><br>order {row.order}: {counts}"


def _title(frame: pd.DataFrame, names: list[str]) -> str:
    if len(names) == 1:
        blocks = int(frame["blocks"].sum())
        return f"{blocks:,} {'block' if blocks == 1 else 'blocks'} by order"
    wide = frame.pivot(index="order", columns="set", values="blocks")
    first = wide[names[0]]
    same = [bool((wide[name] == first).all()) for name in names[1:]]
    if all(same):
        return f"{look.plain(names[0])} and {look.plain(', '.join(names[1:]))}: the same blocks of every order"
    differ = wide.index[(wide.sub(first, axis=0) != 0).any(axis=1)]
    return f"Blocks by order: the sets differ at order {', '.join(map(str, differ))}"
