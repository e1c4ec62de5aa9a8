"""What `explain` answers with: rows that say field, value, meaning and how it is known."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.inquiry.basis import Basis
from kvmlab.report.records import Report
from kvmlab.text.span import Span

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("Field", "Value", "What it means", "Observed, inferred or assumed")


@dataclass(frozen=True, slots=True)
class Row:
    """One statement about a report.

    Args:
        topic: heading that it belongs under.
        field: what is spoken of.
        value: the value, 64-bit numbers as hex.
        meaning: what it means, in a sentence.
        basis: how the meaning is known.
        span: where the value stands in the text; None for what the text does not hold.
    """

    topic: str
    field: str
    value: str
    meaning: str
    basis: Basis
    span: Span | None = None

    @property
    def line(self) -> int | None:
        """Number of the first physical line that the value stands on."""
        return None if self.span is None else self.span.first_line


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that the log does not hold.

    Args:
        what: what is missing.
        why: why it matters.
        how: how to get it on an affected host.
    """

    what: str
    why: str
    how: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that one report says, value by value.

    Args:
        report: the report.
        rows: the statements, by topic.
        gaps: what is missing from the log and how to get it.
    """

    report: Report
    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...]

    def topics(self) -> Iterable[tuple[str, tuple[Row, ...]]]:
        """The rows under each topic, in order."""
        for topic in dict.fromkeys(row.topic for row in self.rows):
            yield topic, tuple(row for row in self.rows if row.topic == topic)

    def find(self, field: str) -> Row:
        """The first row about a field.

        Raises:
            KeyError: no row has that field.
        """
        for row in self.rows:
            if row.field == field:
                return row
        raise KeyError(f"no row explains {field!r}; there are {sorted({r.field for r in self.rows})}")

    def df_rows(self) -> pd.DataFrame:
        """The rows as a frame: topic, the four columns of the table, and the line in the source."""
        import pandas as pd

        frame = pd.DataFrame(
            [(r.topic, r.field, r.value, r.meaning, str(r.basis), r.line) for r in self.rows],
            columns=["Topic", *COLUMNS, "Line"],
        )
        return frame.astype({"Line": "Int64"})

    def df_gaps(self) -> pd.DataFrame:
        """What is missing, as a frame."""
        import pandas as pd

        return pd.DataFrame(
            [(g.what, g.why, g.how) for g in self.gaps], columns=["Missing", "Why it matters", "How to get it"]
        )

    def __str__(self) -> str:
        lines = []
        for topic, rows in self.topics():
            lines += [topic, "-" * len(topic)]
            for row in rows:
                lines.append(f"{row.field}: {row.value}  [{row.basis}]")
                lines += textwrap.wrap(row.meaning, 96, initial_indent="    ", subsequent_indent="    ")
            lines.append("")
        if self.gaps:
            lines += ["Missing from this log", "---------------------"]
            for gap in self.gaps:
                lines.append(f"{gap.what}")
                lines += textwrap.wrap(
                    f"{gap.why} To get it: {gap.how}", 96, initial_indent="    ", subsequent_indent="    "
                )
        return "\n".join(lines).rstrip() + "\n"

    def _repr_html_(self) -> str:
        parts = ['<table class="kvmlab-explanation"><thead><tr>']
        parts += [f"<th>{html.escape(column)}</th>" for column in COLUMNS]
        parts.append("</tr></thead><tbody>")
        for topic, rows in self.topics():
            parts.append(f'<tr><th colspan="4" style="text-align:left">{html.escape(topic)}</th></tr>')
            for row in rows:
                where = f' title="line {row.line}"' if row.line is not None else ""
                cells = (row.field, row.value, row.meaning, str(row.basis))
                parts.append(f"<tr{where}>")
                parts += [f'<td style="text-align:left;vertical-align:top">{html.escape(c)}</td>' for c in cells]
                parts.append("</tr>")
        parts.append("</tbody></table>")
        if self.gaps:
            parts.append("<p>Missing from this log:</p><ul>")
            parts += [
                f"<li><b>{html.escape(g.what)}</b>: {html.escape(g.why)} {html.escape(g.how)}</li>" for g in self.gaps
            ]
            parts.append("</ul>")
        return "".join(parts)
