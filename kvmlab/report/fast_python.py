"""The engine without a compiler: NumPy finds the lines that matter, plain Python reads the reports.

For small inputs and for the browser. Same interface as `fast_compiled`, same grammar, same lexicon.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_chunk import Chunk, Found, TooShort
from kvmlab.report.fast_cut import TITLE, Cuts, Cutter
from kvmlab.report.fast_heads import EXACTLY, HEAD_BYTES, may_begin
from kvmlab.report.fast_hints import digits_zeroed_at
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import DIGITS, INTERESTING, MAX_ENTRIES
from kvmlab.report.fast_sieve import Knowledge, Sieve
from kvmlab.report.fast_steps import Attempt, Outcome, time_us

_BLOCK = 31 << 20
# So many messages are compared with all lines at once, where there are enough lines.
_MOST_COMMON, _ENOUGH = 48, 256


class PythonEngine(Knowledge):
    """Reads chunks of one text.

    Args:
        lexicon: what is known of lines; shared with other engines.
    """

    parallel = fills = False
    name = "python"

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__(lexicon)
        # An allocator that has let go of a big block gives smaller ones out again instead of taking fresh pages.
        np.empty(_BLOCK, np.uint8)
        self.attempt = Attempt(lexicon)
        self.cutter = Cutter(lexicon, self.attempt)
        self.wholes: dict[tuple[bool, bytes], int] = {}
        # Messages behind a prefix that are surely of no report, zeros for digits.
        self.quiet: set[bytes] = set()
        # The commonest of them.
        self.common: list[bytes] = []
        self.exact: dict[bytes, bool] = {}

    def sibling(self) -> PythonEngine:
        """An engine for another text, to which all is known that this one has learned or will learn."""
        return PythonEngine(self.lexicon)

    def read(self, chunk: Chunk) -> Found:
        """The reports and marks of one chunk.

        Raises:
            TooShort: the chunk must hold more of the text behind its end.
        """
        text = chunk.data[chunk.lo : chunk.stop].tobytes()
        found = self.finder.find(text)
        titles = [at for at, word in found if word == TITLE]
        cuts = self.cutter.cut(text, titles, chunk.hi - chunk.lo, self.styles)
        return _Reading(self, chunk, text, cuts, found).run()


class _Reading(Sieve):
    """One chunk being read."""

    def __init__(
        self, engine: PythonEngine, chunk: Chunk, text: bytes, cuts: Cuts, found: Sequence[tuple[int, bytes]]
    ) -> None:
        super().__init__(engine, chunk, text, cuts, found)
        self.reader = engine
        self.rows: list[list[int]] = []
        self.marks: list[list[int]] = []

    @cached_property
    def _lists(self) -> tuple[list[int], list[int], list[int]]:
        return self.starts.tolist(), self.ends.tolist(), self.kinds.tolist()

    def run(self) -> Found:
        self.find_templates()
        cuts = self.cuts
        cuts.rows[:, r.LINE] = self.numbers(np.searchsorted(self.at, cuts.titles))
        done = -1
        for i, title in self._wanted():
            if i < done or i >= self.own:
                continue
            if title:
                done = self._report(i)
            else:
                self._outside(i)
        rows = np.concatenate([self.cuts.rows, np.array(self.rows, np.int64).reshape(-1, r.N_COLUMNS)])
        rows = rows[np.argsort(rows[:, r.START])]
        marks = np.array(self.marks, np.int64).reshape(-1, r.N_MARK)
        lo = self.chunk.lo
        rows[:, [r.START, r.STOP, r.TRACE_AT]] += lo
        marks[:, [r.MARK_START, r.MARK_STOP]] += lo
        stop = max(self.chunk.hi, lo + self.behind(done - 1) if done > 0 else 0)
        if len(self.cuts):
            stop = max(stop, lo + int(self.cuts.stops[-1]))
        used = np.bincount(self.kinds[self.kinds >= 0], minlength=1).nonzero()[0].tolist()
        callers = any(self.engine.templates[k].caller[0] >= 0 for k in used if k < len(self.engine.templates))
        return Found(rows, marks, self.own_lines, stop, self.stray, callers)

    def _wanted(self) -> Iterator[tuple[int, bool]]:
        """The lines that must be looked at, and whether they are titles."""
        wanted, titles = self.candidates(), self.titles()
        read = np.searchsorted(self.at, self.cuts.titles)
        wanted = np.setdiff1d(wanted, np.concatenate([read, titles]), assume_unique=True)
        lengths = np.array([len(t.shape) for t in self.engine.templates] + [0, 0, 0], np.int64)
        begins = self.starts[wanted] + lengths[self.kinds[wanted]]
        if len(wanted) > _ENOUGH:
            left = self._not_common(wanted, begins)
            wanted, begins = wanted[left], begins[left]
        text, quiet = self.text, self.reader.quiet
        messages = [text[a:b] for a, b in zip(begins.tolist(), self.ends[wanted].tolist(), strict=True)]
        # Most of them are like others that have been looked at.
        shown = b"\n".join(messages).translate(DIGITS).split(b"\n") if messages else []
        strange = set(shown) - quiet
        bare = (self.kinds[wanted] < 0).tolist()
        chosen: list[tuple[int, bool]] = []
        if strange or True in bare:
            lines = zip(wanted.tolist(), shown, bare, strict=True)
            chosen = [(i, False) for i, message, own in lines if own or message in strange]
        common = self.reader.common
        if len(shown) > _ENOUGH and len(common) < _MOST_COMMON:
            counts = Counter(shown).most_common(_MOST_COMMON - len(common))
            common += [message for message, n in counts if n > 32 and message in quiet and message not in common]
        return iter(sorted([*chosen, *((i, True) for i in titles.tolist())]))

    def _not_common(self, wanted: Any, begins: Any) -> Any:
        """Places of lines that are not like any of the commonest messages that are of no report."""
        lengths = self.ends[wanted] - begins
        left = self.kinds[wanted] >= 0
        for message in self.reader.common:
            alike = np.flatnonzero(lengths == len(message))
            left[alike[digits_zeroed_at(self.words, begins[alike], message)]] = False
        return np.flatnonzero(left | (self.kinds[wanted] < 0))

    def _report(self, i: int) -> int:
        """Reads the report that begins in line `i`; the number of the first line that is not its own."""
        engine, chunk = self.reader, self.chunk
        attempt, templates, n = engine.attempt, engine.templates, len(self.starts)
        (starts, ends, kinds), text = self._lists, self.text
        template = templates[kinds[i]]
        begun = attempt.begin(self.line(i), template, engine.styles.index(template.style))
        at_last = chunk.at_end and i + 1 == n
        at = i + 1
        if not begun or at_last:
            self._mark(i, at, r.WANTED)
            return at
        upto = min(n, i + g.MAX_LINES)
        does = Outcome.GOES_ON
        # The last line of the text is left to `take`, which knows what its end means.
        own, entries_upto = kinds[i], upto - 1
        while at < upto:
            if kinds[at - 1] == own and (taken := attempt.take_known(text, starts, ends, kinds, at, entries_upto)) > at:
                at = taken
            start, end, kind = starts[at], ends[at], kinds[at]
            if kind < 0:
                does = Outcome.BREAKS
                break
            does = attempt.take(text[start:end], templates[kind], start, chunk.at_end and at + 1 == n)
            if does is not Outcome.GOES_ON:
                break
            at += 1
        if does is Outcome.GOES_ON:
            if at == n and not chunk.at_end:
                raise TooShort
            does = Outcome.BREAKS
        if does is Outcome.ENDS:
            at += 1
            if at == n and not chunk.at_end:
                raise TooShort
            if at < n and kinds[at] in (-1, -3) and ends[at] > starts[at]:
                # A line without a prefix below the last one could be its rest.
                does, at = Outcome.BREAKS, at - 1
        if does is Outcome.BREAKS:
            self._mark(i, at, r.WANTED)
            return at
        row = attempt.close(int(self.at[i]), self.behind(at - 1), self.number(i), at - i)
        row[r.TRACE_AT] += int(self.at[i]) - starts[i]
        self.rows.append(row)
        return at

    def _outside(self, i: int) -> None:
        engine, kind, line, length = self.reader, int(self.kinds[i]), self.line(i), self.length(i)
        message = line[length:]
        head = message.lstrip(b" \t")[:HEAD_BYTES].translate(DIGITS)
        exactly = engine.exact.get(head)
        if exactly is None:
            exactly = engine.exact[head] = may_begin(head.decode("latin-1")) == EXACTLY
        # Where digits can be part of the name of a register, they matter.
        key = (kind >= 0, message if exactly else message.translate(DIGITS))
        found = engine.wholes.get(key)
        if found is None:
            found = engine.lexicon.whole(line, length)
            if len(engine.wholes) < MAX_ENTRIES:
                engine.wholes[key] = found
        if found != INTERESTING and kind >= 0 and not exactly and len(engine.quiet) < MAX_ENTRIES:
            engine.quiet.add(message.translate(DIGITS))
        if found == INTERESTING:
            self._mark(i, i + 1, r.WANTED if kind >= 0 else r.BARE)
        elif kind < 0:
            self._mark(i, i + 1, r.LOOSE)

    def _mark(self, i: int, stop: int, kind: int) -> None:
        first, last = self._time(i), self._time(stop - 1)
        start, behind = int(self.at[i]), self.behind(stop - 1)
        if self.marks and self.marks[-1][r.MARK_STOP] == start and self.marks[-1][r.MARK_KIND] == kind:
            mark = self.marks[-1]
            mark[r.MARK_STOP], mark[r.MARK_LAST_US] = behind, last
            mark[r.MARK_LINES] += stop - i
            return
        self.marks.append([start, behind, self.number(i), stop - i, kind, first, last])

    def _time(self, i: int) -> int:
        kind = self.kinds[i]
        return time_us(self.line(i), self.engine.templates[kind]) if kind >= 0 else -1
