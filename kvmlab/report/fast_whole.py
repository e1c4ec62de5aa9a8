"""A whole report at a time, for the engine without a compiler: lines to classes, classes to one regular expression.

It takes what storms are made of: reports of one second and one caller that end with `</TASK>`. All others are left to
`fast_steps`, line by line; what both read is the same.
"""

from __future__ import annotations

import re
from itertools import compress, repeat
from typing import NamedTuple

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_joint import Joint, Numbers
from kvmlab.report.fast_meaning import MAX_ENTRIES, Meaning, Template
from kvmlab.report.fast_steps import Attempt
from kvmlab.report.fast_values import X86

# Longer reports are read line by line.
MOST_LINES = 200
# So many lines are remembered before those of registers, most of which differ, are not any more.
_REGISTER_LINES = 2_000
# Codes besides those of the classes: a line that is not known; the lines that open and close the stack of the task;
# an entry that is not confirmed.
_STRANGE, _OPEN_TASK, _CLOSE_TASK, _UNCONFIRMED = 255, 100, 101, 102


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
    + b"(?P<body>" + _one(g.FRAME, _UNCONFIRMED, g.REGISTERS, g.CODE) + b"*)" + _one(_CLOSE_TASK),
    re.DOTALL,
)  # fmt: skip
# The same where all lines with numbers of their own are strange ones, as they are in a report that holds nothing new.
_JOINT = re.compile(
    _one(_STRANGE) + b"{2}(?P<type>" + _one(g.TYPE) + b")?" + _one(_STRANGE) + b"{2}(?P<reason>" + _one(g.REASON) + b")"
    + b"(?:" + _one(g.MODULES) + _one(g.MORE_MODULES) + b"*" + _one(g.UNLOADED) + b"?)?" + _one(_STRANGE)
    + _one(g.TAINTED) + b"?(?P<hardware>" + _one(g.HARDWARE) + b")?" + _one(g.QUEUE) + b"?"
    + b"(?P<trace>" + _one(g.TRACE) + b")" + _one(_OPEN_TASK)
    + b"(?P<body>" + _one(g.FRAME, _UNCONFIRMED, g.REGISTERS, g.CODE, _STRANGE) + b"*)" + _one(_CLOSE_TASK),
    re.DOTALL,
)  # fmt: skip
_STRANGES = repeat(_STRANGE)
_IS_STRANGE = bytes(code == _STRANGE for code in range(256))
_CONFIRMED = bytes(code == g.FRAME for code in range(256))


class Whole(NamedTuple):
    """A report that has been read.

    Args:
        own: its numbers; or all of its row but what follows.
        trace: which of its messages is `Call Trace:`.
        frames, reliable, stack, kind, reason, hardware: what its row says of that.
    """

    own: Joint | list[int]
    trace: int
    frames: int
    reliable: int
    stack: int
    kind: int
    reason: int
    hardware: int


# The columns of these.
KNOWN = (r.FRAMES, r.RELIABLE, r.STACK, r.TYPE_ID, r.REASON_ID, r.HARDWARE_ID)


class Wholes:
    """Reads whole reports with what an `Attempt` knows.

    Args:
        attempt: what reads single lines.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._numbers = Numbers(attempt)
        self._known: dict[str, tuple[dict[bytes, int], dict[bytes, int]]] = {}

    def read(self, title: bytes, messages: list[bytes], template: Template, style: int) -> Whole | None:
        """Reads a report, None if it is left to others.

        Args:
            title: its title line.
            messages: the messages behind it, the last one `</TASK>`; all have the title's template, second and caller.
            template: that of the title.
            style: number of its style.
        """
        if template.style not in self._known:
            self._known[template.style] = {}, {}
        codes, numbers = self._known[template.style]
        classes = bytearray(map(codes.get, messages, _STRANGES))
        if (found := _JOINT.fullmatch(classes)) is not None:
            length = len(template.shape)
            lines = [title[length:], *compress(messages, classes.translate(_IS_STRANGE))]
            joint = self._numbers.read(b"\n".join(lines))
            if joint is not None:
                return self._whole(found, messages, classes, numbers, joint)
        attempt = self._attempt
        if not attempt.begin(title, template, style):
            return None
        at = classes.find(_STRANGE)
        while at >= 0:
            message = messages[at]
            if message[:1] == b"R" and X86.fullmatch(message):
                classes[at] = g.REGISTERS
                if len(codes) < _REGISTER_LINES:
                    codes[message] = g.REGISTERS
            else:
                length = len(template.shape)
                meaning = attempt.meaning(title[:length] + message, message, length)
                code = _code(meaning)
                if code == g.BAD or (code == g.HEAD and meaning.number < 0):
                    return None
                if (meaning.number >= 0 or code in _WITHOUT_NUMBERS) and len(codes) < MAX_ENTRIES:
                    codes[message], numbers[message] = code, max(0, meaning.number)
                classes[at] = code
            at = classes.find(_STRANGE, at + 1)
        found = _WHOLE.fullmatch(classes)
        if found is None:
            return None
        if (head := found.start("head")) >= 0:
            attempt.row[r.ORDER] = numbers[messages[head]]
        return self._whole(found, messages, classes, numbers, attempt.row)

    def _whole(
        self, found: re.Match[bytes], messages: list[bytes], classes: bytearray, numbers: dict[bytes, int],
        own: Joint | list[int],
    ) -> Whole | None:  # fmt: skip
        first, behind = found.span("body")
        body = classes[first:behind]
        confirmed = compress(messages[first:behind], body.translate(_CONFIRMED))
        key = (-1, *map(numbers.__getitem__, confirmed), -2)
        reliable = len(key) - 2
        if not reliable:
            return None
        kind, hardware = found.start("type"), found.start("hardware")
        return Whole(
            own, found.start("trace"), reliable + body.count(_UNCONFIRMED), reliable, self._attempt.stack(key),
            -1 if kind < 0 else numbers[messages[kind]], numbers[messages[found.start("reason")]],
            -1 if hardware < 0 else numbers[messages[hardware]],
        )  # fmt: skip


def _code(meaning: Meaning) -> int:
    if meaning.number == 0 and meaning.found == g.OPEN:
        return _OPEN_TASK
    if meaning.number == 0 and meaning.found == g.CLOSE:
        return _CLOSE_TASK
    return _UNCONFIRMED if meaning.found == g.FRAME and not meaning.number & 1 else meaning.found


_WITHOUT_NUMBERS = frozenset({g.MODULES, g.MORE_MODULES, g.UNLOADED, g.TAINTED, g.TRACE, g.CODE, g.MAPPING})
