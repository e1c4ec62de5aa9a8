"""Under swim-lanes: _refcount and mapcount of each page as steps, with a number wherever one of them changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

PANEL: Final = 112
"""Height of the panel of one page, px."""
MOST_PAGES: Final = 3


def counted_pages(frame: pd.DataFrame) -> list[int]:
    """The pages whose counts change in a trace, at most three.

    Args:
        frame: steps with `refcount_K` and `mapcount_K`.
    """
    numbers = sorted(int(str(c)[9:]) for c in frame.columns if re.fullmatch(r"refcount_\d+", str(c)))
    moved = [k for k in numbers if frame[f"refcount_{k}"].nunique() > 1 or frame[f"mapcount_{k}"].nunique() > 1]
    return (moved or numbers[:1])[:MOST_PAGES]


def draw_counts(picture: go.Figure, steps: pd.DataFrame, pages: list[int], share: float, theme: look.Theme) -> None:
    """Draw the panels into the lower part of a figure.

    Args:
        picture: the figure; its panels become `y2`, `y3`, ...
        steps: the steps that are drawn.
        pages: which pages.
        share: part of the height that the panels have.
        theme: colours.
    """
    import plotly.graph_objects as go

    for place, page in enumerate(pages):
        axis = f"y{place + 2}"
        counts = steps[f"refcount_{page}"].astype("int64"), steps[f"mapcount_{page}"].astype("int64")
        low, high = min(0, *(int(c.min()) for c in counts)), max(2, *(int(c.max()) for c in counts))
        for name, values, colour, dash, where in (
            ("_refcount", counts[0], theme.ink, "solid", "top center"),
            ("mapcount", counts[1], look.BLUE if theme is look.LIGHT else look.SKY, "dot", "bottom center"),
        ):
            changed = [""] + [str(b) if a != b else "" for a, b in zip(values, values.iloc[1:], strict=False)]
            picture.add_trace(
                go.Scatter(
                    x=steps["step"],
                    y=values,
                    yaxis=axis,
                    mode="lines+text",
                    line={"color": colour, "width": 2.5 if name == "_refcount" else 2, "dash": dash, "shape": "hvh"},
                    text=changed,
                    textposition=where,
                    textfont={"size": 12, "color": colour, "family": look.MONO},
                    cliponaxis=False,
                    name=name,
                    legendgroup=name,
                    showlegend=place == 0,
                    hovertext=[_hover(row, page) for row in steps.to_dict("records")],
                    hoverinfo="text",
                )
            )
        height = share / len(pages)
        bottom = share - (place + 1) * height
        picture.update_layout(
            {
                f"yaxis{place + 2}": {
                    "domain": [max(0.0, bottom + height * 0.1), bottom + height * 0.86],
                    "anchor": "x",
                    "range": [low - 0.75, high + 0.75],
                    "tickvals": list(range(low, high + 1)),
                    "title": {"text": f"page {page}"},
                    "zeroline": True,
                    "zerolinecolor": theme.faint,
                }
            }
        )


def _hover(row: dict[Any, Any], page: int) -> str:
    use = row.get(f"use_{page}", "")
    counts = f"_refcount {row[f'refcount_{page}']}, mapcount {row[f'mapcount_{page}']}"
    return look.plain(f"page {page} after step {row['step']}: {use}, {counts}")
