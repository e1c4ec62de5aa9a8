"""A vCPU that faults: from the snapshot of the sequence to the SPTE, one function for each atomic step.

Everything under one hold of mmu_lock or of the page-table lock is one step; the checks without a lock are steps of
their own. GUP's get and v11's immediate put stand next to each other in one function under no lock; they are one step.
"""

from __future__ import annotations

from kvmlab.kvm.host import (
    COW_COPY,
    COW_END,
    LOCKED,
    LOOKUP,
    NOTHING,
    PAGE,
    POST_CHECK,
    PRE_CHECK,
    RELEASE,
    ZERO_PAGE,
    invalidate_end,
    invalidate_start,
    map_new_page,
)
from kvmlab.kvm.lookup import (
    end_fault,
    exit_with_error,
    follow,
    grab,
    holds_found,
    put_found,
    touch_accounted,
    touch_found,
)
from kvmlab.kvm.machine import WRITE, Machine
from kvmlab.memory.ledger import INJECTED, Ledger
from kvmlab.memory.page import UNEXPECTED_EXIT, lowest_free, put_page
from kvmlab.memory.state import model_code, read, write

# Actions of a vCPU.
SNAPSHOT = 1
CHECK_EARLY = 2
MAP_ZERO_PAGE = 3
MAP_ANON = 4
COW_START = 5
COPY = 6
COW_FINISH = 7
GRAB = 8
CHECK_LATE = 9
INSTALL = 10
PUT = 11
FOLLOW = 12


@model_code
def needs_fault(s: int, g: int, access: int, c: Machine) -> int:
    """1 if a guest access to this gfn leaves the guest: no SPTE, or a write to the zero page."""
    spte = read(s, c.spte, g)
    return 1 if spte == NOTHING or (spte == ZERO_PAGE and access == WRITE) else 0


@model_code
def next_action(s: int, v: int, c: Machine) -> int:
    """The action that a vCPU with a fault in flight takes next, 0 if it waits (for memory) or has exited."""
    pc = read(s, c.pc, v)
    if pc == PRE_CHECK:
        return CHECK_EARLY
    if pc == LOOKUP:
        g = read(s, c.gfn, v)
        if g >= c.anon:
            return FOLLOW
        pte = read(s, c.pte, g)
        if pte == NOTHING:
            if read(s, c.wants, v) != WRITE:
                return MAP_ZERO_PAGE
            return MAP_ANON if lowest_free(s, c.matter) >= 0 else 0
        return COW_START if pte == ZERO_PAGE and read(s, c.wants, v) == WRITE else GRAB
    if pc == COW_COPY:
        waits = read(s, c.pte, read(s, c.gfn, v)) == ZERO_PAGE and lowest_free(s, c.matter) < 0
        return 0 if waits else COPY
    if pc == COW_END:
        return COW_FINISH
    if pc == POST_CHECK:
        return CHECK_LATE
    if pc == LOCKED:
        return INSTALL
    return PUT if pc == RELEASE else 0


@model_code
def is_stale(s: int, v: int, in_progress: int, sequence: int, c: Machine) -> int:
    """The retry predicate: an invalidation of this gfn in progress, or any that has ended since the snapshot."""
    if in_progress != 0 and read(s, c.in_progress, read(s, c.gfn, v)) != 0:
        return 1
    return 1 if sequence != 0 and read(s, c.stale, v) != 0 else 0


@model_code
def snapshot(s: int, v: int, g: int, access: int, c: Machine) -> int:
    """The guest touches a page without SPTE; KVM remembers mmu_invalidate_seq."""
    s = write(s, c.pc, v, PRE_CHECK if c.early_checks != 0 else LOOKUP)
    s = write(s, c.gfn, v, g)
    return write(s, c.wants, v, access)


@model_code
def check_early(s: int, v: int, c: Machine) -> int:
    """mmu_invalidate_retry_gfn_unsafe() before the lookup: a stale fault holds nothing and retries."""
    return end_fault(s, v, c) if is_stale(s, v, 1, 1, c) else write(s, c.pc, v, LOOKUP)


