"""Measure the pictures of many pfns: `python -m benchmarks.charts [--pages N] [--no-browser] [--check] [--json]`.

Targets for ten million pfns: their runs in a second, a figure in 0.25 s, at most 0.5 MB of HTML beside plotly.js (3 MB
for a map with texts on hover), a pan at most 2.5 times that of a two-point figure. `--check` fails if one is missed by
more than half, on a machine that others may use. Raw scattergl is measured at a tenth of the pages: at ten million one
step of its pan takes many seconds. datashader and plotly-resampler are measured where they are installed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from benchmarks.charts.browser import Browser
from benchmarks.charts.inputs import lines_of, single_pfns, storm
from kvmlab.charts.pfn_map import df_pfn_map, plot_pfn_map
from kvmlab.charts.pfn_strip import df_pfn_strip, plot_pfn_strip
from kvmlab.inquiry.pfn_ranges import pfn_ranges

# What `--check` holds a figure to: seconds to build, megabytes of HTML, pan beside a two-point figure; half on top.
GATES = {"build_s": 0.25 * 1.5, "html_mb": 0.5, "pan_ratio": 2.5 * 1.5}
RUNS_SECONDS = 1.0 * 1.5
HOVER_MB = 3.0


def main() -> int:
    """Run all and print a table; with --check, 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=10_000_000, help="pfns in the set (10,000,000)")
    parser.add_argument("--no-browser", action="store_true", help="only build and weigh")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed by more than half")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    args = parser.parse_args()
    ranges = storm(args.pages)
    pfns = single_pfns(ranges)
    few = pfns[: max(1, len(pfns) // 10)]
    named = lines_of(ranges)
    makers: dict[str, Callable[[], go.Figure]] = {
        "two points": lambda: go.Figure(go.Scatter(x=[0, 1], y=[0, 1])),
        "pfn map": lambda: plot_pfn_map(df_pfn_map(ranges)),
        "pfn map, one GiB in view": lambda: plot_pfn_map(df_pfn_map(ranges, first=1 << 25, last=(1 << 25) + (1 << 18))),
        "pfn strip": lambda: plot_pfn_strip(df_pfn_strip({"all": ranges})),
        "pfn map, lines on hover": lambda: plot_pfn_map(df_pfn_map(ranges, lines=named)),
        f"raw scattergl, {len(few):,} pfns": lambda: go.Figure(
            go.Scattergl(x=np.arange(len(few), dtype=np.float32), y=few.astype(np.float64), mode="markers")
        ),
        **_others(few),
    }
    rows: list[dict[str, Any]] = [
        {"figure": "runs of the pfns", "build_s": _seconds(lambda: pfn_ranges(pfns))},
        {"figure": "the same with pandas", "build_s": _seconds(lambda: _runs_by_pandas(pfns), times=1)},
    ]
    rows[0]["over_pandas"] = rows[1]["build_s"] / rows[0]["build_s"]
    with tempfile.TemporaryDirectory() as folder:
        if args.no_browser:
            rows += [_measure(name, make, None) for name, make in makers.items()]
        else:
            with Browser(Path(folder)) as browser:
                rows += [_measure(name, make, browser) for name, make in makers.items()]
    floor = next((r["pan_ms"] for r in rows if r["figure"] == "two points" and "pan_ms" in r), None)
    for row in rows:
        if floor and "pan_ms" in row:
            row["pan_ratio"] = row["pan_ms"] / floor
    missed = _missed(rows)
    _report({"pages": ranges.pages, "runs": len(ranges), "rows": rows, "missed": missed}, as_json=args.json)
    return 1 if args.check and missed else 0


def _runs_by_pandas(pfns: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Runs as they are usually found: sort, drop doubles, number the runs, group by that."""
    pages = pd.Series(pfns).drop_duplicates().sort_values()
    run = (pages.diff() != 1).cumsum()
    return pages.groupby(run).agg(["min", "max", "size"])


def _missed(rows: list[dict[str, Any]]) -> list[str]:
    """The targets that were missed by more than half, one sentence each."""
    told = []
    if rows[0]["build_s"] > RUNS_SECONDS:
        told.append(f"the runs took {rows[0]['build_s']:.2f} s, more than {RUNS_SECONDS:g}")
    for row in rows:
        if row["figure"].startswith("pfn "):
            gates = GATES | ({"html_mb": HOVER_MB} if "hover" in row["figure"] else {})
            told += [
                f"{row['figure']}: {key} is {row[key]:.3g}, more than {most:g}"
                for key, most in gates.items()
                if row.get(key, 0) > most
            ]
    return told


def _others(pfns: np.ndarray[Any, Any]) -> dict[str, Callable[[], go.Figure]]:
    """The same pfns with other programs, where these are installed."""
    found: dict[str, Callable[[], go.Figure]] = {}
    x = np.arange(len(pfns), dtype=np.float64)
    try:
        import datashader

        frame = pd.DataFrame({"x": x, "y": pfns.astype(np.float64)})

        def shaded() -> go.Figure:
            counts = datashader.Canvas(1600, 900).points(frame, "x", "y").values
            return go.Figure(go.Heatmap(z=np.minimum(255, counts).astype(np.uint8)))

        found["datashader"] = shaded
    except ImportError:
        print("datashader is not installed: not measured")
    try:
        from plotly_resampler import FigureResampler

        def resampled() -> go.Figure:
            picture = FigureResampler(go.Figure())
            picture.add_trace(go.Scattergl(mode="markers"), hf_x=x, hf_y=pfns.astype(np.float64))
            return go.Figure(picture)

        found["plotly-resampler"] = resampled
    except ImportError:
        print("plotly-resampler is not installed: not measured")
    return found


def _seconds(make: Callable[[], object], *, times: int = 3) -> float:
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        make()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def _measure(name: str, make: Callable[[], go.Figure], browser: Browser | None) -> dict[str, Any]:
    row: dict[str, Any] = {"figure": name, "build_s": _seconds(make)}
    picture = make()
    row["html_mb"] = len(picture.to_html(include_plotlyjs=False, full_html=False)) / 1e6
    if browser is not None:
        drawn = browser.draw("".join(c if c.isalnum() else "_" for c in name), picture)
        row |= {"first_ms": drawn.first_ms, "pan_ms": drawn.pan_ms}
    return row


def _report(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(told, indent=1))
        return
    print(f"{told['pages']:,} pfns in {told['runs']:,} runs")
    print(f"{'figure':34} {'build s':>8} {'HTML MB':>8} {'first ms':>9} {'pan ms':>7} {'x floor':>8}")
    for row in told["rows"]:
        cells = (
            f"{row[k]:{w}.{d}f}" if k in row else " " * w
            for k, w, d in (
                ("build_s", 8, 3),
                ("html_mb", 8, 2),
                ("first_ms", 9, 0),
                ("pan_ms", 7, 1),
                ("pan_ratio", 8, 2),
            )
        )
        print(f"{row['figure']:34} {' '.join(cells)}")
    print(f"the runs are found {told['rows'][0]['over_pandas']:.1f} times as fast as with pandas")
    for miss in told["missed"]:
        print(f"MISS {miss}")


if __name__ == "__main__":
    sys.exit(main())
