"""The lines of a chunk that could be of a report, found by NumPy: for the engine without a compiler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kvmlab.report.fast_chunk import Chunk, TooShort
from kvmlab.report.fast_cut import TITLE, Cuts
from kvmlab.report.fast_heads import NO, held_words
from kvmlab.report.fast_hints import count_times, digits_zeroed, digits_zeroed_at, hints, places, times
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import DIGITS, FOREIGN, MAX_ENTRIES, MAX_TEMPLATES, Template
from kvmlab.report.fast_words import WordFinder

_FULL = np.uint64(0xFF)
_K = np.uint64(0x9E3779B97F4A7C15)
_TABLE_BITS = 14
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(8)] + [(1 << 64) - 1], np.uint64)
# Behind the text, so that words of eight bytes can be read from its end, and of prefixes from its last line.
_PAD = bytes(256)


class Knowledge:
    """What is known of prefixes and of how messages begin.

    Args:
        lexicon: what is known of lines; shared with other engines.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.templates: list[Template] = []
        self.styles: list[str] = []
        self.begins: dict[bytes, int] = {}
        # Beginnings of messages: all, and those of most use by a hash.
        self.known: dict[int, int] = {}
        self.heads = np.zeros(1 << _TABLE_BITS, np.uint64)
        self.looks = np.zeros(1 << _TABLE_BITS, bool)
        held = [word.encode() for word in held_words()]
        self.finder = WordFinder([TITLE, *(word for word in held if len(word) >= 15)])
        self.short = [word for word in held if len(word) < 15]

    def add(self, template: Template) -> bool:
        """Learns a template; False if it is known or there are too many."""
        if template in self.templates or len(self.templates) >= MAX_TEMPLATES:
            return False
        if template.style not in self.styles:
            self.styles.append(template.style)
        self.templates = sorted([*self.templates, template], key=lambda t: -len(t.shape))
        return True


