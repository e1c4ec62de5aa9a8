"""What every picture must keep to, whatever it shows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import plotly.graph_objects as go

LARGEST_EXACT_NUMBER = 2**53


def check_figure(picture: go.Figure) -> dict[str, Any]:
    """Hold a figure against the rules of the charts room and return it as plain JSON."""
    return check_told(json.loads(picture.to_json()))


def check_told(told: dict[str, Any]) -> dict[str, Any]:
    """The same for a figure that is plain JSON already."""
    numbers = [n for n in _numbers(told) if abs(n) > LARGEST_EXACT_NUMBER]
    assert not numbers, f"a browser would round these: {numbers[:3]}"
    meta = told["layout"]["meta"]
    assert len(meta["alt"]) > 20
    assert "n = " in meta["caption"]
    assert "source:" in meta["caption"]
    assert "kernel:" in meta["caption"]
    # What stands in `meta` is never drawn; whoever puts it into a page escapes it.
    drawn = {**told, "layout": {key: value for key, value in told["layout"].items() if key != "meta"}}
    assert "<script" not in " ".join(_texts(drawn))
    assert told["layout"]["title"]["text"]
    return told


def _walk(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for part in value.values():
            yield from _walk(part)
    elif isinstance(value, list):
        for part in value:
            yield from _walk(part)
    else:
        yield value


def _numbers(value: Any) -> list[float]:
    return [v for v in _walk(value) if isinstance(v, int | float) and not isinstance(v, bool)]


def _texts(value: Any) -> list[str]:
    return [v for v in _walk(value) if isinstance(v, str)]
