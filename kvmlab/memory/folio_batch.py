"""Per-CPU folio batches: new folios wait in lru_add, hot ones in activate; each entry holds a reference."""

from __future__ import annotations

from kvmlab.kernel.constants import constant
from kvmlab.kernel.release import KernelRelease
from kvmlab.memory.ledger import ACTIVATE, BATCH, Ledger
from kvmlab.memory.page import (
    ACTIVE,
    ANON,
    LISTED,
    LRU,
    REFERENCED,
    WORKINGSET,
    Matter,
    clear_flags,
    get_page,
    put_page,
    set_flags,
)
from kvmlab.memory.state import model_code, read, write


def batch_capacity(release: KernelRelease | str) -> int:
    """Folios in a per-CPU batch of this release.

    Args:
        release: the release.

    Raises:
        UnknownRelease: nobody has read its value.

    Source: FOLIO_BATCH_SIZE, raised by "mm: increase folio batch size" (9cecde80aae0).

    >>> batch_capacity("6.8.12"), batch_capacity("6.9.12")
    (15, 31)
    """
    return constant("FOLIO_BATCH_SIZE", release)


@model_code
def batch_entries(s: int, m: Matter) -> int:
    """Modelled folios in the lru_add batch."""
    n = 0
    while n < m.batch_capacity and read(s, m.batch, n) != 0:
        n += 1
    return n


@model_code
def drain(s: int, ledger: Ledger | None, m: Matter) -> int:
    """Empty the lru_add batch: all folios go to the LRU, then the batch drops its references.

    Source: folio_batch_move_lru() with lru_add_fn(), then folios_put_refs(). The folio that filled the batch is
    among those drained. That MGLRU's list takes active and referenced off a folio was seen in storms of 6.12.117.
    """
    n = batch_entries(s, m)
    if m.tracked != 0:
        for i in range(n):
            page = read(s, m.batch, i) - 1
            s = set_flags(s, page, LRU, m)
            if m.lru_gen != 0:
                s = clear_flags(s, page, ACTIVE | REFERENCED, m)
            s = write(s, m.listed, page, LISTED)
    for i in range(n):
        page = read(s, m.batch, i) - 1
        s = write(s, m.batch, i, 0)
        s = put_page(s, page, BATCH, ledger, m)
    return write(s, m.others, 0, 0)


@model_code
def folio_add_lru(s: int, page: int, ledger: Ledger | None, m: Matter) -> int:
    """Put a new folio into the lru_add batch; the batch takes a reference, and is drained if that fills it.

    With MGLRU a folio that is born in a fault is active at once (folio_add_lru() in 6.12.117).
    """
    if m.lru_gen != 0:
        s = set_flags(s, page, ACTIVE, m)
    s = get_page(s, page, BATCH, ledger, m)
    n = batch_entries(s, m)
    s = write(s, m.batch, n, page + 1)
    if n + 1 + read(s, m.others, 0) >= m.batch_capacity:
        s = drain(s, ledger, m)
    return s


@model_code
def in_batch(s: int, page: int, m: Matter) -> int:
    """1 if the lru_add batch holds the page."""
    for i in range(m.batch_capacity):
        if read(s, m.batch, i) == page + 1:
            return 1
    return 0


@model_code
def drain_activate(s: int, ledger: Ledger | None, m: Matter) -> int:
    """Empty the activate batch: its folios become active, its references are dropped."""
    for page in range(m.pages):
        n = read(s, m.activate, page)
        s = write(s, m.activate, page, 0)
        for _ in range(n):
            s = set_flags(s, page, ACTIVE, m)
            s = put_page(s, page, ACTIVATE, ledger, m)
    return write(s, m.activated, 0, 0)


@model_code
def lru_add_drain(s: int, ledger: Ledger | None, m: Matter) -> int:
    """What lru_add_drain_cpu() does on behalf of another task: the lru_add batch first, then the activate batch."""
    s = drain(s, ledger, m)
    return drain_activate(s, ledger, m) if m.tracked != 0 else s


@model_code
def folio_activate(s: int, page: int, ledger: Ledger | None, m: Matter) -> int:
    """Queue a folio that is on the LRU for the active list; the queue takes a reference.

    A folio may be queued twice: PG_lru stays set until the queue is drained (captures of 6.12 and 7.3 show the count).
    """
    s = get_page(s, page, ACTIVATE, ledger, m)
    s = write(s, m.activate, page, read(s, m.activate, page) + 1)
    n = read(s, m.activated, 0) + 1
    s = write(s, m.activated, 0, n)
    return drain_activate(s, ledger, m) if n >= m.batch_capacity else s


@model_code
def mark_page_accessed(s: int, page: int, ledger: Ledger | None, m: Matter) -> int:
    """Mark a page accessed: referenced first, then active (or, with MGLRU, workingset).

    Source: folio_mark_accessed() and folio_inc_refs() in 6.12.117.
    """
    if m.tracked == 0 or read(s, m.use, page) != ANON:
        return s
    flags = read(s, m.flags, page)
    if flags & REFERENCED == 0:
        return set_flags(s, page, REFERENCED, m)
    if m.lru_gen != 0:
        return set_flags(s, page, WORKINGSET, m)
    if flags & ACTIVE == 0:
        if flags & LRU:
            s = folio_activate(s, page, ledger, m)
        elif in_batch(s, page, m):
            s = set_flags(s, page, ACTIVE, m)
        s = clear_flags(s, page, REFERENCED, m)
    return s