class Sieve:
    """The lines of one chunk, without those that have been cut out: where they are, whose prefix they have.

    Args:
        engine: what is known.
        chunk: the chunk.
        text: its bytes, from the first line on.
        cuts: the reports that have been read.
        found: where words stand in the text that a line could be known by, and titles.
    """

    def __init__(
        self, engine: Knowledge, chunk: Chunk, text: bytes, cuts: Cuts, found: Sequence[tuple[int, bytes]]
    ) -> None:
        self.engine, self.chunk, self.cuts = engine, chunk, cuts
        begins, ends = [0, *cuts.stops.tolist()], [*cuts.starts.tolist(), len(text)]
        pieces = [text[a:b] for a, b in zip(begins, ends, strict=True)] if len(cuts) else [text]
        self.text = b"".join([*pieces, _PAD])
        padded = np.frombuffer(self.text, np.uint8)
        self.data = padded[: len(padded) - len(_PAD)]
        self.words = np.ndarray((len(padded) - 7,), "<u8", padded, 0, (1,))
        # For each number of cuts before a place: how many bytes and lines they took.
        self._bytes = np.append(0, np.cumsum(cuts.stops - cuts.starts))
        self._lines = np.append(0, np.cumsum(cuts.lines))
        self._cut_at = cuts.starts - self._bytes[:-1]
        size = chunk.hi - chunk.lo
        special = np.flatnonzero(self.data.view(np.int8) < 32)
        values = self.data[special]
        feeds = special[values == 10]
        starts = np.empty(len(feeds) + 1, np.int64)
        starts[0], starts[1:] = 0, feeds + 1
        whole = chunk.at_end and (not len(feeds) or feeds[-1] + 1 < len(self.data))
        n = len(starts) if whole else len(feeds)
        steps = np.zeros(len(starts) + 1, np.int64)
        np.add.at(steps, np.searchsorted(starts, self._cut_at), 1)
        cuts_before = np.cumsum(steps[:-1])
        places_of = starts + self._bytes[cuts_before]
        self.starts, self.ends = starts[:n], np.append(feeds, len(self.data))[:n]
        self.following = np.append(starts[1:], len(self.data))[:n]
        # Where lines begin and end in the text, and their numbers.
        self.before = cuts_before[:n]
        self.at = places_of[:n]
        self.own = int(np.searchsorted(self.at, size))
        after = int(places_of[n]) if n < len(places_of) else len(text)
        if not chunk.at_end and self.own == n and size > after:
            raise TooShort
        # How many lines of the text begin within the chunk's own part.
        self.own_lines = self.own + int(self._lines[-1])
        if len(cuts) and cuts.stops[-1] > size:
            self.own_lines -= text.count(b"\n", max(int(cuts.starts[-1]), size) - 1, int(cuts.stops[-1]) - 1)
        returns = special[values == 13]
        self.stray = bool(len(returns)) and self._trim(returns)
        self._odd = special[(values < 9) | (values > 13)]
        self._found = found
        self.kinds = np.full(n, -1, np.int64)

    def behind(self, i: int) -> int:
        """Where in the text line `i` and its ending are over."""
        return int(self.following[i] + self._bytes[self.before[i]])

    def number(self, i: int) -> int:
        """The number of line `i` in the text."""
        return int(i + self._lines[self.before[i]])

    def numbers(self, lines: Any) -> Any:
        """The same of many lines."""
        return lines + self._lines[self.before[lines]]

    def _trim(self, returns: Any) -> bool:
        """Takes carriage returns off the ends of lines; whether others remain."""
        ends, taken = self.ends.copy(), 0
        while (some := (ends > self.starts) & (self.data[np.maximum(ends - 1, 0)] == 13)).any():
            ends -= some
            taken += int(some.sum())
        self.ends = ends
        return bool(taken != (returns < (self.following[-1] if len(ends) else 0)).sum())

    def left(self, found: Any) -> Any:
        """Places in the text as places in what is left of it, without those that have been cut out."""
        cut = np.searchsorted(self._cut_at + self._bytes[:-1], found, side="right")
        kept = found - self._bytes[cut]
        # Behind a cut, nothing begins before the place where it was.
        inside = kept < self._cut_at[np.maximum(cut - 1, 0)] if len(self._cut_at) else np.zeros(len(found), bool)
        return kept[~(inside & (cut > 0))]

    def titles(self) -> Any:
        """Numbers of the lines that begin as the title of a bad page does and have not been read yet."""
        found = self.left(np.array([at for at, word in self._found if word == TITLE], np.int64))
        lines = np.searchsorted(self.starts, found, side="right") - 1
        kept = (lines >= 0) & (lines < len(self.starts))
        found, lines = found[kept], lines[kept]
        lengths = np.array([len(t.shape) for t in self.engine.templates] + [0, 0, 0], np.int64)
        kinds = self.kinds[lines]
        lines = lines[(kinds >= 0) & (self.starts[lines] + lengths[kinds] == found)]
        return lines[~np.isin(self.at[lines], self.cuts.titles)]

    def line(self, i: int) -> bytes:
        """Line `i` without its ending."""
        return bytes(self.text[self.starts[i] : self.ends[i]])

    def find_templates(self) -> None:
        """Gives each line the number of its template; -1 stands for a line without one, -2 for a program's."""
        rooms = self.ends - self.starts
        self._fit_all(rooms)
        while True:
            for i in np.flatnonzero((self.kinds == -1) & (rooms > 0)).tolist():
                line = self.line(i)
                key = line[: line.find(b": ") if b": " in line[:130] else 128].translate(DIGITS)
                found = self.engine.begins.get(key)
                if found is None:
                    learned = self.engine.lexicon.template(line)
                    if isinstance(learned, Template):
                        if self.engine.add(learned):
                            self.kinds[self.kinds >= 0] = -1
                            self._fit_all(rooms)
                            break
                        learned = FOREIGN + 1
                    found = learned
                    if len(self.engine.begins) < MAX_ENTRIES:
                        self.engine.begins[key] = found
                self.kinds[i] = -2 if found == FOREIGN else -3
            else:
                return

    def _fit_all(self, rooms: Any) -> None:
        left: Any = None
        for k, template in enumerate(self.engine.templates):
            if left is not None and not len(left):
                return
            fits = digits_zeroed_at(self.words, self.starts if left is None else self.starts[left], template.shape)
            fits &= (rooms if left is None else rooms[left]) >= len(template.shape)
            if left is None:
                self.kinds[fits] = k
                left = np.flatnonzero(~fits)
            else:
                self.kinds[left[fits]] = k
                left = left[~fits]

    def candidates(self) -> Any:
        """The lines that must be looked at: by how their message begins, by what they hold, or for lack of a prefix."""
        n = self.own
        lengths = np.array([len(t.shape) for t in self.engine.templates] + [0, 0, 0], np.int64)
        kinds = self.kinds[:n]
        begins = self.starts[:n] + lengths[kinds]
        rooms = self.ends[:n] - begins
        heads = digits_zeroed(self.words[begins] & _MASKS[np.minimum(rooms, 8)])
        first = heads & _FULL
        blank = (first == 32) | (first == 9)
        slots = (heads * _K) >> np.uint64(64 - _TABLE_BITS)
        engine = self.engine
        strange = np.flatnonzero((engine.heads[slots] != heads) & (rooms > 0) & ~blank & (kinds != -2))
        looks = engine.looks[slots] | blank
        if len(strange):
            values, firsts, which = np.unique(heads[strange], return_index=True, return_inverse=True)
            found = np.array(
                [self._look(v, int(strange[i])) for v, i in zip(values.tolist(), firsts.tolist(), strict=True)]
            )
            looks[strange] = found[which]
        looks |= kinds == -3
        looks[self._hinted()] = True
        looks[self._timed()] = True
        looks &= (rooms > 0) & (kinds != -2)
        return np.flatnonzero(looks)

    def _look(self, value: int, i: int) -> bool:
        engine = self.engine
        found = engine.known.get(value)
        if found is None:
            found = engine.lexicon.beginning(self.line(i), self.length(i))
            if len(engine.known) < MAX_ENTRIES:
                engine.known[value] = found
        slot = ((value * int(_K)) & ((1 << 64) - 1)) >> (64 - _TABLE_BITS)
        engine.heads[slot], engine.looks[slot] = value, found != NO
        return bool(found != NO)

    def _hinted(self) -> Any:
        """Numbers of the lines that hold what a part of a report could be known by."""
        held = [at for at, word in self._found if word != TITLE]
        found = [self._odd, self.left(np.array(held, np.int64)), hints(self.text, self.data)]
        found += [places(self.text, self.data, word) for word in self.engine.short]
        lines = np.searchsorted(self.starts, np.concatenate(found), side="right") - 1
        return lines[lines < self.own]

    def _timed(self) -> Any:
        """Numbers of the lines that hold more times than their prefixes do."""
        data = self.data[: self.ends[-1]] if len(self.ends) else self.data[:0]
        own = np.array([t.shape.count(b".000000]") for t in self.engine.templates] + [0, 0, 0], np.int64)[self.kinds]
        if count_times(data) <= own.sum():
            return np.empty(0, np.int64)
        lines = np.searchsorted(self.starts, times(data), side="right") - 1
        held = np.bincount(lines, minlength=len(self.starts))
        return np.flatnonzero(held[: self.own] > own[: self.own])

    def length(self, i: int) -> int:
        kind = int(self.kinds[i])
        return len(self.engine.templates[kind].shape) if kind >= 0 else 0
