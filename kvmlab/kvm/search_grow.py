"""Growing the tables of a compiled search, and finding a state in them. Import only where Numba is wanted."""

# mypy: disable-error-code="no-untyped-call, untyped-decorator, arg-type, return-value, assignment, misc"

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from kvmlab.kvm.compiled import first_place, key, load, search_from, store, unkey

ROOT = 0xFFFFFFFF
"""What stands for the parent of the first state."""


@njit(nogil=True, cache=True)
def place_of(table: Any, size: int, s: Any) -> Any:
    """The place of a state, or the free one where it would go."""
    return search_from(table, size, first_place(s, size), key(s))


@njit(nogil=True, cache=True)
def rehash(old: Any, old_parents: Any, old_size: int, new: Any, new_parents: Any, new_size: int) -> None:
    """Put every state of a table into a larger one; afterwards the old one's first word tells where each went."""
    for i in range(old_size):
        if old[0][i] == 0:
            continue
        wanted = load(old, i)
        at = search_from(new, new_size, first_place(unkey(wanted), new_size), wanted)
        store(new, at, wanted)
        new_parents[at] = old_parents[i]
        old[0][i] = at


@njit(nogil=True, cache=True)
def rename(ids: Any, n: int, maps: Any, parts: int) -> None:
    """Give ids of states their new places, in place."""
    for k in range(n):
        if ids[k] != ROOT:
            part = np.int64(ids[k]) % parts
            ids[k] = maps[part][np.int64(ids[k]) // parts] * parts + part


@njit(nogil=True, cache=True)
def rename_parents(table: Any, parents: Any, size: int, maps: Any, parts: int) -> None:
    """The same for the parents of all states in a table."""
    for at in range(size):
        if table[0][at] != 0 and parents[at] != ROOT:
            part = np.int64(parents[at]) % parts
            parents[at] = maps[part][np.int64(parents[at]) // parts] * parts + part
