"""A process that reads chunks of a file for another one: what it is asked and what it answers, over its pipes.

It is started as a program of its own, not forked: the caller may have threads, and its main module is not run again.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
from dataclasses import dataclass
from typing import Any

from kvmlab.report.fast_chunk import Found
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_python import PythonEngine
from kvmlab.report.scan_stacks import Stack, StackEntry
from kvmlab.report.scan_text import FileText, NotPlain


@dataclass(frozen=True, slots=True)
class Answer:
    """What a chunk holds, and what the worker has learned since its last answer.

    Args:
        found: rows, marks and what else an engine says; None if the text is none that it reads.
        base: the offset that they count from.
        texts, types, tasks: new entries of its lexicon, which the numbers in the rows count on.
        stacks: new stacks by their hash.
    """

    found: Found | None
    base: int
    texts: list[str]
    types: list[tuple[int, bool]]
    tasks: list[Any]
    stacks: dict[int, list[tuple[str, str | None, str | None, bool]]]


class Reader:
    """Reads chunks of a file, and keeps what it learns apart from what others do.

    Args:
        path: the file.
        chunk: bytes of a chunk.
    """

    def __init__(self, path: str, chunk: int) -> None:
        from kvmlab.report.scan_job import Job

        self._lexicon = Lexicon()
        self._job = Job(path, PythonEngine(self._lexicon), chunk, 1, None)
        self._text, self._room = FileText(path), _Room()
        self._texts = self._types = self._tasks = 0
        self._told: set[int] = set()

    def answer(self, lo: int, hi: int) -> Answer:
        """What a chunk holds, and what has been learned since the last answer."""
        lexicon = self._lexicon
        found: Found | None = None
        base = 0
        with contextlib.suppress(NotPlain):
            found, base = self._job.read(self._text, lo, hi, self._room)
        stacks = {value: lexicon.traces[value] for value in set(lexicon.traces) - self._told}
        self._told.update(stacks)
        answer = Answer(
            found, base, lexicon.texts[self._texts :], lexicon.types[self._types :], lexicon.tasks[self._tasks :],
            {value: [tuple(entry) for entry in stack] for value, stack in stacks.items()},
        )  # fmt: skip
        self._texts, self._types, self._tasks = len(lexicon.texts), len(lexicon.types), len(lexicon.tasks)
        return answer

    def close(self) -> None:
        """Lets go of the file."""
        self._text.close()


def serve() -> None:
    """Answers questions on standard input until it ends: first a path and the bytes of a chunk, then stretches."""
    # An interrupt is for the process that asks; this one ends with its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever is printed is no answer.
    os.dup2(2, 1)
    reader = Reader(*pickle.load(asked))
    while True:
        try:
            lo, hi = pickle.load(asked)
        except EOFError:
            return
        pickle.dump(reader.answer(lo, hi), answers, 5)
        answers.flush()


class _Room:
    """The memory that chunks are read into."""


def stack_of(entries: list[tuple[str, str | None, str | None, bool]]) -> Stack:
    """A stack as it was sent."""
    return tuple(StackEntry(*entry) for entry in entries)
