"""Processes that read chunks of one file at the same time, for the engine without a compiler, which holds the GIL.

loky starts them as commands: no fork, so that the caller may have threads, and its main module is not run again. They
stay for some seconds, for the next big file.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_chunk import Found
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.scan_stacks import Stack
from kvmlab.report.scan_text import NotPlain
from kvmlab.report.scan_worker import Answer, read_chunk_of, stack_of

if TYPE_CHECKING:
    from kvmlab.report.scan_progress import Progress

# Files from this size on are worth the time that processes need to start.
WORKERS_FROM = 160 << 20


@dataclass(slots=True)
class _Numbers:
    """What the numbers of one reader stand for: each is the place of one of the lexicon's."""

    texts: list[int] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    stacks: dict[int, int] = field(default_factory=dict)


class Workers:
    """Processes that read chunks of one file.

    Args:
        path: the file.
        chunk: bytes of a chunk.
        n: how many processes.
        lexicon: what they learn goes there.
        alone: reads a chunk in this process, if they cannot be started or one ends before its time.
        progress: told of the chunks that they have read.
    """

    def __init__(
        self, path: str, chunk: int, n: int, lexicon: Lexicon, alone: Callable[[int, int], tuple[Found, int]],
        progress: Progress | None = None,
    ) -> None:  # fmt: skip
        self._scan, self._path, self._chunk = uuid4().hex, path, chunk
        self._lexicon, self._alone, self._progress = lexicon, alone, progress
        self._of: dict[str, _Numbers] = {}
        self._values: dict[Stack, int] = {}
        self._pool: Any = None
        with self._or_alone():
            from loky import get_reusable_executor

            self._pool = get_reusable_executor(n)

    @contextmanager
    def _or_alone(self) -> Iterator[None]:
        """Goes on without other processes where they fail, and says so once."""
        try:
            yield
        except (ImportError, OSError, RuntimeError, ValueError) as error:
            self._pool = None
            warnings.warn(
                f"{self._path}: processes that read it together have failed; one reads it alone ({error!r})",
                stacklevel=2,
            )

    def submit(self, lo: int, hi: int) -> Future[Answer] | None:
        """Asks for a chunk; chunks are asked for in their order.

        Args:
            lo, hi: the chunk.
        """
        asked: Future[Answer] | None = None
        if self._pool is not None:
            with self._or_alone():
                asked = self._pool.submit(read_chunk_of, self._scan, self._path, self._chunk, lo, hi)
        return asked

    def result(self, lo: int, hi: int, asked: Future[Answer] | None) -> tuple[Found, int]:
        """What a chunk holds by the numbers of the lexicon, and the offset that it counts from; chunks come in order.

        Args:
            lo, hi: the chunk.
            asked: what `submit` gave for it.

        Raises:
            NotPlain: the text is none that the engine reads.
        """
        answer: Answer | None = None
        if asked is not None and self._pool is not None:
            with self._or_alone():
                answer = asked.result()
        if answer is None:
            return self._alone(lo, hi)
        if self._progress is not None:
            self._progress.advance(hi - lo)
        return self._by_own_numbers(answer)

    def _by_own_numbers(self, answer: Answer) -> tuple[Found, int]:
        found, lexicon = answer.found, self._lexicon
        if found is None:
            raise NotPlain
        own = self._of.setdefault(answer.reader, _Numbers())
        own.texts += [lexicon.number_of(text, lexicon.texts) for text in answer.texts]
        own.types += [lexicon.number_of(kind, lexicon.types) for kind in answer.types]
        own.tasks += [lexicon.number_of(task, lexicon.tasks) for task in answer.tasks]
        for value, entries in answer.stacks.items():
            own.stacks[value] = self._value(value, stack_of(entries))
        rows: Any = found.rows
        for columns, numbers in (
            ((r.COMM, r.REASON_ID, r.HARDWARE_ID), own.texts), ((r.TYPE_ID,), own.types), ((r.TASK_ID,), own.tasks),
        ):  # fmt: skip
            # The last one stands for what a report lacks.
            table = np.array([*numbers, -1], np.int64)
            for column in columns:
                rows[:, column] = table[rows[:, column]]
        values = rows[:, r.STACK]
        for value in np.unique(values).tolist():
            if own.stacks[value] != value:
                rows[values == value, r.STACK] = own.stacks[value]
        return found, answer.base

    def _value(self, value: int, stack: Stack) -> int:
        """The hash that a stack has in the lexicon: the reader's own, unless that stands for another stack."""
        if stack not in self._values:
            while value in self._lexicon.traces and self._lexicon.traces[value] != stack:
                value += 1 if value < 0 else -1
            self._lexicon.traces[value] = stack
            self._values[stack] = value
        return self._values[stack]
