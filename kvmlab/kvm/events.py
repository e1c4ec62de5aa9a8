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
from kvmlab.memory.state import model_code, put_state, read, write

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
def add(codes: Any, states: Any, n: int, code: int, after: int) -> int:
    """Note one event and the state after it; the number of those noted."""
    codes[n] = code
    put_state(states, n, after)
    return n + 1


@model_code
def vcpu_successors(s: int, v: int, codes: Any, states: Any, n: int, c: Machine) -> int:
    """Events of one vCPU: an access that faults, if it runs the guest; else the next step of its fault."""
    if read(s, c.pc, v) != IDLE:
        action = next_action(s, v, c)
        if action == 0:
            return n
        return add(codes, states, n, event_code(action, v, 0), vcpu_step(s, v, action, None, c))
    for g in range(c.gfns):
        for access in (READ, WRITE):
            wanted = c.reads if access == READ else c.writes
            if wanted != 0 and needs_fault(s, g, access, c) != 0:
                n = add(codes, states, n, event_code(SNAPSHOT, v, g * 2 + access), snapshot(s, v, g, access, c))
        if c.tlbs != 0:
            spte = read(s, c.spte, g)
            if spte != NOTHING and read(s, tlb_of(g, c), v) != spte:
                n = add(codes, states, n, event_code(FILL_TLB, v, g), write(s, tlb_of(g, c), v, spte))
    return n


@model_code
def mm_successors(s: int, codes: Any, states: Any, n: int, c: Machine) -> int:
    """Events of the mm thread: the next step of its operation, or the start of one."""
    if read(s, c.mm_pc, 0) != MM_IDLE:
        action = next_mm_action(s, c)
        return add(codes, states, n, event_code(action, 0, 0), mm_step(s, action, None, c))
    left = read(s, c.mm_left, 0)
    if left != 0:
        if c.zap_any != 0:
            for g in range(c.anon):
                n = add(codes, states, n, event_code(ZAP_START, 0, g), zap_start(s, g, None, c))
        else:
            g = (c.zaps - left) % c.anon
            n = add(codes, states, n, event_code(ZAP_START, 0, g), zap_start(s, g, None, c))
    left = read(s, c.wb_left, 0)
    if left != 0:
        g = (c.writebacks - left) % c.anon
        n = add(codes, states, n, event_code(WRITEBACK_START, 0, g), writeback_start(s, g, None, c))
    return n


@model_code
def other_successors(s: int, codes: Any, states: Any, n: int, c: Machine) -> int:
    """Events of the driver and of the nested user."""
    action = next_driver_action(s, c)
    if action != 0:
        n = add(codes, states, n, event_code(action, 0, 0), driver_step(s, action, None, c))
    action = next_nested_action(s, c)
    if action != 0:
        n = add(codes, states, n, event_code(action, 0, 0), nested_step(s, action, None, c))
    if c.nested != 0 and read(s, c.nested_pc, 0) == MAPPED:
        n = add(codes, states, n, event_code(USE, 0, 0), nested_step(s, USE, None, c))
        n = add(codes, states, n, event_code(UNMAP, 0, 0), nested_step(s, UNMAP, None, c))
    return n


@model_code
def drain_successors(s: int, codes: Any, states: Any, n: int, c: Machine) -> int:
    """The drain of the batch by somebody else, at any time while something is in it."""
    if read(s, c.matter.batch, 0) == 0:
        return n
    return add(codes, states, n, event_code(DRAIN, 0, 0), lru_add_drain(s, None, c.matter))


@model_code
def successors(s: int, codes: Any, states: Any, c: Machine) -> int:
    """Write all events that a state allows, and the states after them, and return how many they are.

    The order is fixed: vCPUs by number, then the mm thread, the driver, the nested user, and the drain.

    Args:
        s: the state.
        codes: room for `most_events` numbers of events.
        states: the same room for the states after them.
        c: the machine.
    """
    n = 0
    for v in range(c.vcpus):
        n = vcpu_successors(s, v, codes, states, n, c)
    n = mm_successors(s, codes, states, n, c)
    n = other_successors(s, codes, states, n, c)
    return drain_successors(s, codes, states, n, c)


def most_events(c: Machine) -> int:
    """A bound on the number of events of a state."""
    accesses = c.vcpus * max(c.gfns * (c.reads + c.writes + c.tlbs), 1)
    return accesses + (c.anon if c.zap_any else 1) + (c.writebacks > 0) + (c.driver > 0) + 2 * c.nested + 1


__all__ = ["UNMAP_START", "apply", "event_code", "most_events", "successors"]
