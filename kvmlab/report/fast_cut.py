"""Whole reports cut out of a chunk before its lines are looked at, for the engine without a compiler.

In a storm nearly all lines are of such reports. The title lines stay, so that no other report goes on behind them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_hints import fits, seldom
from kvmlab.report.fast_joint import joint_rows
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import DIGITS, MAX_ENTRIES, MAX_TEMPLATES, PREFIX_BYTES, Template
from kvmlab.report.fast_steps import Attempt
from kvmlab.report.fast_whole import KNOWN, MOST_LINES, Whole, Wholes

TITLE = b"BUG: Bad page state in process "
_END = b"</TASK>\n"
# How near to the next title the end of a report is looked for first.
_NEAR = 2 * PREFIX_BYTES
_FRACTION = re.compile(rb"(?<=[.,])(0{3,9})(?!0)")


class _Cut(NamedTuple):
    """A report that has been read: where its title begins, the lines behind that begin, and it ends; how many lines."""

    title: int
    start: int
    stop: int
    lines: int
    whole: Whole


@dataclass(frozen=True, slots=True)
class Cuts:
    """Reports that have been read, in order.

    Args:
        rows: a row each; the numbers of their first lines are not known yet.
        starts: where the lines behind their titles begin.
    """

    rows: Any
    starts: Any

    @property
    def titles(self) -> Any:
        """Where their title lines begin."""
        return self.rows[:, r.START]

    @property
    def stops(self) -> Any:
        """Where they end."""
        return self.rows[:, r.STOP]

    @property
    def lines(self) -> Any:
        """How many lines stand behind their titles."""
        return self.rows[:, r.LINES] - 1

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """How the prefixes of a report's lines are alike.

    Args:
        template: what they are of.
        digits: the prefix with zeros where any digit may stand, in fractions of a second, and ones elsewhere.
        runs: from where to where any digit may stand.
        message: cuts the prefix from a line.
    """

    template: Template
    digits: bytes
    runs: tuple[tuple[int, int], ...]
    message: Callable[[bytes], bytes]

    @classmethod
    def of(cls, template: Template) -> _Form | None:
        """That of a template; None if its lines are not alike."""
        runs = tuple(found.span(1) for found in _FRACTION.finditer(template.shape))
        micros, first = template.micros, template.seconds[0]
        if first >= 0 and (micros < 0 or (micros, micros + 6) not in runs):
            return None
        digits = bytearray(b"1" * len(template.shape))
        for a, b in runs:
            digits[a:b] = b"0" * (b - a)
            for start, stop in (template.seconds, template.caller):
                if a < stop and start < b:
                    return None
        return cls(template, bytes(digits), runs, itemgetter(slice(len(template.shape), None)))


class Cutter:
    """Cuts reports out of texts.

    Args:
        lexicon: what is known of lines.
        attempt: what reads single lines.
    """

    def __init__(self, lexicon: Lexicon, attempt: Attempt) -> None:
        self._lexicon = lexicon
        self._attempt = attempt
        self._wholes = Wholes(attempt)
        self._forms: dict[bytes, _Form | None] = {}
        # Prefixes of titles, as many as templates can be.
        self._shapes: tuple[bytes, ...] = ()

    def cut(self, text: bytes, titles: Iterable[int], size: int, styles: list[str]) -> Cuts:
        """The reports that can be read as wholes.

        Args:
            text: the text, which begins with a line.
            titles: where titles of bad pages stand in it.
            size: titles beyond it are not looked at.
            styles: the styles of templates, by number; new ones are added.
        """
        found: dict[_Form, list[_Cut]] = {}
        places = [*titles, len(text)]
        for at, following in pairwise(places):
            start = text.rfind(b"\n", max(0, at - PREFIX_BYTES - 1), at) + 1
            if (start == 0 and at > PREFIX_BYTES) or start >= size:
                continue
            form = self._form(text, start, at)
            if form is None:
                continue
            cut = None
            # In a storm, the next title is near.
            if (near := text.rfind(_END, max(at, following - _NEAR), following)) >= 0:
                cut = self._read(text, start, near + len(_END), form, styles)
            if cut is None and (end := text.find(_END, at, following)) not in (-1, near):
                cut = self._read(text, start, end + len(_END), form, styles)
            if cut is not None:
                found.setdefault(form, []).append(cut)
        parts = [_sure(text, cuts, form, styles.index(form.template.style)) for form, cuts in found.items()]
        rows = np.concatenate([np.empty((0, r.N_COLUMNS), np.int64), *(rows for rows, _ in parts)])
        starts = np.concatenate([np.empty(0, np.int64), *(starts for _, starts in parts)])
        order = np.argsort(rows[:, r.START])
        return Cuts(rows[order], starts[order])

    def _form(self, text: bytes, start: int, at: int) -> _Form | None:
        prefix = text[start:at]
        shape = prefix.translate(DIGITS)
        if shape in self._forms:
            return self._forms[shape]
        template = self._lexicon.template(text[start : text.find(b"\n", at)])
        found = None
        if isinstance(template, Template) and template.shape == shape:
            found = _Form.of(template)
            if len(self._shapes) < MAX_TEMPLATES:
                self._shapes += (shape,)
        if len(self._forms) < MAX_ENTRIES:
            self._forms[shape] = found
        return found

    def _read(self, text: bytes, start: int, stop: int, form: _Form, styles: list[str]) -> _Cut | None:
        template = form.template
        title, *lines = text[start : stop - 1].split(b"\n")
        n = len(lines)
        # A line without a prefix below the last one could be its rest.
        follows = text.startswith(title[: len(template.shape)], stop) or self._has_prefix(text, stop, template)
        if n >= MOST_LINES or not follows:
            return None
        if template.style not in styles:
            styles.append(template.style)
        whole = self._wholes.read(title, list(map(form.message, lines)), template, styles.index(template.style))
        return None if whole is None else _Cut(start, start + len(title) + 1, stop, n, whole)

    def _has_prefix(self, text: bytes, at: int, template: Template) -> bool:
        """Whether a line is empty, or has the prefix of a template or of another report's title."""
        if text.startswith(b"\n", at):
            return True
        shown = text[at : at + PREFIX_BYTES].translate(DIGITS)
        return shown.startswith(template.shape) or shown.startswith(self._shapes)


