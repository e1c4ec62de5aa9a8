"""How every picture looks, on light pages and on dark ones: colours, fonts, captions, 64-bit values as hex text."""

from __future__ import annotations

import html
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from kvmlab.inquiry.units import binary_size
from kvmlab.report.jsonable import hex_or_none

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Okabe and Ito's palette (Color Universal Design, 2008): told apart with any of the common forms of colour blindness.
ORANGE: Final = "#e69f00"
SKY: Final = "#56b4e9"
GREEN: Final = "#009e73"
YELLOW: Final = "#f0e442"
BLUE: Final = "#0072b2"
VERMILION: Final = "#d55e00"
PURPLE: Final = "#cc79a7"
GREY: Final = "#999999"
PALETTE: Final = (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, YELLOW, GREY)

_CAPTION_LINE: Final = 16
_CAPTION_SIZE: Final = 12
# The narrowest picture in pixels in which nothing may be cut, and how wide a character is for its height.
_NARROW: Final = 700
_WIDE: Final = 0.53
# Characters of a title that fit into a picture of 700 pixels.
_TITLE_WIDTH: Final = 78
_TITLE_LINE: Final = 20
SANS: Final = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"
MONO: Final = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a page that a picture stands on, all as `#rrggbb`.

    Args:
        name: of the plotly template.
        paper, ink, soft, faint: the ground, text, lesser text, lines.
        ramp: from a little to much, in one hue and away from the paper.
    """

    name: str
    paper: str
    ink: str
    soft: str
    faint: str
    ramp: tuple[str, str, str]

    @property
    def colours(self) -> tuple[str, ...]:
        """All its colours, in an order that is the same for every theme."""
        return (self.paper, self.ink, self.soft, self.faint, *self.ramp)


LIGHT: Final = Theme("kvmlab", "#ffffff", "#1a1a1a", "#595959", "#d9d9d9", ("#a3cbe6", "#2b7bba", "#08264d"))
DARK: Final = Theme("kvmlab_dark", "#16181d", "#ececec", "#a8adb7", "#3a3f4a", ("#2f5577", "#5ba7dd", "#dcf1ff"))


def template(theme: Theme = LIGHT) -> go.layout.Template:
    """The plotly template for one theme; both themes share everything but paper and ink.

    >>> template(DARK).layout.paper_bgcolor
    '#16181d'
    """
    import plotly.graph_objects as go

    axis = {
        "showgrid": False,
        "zeroline": False,
        "linecolor": theme.faint,
        "tickcolor": theme.faint,
        "ticks": "outside",
        "gridcolor": theme.faint,
        "automargin": True,
        "title": {"standoff": 12},
    }
    layout = go.Layout(
        font={"family": SANS, "size": 13, "color": theme.ink},
        paper_bgcolor=theme.paper,
        plot_bgcolor=theme.paper,
        colorway=PALETTE,
        title={
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 12, "l": 16},
            "font": {"size": 16},
        },
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "xanchor": "left", "title": {"side": "left"}},
        hoverlabel={"font": {"family": MONO, "size": 12}, "align": "left", "namelength": -1},
        hovermode="closest",
        modebar={"remove": ["sendChartToCloud", "select2d", "lasso2d"]},
        margin={"l": 16, "r": 16, "t": 88, "b": 0},
        xaxis=axis,
        yaxis=axis,
        annotationdefaults={"font": {"color": theme.ink}, "showarrow": False},
        shapedefaults={"line": {"color": theme.soft, "width": 1}},
        colorscale={"sequential": "Cividis", "sequentialminus": "Cividis", "diverging": "PuOr"},
    )
    return go.layout.Template(layout=layout)


def figure(*traces: object) -> go.Figure:
    """A figure in this project's template: dark if plotly's default template is `kvmlab_dark`, else light."""
    import plotly.graph_objects as go
    import plotly.io as pio

    for theme in (LIGHT, DARK):
        if theme.name not in pio.templates:
            pio.templates[theme.name] = template(theme)
    chosen = DARK.name if pio.templates.default == DARK.name else LIGHT.name
    return go.Figure(data=list(traces), layout={"template": chosen})


def theme_of(picture: go.Figure) -> Theme:
    """The theme that a figure was made in."""
    return DARK if picture.layout.template.layout.paper_bgcolor == DARK.paper else LIGHT


def hex_of(value: int | None) -> str:
    """A 64-bit value as text: lower-case hex with `0x`, or a dash where the text is silent.

    >>> hex_of(0xfb1665), hex_of(0), hex_of(None)
    ('0xfb1665', '0x0', '-')
    """
    return hex_or_none(None if value is None else int(value)) or "-"


def size_of(n_bytes: int) -> str:
    """A size in binary units, at most two decimals.

    >>> size_of(0xfb1665 << 12), size_of(16 << 20), size_of(4096)
    ('62.77 GiB', '16 MiB', '4 KiB')
    """
    return binary_size(int(n_bytes)).replace(".00 ", " ")


def plain(text: object) -> str:
    """Text of a log as plotly shall show it: never as markup, control characters visible.

    >>> plain("<script>&")
    '&lt;script&gt;&amp;'
    >>> plain("a" + chr(27) + "[0m")
    'a\\\\x1b[0m'
    """
    return html.escape(visible(text), quote=False)


def visible(text: object) -> str:
    """Text of a log with its control characters written out, so that it cannot drive a terminal.

    >>> visible("a" + chr(27) + "[0m" + chr(0x202e))
    'a\\\\x1b[0m\\\\u202e'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def tint(colour: str, share: float) -> str:
    """The colour `#rrggbb` laid thinly over whatever the paper is: share 0 is nothing, 1 is full.

    >>> tint(BLUE, 0.25)
    'rgba(0,114,178,0.25)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share:g})"


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on `#rrggbb`.

    >>> ink_on(YELLOW), ink_on(BLUE)
    ('#000000', '#ffffff')
    """
    return "#000000" if contrast(colour, "#000000") >= contrast(colour, "#ffffff") else "#ffffff"


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two `#rrggbb` colours, 1 to 21 (W3C, Web Content Accessibility Guidelines 2.2).

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _below(picture: go.Figure) -> int:
    """Pixels between the plot and its caption: few for a hidden axis, more for a title or slanting labels."""
    axis = picture.layout.xaxis
    if axis.visible is False:
        return 10
    return 104 if axis.tickangle else 58 if axis.title.text else 40


