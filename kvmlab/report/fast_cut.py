"""Whole reports cut out of a chunk before its lines are looked at, for the engine without a compiler.

In a storm nearly all lines are of such reports. The title lines stay, so that no other report goes on behind them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_hints import fits
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import DIGITS, MAX_ENTRIES, PREFIX_BYTES, Template
from kvmlab.report.fast_steps import Attempt
from kvmlab.report.fast_whole import MOST_LINES, Wholes

TITLE = b"BUG: Bad page state in process "
_END = b"</TASK>\n"
_FRACTION = re.compile(rb"(?<=[.,])(0{3,9})(?!0)")


class Cut(NamedTuple):
    """A report that has been read.

    Args:
        title: where its title line begins.
        start, stop: the lines behind the title line.
        lines: how many lines these are.
        row: its row; the number of its first line is not known yet.
    """

    title: int
    start: int
    stop: int
    lines: int
    row: list[int]


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

    def cut(self, text: bytes, titles: Iterable[int], size: int, styles: list[str]) -> list[Cut]:
        """The reports that can be read as wholes.

        Args:
            text: the text, which begins with a line.
            titles: where titles of bad pages stand in it.
            size: titles beyond it are not looked at.
            styles: the styles of templates, by number; new ones are added.
        """
        cuts: list[Cut] = []
        forms: list[_Form] = []
        places = [*titles, len(text)]
        for at, following in pairwise(places):
            start = text.rfind(b"\n", max(0, at - PREFIX_BYTES - 1), at) + 1
            if (start == 0 and at > PREFIX_BYTES) or start >= size:
                continue
            stop = text.find(_END, at, following) + len(_END)
            form = self._form(text, start, at) if stop >= len(_END) else None
            if form is not None and (found := self._read(text, start, at, stop, form, styles)) is not None:
                cuts.append(found)
                forms.append(form)
        sure = _sure(text, cuts, forms)
        return [cut for cut, held in zip(cuts, sure, strict=True) if held]

    def _form(self, text: bytes, start: int, at: int) -> _Form | None:
        prefix = text[start:at]
        shape = prefix.translate(DIGITS)
        if shape in self._forms:
            return self._forms[shape]
        template = self._lexicon.template(text[start : text.find(b"\n", at)])
        found = None
        if isinstance(template, Template) and template.shape == shape:
            found = _Form.of(template)
        if len(self._forms) < MAX_ENTRIES:
            self._forms[shape] = found
        return found

    def _read(self, text: bytes, start: int, at: int, stop: int, form: _Form, styles: list[str]) -> Cut | None:
        template = form.template
        width = len(template.shape)
        lines = text[start : stop - 1].split(b"\n")
        n = len(lines)
        # A line without a prefix below the last one could be its rest.
        if n > MOST_LINES or (
            text[stop : stop + 1] != b"\n" and text[stop : stop + width].translate(DIGITS) != template.shape
        ):
            return None
        if template.style not in styles:
            styles.append(template.style)
        messages = list(map(form.message, lines))
        del messages[0]
        title = lines[0]
        trace = self._wholes.read(title, messages, template, styles.index(template.style))
        if trace < 0:
            return None
        row = self._attempt.close(start, stop, 0, n)
        row[r.TRACE_AT] = start + sum(map(len, lines[: trace + 1])) + trace + 1
        return Cut(start, start + len(title) + 1, stop, n - 1, row)


def _sure(text: bytes, cuts: list[Cut], forms: list[_Form]) -> list[bool]:
    """Of which cuts all lines have the prefix of the title, but for fractions of seconds."""
    sure = np.ones(len(cuts), bool)
    for form in set(forms):
        chosen = [i for i, other in enumerate(forms) if other is form]
        width = len(form.template.shape)
        body = b"".join([*(text[cuts[i].start : cuts[i].stop] for i in chosen), bytes(256)])
        data = np.frombuffer(body, np.uint8)
        words = np.ndarray((len(data) - 7,), "<u8", data, 0, (1,))
        starts = np.append(0, np.flatnonzero(data[:-256] == 10)[:-1] + 1)
        lines = [cuts[i].lines for i in chosen]
        if len(starts) != sum(lines):
            sure[chosen] = False
            continue
        titles = np.zeros((len(chosen), width + -width % 8), np.uint8)
        shown = b"".join([text[cuts[i].title : cuts[i].title + width] for i in chosen])
        titles[:, :width] = np.frombuffer(shown, np.uint8).reshape(-1, width)
        for a, b in form.runs:
            titles[:, a:b] = 48
        wanted = titles.view("<u8")
        which = np.repeat(np.arange(len(chosen)), lines)
        good = fits(words, starts, [wanted[:, j][which] for j in range(wanted.shape[1])], form.digits)
        sure[np.array(chosen)[np.unique(which[~good])]] = False
    return sure.tolist()