@model_code
def copy(s: int, v: int, ledger: Ledger | None, c: Machine) -> int:
    """Under the page-table lock: if the PTE still maps the zero page, copy it into a new page and map that."""
    g = read(s, c.gfn, v)
    if read(s, c.pte, g) == ZERO_PAGE:
        s = map_new_page(s, g, ledger, c)
    return write(s, c.pc, v, COW_END)


@model_code
def check_late(s: int, v: int, ledger: Ledger | None, c: Machine) -> int:
    """mmu_invalidate_retry_gfn_unsafe() after the lookup: a stale fault lets go of the page and retries."""
    if is_stale(s, v, 1, 1, c) == 0:
        return write(s, c.pc, v, LOCKED)
    if c.stale_exits != 0:
        return exit_with_error(s, v, UNEXPECTED_EXIT, c)
    if c.stale_put != 0 and read(s, c.got, v) >= PAGE:
        s = put_page(s, read(s, c.got, v) - PAGE, INJECTED, ledger, c.matter)
    if c.after_check == 1:
        s = put_found(touch_found(s, v, 0, 1, ledger, c), v, ledger, c)
    elif c.after_check == 2:
        s = touch_accounted(s, v, ledger, c)
    elif c.after_check == 3 and holds_found(s, v, c) != 0:
        s = put_found(s, v, ledger, c)
    return end_fault(s, v, c)


@model_code
def release(s: int, v: int, ledger: Ledger | None, c: Machine) -> int:
    """After mmu_lock is dropped: kvm_release_pfn_clean() marks the page accessed and puts it."""
    return end_fault(put_found(touch_found(s, v, 0, 1, ledger, c), v, ledger, c), v, c)


@model_code
def install(s: int, v: int, ledger: Ledger | None, c: Machine) -> int:
    """Under mmu_lock: test staleness again, set the SPTE if the fault is fresh, and end as the policy does."""
    stale = is_stale(s, v, c.in_progress_tested, c.sequence_tested, c)
    if stale == 0:
        g = read(s, c.gfn, v)
        s = write(s, c.spte, g, read(s, c.got, v))
        s = write(s, c.counted, g, read(s, c.accounted, v))
        if c.writebacks != 0 and read(s, c.wants, v) == WRITE and read(s, c.got, v) >= PAGE:
            # A write fault makes the page dirty again before the guest writes.
            s = write(s, c.clean, read(s, c.got, v) - PAGE, 0)
    if c.finish == 0:
        # Nothing ever depends on the count of the zero page, so its release needs no step of its own.
        return release(s, v, ledger, c) if read(s, c.got, v) == ZERO_PAGE else write(s, c.pc, v, RELEASE)
    if c.finish == 1:
        s = touch_accounted(s, v, ledger, c)
    elif holds_found(s, v, c) != 0:
        if stale == 0:
            s = touch_found(s, v, 1, 1, ledger, c)
        s = put_found(s, v, ledger, c)
    return end_fault(s, v, c)


@model_code
def vcpu_step(s: int, v: int, action: int, ledger: Ledger | None, c: Machine) -> int:
    """Carry out the action that `next_action` named."""
    if action == CHECK_EARLY:
        return check_early(s, v, c)
    if action == MAP_ZERO_PAGE:
        return write(write(s, c.pte, read(s, c.gfn, v), ZERO_PAGE), c.slow, v, 1)
    if action == MAP_ANON:
        return write(map_new_page(s, read(s, c.gfn, v), ledger, c), c.slow, v, 1)
    if action == COW_START:
        s = write(invalidate_start(s, read(s, c.gfn, v), ledger, c), c.slow, v, 1)
        return write(s, c.pc, v, COW_COPY)
    if action == COPY:
        return copy(s, v, ledger, c)
    if action == COW_FINISH:
        return write(invalidate_end(s, read(s, c.gfn, v), c), c.pc, v, LOOKUP)
    if action == GRAB:
        return grab(s, v, ledger, c)
    if action == FOLLOW:
        return follow(s, v, ledger, c)
    if action == CHECK_LATE:
        return check_late(s, v, ledger, c)
    if action == INSTALL:
        return install(s, v, ledger, c)
    return release(s, v, ledger, c)