def _sure(text: bytes, cuts: list[_Cut], form: _Form, style: int) -> tuple[Any, Any]:
    """Rows and starts of the reports of which all lines have the prefix of the title, but for fractions of seconds."""
    width = len(form.template.shape)
    titles, begins, stops, lines, wholes = zip(*cuts, strict=True)
    data, starts = _lines_of(text, np.array(begins), np.array(stops), np.array(lines))
    if starts is None:
        return np.empty((0, r.N_COLUMNS), np.int64), np.empty(0, np.int64)
    shown = np.zeros((len(cuts), width + -width % 8), np.uint8)
    shown[:, :width] = np.frombuffer(b"".join([text[at : at + width] for at in titles]), np.uint8).reshape(-1, width)
    wanted = shown.copy()
    for a, b in form.runs:
        wanted[:, a:b] = 48
    which = np.repeat(np.arange(len(cuts)), lines)
    good = fits(data, starts, wanted.view("<u8"), form.digits, which)
    rows = _rows(wholes)
    first = np.cumsum((0, *lines[:-1]))
    rows[:, r.START], rows[:, r.STOP], rows[:, r.LINES] = titles, stops, np.add(lines, 1)
    traces = first + [whole.trace for whole in wholes]
    rows[:, r.TRACE_AT] = starts[traces] - starts[first] + begins
    rows[:, r.STYLE], rows[:, r.TIME_US] = style, _times(shown, form.template)
    sure = np.ones(len(cuts), bool)
    sure[which[~good]] = False
    return rows[sure], np.array(begins)[sure]


def _lines_of(text: bytes, begins: Any, stops: Any, lines: Any) -> tuple[Any, Any]:
    """Bytes, and where in them the lines of stretches of a text begin; None if a stretch has not so many lines."""
    if 2 * (stops - begins).sum() > len(text):
        # Most of the text.
        data = np.frombuffer(text, np.uint8)
        feeds = np.append(0, seldom(data == 10) + 1)
        first = np.searchsorted(feeds, begins)
        if (feeds[np.minimum(first + lines, len(feeds) - 1)] != stops).any():
            return data, None
        return data, feeds[np.repeat(first - np.cumsum(lines) + lines, lines) + np.arange(lines.sum())]
    body = b"".join([*(text[a:b] for a, b in zip(begins.tolist(), stops.tolist(), strict=True)), bytes(256)])
    data = np.frombuffer(body, np.uint8)
    starts = np.append(0, seldom(data[:-256] == 10)[:-1] + 1)
    return data, starts if len(starts) == lines.sum() else None


def _rows(wholes: Sequence[Whole]) -> Any:
    joint = [not isinstance(whole.own, list) for whole in wholes]
    rows = np.empty((len(wholes), r.N_COLUMNS), np.int64)
    rows[joint] = joint_rows([whole.own for whole in wholes if not isinstance(whole.own, list)])
    for i, whole in enumerate(wholes):
        if isinstance(whole.own, list):
            rows[i] = whole.own
    rows[:, KNOWN] = [whole[2:] for whole in wholes]
    return rows


def _times(prefixes: Any, template: Template) -> Any:
    """Microseconds since boot of prefixes (numpy uint8, a line each), -1 if they have no time."""
    first, end = template.seconds
    if first < 0:
        return -1
    # A blank before the number is a zero.
    digits = (prefixes & 15).astype(np.int64)
    seconds = digits[:, first:end] @ (10 ** np.arange(end - first)[::-1])
    if template.micros < 0:
        return seconds
    return seconds * 1_000_000 + digits[:, template.micros : template.micros + 6] @ (10 ** np.arange(6)[::-1])
