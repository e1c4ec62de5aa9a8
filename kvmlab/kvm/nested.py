"""A mapping outside the notifier: nested virtualisation puts a pfn into a hardware structure."""

from __future__ import annotations

from kvmlab.kvm.driver import GONE
from kvmlab.kvm.host import NOTHING, PAGE
from kvmlab.kvm.lookup import own_count
from kvmlab.kvm.machine import UNCOUNTED, Machine
from kvmlab.memory.ledger import NESTED_MAP, Ledger
from kvmlab.memory.page import (
    FREE,
    LEAKED,
    UNGUARDED_ACCESS,
    WRITE_LOST,
    get_page,
    put_page,
    raise_alarm,
)
from kvmlab.memory.state import model_code, read, write

# Actions of the nested user.
MAP = 50
USE = 51
UNMAP = 52

# Its program counter.
NESTED_IDLE = 0
MAPPED = 1
NESTED_DONE = 2


@model_code
def nested_target(c: Machine) -> int:
    """The gfn that is mapped: the driver's page if there is one, else gfn 0."""
    return c.anon if c.driver != 0 else 0


@model_code
def may_map(s: int, page: int, c: Machine) -> int:
    """What kvm_vcpu_map() does with a page: 0 refuses it, 1 maps it with a reference, 2 maps it without one.

    Anonymous memory comes from GUP with a reference (a pin since 6.13). A PFNMAP page is taken like a fault's up to
    6.12; v11 keeps the reference of a counted page and takes others only with allow_unsafe_mappings; since 6.13 all
    PFNMAP pages need that parameter.
    """
    if c.driver == 0:
        return 1
    if c.remapped <= 1:
        if c.driver_kind == UNCOUNTED:
            return 2
        return 1 if c.remapped == 0 or own_count(s, page, c) > 0 else 0
    if c.remapped == 2 and c.driver_kind != UNCOUNTED and own_count(s, page, c) > 0:
        return 1
    return 2 if c.unsafe != 0 else 0


@model_code
def next_nested_action(s: int, c: Machine) -> int:
    """MAP while idle and the PTE maps a page that may be mapped; 0 otherwise (USE and UNMAP are both open then)."""
    if c.nested == 0 or read(s, c.nested_pc, 0) != NESTED_IDLE:
        return 0
    pte = read(s, c.pte, nested_target(c))
    return MAP if pte >= PAGE and may_map(s, pte - PAGE, c) != 0 else 0


@model_code
def nested_step(s: int, action: int, ledger: Ledger | None, c: Machine) -> int:
    """Map, use, or unmap. A use is a write; it neither faults nor looks at the notifier."""
    if action == MAP:
        pte = read(s, c.pte, nested_target(c))
        if may_map(s, pte - PAGE, c) == 1:
            s = get_page(s, pte - PAGE, NESTED_MAP, ledger, c.matter)
            s = write(s, c.nested_held, 0, 1)
        s = write(s, c.clean, pte - PAGE, 0)
        return write(write(s, c.nested_got, 0, pte), c.nested_pc, 0, MAPPED)
    page = read(s, c.nested_got, 0) - PAGE
    if action == USE:
        use = read(s, c.matter.use, page)
        gone = c.driver != 0 and read(s, c.driver_pc, 0) == GONE
        if read(s, c.nested_held, 0) == 0 and (use in (FREE, LEAKED) or gone):
            return raise_alarm(s, UNGUARDED_ACCESS, c.matter)
        if read(s, c.clean, page) != 0:
            return raise_alarm(s, WRITE_LOST, c.matter)
        return s
    if read(s, c.nested_held, 0) != 0:
        s = put_page(s, page, NESTED_MAP, ledger, c.matter)
    s = write(write(s, c.nested_held, 0, 0), c.nested_got, 0, NOTHING)
    return write(s, c.nested_pc, 0, NESTED_DONE)
