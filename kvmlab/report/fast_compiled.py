"""The compiled engine from outside: a chunk in, rows and marks out; what it has to learn it learns from the lexicon."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_chunk import Chunk, Found, TooShort, Unread
from kvmlab.report.fast_grammar import MAX_LINES
from kvmlab.report.fast_known import Known, Room
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import LOOSE, MAX_ENTRIES, MAX_TEMPLATES, PREFIX_BYTES, Template, prefix_end
from kvmlab.report.fast_numba import read_chunk
from kvmlab.report.fast_simd import READS_FILES
from kvmlab.report.fast_state import (
    C_LINE,
    HAS_TO_LEARN,
    MOST_ENDS,
    MOST_TRAIL,
    N_STATE,
    NEAR,
    NEEDS_ROOM,
    R_LAST_US,
    R_LINE,
    R_LINES,
    R_MARKS,
    R_P,
    R_ROWS,
    R_STOP,
    S_AT,
    S_CALLERS,
    S_FULL,
    S_HAVE,
    S_LINES,
    S_MARKS,
    S_ROWS,
    S_SHORT,
    S_STRAY,
    S_TAUGHT,
    S_TRAIL,
    S_UNKNOWN,
    SEEN,
    UNREAD,
)
from kvmlab.report.scan_stacks import learn_trail

PAD = 256
# Templates of a text that come from other texts.
_MAX_KIN = 24
_NUMBERS = re.compile(rb" *(?:\b[TC])?0+")
_ROOM_UNKNOWN = 4096
# A report is read again for what it taught, at most so often; then what is still unknown goes to the tolerant parser.
_TRIES = 24
# A report of fewer bytes is none; gives the room for rows.
_LEAST_REPORT = 400


class CompiledEngine:
    """Reads chunks of one text; safe to use from several threads.

    Args:
        lexicon: what is known of lines; shared with other engines.
    """

    parallel = True
    fills = READS_FILES
    name = "numba"

    def __init__(self, lexicon: Lexicon, known: Known | None = None) -> None:
        self.lexicon = lexicon
        self._known = Known() if known is None else known
        # Whose message a line is depends on the templates of this text.
        self._own_seed = np.uint64(int.from_bytes(os.urandom(8), "little"))
        self._templates: list[Template] = []
        # Their shapes and their numbers, and how many there are; put in place together, for other threads.
        self._arrays = self._known.prefixes(())

    def sibling(self) -> CompiledEngine:
        """An engine for another text, to which all is known that this one has learned or will learn."""
        return CompiledEngine(self.lexicon, self._known)

    def read(self, chunk: Chunk) -> Found:
        """The reports and marks of one chunk.

        Raises:
            TooShort: the chunk must hold more of the text behind its end.
            Unread: what is missing of it could not be read.
        """
        known, room = self._known, self._room(chunk.hi - chunk.lo)
        if not self._templates:
            # All lines of a text may have the prefix of its first one.
            line = chunk.data[chunk.lo : min(chunk.lo + 2 * PREFIX_BYTES, chunk.stop)].tobytes().partition(b"\n")
            if line[1] and isinstance(found := self.lexicon.template(line[0].rstrip(b"\r")), Template):
                with known.lock:
                    # Other texts with prefixes like that have taught what else they look like.
                    self._add(found, *known.templates.get(_kin(found), ()))
        state = room.state
        state[:] = 0
        state[S_HAVE] = chunk.stop if chunk.have < 0 else chunk.have
        at, tries, full = chunk.lo, 0, _ROOM_UNKNOWN
        while True:
            state[S_FULL] = full
            table, (shapes, forms, n) = known.table.words, self._arrays
            read_chunk(
                chunk.data, at, chunk.hi, chunk.stop, chunk.at_end, chunk.fd, chunk.base, shapes, forms, n, table,
                np.int64(len(table) // 4 - 1), known.seed, known.salts, self._own_seed, known.steps, known.look,
                known.holds, known.n_holds, room.rows, np.int64(len(room.rows) - 2), room.marks,
                np.int64(len(room.marks) // r.N_MARK - 2), room.unknown, state, room.quiet, room.ends,
                room.trail, room.seen,
            )  # fmt: skip
            if state[S_SHORT] == UNREAD:
                raise Unread
            if state[S_SHORT] == NEEDS_ROOM:
                have = state[S_HAVE]
                room = self._room(2 * (chunk.hi - chunk.lo), grow=len(room.marks) // r.N_MARK * 2)
                state = room.state
                state[:] = 0
                state[S_HAVE] = have
                at, tries = chunk.lo, 0
                continue
            if not state[S_UNKNOWN]:
                break
            tries = tries + 1 if state[R_P] == at else 0
            if tries > _TRIES or not self._learn(chunk, room.unknown, int(state[S_UNKNOWN]), n):
                if state[S_SHORT] != HAS_TO_LEARN:
                    break
                # There is nothing to be learned from it: what is unknown from here on goes to the tolerant parser.
                full = 0
            at = int(state[R_P])
            _go_back(state, room.marks)
        if state[S_SHORT]:
            raise TooShort
        learn_trail(room.trail[: state[S_TRAIL]].tolist(), self.lexicon)
        rows = room.rows[: state[S_ROWS]].copy()
        marks = room.marks[: state[S_MARKS] * r.N_MARK].reshape(-1, r.N_MARK).copy()
        return Found(rows, marks, int(state[S_LINES]), int(state[S_AT]), bool(state[S_STRAY]), bool(state[S_CALLERS]))

    def _room(self, size: int, grow: int = 0) -> Room:
        held: Room | None = getattr(self._known.rooms, "room", None)
        n_rows, n_marks = size // _LEAST_REPORT + 64, max(grow, 1 << 14)
        if held is None or len(held.rows) < n_rows or len(held.marks) < n_marks * r.N_MARK:
            held = Room(
                np.empty((n_rows, r.N_COLUMNS), np.int64), np.empty(n_marks * r.N_MARK, np.int64),
                np.empty(_ROOM_UNKNOWN * r.N_UNKNOWN, np.int64), np.zeros(N_STATE, np.int64),
                np.zeros(NEAR, np.uint64), np.zeros(MOST_ENDS, np.int64),
                np.zeros(MOST_TRAIL + 2 * MAX_LINES + 8, np.int64), np.zeros(SEEN, np.int64),
            )  # fmt: skip
            self._known.rooms.room = held
        return held

    def _learn(self, chunk: Chunk, unknown: Any, n: int, n_templates: int) -> bool:
        """Learns what a chunk held that was not known; False if nothing of it is known now, either."""
        with self._known.lock:
            table, new = self._known.table, len(self._templates) > n_templates
            rows = unknown[: n * r.N_UNKNOWN].reshape(-1, r.N_UNKNOWN)
            # Most of them stand there many times.
            for row in rows[np.sort(np.unique(rows[:, r.UNKNOWN_KEY], return_index=True)[1])].tolist():
                kind, start, stop, length, key = row
                key &= (1 << 64) - 1
                if key not in table:
                    # With a new template, the lines that seemed to have no prefix are looked at anew.
                    if table.used >= MAX_ENTRIES or (kind == r.PREFIX and len(self._templates) > n_templates):
                        continue
                    self._learn_one(kind, chunk.data[start:stop].tobytes(), length, key)
                # Another thread may have learned it meanwhile.
                new = new or key in table
            return new or len(self._templates) > n_templates

    def _learn_one(self, kind: int, line: bytes, length: int, key: int) -> None:
        table, lexicon = self._known.table, self.lexicon
        if kind == r.PREFIX:
            found = lexicon.template(line)
            if not isinstance(found, Template):
                table.add(key, found, 0, 0)
            elif not self._add(found) and found not in self._templates:
                table.add(key, LOOSE, 0, 0)
        elif kind == r.MESSAGE:
            if not lexicon.has_met(line, length) and self._longer(line, length):
                return
            meaning = lexicon.meaning(line, length)
            table.add(key, meaning.found, meaning.number, meaning.mix)
        elif kind == r.BEGINNING:
            if not self._longer(line, length):
                table.add(key, lexicon.beginning(line, length, searched=True), 0, 0)
        elif kind == r.WHOLE:
            if not self._longer(line, length):
                table.add(key, lexicon.whole(line, length), 0, 0)
        elif kind == r.TASK:
            table.add(key, 0, lexicon.task(line), 0)
        else:
            table.add(key, 0, lexicon.name(line), 0)

    def _longer(self, line: bytes, length: int) -> bool:
        """Whether a line has a longer prefix than the template that it was taken for; learns that template."""
        if not length or not line.isascii() or prefix_end(line.decode("ascii")) <= length:
            return False
        found = self.lexicon.template(line)
        return isinstance(found, Template) and len(found.shape) > length and self._add(found)

    def _add(self, *templates: Template) -> bool:
        """Adds templates, as far as there is room; whether one of them is new."""
        new = [template for template in dict.fromkeys(templates) if template not in self._templates]
        new = new[: MAX_TEMPLATES - len(self._templates)]
        if not new:
            return False
        for template in new:
            kin = self._known.templates.setdefault(_kin(template), {})
            if len(kin) < _MAX_KIN:
                kin[template] = None
        self._templates = sorted([*self._templates, *new], key=lambda t: -len(t.shape))
        self._arrays = self._known.prefixes(tuple(self._templates))
        return True


def _go_back(state: Any, marks: Any) -> None:
    """Forgets what was found from the first unknown line or report on."""
    state[[S_ROWS, S_MARKS, C_LINE]] = state[[R_ROWS, R_MARKS, R_LINE]]
    state[[S_UNKNOWN, S_SHORT, S_TAUGHT]] = 0
    if state[S_MARKS]:
        last = marks[(int(state[S_MARKS]) - 1) * r.N_MARK :]
        last[[r.MARK_STOP, r.MARK_LINES, r.MARK_LAST_US]] = state[[R_STOP, R_LINES, R_LAST_US]]


def _kin(template: Template) -> tuple[str, bytes]:
    """What prefixes share that differ in how many digits their numbers have, and in who called."""
    return template.style, _NUMBERS.sub(b"0", template.shape)
