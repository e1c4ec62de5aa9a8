"""Growing the table of a compiled search. Import only where Numba is wanted."""

from __future__ import annotations

# mypy: disable-error-code="no-untyped-call, untyped-decorator, arg-type, return-value, assignment, misc"
from typing import Any

from numba import njit

from kvmlab.kvm.compiled import first_place, load, search_from, store, unkey


@njit(nogil=True, cache=True)
def rehash(old: Any, old_size: int, new: Any, new_size: int) -> None:
    """Put every state of a table into a larger one."""
    for i in range(old_size):
        if old[0][i] != 0:
            wanted = load(old, i)
            store(new, search_from(new, new_size, first_place(unkey(wanted), new_size), wanted), wanted)
