"""Processes that read chunks of one file at the same time, for the engine without a compiler, which holds the GIL."""

from __future__ import annotations

import contextlib
import pickle
import subprocess
import sys
import threading
import warnings
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_chunk import Found
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.scan_stacks import Stack
from kvmlab.report.scan_text import NotPlain
from kvmlab.report.scan_worker import Answer, Reader, stack_of

# Files from this size on are worth the time that processes need to start.
WORKERS_FROM = 160 << 20
# Bytes of a pipe, where the system lets us say so.
_PIPE = 1 << 20
_PROGRAM = (
    "import pickle, sys\nsys.path[:] = pickle.load(sys.stdin.buffer)\n"
    "from kvmlab.report.scan_worker import serve\nserve()\n"
)


class NoWorkers(Exception):
    """Processes cannot be started here, or one has ended before its time."""


@dataclass(slots=True)
class _Worker:
    """One process, or this one, and what its numbers stand for."""

    process: subprocess.Popen[bytes] | None
    reader: Reader | None = None
    asked: int = 0
    answered: int = 0
    asking: threading.Lock = field(default_factory=threading.Lock)
    answering: threading.Condition = field(default_factory=threading.Condition)
    texts: list[int] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    stacks: dict[int, int] = field(default_factory=dict)

    def ask(self, lo: int, hi: int) -> Answer:
        """What a chunk holds; a process is asked again before it has answered, so that it never waits for this one."""
        if self.reader is not None:
            return self.reader.answer(lo, hi)
        with self.asking:
            number = self.asked
            self.asked += 1
            broken = False
            try:
                self.tell((lo, hi))
            except OSError:
                broken = True
        with self.answering:
            self.answering.wait_for(lambda: self.answered == number)
            try:
                assert self.process is not None
                assert self.process.stdout is not None
                if broken:
                    raise NoWorkers
                answer: Answer = pickle.load(self.process.stdout)
            except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
                raise NoWorkers from error
            finally:
                self.answered += 1
                self.answering.notify_all()
        return answer

    def tell(self, what: object) -> None:
        """Sends something that is not answered."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(pickle.dumps(what, 5))
        self.process.stdin.flush()


class Workers:
    """Processes that read chunks of one file, this one among them.

    Args:
        path: the file.
        chunk: bytes of a chunk.
        n: how many processes, with this one.
        lexicon: what they learn goes there.

    Raises:
        NoWorkers: they cannot be started.
    """

    def __init__(self, path: str, chunk: int, n: int, lexicon: Lexicon) -> None:
        self._path, self._said = path, False
        self._lexicon = lexicon
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._all: list[_Worker] = []
        self._values: dict[Stack, int] = {}
        try:
            for _ in range(n - 1):
                process = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
                worker = _Worker(process)
                self._all.append(worker)
                _widen(process.stdout)
                worker.tell(sys.path)
                worker.tell((path, chunk))
                self._free.put(worker)
                self._free.put(worker)
        except (OSError, ValueError, TypeError) as error:
            self.close()
            raise NoWorkers from error
        self._all.append(_Worker(None, Reader(path, chunk)))
        self._free.put(self._all[-1])

    def ask(self, lo: int, hi: int) -> tuple[_Worker, Answer]:
        """What a chunk holds by the numbers of who has read it; from any thread.

        Raises:
            NoWorkers: a process has ended.
        """
        worker = self._free.get()
        try:
            return worker, worker.ask(lo, hi)
        finally:
            self._free.put(worker)

    def taken(self, worker: _Worker, answer: Answer) -> tuple[Found, int]:
        """What a chunk holds by the numbers of the lexicon, and the offset that it counts from; from one thread.

        Raises:
            NotPlain: the text is none that the engine reads.
        """
        found, lexicon = answer.found, self._lexicon
        if found is None:
            raise NotPlain
        worker.texts += [lexicon.number_of(text, lexicon.texts) for text in answer.texts]
        worker.types += [lexicon.number_of(kind, lexicon.types) for kind in answer.types]
        worker.tasks += [lexicon.number_of(task, lexicon.tasks) for task in answer.tasks]
        for value, entries in answer.stacks.items():
            worker.stacks[value] = self._value(value, stack_of(entries))
        rows: Any = found.rows
        for columns, numbers in (
            ((r.COMM, r.REASON_ID, r.HARDWARE_ID), worker.texts), ((r.TYPE_ID,), worker.types),
            ((r.TASK_ID,), worker.tasks),
        ):  # fmt: skip
            # The last one stands for what a report lacks.
            table = np.array([*numbers, -1], np.int64)
            for column in columns:
                rows[:, column] = table[rows[:, column]]
        values = rows[:, r.STACK]
        for value in np.unique(values).tolist():
            if worker.stacks[value] != value:
                rows[values == value, r.STACK] = worker.stacks[value]
        return found, answer.base

    def _value(self, value: int, stack: Stack) -> int:
        """The hash that a stack has in the lexicon: the worker's own, unless that stands for another stack."""
        if stack not in self._values:
            while value in self._lexicon.traces and self._lexicon.traces[value] != stack:
                value += 1 if value < 0 else -1
            self._lexicon.traces[value] = stack
            self._values[stack] = value
        return self._values[stack]

    def close(self) -> None:
        """Ends the processes."""
        for worker in self._all:
            if worker.reader is not None:
                worker.reader.close()
            pipes = () if worker.process is None else (worker.process.stdin, worker.process.stdout)
            for pipe in pipes:
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
        for process in (worker.process for worker in self._all if worker.process is not None):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def say_why(self) -> None:
        """Warns, once, that this process goes on alone."""
        if not self._said:
            self._said = True
            warn(self._path)


def _widen(pipe: Any) -> None:
    """Makes room in a pipe for whole answers: who writes one must not wait until a busy process reads it."""
    with contextlib.suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)


def start_workers(path: str, chunk: int, n: int, lexicon: Lexicon) -> Workers | None:
    """Processes for a file; None, and a warning, if they cannot be started.

    Args:
        path, chunk, n, lexicon: as in `Workers`.
    """
    if not sys.executable or sys.platform == "emscripten":
        return None
    try:
        return Workers(path, chunk, n, lexicon)
    except NoWorkers:
        warn(path)
        return None


def warn(path: str) -> None:
    """Warns that one process reads a file alone."""
    warnings.warn(f"{path}: processes that read it together have failed; one reads it alone", stacklevel=2)
