"""The template: contrast on both themes, hex text, nothing of a log read as markup."""

from __future__ import annotations

import itertools

import plotly.io as pio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.charts import template as look


@pytest.mark.parametrize("theme", [look.LIGHT, look.DARK], ids=lambda t: t.name)
def test_texts_are_readable_on_their_paper(theme: look.Theme) -> None:
    assert look.contrast(theme.ink, theme.paper) >= 7
    assert look.contrast(theme.soft, theme.paper) >= 4.5


@pytest.mark.parametrize("theme", [look.LIGHT, look.DARK], ids=lambda t: t.name)
def test_the_ramp_runs_away_from_the_paper(theme: look.Theme) -> None:
    steps = [look.contrast(colour, theme.paper) for colour in theme.ramp]
    assert steps == sorted(steps)
    assert steps[0] >= 1.6
    assert steps[2] >= 7


@pytest.mark.parametrize("colour", look.PALETTE)
def test_ink_on_every_colour_is_readable(colour: str) -> None:
    assert look.contrast(look.ink_on(colour), colour) >= 4.5


@pytest.mark.parametrize("theme", [look.LIGHT, look.DARK], ids=lambda t: t.name)
@pytest.mark.parametrize("colour", look.PALETTE)
def test_ink_is_readable_on_a_tinted_block(theme: look.Theme, colour: str) -> None:
    mixed = "#" + "".join(
        f"{round(int(colour[i : i + 2], 16) * 0.3 + int(theme.paper[i : i + 2], 16) * 0.7):02x}" for i in (1, 3, 5)
    )
    assert look.contrast(theme.ink, mixed) >= 4.5


def test_colours_of_the_palette_differ_in_more_than_hue() -> None:
    values = sorted(look.contrast(colour, "#000000") for colour in look.PALETTE[:7])
    assert all(b / a > 1.01 for a, b in itertools.pairwise(values))


def test_one_template_for_light_and_dark() -> None:
    light, dark = (look.template(theme).to_plotly_json()["layout"] for theme in (look.LIGHT, look.DARK))
    swap = dict(zip(look.LIGHT.colours, look.DARK.colours, strict=True))
    text = str(light)
    for old, new in swap.items():
        text = text.replace(old, new)
    assert text == str(dark)


def test_the_dark_theme_is_chosen_by_plotlys_own_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look.theme_of(look.figure()) is look.LIGHT
    monkeypatch.setattr(pio.templates, "default", look.DARK.name)
    assert look.theme_of(look.figure()) is look.DARK


@given(st.text())
def test_plain_text_is_never_markup(text: str) -> None:
    shown = look.plain(text)
    assert "<" not in shown
    assert ">" not in shown
    assert shown.isprintable()


def test_a_caption_says_what_is_missing() -> None:
    picture = look.caption(look.figure(), "Read so.", n="3 pages", source=None, kernel=None, alt="nothing to see")
    assert picture.layout.meta["caption"] == "Read so. n = 3 pages; source: not given; kernel: not in the log"
    assert picture.layout.annotations[0].name == "caption"
