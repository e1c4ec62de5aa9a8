"""The same function on many items, on several processes of this Python: for plain code, which threads would share.

The processes are started as commands, not forked and not by importing the caller's main module again: that works in a
notebook, in a script without a guard and beside threads. They read pickled items from their input and answer on their
output; only this process talks to them.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Final, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_COMMAND: Final = "from kvmlab.inquiry.ttm_workers import serve; serve()"


class _Gone(Exception):
    """A worker could not be started, or ended in the middle."""


def spread(
    function: Callable[[Any, Item], Result],
    shared: Any,
    items: Sequence[Item],
    workers: int,
    done: Callable[[int], None],
) -> list[Result]:
    """Call `function(shared, item)` for every item.

    Args:
        function: a function of a module, which the other processes import.
        shared: what every call gets; pickled once for each process.
        items: what is to be done; pickled one by one, as processes become free.
        workers: number of processes; items of those that cannot be started or end early are done here.
        done: called with 1 for each item that is done.

    Returns:
        The results in the order of the items, whoever did them.

    Raises:
        Exception: what a call raised, wherever it was made; the other processes are ended.
    """
    results: dict[int, Result] = {}
    failed: list[BaseException] = []
    left = iter(range(len(items)))
    lock, here = threading.Lock(), threading.Lock()

    def work() -> None:
        worker: _Worker | None = None
        try:
            worker = _Worker(function, shared)
        except _Gone as gone:
            _note(gone)
        try:
            while not failed:
                with lock:
                    index = next(left, None)
                if index is None:
                    return
                if worker is not None:
                    try:
                        results[index] = worker.call(items[index])
                    except _Gone as gone:
                        worker.end()
                        worker = None
                        _note(gone)
                if worker is None:
                    with here:
                        results[index] = function(shared, items[index])
                with lock:
                    done(1)
        except BaseException as error:  # raised again by the thread that waits
            failed.append(error)
        finally:
            if worker is not None:
                worker.end()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(workers, len(items))))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException as stop:
        failed.append(stop)  # an interrupt: the workers end after the item that they are at
        raise
    if failed:
        raise failed[0]
    return [results[index] for index in range(len(items))]


def _note(gone: _Gone) -> None:
    warnings.warn(f"A further process could not be used ({gone}); its part is done in this one.", stacklevel=2)


class _Worker:
    """One process that calls the function for us."""

    def __init__(self, function: Callable[..., Any], shared: Any) -> None:
        # The child finds what this process finds, wherever it was started.
        path = os.pathsep.join(p or os.getcwd() for p in sys.path)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": path},
            )
        except (OSError, ValueError) as error:
            raise _Gone(str(error)) from error
        self._call((function, shared))

    def _call(self, what: Any) -> Any:
        to, answers = self._process.stdin, self._process.stdout
        assert to is not None
        assert answers is not None
        try:
            pickle.dump(what, to)
            to.flush()
            return pickle.load(answers)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            raise _Gone(f"it ended with {self._process.poll()}") from error

    def call(self, item: Any) -> Any:
        """The function's result for one item; raises what it raised."""
        raised, value = self._call(item)
        if raised:
            raise value
        return value

    def end(self) -> None:
        """End the process; it holds nothing that must be kept."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    continue
        self._process.wait()


def serve(source: BinaryIO | None = None, answers: BinaryIO | None = None) -> None:
    """The other side: take a function and what its calls share, then answer items until the input ends.

    Args:
        source, answers: where items come from and results go; None for standard input and output.
    """
    source = source or sys.stdin.buffer
    if answers is None:
        # Whatever else prints must not get between the answers.
        answers = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
    try:
        function, shared = pickle.load(source)
        _answer(answers, None)
        while True:
            item = pickle.load(source)
            try:
                _answer(answers, (False, function(shared, item)))
            except Exception as error:
                _answer(answers, (True, _portable(error)))
    except (EOFError, OSError, KeyboardInterrupt):
        return


def _portable(error: Exception) -> Exception:
    """The error itself if it comes through whole, otherwise one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _answer(answers: BinaryIO, what: Any) -> None:
    answers.write(pickle.dumps(what))
    answers.flush()
