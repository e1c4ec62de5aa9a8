"""A whole report at a time, for the engine without a compiler: lines to classes, classes to one regular expression.

It takes what storms are made of: reports of one second and one caller that end with `</TASK>`. All others are left to
`fast_steps`, line by line; what both read is the same.
"""

from __future__ import annotations

import re

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_meaning import MAX_ENTRIES, Meaning, Template
from kvmlab.report.fast_steps import Attempt
from kvmlab.report.fast_values import X86

# Longer reports are read line by line.
MOST_LINES = 200
# So many lines are remembered before those of registers, most of which differ, are not any more.
_REGISTER_LINES = 20_000
# Codes besides those of the classes: a line that is not known; the lines that open and close the stack of the task.
_STRANGE, _OPEN_TASK, _CLOSE_TASK = 255, 100, 101


def _one(*codes: int) -> bytes:
    return b"[" + b"".join(re.escape(bytes([code])) for code in codes) + b"]"


# The steps of `fast_grammar`, for a trace that is on the stack of the task alone.
_WHOLE = re.compile(
    _one(g.PAGE) + _one(g.MAPPING) + b"*(?:(?P<head>" + _one(g.HEAD) + b")" + _one(g.MAPPING) + b"*)?" + _one(g.FLAGS)
    + b"(?P<type>" + _one(g.TYPE) + b")?(?:" + _one(g.WORDS) + b"+" + _one(g.HEAD_WORDS) + b"*)?"
    + b"(?P<reason>" + _one(g.REASON) + b")"
    + b"(?:" + _one(g.MODULES) + _one(g.MORE_MODULES) + b"*" + _one(g.UNLOADED) + b"?)?" + _one(g.CPU)
    + _one(g.TAINTED) + b"?(?P<hardware>" + _one(g.HARDWARE) + b")?" + _one(g.QUEUE) + b"?"
    + b"(?P<trace>" + _one(g.TRACE) + b")" + _one(_OPEN_TASK)
    + b"(?P<body>" + _one(g.FRAME, g.REGISTERS, g.CODE) + b"*)" + _one(_CLOSE_TASK),
    re.DOTALL,
)  # fmt: skip


class _Codes(dict[bytes, int]):
    """Codes of messages; a message that is not there has the code of strange ones."""

    def __missing__(self, message: bytes) -> int:
        return _STRANGE


class _Numbers(dict[bytes, int]):
    """Numbers that go with messages; zero where there is none."""

    def __missing__(self, message: bytes) -> int:
        return 0


class Wholes:
    """Reads whole reports with what an `Attempt` knows.

    Args:
        attempt: what reads single lines.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._known: dict[str, tuple[_Codes, _Numbers]] = {}

    def read(
        self, text: bytes, starts: list[int], ends: list[int], i: int, upto: int, template: Template, style: int
    ) -> int:
        """Reads the report whose title is line `i`; the number of the line behind it, -1 if it is left to others.

        Args:
            text: the text.
            starts, ends: offsets of its lines.
            upto: the lines before it have the title's template, second and caller, and none of them is a title.
            template: that of the title.
            style: number of its style.
        """
        attempt = self._attempt
        length = len(template.shape)
        codes, numbers = self._known.setdefault(template.style, (_Codes(), _Numbers()))
        messages = [text[a + length : b] for a, b in zip(starts[i + 1 : upto], ends[i + 1 : upto], strict=True)]
        classes = bytearray(map(codes.__getitem__, messages))
        last = classes.find(_CLOSE_TASK)
        if last < 0:
            self._learn_end(messages, template, codes, starts, text, i)
            return -1
        if not attempt.begin(text[starts[i] : ends[i]], template, style):
            return -1
        at = classes.find(_STRANGE, 0, last)
        while at >= 0:
            message = messages[at]
            if message[:1] == b"R" and X86.fullmatch(message):
                classes[at] = g.REGISTERS
                if len(codes) < _REGISTER_LINES:
                    codes[message] = g.REGISTERS
                at = classes.find(_STRANGE, at + 1, last)
                continue
            line = i + 1 + at
            meaning = attempt.meaning(text[starts[line] : ends[line]], message, length)
            code = _code(meaning)
            if code == g.BAD or (code == g.HEAD and meaning.number < 0):
                return -1
            if (meaning.number >= 0 or code in _WITHOUT_NUMBERS) and len(codes) < MAX_ENTRIES:
                codes[message], numbers[message] = code, max(0, meaning.number)
            classes[at] = code
            at = classes.find(_STRANGE, at + 1, last)
        found = _WHOLE.fullmatch(classes, 0, last + 1)
        if found is None:
            return -1
        first, behind = found.span("body")
        frames = classes.count(g.FRAME, first, behind)
        reliable = [number for number in map(numbers.__getitem__, messages[first:behind]) if number & 1]
        if not frames or not reliable:
            return -1
        row = attempt.row
        for name, column in _NUMBERED:
            if (place := found.start(name)) >= 0:
                row[column] = numbers[messages[place]]
        row[r.TRACE_AT] = starts[i + 1 + found.start("trace")]
        attempt.fill(frames, reliable)
        return i + last + 2

    def _learn_end(
        self, messages: list[bytes], template: Template, codes: _Codes, starts: list[int], text: bytes, i: int
    ) -> None:
        for at, message in enumerate(messages):
            if message.endswith(b"</TASK>") and message not in codes:
                start = starts[i + 1 + at]
                length = len(template.shape)
                meaning = self._attempt.lexicon.message(text[start : start + length] + message, length)
                codes[message] = _code(meaning)


def _code(meaning: Meaning) -> int:
    if meaning.number == 0 and meaning.found == g.OPEN:
        return _OPEN_TASK
    if meaning.number == 0 and meaning.found == g.CLOSE:
        return _CLOSE_TASK
    return meaning.found


_NUMBERED = (("head", r.ORDER), ("type", r.TYPE_ID), ("reason", r.REASON_ID), ("hardware", r.HARDWARE_ID))
_WITHOUT_NUMBERS = frozenset({g.MODULES, g.MORE_MODULES, g.UNLOADED, g.TAINTED, g.TRACE, g.CODE, g.MAPPING})
