"""A trace of the model as swim-lanes: one lane for each actor, one column for each step, the page counts underneath."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.kvm.exploration import Exploration

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_STEPS: Final = 60
_LANE: Final = 64


class NoTrace(KvmlabError):
    """An exploration that did not break the invariant, so that there is no trace to it."""


def df_swim_lanes(answer: Exploration, invariant: str) -> pd.DataFrame:
    """The shortest trace to a broken invariant, with the page counts after each step.

    Args:
        answer: the exploration.
        invariant: id of the invariant, such as `I3`.

    Raises:
        NoTrace: it was not broken.
    """
    frame = answer.df_trace(invariant)
    if frame.empty:
        known = ", ".join(v.invariant.id for v in answer.violations) or "none"
        raise NoTrace(f"{answer.config.policy.id} does not break {invariant} here; broken: {known}")
    found = answer.violation(invariant)
    frame.attrs = {
        "source": f"the model, policy {answer.config.policy.id}",
        "kernel": answer.config.policy.releases,
        "policy": answer.config.policy.id,
        "invariant": f"{invariant} {found.invariant.name}" if found is not None else invariant,
    }
    return frame


def plot_swim_lanes(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_swim_lanes`' frame, or any frame with `step`, `actor`, `action` and `detail`.

    Args:
        frame: the steps; step 0 is the first state. At most 60 steps are drawn.
    """
    import plotly.graph_objects as go

    steps = frame[frame["step"] > 0].head(MOST_STEPS)
    lanes = list(dict.fromkeys(steps["actor"]))
    counted = sorted((c for c in frame.columns if re.fullmatch(r"refcount_\d+", str(c))), key=lambda c: int(c[9:]))
    picture = look.figure()
    theme = look.theme_of(picture)
    for number, lane in enumerate(lanes):
        part = steps[steps["actor"] == lane]
        colour = look.PALETTE[number % len(look.PALETTE)]
        picture.add_shape(
            type="line",
            x0=0.4,
            x1=len(steps) + 0.6,
            y0=number,
            y1=number,
            line={"color": theme.faint, "width": 1},
            layer="below",
        )
        picture.add_trace(
            go.Bar(
                x=part["step"],
                y=[0.62] * len(part),
                base=number - 0.31,
                width=0.86,
                marker={"color": look.tint(colour, 0.45), "line": {"color": colour, "width": 1.5}},
                text=["<br>".join(_folded(a)) for a in part["action"]],
                textposition="inside",
                textangle=0,
                constraintext="none",
                insidetextanchor="middle",
                textfont={"size": 11 if len(steps) < 14 else 9, "color": theme.ink},
                hovertext=[_hover(row) for row in part.itertuples()],
                hoverinfo="text",
                showlegend=False,
            )
        )
    for at, column in enumerate(counted):
        _draw_counts(picture, frame[frame["step"].isin(steps["step"])], column, len(lanes) + 0.1 + at * 0.42, theme)
    depth = len(lanes) + 0.42 * len(counted)
    labels = [f"page {column[9:]}" for column in counted]
    picture.update_layout(
        title={"text": _title(frame, len(steps))},
        height=round(_LANE * (depth + 0.2)) + 100,
        barmode="overlay",
        bargap=0,
        xaxis={"title": {"text": "step"}, "dtick": 1, "range": [0.3, len(steps) + 0.7], "ticks": ""},
        yaxis={
            "tickvals": [*range(len(lanes)), *(len(lanes) + 0.1 + i * 0.42 for i in range(len(counted)))],
            "ticktext": [*(look.plain(lane) for lane in lanes), *labels],
            "range": [depth + 0.1, -0.5],
            "ticks": "",
        },
        margin={"t": 56, "b": 0},
    )
    left_out = int((frame["step"] > 0).sum()) - len(steps)
    return look.caption(
        picture,
        "Time runs to the right, one action at a time. Under the lanes: _refcount/mapcount of each page after the "
        "step, bold where it changes." + (f" {left_out} more steps are not drawn." if left_out else ""),
        n=f"{len(steps)} steps of {len(lanes)} actors",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=f"{_title(frame, len(steps))}. "
        + "; ".join(f"step {r.step}, {r.actor}: {r.action}" for r in steps.itertuples())
        + ".",
    )


def _draw_counts(picture: go.Figure, steps: pd.DataFrame, column: str, y: float, theme: look.Theme) -> None:
    before = None
    page = column.removeprefix("refcount_")
    for row in steps.to_dict("records"):
        counts = f"{row[column]}/{row[f'mapcount_{page}']}"
        new = counts != before
        picture.add_annotation(
            x=row["step"],
            y=y,
            text=f"<b>{counts}</b>" if new else counts,
            font={"family": look.MONO, "size": 11, "color": theme.ink if new else theme.soft},
            hovertext=look.plain(
                f"page {page} after step {row['step']}: {row.get(f'use_{page}', '')}, _refcount/mapcount {counts}"
            ),
        )
        before = counts


def _folded(action: str) -> list[str]:
    from textwrap import wrap

    return [look.plain(part) for part in wrap(look.visible(action), 11, break_long_words=False)]


def _title(frame: pd.DataFrame, steps: int) -> str:
    policy, invariant = frame.attrs.get("policy"), frame.attrs.get("invariant")
    if policy is None:
        return f"A trace of {steps} steps"
    return look.plain(f"{steps} steps under {policy} break {invariant}")


def _hover(row: Any) -> str:
    does = look.plain(getattr(row, "does", ""))
    detail = look.plain(row.detail)
    functions = look.plain(" > ".join(getattr(row, "functions", ())))
    lines = [f"<b>step {row.step}: {look.plain(row.action)}</b> ({look.plain(row.actor)})", does, detail, functions]
    return "<br>".join(line for line in lines if line)
