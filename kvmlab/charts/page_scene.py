"""One step of a replay as a scene: the page in its box, who holds a reference to it, and the CPU's folio batch."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Final

from kvmlab.charts import template as look
from kvmlab.charts.replay import NothingReplayed
from kvmlab.charts.replay_marks import colour_of_holder
from kvmlab.inquiry.replay import Replay

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

COLUMNS: Final = ("part", "name", "state", "place")
_ACROSS: Final = 8
_HEIGHT: Final = 330


def df_page_scene(replayed: Replay, position: int, *, source: str | None = None) -> pd.DataFrame:
    """What a step of a replay leaves behind, part by part.

    Args:
        replayed: the replay.
        position: number of the step, from 1.
        source: case or file, for the caption.

    Returns:
        part (`page`, `holder`, `slot`), name (the page; the holder; what is in the slot, `free`, `others` or `page K`),
        state (of the page: its flags; of the others empty), place (int64, order within the part). `attrs` hold the
        step, its action, what it did, refcount and mapcount (None before the page is allocated).

    Raises:
        NothingReplayed: the replay has no such step.
    """
    import pandas as pd

    if not 1 <= position <= len(replayed.steps) or replayed.run is None:
        raise NothingReplayed(f"the replay has no step {position}; it has {len(replayed.steps)}")
    step, system = replayed.steps[position - 1], replayed.run.system
    page = step.page
    flags = ", ".join(sorted((page.flags or ()) if page is not None else ()))
    rows = [("page", "no page yet" if page is None else f"page {page.page}, {page.use}", flags, 0)]
    rows += [("holder", name, "", place) for place, name in enumerate(step.holders)]
    fields = system.decode(step.state)
    slots = ["others"] * fields["others"][0] + [f"page {slot - 1}" for slot in fields["batch"] if slot]
    slots += ["free"] * (system.config.batch - len(slots))
    rows += [("slot", name, "", place) for place, name in enumerate(slots[: system.config.batch])]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"place": "int64"})
    frame.attrs = {
        "step": step.number, "steps": len(replayed.steps), "action": step.action, "actor": step.actor,
        "detail": step.detail, "marks": replayed.marks(step), "policy": replayed.policy.id if replayed.policy else "",
        "refcount": None if page is None else page.refcount, "mapcount": None if page is None else page.mapcount,
        "source": source, "kernel": None if replayed.release is None else replayed.release.text,
    }  # fmt: skip
    return frame


def plot_page_scene(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_page_scene`'s frame: holders at the left with a line to the page's box, the batch's slots at the right.

    Args:
        frame: as `df_page_scene` returns it.
    """
    told = frame.attrs
    holders = frame[frame["part"] == "holder"]["name"].tolist()
    slots = frame[frame["part"] == "slot"]["name"].tolist()
    missing = 0 if told["refcount"] is None else max(0, len(holders) - int(told["refcount"]))
    picture = look.figure()
    theme = look.theme_of(picture)
    _draw_page(picture, frame, missing, theme)
    _draw_holders(picture, holders, missing, theme)
    _draw_batch(picture, slots, theme)
    picture.update_layout(
        title={"text": look.plain(f"Step {told['step']} of {told['steps']} under {told['policy']}: {told['action']}")},
        height=_HEIGHT,
        xaxis={"visible": False, "range": [0, 10], "fixedrange": True},
        yaxis={"visible": False, "range": [0, 4.2], "fixedrange": True},
        showlegend=False,
        margin={"t": 52, "b": 0},
    )
    counts = (
        "not allocated yet"
        if told["refcount"] is None
        else f"_refcount {told['refcount']}, mapcount {told['mapcount']}"
    )
    filled = sum(slot != "free" for slot in slots)
    return look.caption(
        picture,
        f"{told['actor']}: {told['detail']}.",
        n=f"{len(holders)} holders, {filled} of {len(slots)} places of the batch",
        source=told["source"],
        kernel=told["kernel"],
        width=96,
        alt=f"Step {told['step']}: the page has {counts}; held by {', '.join(holders) or 'nobody'}; "
        f"{filled} of {len(slots)} places of the batch are taken.",
    )


