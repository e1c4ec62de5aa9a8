"""The lines of a chunk that could be of a report, found by NumPy: for the engine without a compiler."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from kvmlab.report.fast_chunk import Chunk, TooShort
from kvmlab.report.fast_heads import NO, held_words
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import DIGITS, FOREIGN, MAX_ENTRIES, Template

_TITLE = b"BUG: Bad page state in process "
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
        self.held = [word.encode() for word in held_words()]

    def add(self, template: Template) -> bool:
        """Learns a template; False if it is known or there are too many."""
        if template in self.templates or len(self.templates) >= _MAX_TEMPLATES:
            return False
        if template.style not in self.styles:
            self.styles.append(template.style)
        self.templates = sorted([*self.templates, template], key=lambda t: -len(t.shape))
        return True


class Sieve:
    """The lines of one chunk: where they are, whose prefix they have, which must be looked at.

    Args:
        engine: what is known.
        chunk: the chunk.
    """

    def __init__(self, engine: Knowledge, chunk: Chunk) -> None:
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

    def titles(self) -> Any:
        """Numbers of the lines that begin as the title of a bad page does."""
        places, at = [], self.text.find(_TITLE)
        while at >= 0:
            places.append(at)
            at = self.text.find(_TITLE, at + 1)
        found = np.array(places, np.int64)
        lines = np.searchsorted(self.starts, found, side="right") - 1
        lengths = np.array([len(t.shape) for t in self.engine.templates] + [0, 0, 0], np.int64)
        kept = (self.kinds[lines] >= 0) & (self.starts[lines] + lengths[self.kinds[lines]] == found)
        return lines[kept]

    def breaks(self) -> Any:
        """Numbers of the lines whose template, second or caller differs from that of the line before."""
        n = len(self.starts)
        differs = np.zeros(n, bool)
        differs[1:] = self.kinds[1:] != self.kinds[:-1]
        shown = np.zeros(n, np.uint64)
        for k, template in enumerate(self.engine.templates):
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

    def find_templates(self) -> None:
        """Gives each line the number of its template; -1 stands for a line without one, -2 for a program's."""
        rooms = self.ends - self.starts
        for k in range(len(self.engine.templates)):
            self._fit(k, rooms)
        while True:
            for i in np.flatnonzero((self.kinds == -1) & (rooms > 0)).tolist():
                line = self.line(i)
                key = line[: line.find(b": ") if b": " in line[:130] else 128].translate(DIGITS)
                found = self.engine.begins.get(key)
                if found is None:
                    learned = self.engine.lexicon.template(line)
                    if isinstance(learned, Template):
                        if self.engine.add(learned):
                            self._again(rooms)
                            break
                        learned = FOREIGN + 1
                    found = learned
                    if len(self.engine.begins) < MAX_ENTRIES:
                        self.engine.begins[key] = found
                self.kinds[i] = -2 if found == FOREIGN else -3
            else:
                return

    def _again(self, rooms: Any) -> None:
        self.kinds[self.kinds >= 0] = -1
        for k in range(len(self.engine.templates)):
            self._fit(k, rooms)

    def _fit(self, k: int, rooms: Any) -> None:
        shape = self.engine.templates[k].shape
        open_lines = np.flatnonzero((self.kinds == -1) & (rooms >= len(shape)))
        for at in range(0, len(shape), 8):
            if not len(open_lines):
                return
            part = shape[at : at + 8]
            shown = _zeroed(self.words[self.starts[open_lines] + at])
            same = (shown & _MASKS[len(part)]) == np.uint64(int.from_bytes(part, "little"))
            open_lines = open_lines[same]
        self.kinds[open_lines] = k

    def candidates(self) -> Any:
        """The lines that must be looked at: by how their message begins, by what they hold, or for lack of a prefix."""
        n = self.own
        lengths = np.array([len(t.shape) for t in self.engine.templates] + [0, 0, 0], np.int64)
        kinds = self.kinds[:n]
        begins = self.starts[:n] + lengths[kinds]
        rooms = self.ends[:n] - begins
        heads = _zeroed(self.words[begins] & _MASKS[np.minimum(rooms, 8)])
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
        data, text = self.data, self.text
        places = [np.flatnonzero(data == 43)]
        at = places[0][places[0] + 2 < len(data)]
        places = [at[(data[at + 1] == 48) & (data[at + 2] == 120)]]
        at = np.flatnonzero(data == 60)
        places.append(at[data[np.maximum(at - 1, 0)] == 91])
        for word in self.engine.held:
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

    def length(self, i: int) -> int:
        kind = int(self.kinds[i])
        return len(self.engine.templates[kind].shape) if kind >= 0 else 0
