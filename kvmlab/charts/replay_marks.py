"""What stands in a replay's picture: blocks for references, the line of the count, marks, and the words on hover."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_HOLDERS: Final = {
    "PTE": look.BLUE,
    "lru_add batch": look.ORANGE,
    "activate batch": look.YELLOW,
    "allocation": look.GREY,
    "mmu_gather": look.SKY,
    "driver": look.GREEN,
    "kvm_vcpu_map": look.GREEN,
}
_FAULT: Final = look.PURPLE


def colour_of_holder(name: str) -> str:
    """The colour in which a holder of references is drawn.

    Args:
        name: as the ledger names it.
    """
    return _HOLDERS.get(name, _FAULT)


def rows_of(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a frame as named tuples."""
    yield from frame.itertuples()


def draw_blocks(picture: go.Figure, steps: pd.DataFrame, suffix: str, shown: set[str]) -> None:
    """A block for every reference that a holder still counts on."""
    import plotly.graph_objects as go

    names = sorted({h for holders in steps["holders"] for h in holders}, key=lambda h: (h not in _HOLDERS, h))
    for name in names:
        held = steps[[name in holders for holders in steps["holders"]]]
        counts = [holders.count(name) for holders in held["holders"]]
        colour = colour_of_holder(name)
        picture.add_trace(
            go.Bar(
                x=held["step"],
                y=counts,
                xaxis=f"x{suffix}",
                yaxis=f"y{suffix}",
                name=f"held by {look.plain(name)}",
                legendgroup=name,
                showlegend=name not in shown,
                marker={"color": look.tint(colour, 0.55), "line": {"color": colour, "width": 1.2}},
                hoverinfo="skip",
            )
        )
        shown.add(name)


def draw_lines(picture: go.Figure, steps: pd.DataFrame, suffix: str, shown: set[str], theme: look.Theme) -> None:
    """The line of `_refcount`, with everything about a step on hover."""
    import plotly.graph_objects as go

    known = steps[steps["refcount"].notna()]
    picture.add_trace(
        go.Scatter(
            x=known["step"],
            y=known["refcount"].astype("int64"),
            xaxis=f"x{suffix}",
            yaxis=f"y{suffix}",
            mode="lines+markers",
            line={"color": theme.ink, "width": 3, "shape": "hvh"},
            marker={"size": 7, "color": theme.ink},
            name="_refcount",
            legendgroup="_refcount",
            showlegend="_refcount" not in shown,
            hovertext=[_hover(row) for row in rows_of(known)],
            hoverinfo="text",
        )
    )
    before = steps[steps["refcount"].isna()]
    if not before.empty:
        picture.add_trace(
            go.Scatter(
                x=before["step"],
                y=[0] * len(before),
                xaxis=f"x{suffix}",
                yaxis=f"y{suffix}",
                mode="markers",
                marker={"size": 6, "color": theme.faint, "symbol": "circle"},
                hovertext=[_hover(row) for row in rows_of(before)],
                hoverinfo="text",
                showlegend=False,
            )
        )
    shown.add("_refcount")


def draw_marks(picture: go.Figure, steps: pd.DataFrame, suffix: str, shown: set[str], theme: look.Theme) -> None:
    """Squares for steps of the reported stack, arrows at stray puts and bad pages."""
    import plotly.graph_objects as go

    inside = steps[steps["in_stack"]]
    if not inside.empty:
        picture.add_trace(
            go.Scatter(
                x=inside["step"],
                y=[-0.4] * len(inside),
                xaxis=f"x{suffix}",
                yaxis=f"y{suffix}",
                mode="markers",
                marker={"symbol": "square", "size": 10, "color": look.GREEN},
                name="in the reported stack",
                legendgroup="stack",
                showlegend="stack" not in shown,
                hovertext=[_hover(row) for row in rows_of(inside)],
                hoverinfo="text",
            )
        )
        shown.add("stack")
    for mark, text in (("stray put", "put without a reference"), ("bad page", "bad_page()")):
        for row in rows_of(steps[[mark in marks for marks in steps["marks"]]]):
            picture.add_annotation(
                x=row.step,
                y=max(len(row.holders), 1),
                xref=f"x{suffix}",
                yref=f"y{suffix}",
                text=f"<b>{text}</b>",
                showarrow=True,
                arrowhead=2,
                arrowwidth=2,
                ax=-30 if row.step > 3 else 30,
                ay=-30,
                arrowcolor=look.VERMILION,
                font={"color": theme.ink, "size": 12},
                bgcolor=look.tint(look.VERMILION, 0.25),
                bordercolor=look.VERMILION,
                borderpad=2,
            )


def say_what_is_missing(picture: go.Figure, steps: pd.DataFrame, suffix: str, theme: look.Theme) -> None:
    """A word in each stretch where the count is below what the holders count on."""
    known = steps[steps["refcount"].notna()]
    gaps = known["holders"].map(len) - known["refcount"].astype("int64")
    for (missing, _), members in groupby(
        zip(gaps, rows_of(known), strict=True), key=lambda pair: (pair[0], len(pair[1].holders))
    ):
        rows = [row for _, row in members]
        if missing > 0 and len(rows) > 3:
            middle = rows[len(rows) // 2]
            noun = "reference is" if missing == 1 else "references are"
            picture.add_annotation(
                x=middle.step,
                y=int(middle.refcount) + missing / 2,
                xref=f"x{suffix}",
                yref=f"y{suffix}",
                text=f"{missing} {noun} missing",
                font={"size": 12, "color": theme.ink},
            )


def _hover(row: Any) -> str:
    import pandas as pd

    counts = "no page yet" if pd.isna(row.refcount) else f"_refcount {row.refcount}, mapcount {row.mapcount}"
    lines = [
        f"<b>step {row.step}: {look.plain(row.action)}</b> ({look.plain(row.actor)})",
        *(look.plain(part) for part in _wrapped(row.detail)),
        counts,
        f"held by {look.plain(', '.join(row.holders))}" if row.holders else "held by nobody",
        f"{row.batch} folios in the batch",
        *(look.plain(part) for part in _wrapped(" > ".join(row.functions))),
    ]
    return "<br>".join(lines)


def _wrapped(text: str) -> list[str]:
    return wrap(text, 90)
