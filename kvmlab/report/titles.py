"""Title lines of reports: the table `data/titles.toml` and the small engine that matches a line against it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from kvmlab.report.records import Kind

# A printk record holds at most 1024 bytes, so no title is longer; what follows that is not looked at.
TITLE_LENGTH = 1024
# Blanks and the mark-up of web forums around a line.
_MARKUP = " \t\xa0*`"


@dataclass(frozen=True, slots=True)
class Title:
    """One row: how the first line of a report looks.

    Args:
        name: name of the row.
        kind: what the report is.
        pattern: regular expression for the whole line, blanks around it removed; named groups become `Report.fields`.
        sample: a line that it matches; run as a test.
        source: where the form is known from.
        starts: what the line begins with; the pattern is tried on lines that begin so.
        holds: what the line has somewhere in it, for rows without `starts`.
        since: first release known to print it, None if older than 2.6.32.
        until: last release known to print it, None if it still does.
        weak: the line alone is no proof; without a further part of a report behind it, it is no report.
        single: the report is this one line.
        framed: rules of `=` stand around it, and everything between them belongs to it.
        many: several CPU lines and call traces belong to it.
        page: whether a page dump belongs to it: `before` its trace, `after` it too, or None.
        after: kinds of a report whose title lines this one continues, without being a report of its own.
        behind: names of rows whose reports it continues, too, where their kind alone does not tell.
        late: it continues such a report even behind its call trace.
        dies: the line of the death (`Internal error: ..`) belongs to it, behind the registers that it may print itself.
        needs: parts that this kind always prints; what the text lacks of them is named in `Report.missing`.
    """

    name: str
    kind: Kind
    pattern: str
    sample: str
    source: str
    starts: tuple[str, ...] = ()
    holds: str | None = None
    since: str | None = None
    until: str | None = None
    weak: bool = False
    single: bool = False
    framed: bool = False
    many: bool = False
    page: str | None = None
    after: frozenset[Kind] = frozenset()
    behind: frozenset[str] = frozenset()
    late: bool = False
    dies: bool = False
    needs: tuple[str, ...] = ()
    regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "regex", re.compile(self.pattern))

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Title:
        """A row of the table.

        Args:
            row: keys and values as in the file.
        """
        given = dict(row)
        given["kind"] = Kind(given["kind"])
        given["starts"] = tuple(given.get("starts", ()))
        given["needs"] = tuple(given.get("needs", ()))
        given["after"] = frozenset(Kind(kind) for kind in given.get("after", ()))
        given["behind"] = frozenset(given.get("behind", ()))
        return cls(**given)


@dataclass(frozen=True, slots=True)
class _Table:
    rows: tuple[Title, ...]
    by_start: tuple[tuple[str, Title], ...]
    held: tuple[tuple[str, Title], ...]
    starts: re.Pattern[str]


@cache
def _table() -> _Table:
    text = files("kvmlab.report").joinpath("data", "titles.toml").read_text(encoding="utf-8")
    rows = tuple(Title.of_row(row) for row in tomllib.loads(text)["title"])
    by_start = tuple((start, row) for row in rows for start in row.starts)
    held = tuple((row.holds, row) for row in rows if row.holds)
    starts = "|".join(sorted({re.escape(start) for start, _ in by_start}, key=len, reverse=True))
    return _Table(rows, by_start, held, re.compile(starts))


def titles() -> tuple[Title, ...]:
    """All rows of the table, in the order in which they are tried.

    >>> titles()[0].name
    'bad_page'
    """
    return _table().rows


def match_title(text: str) -> tuple[Title, re.Match[str]] | None:
    """The row of the table that a line matches, None if it is no title.

    Args:
        text: the message of one record; blanks and forum mark-up around it do not matter.

    >>> row, found = match_title("BUG: Bad page state in process CPU 0/KVM pfn:fb1665")
    >>> row.kind.value, found["process"], found["pfn"]
    ('bad_page', 'CPU 0/KVM', 'fb1665')
    >>> match_title("I saw BUG: Bad page state in process qemu  pfn:12345 again") is None
    True
    """
    table = _table()
    line = text[:TITLE_LENGTH].strip(_MARKUP)
    if table.starts.match(line):
        for start, row in table.by_start:
            if line.startswith(start) and (found := row.regex.fullmatch(line)):
                return row, found
    for held, row in table.held:
        if held in line and (found := row.regex.fullmatch(line)):
            return row, found
    return None
