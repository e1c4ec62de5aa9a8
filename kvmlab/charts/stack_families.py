"""Stacks of several families of reports side by side: which functions they share, and where they part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.report.records import Frame, Report

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_ENTRIES: Final = 120
MOST_FAMILIES: Final = 12
_ROW: Final = 20


class NoStacks(KvmlabError):
    """Reports of which none has a confirmed call trace entry."""


def df_stack_families(families: Mapping[str, Report], *, source: str | None = None) -> pd.DataFrame:
    """Align the confirmed calls of one report of each family, innermost first.

    Args:
        families: a report for each family, by the name to show; at most twelve.
        source: case or file, for the caption.

    Returns:
        one row an entry of a family's stack: `row` (its place in the common order), `function`, `family`, `module`,
        `line`, `shared` (whether every family has it in this row).

    Raises:
        NoStacks: no report has a confirmed entry.
    """
    import pandas as pd

    stacks = {
        name: report.call_trace.reliable[:MOST_ENTRIES] if report.call_trace is not None else ()
        for name, report in list(families.items())[:MOST_FAMILIES]
    }
    stacks = {name: stack for name, stack in stacks.items() if stack}
    if not stacks:
        raise NoStacks("none of the reports holds a confirmed call trace entry")
    order = _common_order([[f.function for f in stack] for stack in stacks.values()])
    rows = [
        (row, f.function, name, f.module or "core kernel", f.span.first_line)
        for name, stack in stacks.items()
        for row, f in zip(_places(order, stack), stack, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["row", "function", "family", "module", "line"])
    frame["shared"] = frame.groupby("row")["family"].transform("nunique") == len(stacks)
    kernels = {r.cpu_line.release.text for r in families.values() if r.cpu_line is not None and r.cpu_line.release}
    frame.attrs = {
        "source": source,
        "kernel": ", ".join(sorted(kernels)) or None,
        "left_out": len(families) - len(stacks),
    }
    return frame


def plot_stack_families(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_stack_families`' frame: a column for each family, a row for each function, filled where it occurs.

    Args:
        frame: as `df_stack_families` returns it.
    """
    import plotly.graph_objects as go

    families = list(dict.fromkeys(frame["family"]))
    names = frame.drop_duplicates("row").set_index("row")["function"]
    picture = look.figure()
    theme = look.theme_of(picture)
    for shared, colour, name in ((True, look.GREY, "in every stack"), (False, look.ORANGE, "not in every stack")):
        part = frame[frame["shared"] == shared]
        picture.add_trace(
            go.Bar(
                x=[families.index(f) for f in part["family"]],
                y=[0.84] * len(part),
                base=part["row"] - 0.42,
                width=0.9,
                marker={"color": look.tint(colour, 0.55), "line": {"color": colour, "width": 1}},
                name=name,
                text=[look.plain(m) for m in part["module"]],
                textposition="inside",
                textangle=0,
                constraintext="none",
                textfont={"size": 10, "color": theme.ink},
                hovertext=[
                    f"<b>{look.plain(r.function)}</b> ({look.plain(r.module)})<br>{look.plain(r.family)}, line {r.line}"
                    for r in part.itertuples()
                ],
                hoverinfo="text",
            )
        )
    common = int(frame.loc[frame["shared"], "row"].nunique())
    picture.update_layout(
        title={"text": _title(common, len(names), len(families))},
        height=_ROW * len(names) + 128,
        barmode="overlay",
        xaxis={
            "tickvals": list(range(len(families))),
            "ticktext": ["<br>".join(_folded(f)) for f in families],
            "side": "top",
            "range": [-0.5, len(families) - 0.5],
            "fixedrange": True,
            "ticks": "",
        },
        yaxis={
            "tickvals": names.index.tolist(),
            "ticktext": [look.plain(n) for n in names],
            "tickfont": {"family": look.MONO, "size": 11},
            "range": [len(names) - 0.4, -0.6],
            "fixedrange": True,
            "ticks": "",
        },
        legend={"y": 0, "yanchor": "top"},
        margin={"t": 96, "b": 0},
    )
    left_out = int(frame.attrs.get("left_out", 0))
    return look.caption(
        picture,
        "Innermost call on top; only calls that the unwinder confirmed. A row is a function; the order is that of all "
        "stacks together."
        + (f" {left_out} families without such calls, or beyond the twelfth, are left out." if left_out else ""),
        n=f"{len(families)} stacks, {len(frame)} entries",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=f"{_title(common, len(names), len(families))}. Shared: "
        + (", ".join(names[sorted(set(frame.loc[frame["shared"], "row"]))]) or "none")
        + ".",
        width=76,
    )


def _common_order(stacks: Sequence[Sequence[str]]) -> list[str]:
    """One order of functions in which every stack is a subsequence."""
    order = list(stacks[0])
    for stack in stacks[1:]:
        merged: list[str] = []
        for tag, a0, a1, b0, b1 in SequenceMatcher(None, order, stack, autojunk=False).get_opcodes():
            merged += order[a0:a1]
            if tag in ("insert", "replace"):
                merged += stack[b0:b1]
        order = merged
    return order


def _places(order: Sequence[str], stack: Sequence[Frame]) -> list[int]:
    """Rows of a stack's entries; the order holds them as a subsequence."""
    places, at = [], -1
    for entry in stack:
        at = order.index(entry.function, at + 1)
        places.append(at)
    return places


def _title(common: int, rows: int, families: int) -> str:
    if families == 1:
        return f"One stack of {rows} functions"
    return f"{common} of {rows} functions are in {'both' if families == 2 else f'all {families}'} stacks"


def _folded(name: str) -> list[str]:
    from textwrap import wrap

    return [look.plain(part) for part in wrap(look.visible(name), 26)[:3]] or [""]