def _draw_page(picture: go.Figure, frame: pd.DataFrame, missing: int, theme: look.Theme) -> None:
    """The page's box: its counts, its flags, and a warning where a reference is missing."""
    import plotly.graph_objects as go

    told = frame.attrs
    row = frame[frame["part"] == "page"].iloc[0]
    there = told["refcount"] is not None
    bad = "bad page" in told["marks"]
    colour = look.VERMILION if missing or bad else look.BLUE if there else look.GREY
    picture.add_shape(
        type="rect", x0=3.5, x1=6.5, y0=0.7, y1=3.7, fillcolor=look.tint(colour, 0.18 if there else 0.05),
        line={"color": colour, "width": 3 if bad else 2, "dash": "solid" if there else "dot"},
    )  # fmt: skip
    counts = f"_refcount <b>{told['refcount']}</b>   mapcount <b>{told['mapcount']}</b>" if there else ""
    flags = [look.plain(part) for part in wrap(str(row["state"]), 30)]
    lines = [f"<b>{look.plain(row['name'])}</b>", counts, *flags]
    picture.add_annotation(x=5, y=2.35, text="<br>".join(line for line in lines if line), font={"size": 13})
    if bad or missing:
        noun = "reference is" if missing == 1 else "references are"
        said = "bad_page(): " * bad + f"{missing} {noun} missing" * bool(missing)
        picture.add_annotation(
            x=5, y=0.35, text=f"<b>{said.removesuffix(': ')}</b>", font={"size": 13, "color": theme.ink},
            bgcolor=look.tint(look.VERMILION, 0.3), borderpad=3,
        )  # fmt: skip
    picture.add_trace(
        go.Scatter(
            x=[5], y=[2.35], mode="markers", marker={"size": 60, "color": "rgba(0,0,0,0)"}, hoverinfo="text",
            hovertext=[look.plain(f"step {told['step']}: {row['name']}; {row['state']}")],
        )
    )  # fmt: skip


def _draw_holders(picture: go.Figure, holders: list[str], missing: int, theme: look.Theme) -> None:
    """A box for each holder, tied to the page."""
    if not holders:
        picture.add_annotation(x=1.3, y=2.2, text="held by nobody", font={"color": theme.soft, "size": 12})
    for place, name in enumerate(holders[:5]):
        colour = colour_of_holder(name)
        y = 3.4 - place * min(0.8, 3.2 / max(1, len(holders[:5])))
        picture.add_shape(
            type="rect", x0=0.1, x1=2.5, y0=y - 0.27, y1=y + 0.27, fillcolor=look.tint(colour, 0.45),
            line={"color": colour, "width": 1.5},
        )  # fmt: skip
        picture.add_shape(
            type="line", x0=2.5, x1=3.5, y0=y, y1=y,
            line={"color": look.VERMILION, "dash": "dash"} if missing else {"color": theme.ink, "width": 2},
        )  # fmt: skip
        picture.add_annotation(x=1.3, y=y, text=look.plain(name), font={"size": 12})


def _draw_batch(picture: go.Figure, slots: list[str], theme: look.Theme) -> None:
    """The places of the CPU's lru_add batch, the page's own among them."""
    import plotly.graph_objects as go

    down = -(-len(slots) // _ACROSS)
    side = min(2.6 / _ACROSS, 2.8 / max(1, down))
    xs = [7.2 + (k % _ACROSS) * 2.7 / _ACROSS for k in range(len(slots))]
    ys = [3.2 - (k // _ACROSS) * (2.6 / max(1, down)) for k in range(len(slots))]
    for x, y, name in zip(xs, ys, slots, strict=True):
        own = name == "page 0"
        colour = look.ORANGE if name.startswith("page") else look.GREY
        fill = 0.9 if own else 0.45 if name.startswith("page") else 0.35 if name == "others" else 0.0
        picture.add_shape(
            type="rect", x0=x, x1=x + side * 0.86, y0=y - side * 0.86, y1=y,
            fillcolor=look.tint(colour, fill),
            line={"color": theme.ink, "width": 2} if own else {"color": theme.soft, "width": 0.6},
        )  # fmt: skip
    filled = sum(name != "free" for name in slots)
    picture.add_annotation(
        x=7.2,
        y=3.75,
        xanchor="left",
        text=f"lru_add batch: <b>{filled}</b> of {len(slots)}",
        font={"size": 12},
    )
    picture.add_trace(
        go.Scatter(
            x=[x + side / 2 for x in xs], y=[y - side / 2 for y in ys], mode="markers", hoverinfo="text",
            marker={"size": 14, "color": "rgba(0,0,0,0)"},
            hovertext=[look.plain(f"place {k + 1}: {name}") for k, name in enumerate(slots)],
        )
    )  # fmt: skip
