"""A trace of the model as swim-lanes: one lane for each actor, one column for each step, the page counts underneath."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.charts.swim_counts import PANEL, counted_pages, draw_counts
from kvmlab.errors import KvmlabError
from kvmlab.kvm.exploration import Exploration

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_STEPS: Final = 60
# Up to so many steps the words of an action stand across its box, beyond that along it.
_WIDE: Final = 18
_LANE: Final = 76
_TALL_LANE: Final = 132
_WORDS: Final = {"stray put": "put without a reference", "bad page": "bad_page()"}


class NoTrace(KvmlabError):
    """An exploration that did not break the invariant, so that there is no trace to it."""


def df_swim_lanes(answer: Exploration, invariant: str, stack: Sequence[str] = ()) -> pd.DataFrame:
    """The shortest trace to a broken invariant, with the page counts after each step.

    Args:
        answer: the exploration.
        invariant: id of the invariant, such as `I3`.
        stack: reliable functions of a reported stack, innermost first (`Replay.stack`): steps whose functions are all
            in it are marked.

    Raises:
        NoTrace: it was not broken.
    """
    frame = answer.df_trace(invariant, stack)
    found = answer.violation(invariant)
    if frame.empty or found is None:
        known = ", ".join(v.invariant.id for v in answer.violations) or "none"
        raise NoTrace(f"{answer.config.policy.id} does not break {invariant} here; broken: {known}")
    frame.attrs = {
        "source": f"the model, policy {answer.config.policy.id}",
        "kernel": answer.config.policy.releases,
        "policy": answer.config.policy.id,
        "invariant": found.invariant.label,
        "is_bug": found.invariant.is_bug,
    }
    return frame


def plot_swim_lanes(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_swim_lanes`' frame, or any frame with `step`, `actor`, `action` and `detail`.

    Args:
        frame: the steps; step 0 is the first state. At most 60 steps are drawn.
    """
    steps = frame[frame["step"] > 0].head(MOST_STEPS)
    lanes = list(dict.fromkeys(steps["actor"]))
    pages = counted_pages(frame)
    lane = _LANE if len(steps) <= _WIDE else _TALL_LANE
    lanes_height, panels_height = lane * len(lanes), PANEL * len(pages)
    share = panels_height / (lanes_height + panels_height)
    picture = look.figure()
    theme = look.theme_of(picture)
    special = _special(steps)
    for place, (step, said) in enumerate(special.items()):
        _draw_band(picture, step, said, len(steps), place, theme)
    for number, name in enumerate(lanes):
        _draw_lane(picture, number, steps[steps["actor"] == name], steps, special, theme)
    _draw_stack_marks(picture, steps, lanes)
    draw_counts(picture, frame[frame["step"] <= steps["step"].max()], pages, share, theme)
    picture.update_layout(
        title={"text": _title(frame, len(steps))},
        height=lanes_height + panels_height + 148,
        barmode="overlay",
        bargap=0,
        showlegend=True,
        legend={"y": 1 + 44 / (lanes_height + panels_height), "traceorder": "normal"},
        xaxis={
            "title": {"text": "step"},
            "dtick": 1 if len(steps) <= 30 else 5,
            "range": [0.3, len(steps) + 0.7],
            "ticks": "",
            "tickangle": 0,
            "anchor": f"y{len(pages) + 1}" if pages else "y",
        },
        yaxis={
            "domain": [share, 1],
            "tickvals": list(range(len(lanes))),
            "ticktext": [look.plain(name) for name in lanes],
            "range": [len(lanes) - 0.5, -0.5],
            "ticks": "",
        },
        margin={"t": 122, "b": 0},
    )
    left_out = int((frame["step"] > 0).sum()) - len(steps)
    told = " ".join(f"Step {s}: {what}." for s, what in _sentences(steps, special))
    return look.caption(
        picture,
        f"{told} Time runs to the right; under the lanes _refcount and mapcount of each page after the step."
        + (f" {left_out} more steps are not drawn." if left_out else ""),
        n=f"{len(steps)} steps of {len(lanes)} actors",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        width=100,
        alt=f"{_title(frame, len(steps))}. "
        + "; ".join(f"step {r.step}, {r.actor}: {r.action}" for r in steps.itertuples())
        + ".",
    )


def _special(steps: pd.DataFrame) -> dict[int, str]:
    """The steps that matter, with what stands at them: stray puts and reports; the last one in any case."""
    found = {}
    if "marks" in steps:
        for step, marks in zip(steps["step"], steps["marks"], strict=True):
            said = [_WORDS[mark] for mark in marks if mark in _WORDS]
            if said:
                found[int(step)] = ", ".join(said)
    if len(steps) and "invariant" in steps.attrs:
        last = int(steps["step"].iloc[-1])
        found.setdefault(last, str(steps.attrs["invariant"]).partition(" ")[0])
    return found


