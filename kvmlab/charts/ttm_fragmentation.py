"""How many pages of a buffer are tails, by how much memory is free and how finely it is broken, beside the formula."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts import template as look
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.ttm_sweep import sweep

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

_KEY: Final = ["release", "cluster"]


class NoSweep(KvmlabError):
    """A sweep in which no buffer was filled, or buffers of several sizes or modes."""


def df_ttm_fragmentation(**settings: Any) -> pd.DataFrame:
    """`kvmlab.inquiry.ttm_sweep.sweep` over one size of buffer and one caching mode.

    Args:
        settings: its arguments.

    Raises:
        NoSweep: several sizes or caching modes, which one picture cannot show.
        TtmError, ZoneError, BuddyError, UnknownRelease: something that cannot be.
    """
    frame = sweep(**settings)
    if frame["pages"].nunique() > 1 or frame["caching"].nunique() > 1:
        raise NoSweep("one picture shows one size of buffer and one caching mode; ask for one of each")
    frame.attrs |= {
        "source": f"the model, aged memory of {frame.attrs['size']}",
        "kernel": ", ".join(dict.fromkeys(frame["release"])),
    }
    return frame


def plot_ttm_fragmentation(frame: pd.DataFrame) -> go.Figure:
    """Draw `df_ttm_fragmentation`'s frame: share of tails over the share of free memory, a line a cluster and kernel.

    Args:
        frame: as `df_ttm_fragmentation` returns it.

    Raises:
        NoSweep: no buffer was filled.
    """
    import plotly.graph_objects as go

    filled = frame[~frame["failed"]]
    if filled.empty:
        raise NoSweep("no buffer of the sweep found memory, so there is nothing to draw")
    pages = int(filled["pages"].iloc[0])
    picture = look.figure()
    theme = look.theme_of(picture)
    releases, clusters = list(dict.fromkeys(frame["release"])), sorted(set(frame["cluster"]))
    for release, cluster in filled[_KEY].drop_duplicates().itertuples(index=False):
        part = filled[(filled["release"] == release) & (filled["cluster"] == cluster)]
        mean = part.groupby("free_share")["tail_share"].agg(["mean", "min", "max"])
        picture.add_trace(
            go.Scatter(
                x=100 * mean.index,
                y=100 * mean["mean"],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": 100 * (mean["max"] - mean["mean"]),
                    "arrayminus": 100 * (mean["mean"] - mean["min"]),
                    "thickness": 1,
                },
                mode="lines+markers",
                name=_name(look.plain(release), int(cluster), len(releases)),
                line={"color": look.PALETTE[clusters.index(cluster) % 7], "dash": _dash(releases.index(release))},
                hovertemplate="%{x:.0f} % free: %{y:.2f} % tails<extra>%{fullData.name}</extra>",
            )
        )
    formula = frame.drop_duplicates("free_share").sort_values("free_share")
    picture.add_trace(
        go.Scatter(
            x=100 * formula["free_share"],
            y=100 * formula["scattered_tail_share"],
            mode="lines",
            name="formula: each page free by itself",
            line={"color": theme.soft, "dash": "dot"},
            hovertemplate="%{x:.0f} % free: %{y:.2f} % tails<extra>%{fullData.name}</extra>",
        )
    )
    highest = float(frame["highest_tail_share"].iloc[0])
    picture.add_hline(
        y=100 * highest,
        line={"color": theme.soft, "dash": "dash", "width": 1},
        annotation={"text": f"whole memory: {100 * highest:.2f} %", "font": {"color": theme.soft, "size": 12}},
        annotation_position="top right",
    )
    lowest = float(filled["tail_share"].min())
    said = (
        f"From {100 * lowest:.1f} % to {100 * float(filled['tail_share'].max()):.1f} % of a buffer's {pages:,} pages "
        "are tails"
    )
    picture.update_layout(
        title={"text": said},
        height=400,
        xaxis={"title": {"text": "share of the memory that is free, %"}, "range": [0, 100]},
        yaxis={
            "title": {"text": "share of the buffer's pages that are tails, %"},
            "showgrid": True,
            "rangemode": "tozero",
        },
        legend={"y": 1.02},
        margin={"t": 104, "b": 0},
    )
    failed = int(frame["failed"].sum())
    return look.caption(
        picture,
        "A line is memory that was filled and then freed in clusters of so many blocks, from a seed; bars are "
        "the range over the seeds. Small clusters scatter what is free.",
        n=f"{len(frame):,} buffers of {pages:,} pages" + (f", {failed:,} of them found no memory" if failed else ""),
        source=frame.attrs.get("source"),
        kernel=frame.attrs.get("kernel"),
        alt=f"{said}, between {100 * float(frame['free_share'].min()):.0f} % and "
        f"{100 * float(frame['free_share'].max()):.0f} % of free memory.",
    )


def _name(release: str, cluster: int, releases: int) -> str:
    said = f"{cluster:,} {'block' if cluster == 1 else 'blocks'} a cluster"
    return said if releases == 1 else f"{release}: {said}"


def _dash(number: int) -> str:
    return ("solid", "dash", "dashdot", "longdash")[number % 4]
