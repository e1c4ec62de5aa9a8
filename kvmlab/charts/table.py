"""Frames as tables that people read: 64-bit values in hex, nothing cut short, no row numbers, text of a log escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts.template import hex_of, visible

if TYPE_CHECKING:
    import pandas as pd

HEX_COLUMNS: Final = frozenset({"pfn", "index", "flags", "hva", "first", "last", "mapping", "raw"})
MOST_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Table:
    """A frame made ready to be read; a notebook shows it as HTML, a terminal as aligned text.

    Args:
        columns: the headings.
        rows: the cells as text.
        caption: a sentence above it, None for none.
        left_out: rows that are not shown.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str | None = None
    left_out: int = 0

    def __str__(self) -> str:
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        lines = [self.caption] if self.caption else []
        for row in (self.columns, *self.rows):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            lines.append("  ".join(cells).rstrip())
        return "\n".join([*lines, *self._rest()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        heads = "".join(
            f'<th scope="col" style="text-align:left">{html.escape(column)}</th>' for column in self.columns
        )
        body = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in row) + "</tr>"
            for row in self.rows
        )
        caption = f"<caption>{html.escape(self.caption)}</caption>" if self.caption else ""
        rest = "".join(f"<p>{line}</p>" for line in self._rest())
        return f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>{rest}"

    def _rest(self) -> list[str]:
        return [f"... and {self.left_out} more rows"] if self.left_out else []


def table(
    frame: pd.DataFrame, columns: Sequence[str] | None = None, *, caption: str | None = None, rows: int = MOST_ROWS
) -> Table:
    """Make a table of a frame.

    Args:
        frame: any frame; columns such as `pfn`, `flags` or `hva` are written in hex.
        columns: those to show, in this order; all if None.
        caption: a sentence above the table.
        rows: the most rows to show; the table says how many are left out.

    >>> import pandas as pd
    >>> print(table(pd.DataFrame({"pfn": [0xfb1665], "marks": [("in stack", "bad page")], "cpu": [None]})))
    pfn       marks               cpu
    0xfb1665  in stack, bad page  -
    """
    part = frame if columns is None else frame[list(columns)]
    cells = tuple(
        tuple(_cell(str(name), value) for name, value in zip(part.columns, row, strict=True))
        for row in part.head(rows).itertuples(index=False, name=None)
    )
    return Table(
        tuple(visible(c) for c in part.columns),
        cells,
        None if caption is None else visible(caption),
        max(0, len(part) - rows),
    )


def _cell(name: str, value: Any) -> str:
    import pandas as pd

    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(_cell(name, part) for part in value)
    if value is None or pd.isna(value):
        return "-"
    if isinstance(value, bool) or str(value) in ("True", "False"):
        return "yes" if value else "no"
    if name in HEX_COLUMNS and not isinstance(value, str):
        return hex_of(int(value))
    return visible(value)
