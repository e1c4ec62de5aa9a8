"""How commands print: rich tables in a terminal, plain lines in a pipe, one JSON document with `--json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def printable(text: str) -> str:
    """The text with control characters made visible, so that a log cannot drive the terminal.

    Args:
        text: any text from a log.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in text)


def print_json(document: Any) -> None:
    """Print one JSON document; text that is not valid Unicode stays escaped."""
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


class Output:
    """A sink for headings, sentences and tables.

    Args:
        width: columns of the plain form; None keeps lines as long as they are.
    """

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self._console: Any = None

    def _rich(self) -> Any:
        if self._console is None:
            from rich.console import Console

            self._console = Console(highlight=False, markup=False, emoji=False)
        return self._console

    def heading(self, text: str) -> None:
        """Print a heading."""
        if self.terminal:
            self._rich().print(printable(text), style="bold")
        else:
            print(printable(text))

    def text(self, text: str = "") -> None:
        """Print a sentence."""
        if self.terminal:
            self._rich().print(printable(text))
        else:
            print(printable(text))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, styles: Sequence[str] = ()) -> None:
        """Print a table: boxed in a terminal, aligned columns (the last one ragged) in a pipe.

        Args:
            columns: the headings.
            rows: cells; None prints as an empty cell.
            styles: a rich style for each row, for terminals only.
        """
        cells = [["" if cell is None else printable(str(cell)) for cell in row] for row in rows]
        if self.terminal:
            from rich import box
            from rich.table import Table
            from rich.text import Text

            table = Table(*columns, box=box.SIMPLE_HEAD, header_style="bold")
            for number, row in enumerate(cells):
                table.add_row(*map(Text, row), style=styles[number] if number < len(styles) else None)
            self._rich().print(table)
            return
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for row in [list(columns), *cells]:
            padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
            print("  ".join([*padded, row[-1]]).rstrip())


def error_note(text: str) -> None:
    """A message to the person at the terminal; never part of the output."""
    print(f"kvmlab: {printable(text)}", file=sys.stderr)
