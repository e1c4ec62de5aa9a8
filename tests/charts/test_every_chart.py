"""What is promised of every chart, held against an example of each: nobody can add one that does not keep it."""

from __future__ import annotations

import importlib
import itertools
import json
import pkgutil
import re
from typing import Any

import plotly.io as pio
import pytest

import kvmlab.charts
from kvmlab.charts import template as look
from tests.charts.figures import check_figure
from tests.charts.gallery import EXAMPLES, LARGE

MOST_MARKERS = 20_000
MOST_SEGMENTS = 3_000
MOST_CELLS = 1 << 16
MOST_HOVER_MB = 3.0
# Where a mark's hover text leads: a line of a log, a step or event, the page itself, or what the model was given.
LEADS = re.compile(
    r"line \d|step \d|in \d+ steps|event \d|0x[0-9a-f]+|pfn %|order \d|group \d|% free|case|step %", re.I
)


def modules_with_charts() -> list[str]:
    """Modules of the charts room that draw something."""
    found = []
    for module in pkgutil.iter_modules(kvmlab.charts.__path__):
        loaded = importlib.import_module(f"kvmlab.charts.{module.name}")
        if any(name.startswith("plot_") for name in vars(loaded)):
            found.append(module.name)
    return found


def told_of(name: str) -> dict[str, Any]:
    """A chart's example as plain JSON."""
    return check_figure(EXAMPLES[name]())


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    """All examples, drawn once."""
    return {name: told_of(name) for name in EXAMPLES}


def test_every_chart_has_an_example_and_is_a_pair() -> None:
    assert sorted(EXAMPLES) == modules_with_charts()
    for name in EXAMPLES:
        module = importlib.import_module(f"kvmlab.charts.{name}")
        assert callable(getattr(module, f"df_{name}")), name
        assert callable(getattr(module, f"plot_{name}")), name


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_caption_units_and_words(told: dict[str, dict[str, Any]], name: str) -> None:
    layout = told[name]["layout"]
    caption = layout["meta"]["caption"]
    assert re.search(r"n = .+; source: .+; kernel: ", caption)
    assert "kernel: not in the log" not in caption
    assert "source: not given" not in caption
    assert len(layout["title"]["text"]) < 110
    assert any(a.get("name") == "caption" for a in layout["annotations"])
    # Words for those who do not see it: numbers of this very picture, not a description of its kind.
    assert re.search(r"\d", layout["meta"]["alt"])
    assert len(layout["meta"]["alt"]) > 40


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_both_themes_and_colours_that_all_can_tell_apart(
    told: dict[str, dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pio.templates, "default", look.DARK.name)
    dark = json.dumps(told_of(name))
    light = json.dumps(told[name])
    swaps = dict(zip(look.LIGHT.colours, look.DARK.colours, strict=True))
    known = {c.lower() for theme in (look.LIGHT, look.DARK) for c in theme.colours} | set(look.PALETTE)
    drawn = {c.lower() for c in re.findall(r"#[0-9a-fA-F]{6}\b", _without_template(told[name]))}
    ramp = {c for c in drawn - known - {"#000000", "#ffffff"} if not _between(c)}
    assert not ramp, f"colours of no palette: {ramp}"
    assert look.LIGHT.paper in light
    assert look.DARK.paper in dark
    # An exported page turns a light picture into a dark one by exchanging these colours.
    assert not [c for c in swaps if c not in ("#ffffff",) and c in _without_template(json.loads(dark))]


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_pointing_at_a_mark_leads_to_where_it_comes_from(told: dict[str, dict[str, Any]], name: str) -> None:
    words = [text for trace in told[name]["data"] for text in _hovers(trace)]
    assert words, "nothing says anything when it is pointed at"
    assert any(LEADS.search(text) for text in words), words[:3]
    # 64-bit values are hex text: a long number in decimals would be a pfn or an address.
    assert not [text for text in words if re.search(r"(?<![\w.,])\d{8,}(?![\w.])", text)][:3]


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) | set(LARGE)))
def test_no_browser_gets_more_than_it_can_draw(told: dict[str, dict[str, Any]], name: str) -> None:
    figures = [told[name]] + ([check_figure(LARGE[name]())] if name in LARGE else [])
    for figure in figures:
        markers = sum(_length(t["x"]) for t in figure["data"] if "markers" in t.get("mode", ""))
        bars = sum(_length(t["y"]) for t in figure["data"] if t["type"] == "bar")
        shapes = len(figure["layout"].get("shapes", ()))
        cells = sum(_length(t["z"]) for t in figure["data"] if t["type"] == "heatmap")
        assert markers <= MOST_MARKERS
        assert bars + shapes <= MOST_SEGMENTS
        assert cells <= MOST_CELLS
        assert len(figure["layout"].get("annotations", ())) <= MOST_SEGMENTS
        assert len(json.dumps(figure)) / 1e6 <= MOST_HOVER_MB


def test_charts_whose_input_grows_have_a_large_example() -> None:
    bounded = {"capture_matrix", "capture_refs", "capture_storms", "policy_matrix", "replay", "swim_lanes"}
    assert set(EXAMPLES) - set(LARGE) <= bounded | {"page_life", "page_scene", "ttm_fragmentation", "v11_series"}


def _without_template(told: dict[str, Any]) -> str:
    return json.dumps({"data": told["data"], "layout": {k: v for k, v in told["layout"].items() if k != "template"}})


def _between(colour: str) -> bool:
    """Whether a colour lies on a theme's ramp."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    for theme in (look.LIGHT, look.DARK):
        ends = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in theme.ramp]
        for low, high in itertools.pairwise(ends):
            if all(min(a, b) <= p <= max(a, b) for a, b, p in zip(low, high, parts, strict=True)):
                return True
    return False


def _hovers(trace: dict[str, Any]) -> list[str]:
    found = trace.get("hovertext") or trace.get("text") or []
    texts = (
        [found]
        if isinstance(found, str)
        else [str(t) for row in found for t in (row if isinstance(row, list) else [row])]
    )
    template = trace.get("hovertemplate")
    if isinstance(template, str):
        texts.append(template)
    return [] if trace.get("hoverinfo") == "skip" else texts


def _length(values: Any) -> int:
    """Entries of an array, as a list, a list of rows or typed bytes."""
    if isinstance(values, dict):
        shape = [int(n) for n in str(values.get("shape", "")).replace(" ", "").split(",") if n]
        if shape:
            return shape[0] * (shape[1] if len(shape) > 1 else 1)
        size = {"1": 1, "2": 2, "4": 4, "8": 8}[values["dtype"][-1]]
        return len(values["bdata"]) * 3 // 4 // size
    return sum(len(row) if isinstance(row, list) else 1 for row in values)
