"""Contrast of what is read on an exported page: the ratios of WCAG 2.2, light and dark, on screen and on paper."""

from __future__ import annotations

import re
from importlib import resources
from itertools import product

import pytest

from kvmlab.charts.template import contrast
from kvmlab.writeup.html import _code_colours

AA = 4.5
CSS = (resources.files("kvmlab.writeup") / "page" / "page.css").read_text(encoding="utf-8")


def variables() -> dict[str, dict[str, str]]:
    """The colours of each of the page's `:root` blocks: screen in the light, screen in the dark, paper."""
    blocks = [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{([^}]*)\}", CSS)]
    return dict(zip(("light", "dark", "print"), blocks, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_words_stand_out_from_what_they_stand_on(theme: str) -> None:
    colours = variables()[theme]
    for ink, ground in product(("ink", "soft", "link"), ("paper", "tint")):
        assert contrast(colours[ink], colours[ground]) >= AA, (ink, ground)
    assert contrast(colours["ink"], colours["paper"]) >= 7


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_code_is_readable_on_its_ground(theme: str) -> None:
    light, dark = _code_colours().split("@media", 1)
    ground = variables()[theme]["tint"]
    rules = re.findall(
        r"\.highlight (\.\w+) \{[^}]*?(?<![-\w])color: (#[0-9A-Fa-f]{6})", dark if theme == "dark" else light
    )
    assert len(rules) > 20
    # `.w` is white space: nothing is read in it.
    assert [(name, colour) for name, colour in rules if name != ".w" and contrast(colour.lower(), ground) < AA] == []


def test_no_other_colour_carries_words() -> None:
    named = {colour for block in variables().values() for colour in block.values()}
    others = set(re.findall(r"(?<![-\w])color: ?(#[0-9a-f]{3,6})", CSS)) - named
    assert others == set()
