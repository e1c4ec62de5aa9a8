"""A process that reads chunks of a file for another one: what it is asked and what it answers, over its pipes.

It is started as a program of its own, not forked: the caller may have threads, and its main module is not run again.
"""

from __future__ import annotations

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


def serve() -> None:
    """Answers questions on standard input until it ends: first a path and the bytes of a chunk, then stretches."""
    from kvmlab.report.scan_job import Job

    # An interrupt is for the process that asks; this one ends with its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asked = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever is printed is no answer.
    os.dup2(2, 1)
    path, chunk = pickle.load(asked)
    lexicon = Lexicon()
    job, text, room = Job(path, PythonEngine(lexicon), chunk, 1, None), FileText(path), _Room()
    n_texts = n_types = n_tasks = 0
    told: set[int] = set()
    while True:
        try:
            lo, hi = pickle.load(asked)
        except EOFError:
            return
        try:
            found, base = job.read(text, lo, hi, room)
        except NotPlain:
            found, base = None, 0
        stacks = {value: lexicon.traces[value] for value in set(lexicon.traces) - told}
        told.update(stacks)
        answer = Answer(
            found, base, lexicon.texts[n_texts:], lexicon.types[n_types:], lexicon.tasks[n_tasks:],
            {value: [tuple(entry) for entry in stack] for value, stack in stacks.items()},
        )  # fmt: skip
        n_texts, n_types, n_tasks = len(lexicon.texts), len(lexicon.types), len(lexicon.tasks)
        pickle.dump(answer, answers, 5)
        answers.flush()


class _Room:
    """The memory that chunks are read into."""


def stack_of(entries: list[tuple[str, str | None, str | None, bool]]) -> Stack:
    """A stack as it was sent."""
    return tuple(StackEntry(*entry) for entry in entries)
