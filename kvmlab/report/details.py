"""Lines inside reports that no part of a report record keeps: the table `data/details.toml` and its engine."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class DetailRow:
    """One row of the table.

    Args:
        name: name of the row.
        pattern: what the line begins with.
        sample: a line that it matches; run as a test.
        source: where the form is known from.
        names: whether the line names the call trace behind it.
    """

    name: str
    pattern: str
    sample: str
    source: str
    names: bool = False


@dataclass(frozen=True, slots=True)
class Detail:
    """A line that the table knows.

    Args:
        name: name of the row.
        found: what the row's pattern matched, without a colon at its end.
        names: whether that is the name of the call trace behind it.
    """

    name: str
    found: str
    names: bool


@cache
def detail_rows() -> tuple[DetailRow, ...]:
    """All rows of the table.

    >>> detail_rows()[0].name
    'bad_page_map_vma'
    """
    text = files("kvmlab.report").joinpath("data", "details.toml").read_text(encoding="utf-8")
    return tuple(DetailRow(**row) for row in tomllib.loads(text)["detail"])


@cache
def _regex() -> re.Pattern[str]:
    return re.compile("|".join(f"(?P<{row.name}>{row.pattern})" for row in detail_rows()))


@cache
def _named() -> frozenset[str]:
    return frozenset(row.name for row in detail_rows() if row.names)


def match_detail(text: str) -> Detail | None:
    """The row that a line matches, None if it is an unknown line.

    Args:
        text: the message, blanks around it removed.

    >>> match_detail("Allocated by task 23268:")
    Detail(name='kasan_stack', found='Allocated by task 23268', names=True)
    """
    found = _regex().match(text)
    if found is None or found.lastgroup is None:
        return None
    name = found.lastgroup
    return Detail(name, found[0].rstrip(": "), name in _named())
