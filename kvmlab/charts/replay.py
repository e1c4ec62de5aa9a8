"""The life of one page in replays of a report: who holds its references, step by step, under one policy or several."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Final

from kvmlab.charts import template as look
from kvmlab.charts.replay_marks import draw_blocks, draw_lines, draw_marks, rows_of, say_what_is_missing
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.replay import Replay

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_ROW: Final = 270
# Pixels between two rows: slanting labels of the upper one, the heading of the lower one.
_BETWEEN: Final = 128
MOST_STEPS: Final = 400


class NothingReplayed(KvmlabError):
    """Replays without a single step: there was nothing to run."""


def df_replay(replays: Replay | Mapping[str, Replay], *, source: str | None = None) -> pd.DataFrame:
    """The steps of replays under one another, ready to be drawn.

    Args:
        replays: one replay, or several by policy id, as `same_events` returns them.
        source: case or file that the report came from, for the caption.

    Returns:
        the columns of `Replay.df_steps()` and `policy` (its id), `policy_name`, `outcome` (`bad page`, `healthy page`,
        `damaged page`).

    Raises:
        NothingReplayed: no replay has a step.
    """
    import pandas as pd

    given = {_policy_id(replays): replays} if isinstance(replays, Replay) else dict(replays)
    parts = []
    for name, one in given.items():
        if one.steps:
            outcome = "bad page" if one.run is not None and one.run.bad_pages else "damaged page"
            outcome = "healthy page" if one.healthy else outcome
            policy = one.policy.name if one.policy is not None else name
            parts.append(one.df_steps().assign(policy=name, policy_name=policy, outcome=outcome))
    if not parts:
        raise NothingReplayed("the replay has no step: " + "; ".join(one.why for one in given.values()))
    frame = pd.concat(parts, ignore_index=True)
    release = next(iter(given.values())).release
    frame.attrs = {"source": source, "kernel": None if release is None else release.text}
    return frame


def plot_replay(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_replay`'s frame: a block for every reference that is owed to a holder, and a line for `_refcount`.

    Where the line runs below the top of the blocks, somebody dropped a reference that he did not hold.

    Args:
        frame: as `df_replay` returns it; at most 400 steps of each policy are drawn.
    """
    policies = list(dict.fromkeys(frame["policy"]))
    longest = int(min(frame.groupby("policy")["step"].max().max(), MOST_STEPS))
    picture = look.figure()
    theme = look.theme_of(picture)
    shown: set[str] = set()
    top = max(3, *(len(h) for h in frame["holders"]), int(frame["refcount"].fillna(0).max()))
    for row, policy in enumerate(policies):
        steps = frame[frame["policy"] == policy].head(MOST_STEPS)
        suffix = "" if row == 0 else str(row + 1)
        draw_blocks(picture, steps, suffix, shown)
        draw_lines(picture, steps, suffix, shown, theme)
        draw_marks(picture, steps, suffix, shown, theme)
        say_what_is_missing(picture, steps, suffix, theme)
        _lay_out(picture, steps, row, len(policies), suffix, longest, top, theme)
    height = _ROW * len(policies) + 110
    picture.update_layout(
        title={"text": _title(frame)},
        height=height,
        barmode="stack",
        bargap=0.08,
        legend={"y": 1 + 34 / (height - 110), "traceorder": "normal"},
        margin={"t": 110, "b": 0, "l": 60},
    )
    return look.caption(
        picture,
        "A block is a reference that its holder still counts on; the line is _refcount. Where the line lies below the "
        "blocks a reference is missing. Squares under a step: its functions are in the reported stack. The batch is "
        "the CPU's lru_add folio batch.",
        n=", ".join(f"{len(frame[frame['policy'] == p])} steps under {p}" for p in policies),
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=_alt(frame, policies),
    )


def _policy_id(one: Replay) -> str:
    return "no policy" if one.policy is None else one.policy.id


def _lay_out(
    picture: go.Figure,
    steps: pd.DataFrame,
    row: int,
    rows: int,
    suffix: str,
    longest: int,
    top: int,
    theme: look.Theme,
) -> None:
    """Axes of one policy: its actions under the steps, its name and outcome above, the batch along the bottom."""
    gap = _BETWEEN / (_ROW * rows)
    share = (1 - gap * (rows - 1)) / rows
    low = max(0.0, 1 - (row + 1) * share - row * gap)
    labels = {
        "tickvals": steps["step"].tolist(),
        "ticktext": [look.plain(a) for a in steps["action"]],
        "tickangle": -40,
        "tickfont": {"size": 10.5},
        "range": [0.3, longest + 0.7],
        "anchor": f"y{suffix}",
        "automargin": False,
    }
    values = {
        "domain": [low, min(1.0, low + share)],
        "anchor": f"x{suffix}",
        "range": [-1.25, top + 0.9],
        "tickvals": list(range(top + 1)),
        "title": {"text": "references"},
    }
    picture.update_layout({f"xaxis{suffix}": labels, f"yaxis{suffix}": values})
    name, outcome = str(steps["policy_name"].iloc[0]), str(steps["outcome"].iloc[0])
    colour = look.VERMILION if outcome != "healthy page" else look.GREEN
    picture.add_annotation(
        x=0,
        y=low + share,
        xref="paper",
        yref="paper",
        xanchor="left",
        yanchor="bottom",
        text=f"<b>{look.plain(steps['policy'].iloc[0])}</b> {look.plain(name)}: <b>ends in a {outcome}</b>",
        font={"size": 14, "color": theme.ink},
        bgcolor=look.tint(colour, 0.2),
        borderpad=3,
    )
    picture.add_annotation(
        x=0.35, y=-0.95, xref=f"x{suffix}", yref=f"y{suffix}", text="batch", xanchor="right", xshift=-6,
        font={"size": 11, "color": theme.soft},
    )  # fmt: skip
    for batch, members in groupby(rows_of(steps), key=lambda r: r.batch):
        first = next(members)
        picture.add_annotation(
            x=first.step, y=-0.95, xref=f"x{suffix}", yref=f"y{suffix}", text=str(batch), xanchor="center",
            font={"size": 11, "color": theme.soft, "family": look.MONO},
        )  # fmt: skip


def _title(frame: pd.DataFrame) -> str:
    outcomes = frame.drop_duplicates("policy").set_index("policy")["outcome"]
    bad = [p for p, o in outcomes.items() if o == "bad page"]
    if len(outcomes) == 1:
        return f"The life of the page under {look.plain(outcomes.index[0])}: ends in a {outcomes.iloc[0]}"
    if not bad:
        return f"The same guest under {len(outcomes)} policies: no bad page under any of them"
    return (
        f"The same guest under {len(outcomes)} policies: a bad page only under {look.plain(', '.join(map(str, bad)))}"
    )


def _alt(frame: pd.DataFrame, policies: list[str]) -> str:
    parts = []
    for policy in policies:
        steps = frame[frame["policy"] == policy]
        stray = steps[["stray put" in m for m in steps["marks"]]]["step"].tolist()
        last = steps.iloc[-1]
        said = f"stray put in step {', '.join(map(str, stray))}; " if stray else "no stray put; "
        parts.append(
            f"Under {policy} the page goes through {len(steps)} steps; {said}at the end refcount {last['refcount']}, "
            f"mapcount {last['mapcount']}, held by {', '.join(last['holders']) or 'nobody'}: {last['outcome']}."
        )
    return " ".join(parts)
