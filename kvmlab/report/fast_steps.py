"""One report read line by line in plain Python, for the engine without a compiler: the twin of `fast_report`."""

from __future__ import annotations

import re
from enum import IntEnum

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import MASK, Meaning, Template
from kvmlab.report.fast_values import REGISTERS, X86, Lines, signed

_TITLE = re.compile(rb"BUG: Bad page state in process ([!-~](?:[ -~]{0,62}[!-~])?)( +)pfn:([0-9a-f]{1,16})")
_K = 0x9E3779B97F4A7C15
_TASK_STACK = 0


class Outcome(IntEnum):
    """What a line does to the open report: it belongs to it, ends it, stands behind its end, or is not understood."""

    GOES_ON = 0
    ENDS = 1
    STANDS_BEHIND = 2
    BREAKS = 3


def time_us(line: bytes, template: Template) -> int:
    """Microseconds since boot of a line, -1 if its prefix has no time."""
    first, end = template.seconds
    if first < 0:
        return -1
    seconds = int(line[first:end])
    return seconds if template.micros < 0 else seconds * 1_000_000 + int(line[template.micros : template.micros + 6])


class Attempt(Lines):
    """Reads reports, one at a time.

    Args:
        lexicon: what lines mean.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__(lexicon)
        self._steps = g.step_table()
        self._meanings: dict[str, dict[bytes, Meaning]] = {}
        self._stacks: dict[tuple[int, ...], int] = {}

    def begin(self, line: bytes, template: Template, style: int) -> bool:
        """Begins a report with its title line; whether the title is understood."""
        length = len(template.shape)
        found = _TITLE.fullmatch(line, length)
        if found is None or (name := self.lexicon.name(found[1])) < 0:
            return False
        self.row = row = [-1] * r.N_COLUMNS
        row[r.WORD_0 : r.WORD_0 + r.MAX_WORDS] = [0] * r.MAX_WORDS
        row[r.N_WORDS] = row[r.FRAMES] = 0
        row[r.COMM], row[r.GAP], row[r.PFN_DIGITS] = name, len(found[2]), len(found[3])
        row[r.PFN] = signed(int(found[3], 16))
        row[r.TIME_US] = time_us(line, template)
        row[r.STYLE] = style
        self._template = template
        self._known = self._meanings.setdefault(template.style, {})
        self._before = line, template
        self._second = line[slice(*template.seconds)] if template.micros >= 0 else None
        self._caller = line[slice(*template.caller)] if template.caller[0] >= 0 else None
        self._grammar = g.TITLED
        self._open = -1
        self._bottom = False
        # Numbers of entries, and of markers below zero.
        self._reliable: list[int] = []
        self._loose: list[int] = []
        self._n_reliable = 0
        return True

    def take(self, line: bytes, template: Template, place: int, last: bool) -> Outcome:
        """Takes the next line of the text.

        Args:
            line: the line, without its ending.
            template: what its prefix is of.
            place: its offset.
            last: whether the text ends with it.
        """
        own = self._template
        if template is not own and template.style != own.style:
            return Outcome.BREAKS
        length = len(template.shape)
        if self._caller is not None and line[slice(*template.caller)] != self._caller:
            return Outcome.BREAKS
        if self._second is None or line[slice(*template.seconds)] != self._second:
            now = time_us(line, template)
            if now >= 0 and not -g.BACK_US <= now - time_us(*self._before) <= g.GAP_US:
                return Outcome.BREAKS
            if self._second is not None:
                self._second = line[slice(*template.seconds)]
        self._before = line, template
        message = line[length:]
        meaning = self._known.get(message)
        if meaning is None:
            meaning = self.meaning(line, message, length)
        found, row = meaning.found, self.row
        whole = self._open < 0 and row[r.FRAMES] > 0 and self._grammar >= g.IN_TRACE
        following = self._steps[self._grammar * g.N_CLASSES + found]
        if following == g.DEAD:
            if whole and (found == g.TITLE or (self._bottom and self._caller is None and self._quiet(line, length))):
                return Outcome.STANDS_BEHIND
            return Outcome.BREAKS
        self._grammar = following
        if found == g.FRAME:
            row[r.FRAMES] += 1
            if meaning.number & 1:
                self._n_reliable += 1
                self._reliable.append(meaning.number)
                if meaning.number & 2:
                    self._bottom = True
            else:
                self._loose.append(meaning.number)
        elif found == g.OPEN:
            if self._open >= 0:
                return Outcome.BREAKS
            self._open = meaning.number
            self._mark(-1 - 2 * meaning.number)
        elif found == g.CLOSE:
            if self._open != meaning.number:
                return Outcome.BREAKS
            self._open = -1
            self._mark(-2 - 2 * meaning.number)
            if meaning.number == _TASK_STACK:
                return Outcome.ENDS if row[r.FRAMES] else Outcome.BREAKS
        elif found in _KEPT:
            row[_KEPT[found]] = meaning.number
        elif found == g.TRACE:
            row[r.TRACE_AT] = place
        if last:
            whole = self._open < 0 and row[r.FRAMES] > 0 and following >= g.IN_TRACE
            return Outcome.ENDS if whole else Outcome.BREAKS
        return Outcome.GOES_ON

    def take_known(self, text: bytes, starts: list[int], ends: list[int], kinds: list[int], at: int, upto: int) -> int:
        """Takes known lines from line `at` on in one go; the number of the first that `take` must look at.

        Args:
            text: the text.
            starts, ends, kinds: offsets and templates of its lines.
            at: the first line; the one before has been taken.
            upto: the line at which to stop.
        """
        if self._second is None:
            return at
        kind, length, caller, second = kinds[at - 1], len(self._template.shape), self._caller, self._second
        first, end = self._template.seconds
        one, two = self._template.caller
        known, reliable, row, steps = self._known.get, self._reliable, self.row, self._steps
        loose, begun, grammar, frames, n_reliable = self._loose, at, self._grammar, 0, 0
        while at < upto and kinds[at] == kind:
            start = starts[at]
            if text[start + first : start + end] != second:
                break
            if caller is not None and text[start + one : start + two] != caller:
                break
            message = text[start + length : ends[at]]
            meaning = known(message)
            if meaning is None:
                if message[:1] != b"R" or not X86.fullmatch(message):
                    break
                meaning = REGISTERS
            found = meaning.found
            if found == g.FRAME and grammar == g.IN_TRACE:
                number = meaning.number
                frames += 1
                if number & 1:
                    n_reliable += 1
                    reliable.append(number)
                    if number & 2:
                        self._bottom = True
                else:
                    loose.append(number)
            else:
                following = steps[grammar * g.N_CLASSES + found]
                if following == g.DEAD or found in _BY_HAND or found == g.FRAME:
                    break
                grammar = following
                if found in _KEPT:
                    row[_KEPT[found]] = meaning.number
                elif found == g.TRACE:
                    row[r.TRACE_AT] = start
            at += 1
        if at > begun:
            self._grammar = grammar
            row[r.FRAMES] += frames
            self._n_reliable += n_reliable
            self._before = text[starts[at - 1] : ends[at - 1]], self._template
        return at

    def stack(self, key: tuple[int, ...]) -> int:
        """Hash of a stack, as a row holds it.

        Args:
            key: numbers of its entries, and of markers below zero; those of entries that are all unconfirmed, behind a
                zero.
        """
        stack = self._stacks.get(key)
        if stack is None:
            loose = key[0] == 0
            stack = g.LOOSE_STACK if loose else 0
            for number in key[1:] if loose else key:
                stack = ((stack ^ (self._mixes[number] if number >= 0 else -number)) * _K) & MASK
                stack ^= stack >> 32
            stack = self._stacks[key] = signed(stack)
        return stack

    def close(self, start: int, stop: int, line: int, lines: int) -> list[int]:
        """The row of the report, which is whole."""
        row = self.row
        row[r.START], row[r.STOP], row[r.LINE], row[r.LINES] = start, stop, line, lines
        row[r.RELIABLE] = self._n_reliable
        row[r.STACK] = self.stack(tuple(self._reliable) if self._n_reliable else (0, *self._loose))
        return row

    def _mark(self, number: int) -> None:
        self._reliable.append(number)
        self._loose.append(number)

    def _quiet(self, line: bytes, length: int) -> bool:
        return self.lexicon.whole(line, length) == 1


# Classes that change more than the state.
_BY_HAND = frozenset({g.OPEN, g.CLOSE, g.TITLE, g.PAGE, g.FLAGS, g.WORDS, g.CPU})
_KEPT: dict[int, int] = {g.REASON: r.REASON_ID, g.HEAD: r.ORDER, g.TYPE: r.TYPE_ID, g.HARDWARE: r.HARDWARE_ID}
