"""Exhaustive exploration compiled: packed states, open addressing, look-ups in batches, one or two threads.

Import only where Numba is wanted.
"""

from __future__ import annotations

from kvmlab.errors import KvmlabError
from kvmlab.kvm.events import most_events
from kvmlab.kvm.search_levels import LevelSearch
from kvmlab.kvm.search_python import Progress, SearchResult
from kvmlab.kvm.system import System
from kvmlab.memory.state import WORD

_MOST_EVENTS = 255
"""Steps from one state whose number fits into the byte that a history keeps."""


class TooLarge(KvmlabError):
    """A configuration that the compiled search cannot hold; the message says why."""


def search_compiled(
    system: System,
    *,
    cutting: int,
    max_states: int,
    threads: int = 1,
    symmetry: bool = False,
    keep_states: bool = False,
    progress: Progress | None = None,
) -> SearchResult:
    """Visit every reachable state, nearest first, with compiled step functions.

    Args:
        system: the system; a state of it has at most two words.
        cutting: bits of the invariants at which the search does not go on.
        max_states: how many states may be kept.
        threads: 1 or 2.
        symmetry: whether states that differ only in the names of vCPUs count as one.
        keep_states: whether the result lists the states.
        progress: told now and then how many states there are, and how deep they lie.

    Raises:
        TooLarge: a state needs more than two words, or the memory is not there.
    """
    if system.layout.words > 2 or most_events(system.machine) > _MOST_EVENTS:
        raise TooLarge(
            f"a state of this configuration has {system.layout.bits} bits; the compiled search takes at most {2 * WORD}"
            f" and {_MOST_EVENTS} steps from one state"
        )
    try:
        search = LevelSearch(system, cutting, max_states, threads, symmetry, progress)
        result = search.run()
    except MemoryError:
        raise TooLarge(f"there is no memory for {max_states:,} states; give a smaller max_states") from None
    if keep_states:
        result.seen = search.all_states()
    return result
