"""The v11 series patch by patch: KVM's answers for PFNMAP pages above, what breaks on either base below."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.kvm.config import CONFIG_WORDS
from kvmlab.kvm.v11 import PATCHES, SERIES
from kvmlab.kvm.v11_series import BASES, NO_PARAMETER, df_series, df_truth_by_patch

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_ROW: Final = 30
_CELLS: Final = {
    "reference": ("ref", look.GREEN, 0.25),
    "no reference": ("no ref", look.SKY, 0.25),
    "EFAULT": ("EFAULT", look.GREY, 0.25),
}
_PARAMETER: Final = {"any": "", "no": ", safe", "yes": ", unsafe"}
_BROKEN: Final = "broken"
COLUMNS: Final = ("base", *(str(patch.number) for patch in PATCHES))


def df_v11_series() -> pd.DataFrame:
    """One row a line of the picture, one column a number of patches.

    Returns:
        section (the caller, or the base), line, then `base`, `1` ... `8`: an answer of KVM, or what is broken there.
    """
    import pandas as pd

    truth = df_truth_by_patch()
    lines = truth["struct_page"] + truth["unsafe"].map(_PARAMETER)
    upper = truth.assign(section="answer to: " + truth["caller"] + ", by struct page", line=lines)
    series = df_series()
    parts = [upper[["section", "line", *COLUMNS]]]
    configs = [c for c in series.columns if c in CONFIG_WORDS]
    for base in BASES.values():
        found = series[series["base"] == base].sort_values("patches")
        without = " without" if base == BASES[False] else " with"
        rows = [
            {"section": f"{_BROKEN} on a base{without} d02c357e5bfa ({base})", "line": f"{c}: {CONFIG_WORDS[c]}"}
            | dict(zip(COLUMNS, found[c], strict=True))
            for c in configs
        ]
        parts.append(pd.DataFrame(rows))
    frame = pd.concat(parts, ignore_index=True)
    frame.attrs = {"source": f"the model; {SERIES}", "kernel": "6.7 and 6.8 with 0 to 8 patches"}
    return frame


def plot_v11_series(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_v11_series`' frame: a cell that a patch changes has a thick border, one that breaks a rule is filled.

    Args:
        frame: as `df_v11_series` returns it.
    """
    import plotly.graph_objects as go

    picture = look.figure()
    theme = look.theme_of(picture)
    lines: list[tuple[str, str | None]] = []
    cells: list[tuple[int, int, str, str]] = []
    for section in dict.fromkeys(frame["section"]):
        _draw_heading(picture, len(lines), section, theme)
        lines.append((section, None))
        for row in frame[frame["section"] == section].to_dict("records"):
            changed = {column for column, *_ in _changed(row)}
            for x, column in enumerate(COLUMNS):
                _draw_cell(picture, x, len(lines), row[column], column in changed, theme)
                cells.append((x, len(lines), str(row["line"]), row[column]))
            lines.append((section, row["line"]))
    picture.add_trace(
        go.Scatter(
            x=[x for x, *_ in cells],
            y=[y for _, y, *_ in cells],
            mode="markers",
            marker={"symbol": "square", "size": 24, "color": "rgba(0,0,0,0)"},
            hovertext=[_hover(x, line, said) for x, _, line, said in cells],
            hoverinfo="text",
            showlegend=False,
        )
    )
    last = _breaking(frame)
    picture.update_layout(
        title={"text": _title(last)},
        height=_ROW * len(lines) + 150,
        xaxis={
            "tickvals": list(range(len(COLUMNS))),
            "ticktext": ["<b>base</b>", *(f"<b>{n}/8</b>" for n in COLUMNS[1:])],
            "tickangle": 0,
            "side": "top",
            "range": [-0.5, len(COLUMNS) - 0.5],
            "ticks": "",
            "fixedrange": True,
        },
        yaxis={
            "tickvals": [y for y, (_, line) in enumerate(lines) if line is not None],
            "ticktext": [look.plain(line) for _, line in lines if line is not None],
            "range": [len(lines) - 0.45, -0.55],
            "ticks": "",
            "fixedrange": True,
            "tickfont": {"size": 12},
        },
        margin={"t": 84, "b": 0},
    )
    return look.caption(
        picture,
        "From left to right one more patch is applied. A thick border: this patch changes the answer. ref: KVM holds a "
        "reference; no ref: mapped without one; EFAULT: refused; safe and unsafe: allow_unsafe_mappings off and on. "
        "Below, an invariant and the steps of the shortest way to break it; a dot: all states seen, nothing broken.",
        n=f"{len(frame)} questions, {len(COLUMNS)} kernels on each base",
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        width=68,
        alt=f"{_title(last)}. " + "; ".join(_changes(frame)) + ".",
    )


