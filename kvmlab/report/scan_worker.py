"""Reads chunks of a file in a process for another one, and says with each answer what it has learned since the last."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from kvmlab.report.fast_chunk import Found
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_python import PythonEngine
from kvmlab.report.scan_stacks import Stack, StackEntry
from kvmlab.report.scan_text import FileText, NotPlain


@dataclass(frozen=True, slots=True)
class Answer:
    """What a chunk holds, and what its reader has learned since its last answer.

    Args:
        reader: names the reader, whose numbers stand in the rows.
        found: rows, marks and what else an engine says; None if the text is none that it reads.
        base: the offset that they count from.
        texts, types, tasks: new entries of its lexicon, which the numbers in the rows count.
        stacks: new stacks by their hash.
    """

    reader: str
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
        self._name = uuid4().hex

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
            self._name, found, base,
            lexicon.texts[self._texts :], lexicon.types[self._types :], lexicon.tasks[self._tasks :],
            {value: [tuple(entry) for entry in stack] for value, stack in stacks.items()},
        )  # fmt: skip
        self._texts, self._types, self._tasks = len(lexicon.texts), len(lexicon.types), len(lexicon.tasks)
        return answer

    def close(self) -> None:
        """Lets go of the file."""
        self._text.close()


# The reader of this process; it serves one scan.
_readers: dict[str, Reader] = {}


def read_chunk_of(scan: str, path: str, chunk: int, lo: int, hi: int) -> Answer:
    """What a chunk of a file holds, read in this process by a reader that is kept for the next one.

    Args:
        scan: names the scan; each process learns anew for each.
        path: the file.
        chunk: bytes of a chunk.
        lo, hi: the chunk; later calls ask for later ones.
    """
    if scan not in _readers:
        while _readers:
            _readers.popitem()[1].close()
        _readers[scan] = Reader(path, chunk)
    return _readers[scan].answer(lo, hi)


class _Room:
    """The memory that chunks are read into."""


def stack_of(entries: list[tuple[str, str | None, str | None, bool]]) -> Stack:
    """A stack as it was sent."""
    return tuple(StackEntry(*entry) for entry in entries)
