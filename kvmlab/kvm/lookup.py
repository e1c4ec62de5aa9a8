"""The page that a fault looks up: how it is grabbed or followed, what is put, and what is marked."""

from __future__ import annotations

from kvmlab.kvm.host import EXITED, IDLE, LOCKED, NOTHING, PAGE, POST_CHECK, ZERO_PAGE
from kvmlab.kvm.machine import COMPOUND, UNCOUNTED, Machine
from kvmlab.memory.folio_batch import mark_page_accessed
from kvmlab.memory.ledger import FAULT, Ledger
from kvmlab.memory.page import (
    DIRTY,
    FAILED_ON_BAD_PAGE,
    HUNG,
    REFERENCED,
    REFUSED,
    REUSED_TOUCH,
    ZERO_PAGE_DROPPED,
    get_page,
    nobody_holds,
    put_page,
    raise_alarm,
    refcount,
    set_flags,
)
from kvmlab.memory.state import model_code, read, write


@model_code
def end_fault(s: int, v: int, c: Machine) -> int:
    """Forget the fault: the vCPU enters the guest again."""
    s = write(s, c.pc, v, IDLE)
    s = write(s, c.gfn, v, 0)
    s = write(s, c.wants, v, 0)
    s = write(s, c.stale, v, 0)
    s = write(s, c.got, v, NOTHING)
    s = write(s, c.slow, v, 0)
    return write(s, c.accounted, v, 0)


@model_code
def exit_with_error(s: int, v: int, why: int, c: Machine) -> int:
    """KVM_RUN returns -EFAULT; the fault stays as it was, without what it found, and the vCPU does not run again."""
    s = raise_alarm(s, why, c.matter)
    return write(write(s, c.got, v, NOTHING), c.pc, v, EXITED)


@model_code
def own_count(s: int, page: int, c: Machine) -> int:
    """The count that KVM's rule looks at: the page's own, which is 0 for every tail, compound or not."""
    return 0 if c.driver_kind == COMPOUND else refcount(s, page, c.matter)


@model_code
def holds_found(s: int, v: int, c: Machine) -> int:
    """1 if the fault has a reference of what it found.

    All but v11 take one of GUP's pages. Of PFNMAP pages the newest policy takes none, and one that classifies them only
    of those whose count it found above 0 (the last row of v11's truth table, with FOLL_GET).
    """
    if c.takes_ref == 0 or (c.driver_kind == UNCOUNTED and read(s, c.gfn, v) >= c.anon):
        return 0
    if c.remapped < 2 or read(s, c.gfn, v) < c.anon:
        return 1
    return read(s, c.accounted, v) if c.remapped == 2 else 0


@model_code
def put_found(s: int, v: int, ledger: Ledger | None, c: Machine) -> int:
    """Drop one reference of what the lookup found; the zero page has a count of its own, an uncounted page none."""
    got = read(s, c.got, v)
    if c.driver_kind == UNCOUNTED and read(s, c.gfn, v) >= c.anon:
        return s
    if got == ZERO_PAGE:
        if c.takes_ref == 0:
            s = raise_alarm(s, ZERO_PAGE_DROPPED, c.matter)
        n = read(s, c.matter.zero, 0)
        return write(s, c.matter.zero, 0, n - 1) if n > 0 else s
    return put_page(s, got - PAGE, FAULT + v, ledger, c.matter)


@model_code
def touch_found(s: int, v: int, dirty: int, claims: int, ledger: Ledger | None, c: Machine) -> int:
    """Mark what the lookup found accessed (and dirty); the zero page is reserved and left alone.

    A fault that claims a reference touches the page on the strength of it, rightly or not: what breaks then is the
    count. A fault that claims none and touches a page that nobody holds is an alarm (I8).
    """
    got = read(s, c.got, v)
    if got < PAGE:
        return s
    if claims == 0 and nobody_holds(s, got - PAGE, c.matter) != 0:
        s = raise_alarm(s, REUSED_TOUCH, c.matter)
    if dirty != 0:
        s = set_flags(s, got - PAGE, DIRTY, c.matter)
    return mark_page_accessed(s, got - PAGE, ledger, c.matter)


@model_code
def touch_accounted(s: int, v: int, ledger: Ledger | None, c: Machine) -> int:
    """v11 marks the page that it remembered without a reference; it remembers none for a page whose count was 0."""
    return touch_found(s, v, 0, 0, ledger, c) if read(s, c.accounted, v) != 0 else s


@model_code
def grab(s: int, v: int, ledger: Ledger | None, c: Machine) -> int:
    """GUP takes a reference of what the PTE maps; v11 drops it at once. A page whose count is 0 fails the fault."""
    g = read(s, c.gfn, v)
    pte = read(s, c.pte, g)
    s = write(s, c.got, v, pte)
    if pte == ZERO_PAGE:
        if c.takes_ref != 0:
            s = write(s, c.matter.zero, 0, read(s, c.matter.zero, 0) + 1)
    else:
        page = pte - PAGE
        if refcount(s, page, c.matter) <= 0:
            if c.async_pf != 0:
                return end_fault(raise_alarm(s, HUNG, c.matter), v, c)
            return exit_with_error(s, v, FAILED_ON_BAD_PAGE, c)
        s = get_page(s, page, FAULT + v, ledger, c.matter)
        if read(s, c.slow, v) != 0:
            s = mark_page_accessed(s, page, ledger, c.matter)
        else:
            s = set_flags(s, page, REFERENCED, c.matter)
        if c.takes_ref == 0:
            s = put_page(s, page, FAULT + v, ledger, c.matter)
        s = write(s, c.accounted, v, 1)
    return write(s, c.pc, v, POST_CHECK if c.early_checks != 0 else LOCKED)


@model_code
def follow(s: int, v: int, ledger: Ledger | None, c: Machine) -> int:
    """A PFNMAP pfn, under the page-table lock: what the policy does with its struct page; -EFAULT if it is refused.

    With the PTE gone the driver's fault handler is asked; a driver that has unmapped inserts nothing, the access is
    given up, and the guest may try again.
    """
    pte = read(s, c.pte, c.anon)
    if pte == NOTHING:
        return end_fault(s, v, c)
    page = pte - PAGE
    held = own_count(s, page, c) > 0
    if c.driver_kind == UNCOUNTED:
        s = write(s, c.got, v, pte)
        return write(s, c.pc, v, POST_CHECK if c.early_checks != 0 else LOCKED)
    if c.remapped == 0 or (c.remapped == 1 and held):
        s = write(get_page(s, page, FAULT + v, ledger, c.matter), c.accounted, v, 1)
    elif c.remapped == 1:
        if ledger is not None:
            ledger.tried(page, FAULT + v, 0)
        return exit_with_error(s, v, REFUSED, c)
    elif c.remapped == 2 and held:
        s = write(get_page(s, page, FAULT + v, ledger, c.matter), c.accounted, v, 1)
        if c.takes_ref == 0:
            s = put_page(s, page, FAULT + v, ledger, c.matter)
    s = write(s, c.got, v, pte)
    return write(s, c.pc, v, POST_CHECK if c.early_checks != 0 else LOCKED)
