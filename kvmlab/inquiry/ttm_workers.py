"""The same function on many items, on several processes of this Python: for plain code, which threads would share."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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
        shared: what every call gets.
        items: what is to be done.
        workers: number of processes; what they leave undone if one ends early is done here.
        done: called with 1 for each item that is done.

    Returns:
        The results in the order of the items, whoever did them.

    Raises:
        Exception: what a call raised, wherever it was made; the other processes are ended.
    """
    # loky starts processes as commands: that works in a notebook, in a script without a guard and beside threads.
    from loky import BrokenProcessPool, ProcessPoolExecutor, as_completed

    results: dict[int, Result] = {}
    try:
        pool = ProcessPoolExecutor(min(workers, len(items)))
        try:
            waiting = {pool.submit(function, shared, item): index for index, item in enumerate(items)}
            for future in as_completed(waiting):
                results[waiting[future]] = future.result()
                done(1)
        finally:
            pool.shutdown(kill_workers=True)
    except (BrokenProcessPool, OSError) as gone:
        warnings.warn(
            f"A further process could not be used ({_first(gone)}); its part is done in this one.", stacklevel=2
        )
        for index, item in enumerate(items):
            if index not in results:
                results[index] = function(shared, item)
                done(1)
    return [results[index] for index in range(len(items))]


def _first(gone: BaseException) -> str:
    return str(gone).partition("\n")[0] or type(gone).__name__
