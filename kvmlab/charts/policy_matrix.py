"""Which policy of KVM breaks which invariant, and in how few steps: the answers of the explorer side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.kvm.exploration import Exploration
from kvmlab.kvm.explore import df_policy_matrix as _df_policy_matrix

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_ROW: Final = 34
CONFIGS: Final = {
    "A": "anonymous memory",
    "T": "driver's tail page",
    "R": "driver's refcounted page",
    "X": "mapping outside the notifier",
}


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
    names = frame.drop_duplicates("policy").set_index("policy")["policy_name"]
    broken = frame[frame["invariant"].notna()]
    lines = list(dict.fromkeys(sorted(((r.config, r.invariant, r.name) for r in _rows(broken)), key=_in_order)))
    if not lines:
        lines = [(str(config), "", "nothing broken") for config in dict.fromkeys(frame["config"])]
    picture = look.figure()
    theme = look.theme_of(picture)
    for y, (config, invariant, _) in enumerate(lines):
        for x, policy in enumerate(policies):
            answers = frame[(frame["config"] == config) & (frame["policy"] == policy)]
            _draw_cell(picture, x, y, answers, invariant, theme)
    picture.add_trace(
        go.Scatter(
            x=[x for _ in lines for x in range(len(policies))],
            y=[y for y in range(len(lines)) for _ in policies],
            mode="markers",
            marker={"symbol": "square", "size": 26, "color": "rgba(0,0,0,0)"},
            hovertext=[_hover(frame, p, line) for line in lines for p in policies],
            hoverinfo="text",
            showlegend=False,
        )
    )
    picture.update_layout(
        title={"text": _title(broken, policies)},
        height=_ROW * len(lines) + 130,
        xaxis={
            "tickvals": list(range(len(policies))),
            "ticktext": [f"<b>{look.plain(p)}</b><br>{look.plain(names[p])}" for p in policies],
            "side": "top",
            "range": [-0.5, len(policies) - 0.5],
            "ticks": "",
            "fixedrange": True,
            "tickfont": {"size": 11},
        },
        yaxis={
            "tickvals": list(range(len(lines))),
            "ticktext": [look.plain(f"{CONFIGS.get(c, c)}: {_named(i, n)}") for c, i, n in lines],
            "range": [len(lines) - 0.45, -0.55],
            "ticks": "",
            "fixedrange": True,
        },
        margin={"t": 104, "b": 0},
    )
    cut = sorted({f"{r.policy} on {r.config}" for r in _rows(frame[~frame["complete"].astype(bool)])})
    return look.caption(
        picture,
        "A number is the length of the shortest way to break the invariant, in steps. A dark cell is a bug, a pale one "
        "is an event that is none. A dot: every interleaving was seen and none breaks it."
        + (f" Not explored to the end: {', '.join(cut)}." if cut else ""),
        n=f"{int(frame.drop_duplicates(['policy', 'config'])['states'].sum()):,} states of {len(policies)} policies",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=_alt(broken, policies),
        width=94,
    )


def _rows(frame: pd.DataFrame) -> Iterator[Any]:
    yield from frame.itertuples()


def _named(invariant: str, name: str) -> str:
    return name if invariant == name else f"{invariant} {name}".strip()


def _in_order(line: tuple[str, str, str]) -> tuple[str, int, str]:
    """By configuration, then I2 before I10, then what has no number."""
    digits = line[1].removeprefix("I")
    return line[0], int(digits) if digits.isdecimal() else 1000, line[1]


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
    free = [p for p in policies if p not in set(bugs["policy"])]
    if bugs.empty:
        return f"None of {len(policies)} policies breaks an invariant"
    said = f"{bugs['policy'].nunique()} of {len(policies)} policies break an invariant"
    return said + (f"; {look.plain(', '.join(free))} {'does' if len(free) == 1 else 'do'} not" if free else "")


def _hover(frame: pd.DataFrame, policy: str, line: tuple[str, str, str]) -> str:
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
    what = look.plain(_named(invariant, name))
    return f"<b>{look.plain(policy)}</b> on {look.plain(config)}<br>{what}: {said}<br>{states:,} states"


def _alt(broken: pd.DataFrame, policies: list[str]) -> str:
    parts = [
        f"{r.policy} breaks {r.invariant} ({r.name}) on {r.config} in {r.depth} steps"
        for r in _rows(broken[broken["is_bug"].astype(bool)])
    ]
    return f"Matrix of {len(policies)} policies. " + ("; ".join(parts) or "No policy breaks an invariant") + "."