def _breaking(frame: pd.DataFrame) -> list[str]:
    """The numbers of patches with which something is broken."""
    broken = frame[frame["section"].str.startswith(_BROKEN)]
    return [c for c in COLUMNS if broken[c].map(lambda said: _bug(said) is not None).any()]


def _bug(said: object) -> str | None:
    """The shortest broken invariant of a cell, None if there is none; I9 and events are no bugs."""
    return next((w for w in str(said).split() if w[0] == "I" and w[1:2].isdigit() and not w.startswith("I9@")), None)


def _title(broken: list[str]) -> str:
    if not broken:
        return "The v11 series breaks nothing on either base"
    return f"Nothing breaks before patch {broken[0]} of 8"


def _changed(row: dict[Any, Any]) -> list[tuple[str, str, str]]:
    """The patches that change a line, with what stood there before and after.

    That a parameter comes into being changes no answer: nobody had set it.
    """
    pairs = [(after, row[before], row[after]) for before, after in pairwise(COLUMNS) if row[before] != row[after]]
    return [pair for pair in pairs if pair[1] != NO_PARAMETER or str(row["section"]).startswith(_BROKEN)]


def _changes(frame: pd.DataFrame) -> list[str]:
    return [
        f"patch {number}: {row['section']} {row['line']}: {before} becomes {after}"
        for row in frame.to_dict("records")
        for number, before, after in _changed(row)
    ]


def _draw_heading(picture: go.Figure, y: int, said: str, theme: look.Theme) -> None:
    picture.add_shape(type="line", xref="paper", x0=0, x1=1, y0=y + 0.42, y1=y + 0.42, line={"color": theme.faint})
    picture.add_annotation(
        x=0, xref="paper", y=y, xanchor="left", text=f"<b>{look.plain(said)}</b>", font={"size": 12}, yshift=-2
    )


def _draw_cell(picture: go.Figure, x: int, y: int, said: Any, changed: bool, theme: look.Theme) -> None:
    bug = _bug(said)
    text, colour, share = _CELLS.get(said, ("" if said == "-" else str(said).partition("@")[0], look.SKY, 0.12))
    if bug is not None:
        text, colour, share = bug, look.VERMILION, 0.6
    elif said == "-":
        text, share = ".", 0.0
    if share:
        picture.add_shape(
            type="rect", x0=x - 0.46, x1=x + 0.46, y0=y - 0.4, y1=y + 0.4, fillcolor=look.tint(colour, share),
            line={"color": theme.ink if changed else look.tint(colour, 0.6), "width": 2.5 if changed else 0.5},
            layer="below",
        )  # fmt: skip
    weight = f"<b>{text}</b>" if bug is not None or changed else text
    picture.add_annotation(x=x, y=y, text=weight, font={"size": 11, "color": theme.ink if share else theme.soft})


def _hover(x: int, line: str, said: str) -> str:
    patch = "the base, no patch" if x == 0 else f"with patches 1 to {x}; {x}/8: {PATCHES[x - 1].title}"
    told = re.sub(r"@(\d+)", r" in \1 steps", said) if said != NO_PARAMETER else "nothing"
    return "<br>".join(look.plain(text) for text in (patch, f"{line}: {told}"))