def _room_for_text(picture: go.Figure) -> int:
    """Characters of a caption beside the labels of the vertical axis, in a picture of 700 pixels."""
    axis = picture.layout.yaxis
    size = axis.tickfont.size or 13
    labels = [part for text in axis.ticktext or () for part in html.unescape(str(text)).split("<br>")]
    left = max((len(label) for label in labels), default=6) * size * _WIDE + (24 if axis.title.text else 0)
    return max(40, int((_NARROW - left - 32) / (_CAPTION_SIZE * _WIDE)))


def _fold_title(picture: go.Figure) -> None:
    """A long title in two lines, with the room that the second one takes."""
    title = str(picture.layout.title.text or "")
    if len(html.unescape(title)) <= _TITLE_WIDTH or "<br>" in title:
        return
    lines = wrap(title, _TITLE_WIDTH, break_long_words=False)
    more = _TITLE_LINE * (len(lines) - 1)
    margin = (picture.layout.margin.t or picture.layout.template.layout.margin.t) + more
    picture.update_layout(
        title={"text": "<br>".join(lines)}, margin={"t": margin}, height=(picture.layout.height or 450) + more
    )


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def caption(
    picture: go.Figure,
    text: str,
    *,
    n: str,
    source: str | None,
    kernel: str | None,
    alt: str,
    width: int = 92,
) -> go.Figure:
    """Put the line under a picture that says what it counts, from where and for which kernel, and its text alternative.

    Args:
        picture: the figure; changed in place and returned.
        text: a sentence on how to read it, units included.
        n: what was counted, e.g. `48 entries`.
        source: source case or file, None if the caller did not say.
        kernel: release text, None if the log does not hold it.
        alt: the picture in words, for people who do not see it.
        width: characters a line, fewer where labels on the left leave less room in a picture of 700 pixels.
    """
    facts = f"n = {n}; source: {source or 'not given'}; kernel: {kernel or 'not in the log'}"
    width = min(width, _room_for_text(picture))
    lines = [*wrap(text, width), *wrap(facts, width)]
    theme = theme_of(picture)
    below = _below(picture)
    room, bottom = below + _CAPTION_LINE * len(lines) + 12, picture.layout.margin.b or 0
    if bottom < room:
        picture.update_layout(margin={"b": room}, height=(picture.layout.height or 450) + room - bottom)
    _fold_title(picture)
    picture.add_annotation(
        text="<br>".join(plain(line) for line in lines),
        xref="paper",
        yref="paper",
        x=0,
        y=0,
        xanchor="left",
        yanchor="top",
        yshift=-below,
        align="left",
        showarrow=False,
        font={"size": _CAPTION_SIZE, "color": theme.soft},
        name="caption",
    )
    picture.update_layout(meta={"alt": alt, "caption": " ".join(lines)})
    return picture