def _sentences(steps: pd.DataFrame, special: dict[int, str]) -> list[tuple[int, str]]:
    if "does" not in steps:
        return []
    does = dict(zip(steps["step"], steps["does"], strict=True))
    return [(step, f"{does[step]}") for step in special]


def _draw_band(picture: go.Figure, step: int, said: str, steps: int, place: int, theme: look.Theme) -> None:
    """A band through lanes and counts at a step that matters, with its words above it, neighbours one above another."""
    picture.add_shape(
        type="rect", x0=step - 0.5, x1=step + 0.5, y0=0, y1=1, yref="paper", layer="below",
        fillcolor=look.tint(look.VERMILION, 0.18), line={"width": 0},
    )  # fmt: skip
    last = step > steps * 0.5
    picture.add_annotation(
        x=step + (0.5 if last else -0.5), y=1, yref="paper", yanchor="bottom", xanchor="right" if last else "left",
        text=f"<b>{look.plain(said)}</b>", font={"size": 11, "color": theme.ink}, borderpad=2,
        bgcolor=look.tint(look.VERMILION, 0.3), yshift=20 * (place % 2),
    )  # fmt: skip


def _draw_lane(
    picture: go.Figure,
    number: int,
    part: pd.DataFrame,
    steps: pd.DataFrame,
    special: dict[int, str],
    theme: look.Theme,
) -> None:
    """One actor: a line through the picture and a box for each of its steps."""
    import plotly.graph_objects as go

    colour = look.PALETTE[number % 4]
    picture.add_shape(
        type="line", x0=0.4, x1=len(steps) + 0.6, y0=number, y1=number, line={"color": theme.faint, "width": 1},
        layer="below",
    )  # fmt: skip
    wide = len(steps) <= _WIDE
    narrow = 11 if len(steps) <= 10 else 9
    picture.add_trace(
        go.Bar(
            x=part["step"],
            y=[0.72] * len(part),
            base=number - 0.36,
            width=0.9,
            marker={
                "color": [look.tint(look.VERMILION if s in special else colour, 0.55 if s in special else 0.3)
                          for s in part["step"]],
                "line": {"color": [look.VERMILION if s in special else colour for s in part["step"]],
                         "width": [2.5 if s in special else 1 for s in part["step"]]},
            },
            text=["<br>".join(_folded(action, narrow)) if wide else look.plain(action) for action in part["action"]],
            textposition="inside",
            textangle=0 if wide else -90,
            constraintext="none",
            insidetextanchor="middle",
            textfont={"size": 11 if len(steps) <= 10 else 9, "color": theme.ink},
            hovertext=[_hover(row) for row in part.itertuples()],
            hoverinfo="text",
            showlegend=False,
        )
    )  # fmt: skip


def _draw_stack_marks(picture: go.Figure, steps: pd.DataFrame, lanes: list[str]) -> None:
    """A square under each step all of whose functions stand in the reported stack."""
    import plotly.graph_objects as go

    if "marks" not in steps:
        return
    inside = steps[["in stack" in marks for marks in steps["marks"]]]
    if inside.empty:
        return
    picture.add_trace(
        go.Scatter(
            x=inside["step"],
            y=[lanes.index(actor) + 0.44 for actor in inside["actor"]],
            mode="markers",
            marker={"symbol": "square", "size": 9, "color": look.GREEN},
            name="its functions are in the reported stack",
            hovertext=[_hover(row) for row in inside.itertuples()],
            hoverinfo="text",
        )
    )


def _folded(action: str, width: int) -> list[str]:
    return [look.plain(part) for part in wrap(look.visible(action), width, break_long_words=False)]


def _title(frame: pd.DataFrame, steps: int) -> str:
    policy, invariant = frame.attrs.get("policy"), frame.attrs.get("invariant")
    if policy is None:
        return f"A trace of {steps} steps"
    verb = "break" if frame.attrs.get("is_bug", True) else "lead to:"
    return look.plain(f"{steps} steps under {policy} {verb} {invariant}")


def _hover(row: Any) -> str:
    said = [look.plain(part) for part in wrap(look.visible(getattr(row, "does", "")), 90)]
    detail = look.plain(row.detail)
    functions = [look.plain(part) for part in wrap(" > ".join(getattr(row, "functions", ())), 90)]
    held = ", ".join(getattr(row, "holders", ()))
    lines = [f"<b>step {row.step}: {look.plain(row.action)}</b> ({look.plain(row.actor)})", detail, *said, *functions]
    return "<br>".join(line for line in [*lines, look.plain(f"held by {held}") if held else ""] if line)
