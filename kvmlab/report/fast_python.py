"""The engine without a compiler: NumPy finds the lines that matter, plain Python reads the reports.

For small inputs and for the browser. Same interface as `fast_compiled`, same grammar, same lexicon.
"""

from __future__ import annotations

import numpy as np

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_chunk import Chunk, Found, TooShort
from kvmlab.report.fast_heads import EXACTLY, HEAD_BYTES, may_begin
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import DIGITS, INTERESTING, MAX_ENTRIES
from kvmlab.report.fast_sieve import Knowledge, Sieve
from kvmlab.report.fast_steps import Attempt, Outcome, time_us
from kvmlab.report.fast_whole import MOST_LINES, Wholes


class PythonEngine(Knowledge):
    """Reads chunks of one text.

    Args:
        lexicon: what is known of lines; shared with other engines.
    """

    parallel = False
    name = "python"

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__(lexicon)
        self.attempt = Attempt(lexicon)
        self.whole_reports = Wholes(self.attempt)
        self.wholes: dict[tuple[bool, bytes], int] = {}
        # Messages behind a prefix that are surely of no report, zeros for digits.
        self.quiet: set[bytes] = set()
        self.exact: dict[bytes, bool] = {}

    def sibling(self) -> PythonEngine:
        """An engine for another text, to which all is known that this one has learned or will learn."""
        return PythonEngine(self.lexicon)

    def read(self, chunk: Chunk) -> Found:
        """The reports and marks of one chunk.

        Raises:
            TooShort: the chunk must hold more of the text behind its end.
        """
        return _Reading(self, chunk).run()


class _Reading(Sieve):
    """One chunk being read."""

    def __init__(self, engine: PythonEngine, chunk: Chunk) -> None:
        super().__init__(engine, chunk)
        self.reader = engine
        self.rows: list[list[int]] = []
        self.marks: list[list[int]] = []

    def run(self) -> Found:
        self.find_templates()
        self.lists = (self.starts.tolist(), self.ends.tolist(), self.kinds.tolist())
        wanted = self.candidates()
        titles = self.titles()
        self._bounds = np.union1d(self.breaks(), titles)
        is_title = np.zeros(len(self.starts) + 1, bool)
        is_title[titles] = True
        starts, ends, kinds = self.lists
        lengths = [len(template.shape) for template in self.engine.templates]
        quiet, text = self.reader.quiet, self.text
        done = -1
        for i, title in zip(wanted.tolist(), is_title[wanted].tolist(), strict=True):
            if i < done or i >= self.own:
                continue
            if title:
                done = self._report(i)
            elif kinds[i] < 0 or text[starts[i] + lengths[kinds[i]] : ends[i]].translate(DIGITS) not in quiet:
                self._outside(i)
        rows = np.array(self.rows, np.int64).reshape(-1, r.N_COLUMNS)
        marks = np.array(self.marks, np.int64).reshape(-1, r.N_MARK)
        lo = self.chunk.lo
        rows[:, [r.START, r.STOP, r.TRACE_AT]] += lo
        marks[:, [r.MARK_START, r.MARK_STOP]] += lo
        stop = max(self.chunk.hi, lo + int(self.behind[done - 1]) if done > 0 else 0)
        used = np.bincount(self.kinds[self.kinds >= 0], minlength=1).nonzero()[0].tolist()
        callers = any(self.engine.templates[k].caller[0] >= 0 for k in used if k < len(self.engine.templates))
        return Found(rows, marks, self.own, stop, self.stray, callers)

    def _report(self, i: int) -> int:
        """Reads the report that begins in line `i`; the number of the first line that is not its own."""
        engine, chunk = self.reader, self.chunk
        attempt, templates, n = engine.attempt, engine.templates, len(self.starts)
        (starts, ends, kinds), text = self.lists, self.text
        template = templates[kinds[i]]
        bound = int(np.searchsorted(self._bounds, i, side="right"))
        upto = min(int(self._bounds[bound]) if bound < len(self._bounds) else n, i + MOST_LINES, n - 1)
        at = engine.whole_reports.read(text, starts, ends, i, upto, template, engine.styles.index(template.style))
        if 0 < at < n and (kinds[at] not in (-1, -3) or ends[at] <= starts[at]):
            self.rows.append(attempt.close(starts[i], int(self.behind[at - 1]), i, at - i))
            return at
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
        self.rows.append(attempt.close(int(starts[i]), int(self.behind[at - 1]), i, at - i))
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
        if self.marks and self.marks[-1][r.MARK_STOP] == self.starts[i] and self.marks[-1][r.MARK_KIND] == kind:
            mark = self.marks[-1]
            mark[r.MARK_STOP], mark[r.MARK_LAST_US] = int(self.behind[stop - 1]), last
            mark[r.MARK_LINES] += stop - i
            return
        self.marks.append([int(self.starts[i]), int(self.behind[stop - 1]), i, stop - i, kind, first, last])

    def _time(self, i: int) -> int:
        kind = self.kinds[i]
        return time_us(self.line(i), self.engine.templates[kind]) if kind >= 0 else -1
