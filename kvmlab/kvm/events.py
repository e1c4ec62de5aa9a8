"""Which events a state allows, actor by actor, and what each of them does: the model code above single steps."""

from __future__ import annotations

from typing import Any

from kvmlab.kvm.driver import UNMAP_START, driver_step, next_driver_action
from kvmlab.kvm.host import IDLE, NOTHING, tlb_of
from kvmlab.kvm.machine import READ, WRITE, Machine
from kvmlab.kvm.mm import (
    DRAIN,
    MM_IDLE,
    WRITEBACK_START,
    ZAP_START,
    mm_step,
    next_mm_action,
    writeback_start,
    zap_start,
)
from kvmlab.kvm.nested import MAP, MAPPED, UNMAP, USE, nested_step, next_nested_action
from kvmlab.kvm.vcpu import SNAPSHOT, needs_fault, next_action, snapshot, vcpu_step
from kvmlab.memory.folio_batch import lru_add_drain
from kvmlab.memory.ledger import Ledger
from kvmlab.memory.state import model_code, read, write

ACTION_SHIFT = 16
ACTOR_SHIFT = 12

FILL_TLB = 13
"""A vCPU's access finds the SPTE and caches the translation."""


@model_code
def event_code(action: int, actor: int, arg: int) -> int:
    """The number of an event."""
    return action << ACTION_SHIFT | actor << ACTOR_SHIFT | arg


@model_code
def apply(s: int, code: int, ledger: Ledger | None, c: Machine) -> int:
    """The state after an event that the state allows."""
    action = code >> ACTION_SHIFT
    actor = code >> ACTOR_SHIFT & 15
    arg = code & 0xFFF
    if action == SNAPSHOT:
        return snapshot(s, actor, arg >> 1, arg & 1, c)
    if action < ZAP_START:
        if action == FILL_TLB:
            return write(s, tlb_of(arg, c), actor, read(s, c.spte, arg))
        return vcpu_step(s, actor, action, ledger, c)
    if action == ZAP_START:
        return zap_start(s, arg, ledger, c)
    if action == DRAIN:
        return lru_add_drain(s, ledger, c.matter)
    if action == WRITEBACK_START:
        return writeback_start(s, arg, ledger, c)
    if action < DRAIN:
        return mm_step(s, action, ledger, c)
    return driver_step(s, action, ledger, c) if action < MAP else nested_step(s, action, ledger, c)


@model_code
def vcpu_events(s: int, v: int, out: Any, n: int, c: Machine) -> int:
    """Events of one vCPU: an access that faults, if it runs the guest; else the next step of its fault."""
    if read(s, c.pc, v) != IDLE:
        action = next_action(s, v, c)
        if action != 0:
            out[n] = event_code(action, v, 0)
            n += 1
        return n
    for g in range(c.gfns):
        if c.reads != 0 and needs_fault(s, g, READ, c) != 0:
            out[n] = event_code(SNAPSHOT, v, g * 2 + READ)
            n += 1
        if c.writes != 0 and needs_fault(s, g, WRITE, c) != 0:
            out[n] = event_code(SNAPSHOT, v, g * 2 + WRITE)
            n += 1
        if c.tlbs != 0:
            spte = read(s, c.spte, g)
            if spte != NOTHING and read(s, tlb_of(g, c), v) != spte:
                out[n] = event_code(FILL_TLB, v, g)
                n += 1
    return n


@model_code
def mm_events(s: int, out: Any, n: int, c: Machine) -> int:
    """Events of the mm thread: the next step of its operation, or the start of one."""
    if read(s, c.mm_pc, 0) != MM_IDLE:
        out[n] = event_code(next_mm_action(s, c), 0, 0)
        return n + 1
    left = read(s, c.mm_left, 0)
    if left != 0:
        if c.zap_any != 0:
            for g in range(c.anon):
                out[n] = event_code(ZAP_START, 0, g)
                n += 1
        else:
            out[n] = event_code(ZAP_START, 0, (c.zaps - left) % c.anon)
            n += 1
    left = read(s, c.wb_left, 0)
    if left != 0:
        out[n] = event_code(WRITEBACK_START, 0, (c.writebacks - left) % c.anon)
        n += 1
    return n


@model_code
def other_events(s: int, out: Any, n: int, c: Machine) -> int:
    """Events of the driver and of the nested user."""
    action = next_driver_action(s, c)
    if action != 0:
        out[n] = event_code(action, 0, 0)
        n += 1
    action = next_nested_action(s, c)
    if action != 0:
        out[n] = event_code(action, 0, 0)
        n += 1
    if c.nested != 0 and read(s, c.nested_pc, 0) == MAPPED:
        out[n] = event_code(USE, 0, 0)
        out[n + 1] = event_code(UNMAP, 0, 0)
        n += 2
    return n


@model_code
def drain_events(s: int, out: Any, n: int, c: Machine) -> int:
    """The drain of the batch by somebody else, at any time while something is in it."""
    if read(s, c.matter.batch, 0) != 0:
        out[n] = event_code(DRAIN, 0, 0)
        n += 1
    return n


@model_code
def all_events(s: int, out: Any, c: Machine) -> int:
    """Write the codes of all events that a state allows into `out` and return how many they are.

    The order is fixed: vCPUs by number, then the mm thread, the driver, the nested user, and the drain.
    """
    n = 0
    for v in range(c.vcpus):
        n = vcpu_events(s, v, out, n, c)
    return drain_events(s, out, other_events(s, out, mm_events(s, out, n, c), c), c)


def most_events(c: Machine) -> int:
    """A bound on the number of events of a state."""
    accesses = c.vcpus * max(c.gfns * (c.reads + c.writes + c.tlbs), 1)
    return accesses + (c.anon if c.zap_any else 1) + (c.writebacks > 0) + (c.driver > 0) + 2 * c.nested + 1


__all__ = ["UNMAP_START", "all_events", "apply", "event_code", "most_events"]
