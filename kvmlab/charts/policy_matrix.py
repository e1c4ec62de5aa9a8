"""Which policy of KVM breaks which invariant, and in how few steps: the answers of the explorer side by side."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.kvm.config import CONFIG_WORDS
from kvmlab.kvm.exploration import Exploration
from kvmlab.kvm.explore import df_policy_matrix as _df_policy_matrix
from kvmlab.kvm.policies import POLICIES

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_ROW: Final = 34
Line = tuple[str, str | None, str]
"""Configuration, invariant (None: its heading) and the invariant's name."""


class NothingExplored(KvmlabError):
    """A matrix without a single exploration."""


def df_policy_matrix(matrix: dict[tuple[str, str], Exploration] | None = None) -> pd.DataFrame:
    """`kvmlab.kvm.explore.df_policy_matrix`, one row a violation; all policies are explored if no answers are given.

    Args:
        matrix: answers by policy id and configuration name.
    """
    frame = _df_policy_matrix(matrix)
    frame.attrs = {"source": "the model, every interleaving", "kernel": "by policy"}
    return frame


def plot_policy_matrix(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_policy_matrix`' frame: a column a policy, a row an invariant that some policy breaks, a cell its steps.

    Args:
        frame: as `df_policy_matrix` returns it.

    Raises:
        NothingExplored: it has no row.
    """
    import plotly.graph_objects as go

    if frame.empty:
        raise NothingExplored("no policy was explored, so there is no matrix to draw")
    policies = list(dict.fromkeys(frame["policy"]))
    broken = frame[frame["invariant"].notna()]
    lines = _lines(frame, broken)
    picture = look.figure()
    theme = look.theme_of(picture)
    for y, (config, invariant, _) in enumerate(lines):
        if invariant is None:
            _draw_heading(picture, y, config, theme)
            continue
        for x, policy in enumerate(policies):
            answers = frame[(frame["config"] == config) & (frame["policy"] == policy)]
            _draw_cell(picture, x, y, answers, invariant, theme)
    told = [(x, y) for y, line in enumerate(lines) if line[1] is not None for x in range(len(policies))]
    picture.add_trace(
        go.Scatter(
            x=[x for x, _ in told],
            y=[y for _, y in told],
            mode="markers",
            marker={"symbol": "square", "size": 26, "color": "rgba(0,0,0,0)"},
            hovertext=[_hover(frame, policies[x], lines[y]) for x, y in told],
            hoverinfo="text",
            showlegend=False,
        )
    )
    picture.update_layout(
        title={"text": _title(broken, policies)},
        height=_ROW * len(lines) + 156,
        xaxis={
            "tickvals": list(range(len(policies))),
            "ticktext": [_column(p, frame) for p in policies],
            "tickangle": 0,
            "side": "top",
            "range": [-0.5, len(policies) - 0.5],
            "ticks": "",
            "fixedrange": True,
            "tickfont": {"size": 11},
        },
        yaxis={
            "tickvals": [y for y, line in enumerate(lines) if line[1] is not None],
            "ticktext": [look.plain(_named(i, n)) for _, i, n in lines if i is not None],
            "range": [len(lines) - 0.45, -0.55],
            "ticks": "",
            "fixedrange": True,
        },
        margin={"t": 132, "b": 0},
    )
    cut = sorted({f"{r.policy} on {r.config}" for r in _rows(frame[~frame["complete"].astype(bool)])})
    return look.caption(
        picture,
        "A number is the length of the shortest way there, in steps; a filled cell breaks a rule, a pale one is no "
        "bug. A dot: every interleaving was seen and none leads there."
        + (f" Not explored to the end: {', '.join(cut)}." if cut else ""),
        n=f"{int(frame.drop_duplicates(['policy', 'config'])['states'].sum()):,} states of {len(policies)} policies",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=_alt(broken, policies),
        width=74,
    )


def _lines(frame: pd.DataFrame, broken: pd.DataFrame) -> list[Line]:
    """A heading for each configuration, and under it what some policy breaks there; `` where nothing is broken."""
    lines: list[Line] = []
    for config in dict.fromkeys(frame["config"]):
        found = {(str(r.invariant), str(r.name)) for r in _rows(broken[broken["config"] == config])}
        lines.append((str(config), None, ""))
        lines += [(str(config), i, n) for i, n in sorted(found, key=_in_order)] or [(str(config), "", "nothing broken")]
    return lines


def _column(policy: str, frame: pd.DataFrame) -> str:
    """The head of a column: id, name in short lines, and the kernels that have it."""
    name = str(frame[frame["policy"] == policy]["policy_name"].iloc[0])
    known = next((p.span for p in POLICIES if p.id == policy), "")
    words = [*wrap(name, 9, break_long_words=False), *wrap(known.replace(" to ", "\N{EN DASH}"), 9)]
    return "<br>".join([f"<b>{look.plain(policy)}</b>", *(look.plain(word) for word in words)])


def _draw_heading(picture: go.Figure, y: int, config: str, theme: look.Theme) -> None:
    said = f"{config}: {CONFIG_WORDS[config]}" if config in CONFIG_WORDS else config
    picture.add_shape(type="line", xref="paper", x0=0, x1=1, y0=y + 0.4, y1=y + 0.4, line={"color": theme.faint})
    picture.add_annotation(
        x=0, xref="paper", y=y, xanchor="left", text=f"<b>{look.plain(said)}</b>", font={"size": 12}, yshift=-2
    )


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    yield from frame.itertuples()


def _named(invariant: str, name: str) -> str:
    return f"{invariant} {name}".strip() if invariant[1:].isdecimal() or not invariant else invariant


def _in_order(line: tuple[str, str]) -> tuple[int, str]:
    """I2 before I10, then what has no number."""
    digits = line[0].removeprefix("I")
    return int(digits) if digits.isdecimal() else 1000, line[0]


def _draw_cell(picture: go.Figure, x: int, y: int, answers: pd.DataFrame, invariant: str, theme: look.Theme) -> None:
    found = answers[answers["invariant"] == invariant] if invariant else answers.head(0)
    text, colour, fill = ".", look.GREEN, 0.0
    if answers.empty:
        text = ""
    elif not found.empty:
        bug = bool(found["is_bug"].iloc[0])
        text, colour, fill = str(int(found["depth"].iloc[0])), look.VERMILION if bug else look.SKY, 0.6 if bug else 0.15
    elif not bool(answers["complete"].iloc[0]):
        text, colour = "?", look.ORANGE
    if fill:
        picture.add_shape(
            type="rect",
            x0=x - 0.44,
            x1=x + 0.44,
            y0=y - 0.42,
            y1=y + 0.42,
            fillcolor=look.tint(colour, fill),
            line={"color": colour, "width": 1.5},
            layer="below",
        )
    font = {"size": 15 if fill else 18, "color": theme.ink if fill else theme.soft}
    picture.add_annotation(x=x, y=y, text=f"<b>{text}</b>" if fill else text, font=font)


def _title(broken: pd.DataFrame, policies: list[str]) -> str:
    bugs = broken[broken["is_bug"].astype(bool)]
    if bugs.empty:
        return f"None of {len(policies)} policies breaks an invariant"
    own = bugs[bugs["config"] != "X"]
    alone = " by themselves" if len(own) < len(bugs) else ""
    free = [p for p in policies if p not in set(own["policy"])]
    said = f"{own['policy'].nunique()} of {len(policies)} policies break an invariant{alone}"
    return said + (f"; {look.plain(', '.join(free))} {'does' if len(free) == 1 else 'do'} not" if free else "")


def _hover(frame: pd.DataFrame, policy: str, line: Line) -> str:
    config, invariant, name = line
    answers = frame[(frame["config"] == config) & (frame["policy"] == policy)]
    if answers.empty:
        return f"{look.plain(policy)} on {look.plain(config)}: not explored"
    found = answers[answers["invariant"] == invariant]
    said = "not broken"
    if not found.empty:
        said = f"broken in {int(found['depth'].iloc[0])} steps" + ("" if bool(found["is_bug"].iloc[0]) else ", no bug")
    elif not bool(answers["complete"].iloc[0]):
        said = "not broken in the part that was explored"
    states = int(answers["states"].iloc[0])
    what = look.plain(_named(invariant or "", name))
    return f"<b>{look.plain(policy)}</b> on {look.plain(config)}<br>{what}: {said}<br>{states:,} states"


def _alt(broken: pd.DataFrame, policies: list[str]) -> str:
    parts = [
        f"{r.policy} breaks {r.invariant} ({r.name}) on {r.config} in {r.depth} steps"
        for r in _rows(broken[broken["is_bug"].astype(bool)])
    ]
    return f"Matrix of {len(policies)} policies. " + ("; ".join(parts) or "No policy breaks an invariant") + "."
