"""Many reports of the tolerant parser in little memory: pickled and deflated by blocks, read again when asked for."""

from __future__ import annotations

import copyreg
import io
import pickle
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, overload

import numpy as np

from kvmlab.kernel.release import KernelRelease
from kvmlab.report import records
from kvmlab.report.records import Kind, Report
from kvmlab.report.repeats import RECURS, facts_of
from kvmlab.text.span import Span

# Reports of a block, and how many blocks are held unpacked.
BLOCK, _HELD = 256, 8
# Up to so many reports are a plain list.
LISTED = 4096


class Packed(Sequence[Report]):
    """Reports in the order in which they are added, with what must be known of all of them as numbers."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._open: list[Report] = []
        self._held: OrderedDict[int, list[Report]] = OrderedDict()
        self._first, self._last = array("q"), array("q")
        # Of each report a hash of its kind and title, of its time (None: of its facts), and what it is like.
        self._titles, self._times = array("q"), array("q")
        self._timeless, self._bare, self._pages = bytearray(), bytearray(), bytearray()

    def __len__(self) -> int:
        return len(self._first)

    def __iadd__(self, reports: Iterable[Report]) -> Packed:
        for report in reports:
            self.append(report)
        return self

    def append(self, report: Report) -> None:
        """Adds a report."""
        self._first.append(report.span.first_line)
        self._last.append(report.span.last_line)
        self._titles.append(hash((report.kind.value, " ".join((report.title or "").split()))))
        timeless = report.timestamp is None
        self._times.append(hash(repr(facts_of(report))) if timeless else hash(report.timestamp))
        self._timeless.append(timeless)
        self._bare.append(len(report.records) <= 1 and report.kind not in RECURS)
        self._pages.append(report.kind is Kind.BAD_PAGE)
        self._open.append(report)
        while len(self) > LISTED and len(self._open) >= BLOCK:
            self._blocks.append(_pack(self._open[:BLOCK]))
            del self._open[:BLOCK]

    @overload
    def __getitem__(self, at: int) -> Report: ...
    @overload
    def __getitem__(self, at: slice) -> list[Report]: ...
    def __getitem__(self, at: int | slice) -> Report | list[Report]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        block, nth = divmod(at % len(self), BLOCK)
        behind = block - len(self._blocks)
        return self._block(block)[nth] if behind < 0 else self._open[behind * BLOCK + nth]

    def __iter__(self) -> Iterator[Report]:
        for packed in self._blocks:
            yield from _unpack(packed)
        yield from self._open

    def _block(self, number: int) -> list[Report]:
        if number not in self._held:
            self._held[number] = _unpack(self._blocks[number])
            if len(self._held) > _HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(number)
        return self._held[number]

    @property
    def first_lines(self) -> Any:
        """The first line of each (numpy int64)."""
        return np.array(self._first, np.int64)

    def few(self) -> Sequence[Report]:
        """A plain list of them, if they are not many."""
        return self if len(self) > LISTED else list(self)

    def in_order(self) -> Packed:
        """The reports by their lines."""
        order = np.lexsort((np.array(self._last, np.int64), self.first_lines))
        return self if (order == np.arange(len(order))).all() else self._chosen(order)

    def without(self, lines: set[int]) -> Packed:
        """The reports that do not begin on one of these lines."""
        kept = [i for i, line in enumerate(self._first) if line not in lines]
        return self if len(kept) == len(self) else self._chosen(kept)

    def _chosen(self, numbers: Iterable[int]) -> Packed:
        chosen = Packed()
        chosen += (self[int(i)] for i in numbers)
        return chosen

    def doubtful(self) -> tuple[list[int], list[int]]:
        """Numbers of those that another report could be a copy of, and of the others that have a title of theirs."""
        if not len(self):
            return [], []
        times, timeless = np.array(self._times, np.int64), np.array(self._timeless, bool)
        _, titles, counts = np.unique(np.array(self._titles, np.int64), return_inverse=True, return_counts=True)
        # The same time, or without times the same facts.
        order = np.lexsort((timeless, times, titles))
        keys = np.stack([titles, times, timeless])[:, order]
        same = (keys[:, 1:] == keys[:, :-1]).all(axis=0)
        found = np.zeros(len(self), bool)
        found[order] = np.append(False, same) | np.append(same, False)
        # A bare title goes together with any fuller report, unless both have times.
        bare = (np.bincount(titles, timeless) > 0) & (np.bincount(titles, np.array(self._bare, bool)) > 0)
        # What the rows say are bad pages, too.
        found |= (bare & (counts > 1))[titles] | np.array(self._pages, bool)
        near = np.isin(titles, titles[found]) & ~found
        return np.flatnonzero(found).tolist(), np.flatnonzero(near).tolist()

    def folded(self, kept: dict[Span, Report], numbers: Iterable[int]) -> Packed:
        """The reports, of those with these numbers only what is kept, as it is there."""
        doubtful = set(numbers)
        if all(report.span in kept and kept[report.span].repeats == report.repeats for report in self._at(doubtful)):
            return self
        made = Packed()
        for i, report in enumerate(self):
            now = kept.get(report.span) if i in doubtful else report
            if now is not None:
                made.append(now)
        return made

    def _at(self, numbers: Iterable[int]) -> Iterator[Report]:
        return (self[i] for i in sorted(numbers))


def _reducer(kind: type[Any]) -> Callable[[Any], tuple[type, tuple[Any, ...]]]:
    """How a record of one kind is pickled: as the call that makes it, which takes half as long as setting its slots."""
    values = attrgetter(*(field.name for field in fields(kind)))
    return lambda record: (kind, values(record))


# All that a report is made of.
_KINDS = [kind for kind in (*vars(records).values(), KernelRelease) if isinstance(kind, type) and is_dataclass(kind)]
_REDUCERS = copyreg.dispatch_table | {kind: _reducer(kind) for kind in _KINDS}


def _pack(reports: list[Report]) -> bytes:
    file = io.BytesIO()
    pickler = pickle.Pickler(file, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    pickler.dump(reports)
    return zlib.compress(file.getbuffer(), 1)


def _unpack(packed: bytes) -> list[Report]:
    found: list[Report] = pickle.loads(zlib.decompress(packed))
    return found
