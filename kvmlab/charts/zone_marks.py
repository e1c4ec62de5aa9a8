"""Zones as boxes, each linear in itself and wide enough to be seen, and the 2 MiB around one page under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kvmlab.charts import template as look
from kvmlab.kernel.zones import zones

if TYPE_CHECKING:
    import plotly.graph_objects as go

_COLOURS: Final = (look.ORANGE, look.SKY, look.GREEN, look.PURPLE)
WIDTHS: Final = (1.0, 1.8, 5.2)
_PAGE: Final = 4096
_BLOCK_ORDER: Final = 9


@dataclass(frozen=True, slots=True)
class Box:
    """A zone as drawn: pfns `first` to `stop` (not inside) at `x`, `w` wide, linear inside."""

    name: str
    first: int
    stop: int
    x: float
    w: float
    colour: str

    def at(self, pfn: int) -> float:
        """Where a pfn lies on the picture's axis; beyond the zone is at its ends."""
        return self.x + self.w * min(max((pfn - self.first) / (self.stop - self.first), 0.0), 1.0)


def boxes_of(arch: str, largest: int) -> list[Box]:
    """The zones with a fixed place; the last one ends at the power of two above the largest pfn."""
    fixed = [z for z in zones(arch) if z.first_pfn is not None]
    if not fixed:
        return [Box("no fixed zones", 0, 1 << max(largest, 1).bit_length(), 0.0, sum(WIDTHS), look.GREY)]
    boxes, x = [], 0.0
    for i, zone in enumerate(fixed):
        first = zone.first_pfn or 0
        stop = 1 << max(largest, 2 * first, 1).bit_length()
        if zone.last_pfn is not None and i + 1 < len(fixed):
            stop = zone.last_pfn + 1
        width = WIDTHS[min(i, len(WIDTHS) - 1)] * (sum(WIDTHS) / sum(WIDTHS[: len(fixed)]))
        boxes.append(Box(zone.name, first, stop, x, width, _COLOURS[i % len(_COLOURS)]))
        x += width
    return boxes


def place_of(boxes: Sequence[Box], pfn: int) -> float:
    """Where a pfn lies on the picture's axis."""
    return next((box.at(pfn) for box in boxes if box.first <= pfn < box.stop), boxes[-1].at(pfn))


def draw_box(picture: go.Figure, box: Box, theme: look.Theme) -> None:
    """A zone with its name, and where it begins."""
    picture.add_shape(
        type="rect",
        x0=box.x,
        x1=box.x + box.w,
        y0=0,
        y1=1,
        fillcolor=look.tint(box.colour, 0.3),
        line={"color": box.colour, "width": 1.5},
        layer="below",
    )
    picture.add_annotation(
        x=box.x + 0.06,
        y=0.92,
        xanchor="left",
        yanchor="top",
        text=f"<b>{look.plain(box.name)}</b>",
        font={"size": 14, "color": theme.ink},
    )
    picture.add_annotation(
        x=box.x,
        y=-0.06,
        xanchor="left",
        yanchor="top",
        align="left",
        text=f"{look.hex_of(box.first)}<br>{look.size_of(box.first * _PAGE) if box.first else 0}",
        font={"size": 11, "color": theme.soft, "family": look.MONO},
    )


def draw_end(picture: go.Figure, box: Box, theme: look.Theme) -> None:
    """Where the last zone is drawn to, which is no knowledge of where memory ends."""
    picture.add_annotation(
        x=box.x + box.w,
        y=-0.06,
        xanchor="right",
        yanchor="top",
        align="right",
        text=f"{look.hex_of(box.stop - 1)}<br>{look.size_of(box.stop * _PAGE)}?",
        font={"size": 11, "color": theme.soft, "family": look.MONO},
    )


def address_of(pfn: int) -> str:
    """The physical address of a page, and the same as a size."""
    return f"{look.hex_of(int(pfn) * _PAGE)} ({look.size_of(int(pfn) * _PAGE)})"


def draw_pageblock(picture: go.Figure, pfn: int, x: float, theme: look.Theme) -> None:
    """The 512 pages around a single page, under the map, with the two lines that lead to it."""
    first = pfn >> _BLOCK_ORDER << _BLOCK_ORDER
    left, right, top, bottom = 1.0, sum(WIDTHS), -1.0, -1.4
    at = left + (right - left) * (pfn - first + 0.5) / (1 << _BLOCK_ORDER)
    for end in (left, right):
        picture.add_shape(
            type="line", x0=x, x1=end, y0=-0.0, y1=top, line={"color": theme.faint, "width": 1}, layer="below"
        )
    picture.add_shape(
        type="rect",
        x0=left,
        x1=right,
        y0=bottom,
        y1=top,
        fillcolor=look.tint(look.GREY, 0.2),
        line={"color": theme.soft, "width": 1},
    )
    picture.add_shape(type="line", x0=at, x1=at, y0=bottom, y1=top, line={"color": look.VERMILION, "width": 3})
    order = (pfn & -pfn).bit_length() - 1 if pfn else 10
    picture.add_annotation(
        x=left,
        y=bottom - 0.06,
        xanchor="left",
        yanchor="top",
        text=(
            f"its 2 MiB block, pfn {look.hex_of(first)} to {look.hex_of(first + 511)}: {pfn - first} pages in,"
            f"<br>where no block of an order above {min(order, 10)} can begin"
        ),
        align="left",
        font={"size": 12, "color": theme.soft},
    )
