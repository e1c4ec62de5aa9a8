"""The engine without a compiler: NumPy finds the lines that matter, plain Python reads the reports.

For small inputs and for the browser. Same interface as `fast_compiled`, same grammar, same lexicon.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from kvmlab.report import fast_grammar as g
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_chunk import Chunk, Found, TooShort
from kvmlab.report.fast_heads import EXACTLY, HEAD_BYTES, NO, held_words, may_begin
from kvmlab.report.fast_lexicon import FOREIGN, INTERESTING, MAX_ENTRIES, Lexicon, Template
from kvmlab.report.fast_steps import Attempt, Outcome, time_us
from kvmlab.report.fast_whole import MOST_LINES, Wholes

_TITLE = b"BUG: Bad page state in process "
_DIGITS = bytes.maketrans(b"0123456789", b"0" * 10)
_ZERO, _HIGH, _LOW7, _ADD = (
    np.uint64(0x3030303030303030), np.uint64(0x8080808080808080), np.uint64(0x7F7F7F7F7F7F7F7F),
    np.uint64(0x7676767676767676),
)  # fmt: skip
_SEVEN, _FULL = np.uint64(7), np.uint64(0xFF)
_K = np.uint64(0x9E3779B97F4A7C15)
_MAX_TEMPLATES = 64
_TABLE_BITS = 18
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(8)] + [(1 << 64) - 1], np.uint64)
_ODD = re.compile(rb"[^\t-\r -~]")
_FILE = re.compile(rb"\.[A-Za-z]{1,4}:[0-9]")


def _zeroed(words: Any) -> Any:
    """Words of eight bytes with a zero for every digit."""
    t = words ^ _ZERO
    other = (((t & _LOW7) + _ADD) | t) & _HIGH
    digits = ((other ^ _HIGH) >> _SEVEN) * _FULL
    return (words & ~digits) | (_ZERO & digits)


class PythonEngine:
    """Reads chunks of one text.

    Args:
        lexicon: what is known of lines; shared with other engines.
    """

    parallel = False
    name = "python"

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self._templates: list[Template] = []
        self._styles: list[str] = []
        self._wholes: dict[tuple[bool, bytes], int] = {}
        self._begins: dict[bytes, int] = {}
        self._attempt = Attempt(lexicon)
        self._wholes_read = Wholes(self._attempt)
        # Messages behind a prefix that are surely of no report, zeros for digits.
        self._quiet: set[bytes] = set()
        # Beginnings of messages: all, and those of most use by a hash.
        self._known: dict[int, int] = {}
        self._heads = np.zeros(1 << _TABLE_BITS, np.uint64)
        self._looks = np.zeros(1 << _TABLE_BITS, bool)
        self._exact: dict[bytes, bool] = {}
        self._held = [word.encode() for word in held_words()]

    def sibling(self) -> PythonEngine:
        """An engine for another text, to which all is known that this one has learned or will learn."""
        return PythonEngine(self.lexicon)

    def read(self, chunk: Chunk) -> Found:
        """The reports and marks of one chunk.

        Raises:
            TooShort: the chunk must hold more of the text behind its end.
        """
        return _Reading(self, chunk).run()

    def add(self, template: Template) -> bool:
        """Learns a template; False if it is known or there are too many."""
        if template in self._templates or len(self._templates) >= _MAX_TEMPLATES:
            return False
        if template.style not in self._styles:
            self._styles.append(template.style)
        self._templates = sorted([*self._templates, template], key=lambda t: -len(t.shape))
        return True


class _Reading:
    """One chunk being read."""

    def __init__(self, engine: PythonEngine, chunk: Chunk) -> None:
        self.engine, self.chunk = engine, chunk
        self.data = chunk.data[chunk.lo : chunk.stop]
        self.text = self.data.tobytes()
        size = chunk.hi - chunk.lo
        feeds = np.flatnonzero(self.data == 10)
        starts = np.empty(len(feeds) + 1, np.int64)
        starts[0], starts[1:] = 0, feeds + 1
        ends = np.append(feeds, len(self.text))
        behind = np.append(feeds + 1, len(self.text))
        whole = chunk.at_end and (not len(feeds) or feeds[-1] + 1 < len(self.text))
        n = len(starts) if whole else len(feeds)
        self.starts, self.ends, self.behind = starts[:n], ends[:n], behind[:n]
        self.own = int(np.searchsorted(self.starts, size))
        if not chunk.at_end and self.own == n and size > (behind[n - 1] if n else 0):
            raise TooShort
        self.stray = self._trim()
        padded = chunk.data[chunk.lo :]
        self.words = np.ndarray((len(padded) - 7,), "<u8", padded, 0, (1,))
        self.kinds = np.full(n, -1, np.int64)
        self.lists: tuple[list[int], list[int], list[int]] = ([], [], [])
        self.rows: list[list[int]] = []
        self.marks: list[list[int]] = []

    def _trim(self) -> bool:
        """Takes carriage returns off the ends of lines; whether others remain."""
        total = self.text.count(b"\r")
        if not total:
            return False
        ends = self.ends.copy()
        taken = 0
        while (some := (ends > self.starts) & (self.data[np.maximum(ends - 1, 0)] == 13)).any():
            ends -= some
            taken += int(some.sum())
        self.ends = ends
        return bool(taken != self.text.count(b"\r", 0, int(self.behind[-1]) if len(self.behind) else 0))

    def run(self) -> Found:
        self._find_templates()
        self.lists = (self.starts.tolist(), self.ends.tolist(), self.kinds.tolist())
        wanted = self._candidates()
        titles = self._titles()
        self._bounds = np.union1d(self._breaks(), titles)
        is_title = np.zeros(len(self.starts) + 1, bool)
        is_title[titles] = True
        starts, ends, kinds = self.lists
        lengths = [len(template.shape) for template in self.engine._templates]
        quiet, text = self.engine._quiet, self.text
        done = -1
        for i, title in zip(wanted.tolist(), is_title[wanted].tolist(), strict=True):
            if i < done or i >= self.own:
                continue
            if title:
                done = self._report(i)
            elif kinds[i] < 0 or text[starts[i] + lengths[kinds[i]] : ends[i]].translate(_DIGITS) not in quiet:
                self._outside(i)
        rows = np.array(self.rows, np.int64).reshape(-1, r.N_COLUMNS)
        marks = np.array(self.marks, np.int64).reshape(-1, r.N_MARK)
        lo = self.chunk.lo
        rows[:, [r.START, r.STOP, r.TRACE_AT]] += lo
        marks[:, [r.MARK_START, r.MARK_STOP]] += lo
        stop = max(self.chunk.hi, lo + int(self.behind[done - 1]) if done > 0 else 0)
        used = np.bincount(self.kinds[self.kinds >= 0], minlength=1).nonzero()[0].tolist()
        callers = any(self.engine._templates[k].caller[0] >= 0 for k in used if k < len(self.engine._templates))
        return Found(rows, marks, self.own, stop, self.stray, callers)

    def _titles(self) -> Any:
        """Numbers of the lines that begin as the title of a bad page does."""
        places, at = [], self.text.find(_TITLE)
        while at >= 0:
            places.append(at)
            at = self.text.find(_TITLE, at + 1)
        found = np.array(places, np.int64)
        lines = np.searchsorted(self.starts, found, side="right") - 1
        lengths = np.array([len(t.shape) for t in self.engine._templates] + [0, 0, 0], np.int64)
        kept = (self.kinds[lines] >= 0) & (self.starts[lines] + lengths[self.kinds[lines]] == found)
        return lines[kept]

    def _breaks(self) -> Any:
        """Numbers of the lines whose template, second or caller differs from that of the line before."""
        n = len(self.starts)
        differs = np.zeros(n, bool)
        differs[1:] = self.kinds[1:] != self.kinds[:-1]
        shown = np.zeros(n, np.uint64)
        for k, template in enumerate(self.engine._templates):
            for first, end in (template.seconds, template.caller):
                if first < 0:
                    continue
                lines = np.flatnonzero(self.kinds == k)
                for at in range(first, end, 8):
                    shown[lines] = self.words[self.starts[lines] + at] & _MASKS[min(8, end - at)]
                    differs[1:] |= shown[1:] != shown[:-1]
                shown[lines] = 0
        return np.flatnonzero(differs)

    def line(self, i: int) -> bytes:
        """Line `i` without its ending."""
        return bytes(self.text[self.starts[i] : self.ends[i]])

    def _find_templates(self) -> None:
        """Gives each line the number of its template; -1 stands for a line without one, -2 for a program's."""
        rooms = self.ends - self.starts
        for k in range(len(self.engine._templates)):
            self._fit(k, rooms)
        while True:
            for i in np.flatnonzero((self.kinds == -1) & (rooms > 0)).tolist():
                line = self.line(i)
                key = line[: line.find(b": ") if b": " in line[:130] else 128].translate(_DIGITS)
                found = self.engine._begins.get(key)
                if found is None:
                    learned = self.engine.lexicon.template(line)
                    if isinstance(learned, Template):
                        if self.engine.add(learned):
                            self._again(rooms)
                            break
                        learned = FOREIGN + 1
                    found = learned
                    if len(self.engine._begins) < MAX_ENTRIES:
                        self.engine._begins[key] = found
                self.kinds[i] = -2 if found == FOREIGN else -3
            else:
                return

    def _again(self, rooms: Any) -> None:
        self.kinds[self.kinds >= 0] = -1
        for k in range(len(self.engine._templates)):
            self._fit(k, rooms)

    def _fit(self, k: int, rooms: Any) -> None:
        shape = self.engine._templates[k].shape
        open_lines = np.flatnonzero((self.kinds == -1) & (rooms >= len(shape)))
        for at in range(0, len(shape), 8):
            if not len(open_lines):
                return
            part = shape[at : at + 8]
            shown = _zeroed(self.words[self.starts[open_lines] + at])
            same = (shown & _MASKS[len(part)]) == np.uint64(int.from_bytes(part, "little"))
            open_lines = open_lines[same]
        self.kinds[open_lines] = k

    def _candidates(self) -> Any:
        """The lines that must be looked at: by how their message begins, by what they hold, or for lack of a prefix."""
        n = self.own
        lengths = np.array([len(t.shape) for t in self.engine._templates] + [0, 0, 0], np.int64)
        kinds = self.kinds[:n]
        begins = self.starts[:n] + lengths[kinds]
        rooms = self.ends[:n] - begins
        heads = _zeroed(self.words[begins] & _MASKS[np.minimum(rooms, 8)])
        first = heads & _FULL
        blank = (first == 32) | (first == 9)
        slots = (heads * _K) >> np.uint64(64 - _TABLE_BITS)
        engine = self.engine
        strange = np.flatnonzero((engine._heads[slots] != heads) & (rooms > 0) & ~blank & (kinds != -2))
        looks = engine._looks[slots] | blank
        if len(strange):
            values, firsts, which = np.unique(heads[strange], return_index=True, return_inverse=True)
            found = np.array(
                [self._look(v, int(strange[i])) for v, i in zip(values.tolist(), firsts.tolist(), strict=True)]
            )
            looks[strange] = found[which]
        looks |= kinds == -3
        looks[self._hinted()] = True
        looks &= (rooms > 0) & (kinds != -2)
        return np.flatnonzero(looks)

    def _look(self, value: int, i: int) -> bool:
        engine = self.engine
        found = engine._known.get(value)
        if found is None:
            found = engine.lexicon.beginning(self.line(i), self._length(i))
            if len(engine._known) < MAX_ENTRIES:
                engine._known[value] = found
        slot = ((value * int(_K)) & ((1 << 64) - 1)) >> (64 - _TABLE_BITS)
        engine._heads[slot], engine._looks[slot] = value, found != NO
        return bool(found != NO)

    def _hinted(self) -> Any:
        """Numbers of the lines that hold what a part of a report could be known by."""
        data, text = self.data, self.text
        places = [np.flatnonzero(data == 43)]
        at = places[0][places[0] + 2 < len(data)]
        places = [at[(data[at + 1] == 48) & (data[at + 2] == 120)]]
        at = np.flatnonzero(data == 60)
        places.append(at[data[np.maximum(at - 1, 0)] == 91])
        for word in self.engine._held:
            if len(word) < 8:
                # A short word is found sooner by its last character.
                at = np.flatnonzero(data == word[-1]) - len(word) + 1
                at = at[at >= 0]
                places.append(at[np.all([data[at + k] == word[k] for k in range(len(word))], axis=0)])
                continue
            at_word = text.find(word)
            while at_word >= 0:
                places.append(np.array([at_word]))
                at_word = text.find(word, at_word + 1)
        control = (data < 32) & (data != 10)
        if not text.isascii() or control.any() or 127 in text:
            places.append(np.array([found.start() for found in _ODD.finditer(text)], np.int64))
        places.append(np.array([found.start() for found in _FILE.finditer(text)], np.int64))
        lines = np.searchsorted(self.starts, np.concatenate(places), side="right") - 1
        return lines[lines < self.own]

    def _report(self, i: int) -> int:
        """Reads the report that begins in line `i`; the number of the first line that is not its own."""
        engine, chunk = self.engine, self.chunk
        attempt, templates, n = engine._attempt, engine._templates, len(self.starts)
        (starts, ends, kinds), text = self.lists, self.text
        template = templates[kinds[i]]
        bound = int(np.searchsorted(self._bounds, i, side="right"))
        upto = min(int(self._bounds[bound]) if bound < len(self._bounds) else n, i + MOST_LINES, n - 1)
        at = engine._wholes_read.read(text, starts, ends, i, upto, template, engine._styles.index(template.style))
        if 0 < at < n and (kinds[at] not in (-1, -3) or ends[at] <= starts[at]):
            self.rows.append(attempt.close(starts[i], int(self.behind[at - 1]), i, at - i))
            return at
        begun = attempt.begin(self.line(i), template, engine._styles.index(template.style))
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
        engine, kind, line, length = self.engine, int(self.kinds[i]), self.line(i), self._length(i)
        message = line[length:]
        head = message.lstrip(b" \t")[:HEAD_BYTES].translate(_DIGITS)
        exactly = engine._exact.get(head)
        if exactly is None:
            exactly = engine._exact[head] = may_begin(head.decode("latin-1")) == EXACTLY
        # Where digits can be part of the name of a register, they matter.
        key = (kind >= 0, message if exactly else message.translate(_DIGITS))
        found = engine._wholes.get(key)
        if found is None:
            found = engine.lexicon.whole(line, length)
            if len(engine._wholes) < MAX_ENTRIES:
                engine._wholes[key] = found
        if found != INTERESTING and kind >= 0 and not exactly and len(engine._quiet) < MAX_ENTRIES:
            engine._quiet.add(message.translate(_DIGITS))
        if found == INTERESTING:
            self._mark(i, i + 1, r.WANTED if kind >= 0 else r.BARE)
        elif kind < 0:
            self._mark(i, i + 1, r.LOOSE)

    def _length(self, i: int) -> int:
        kind = int(self.kinds[i])
        return len(self.engine._templates[kind].shape) if kind >= 0 else 0

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
        return time_us(self.line(i), self.engine._templates[kind]) if kind >= 0 else -1
