"""The whole system: which events a state allows, and what each of them does."""

from __future__ import annotations

from typing import Any, NamedTuple

from kvmlab.kvm.host import IDLE
from kvmlab.kvm.machine import READ, WRITE, Config, Machine, build_machine
from kvmlab.kvm.mm import DRAIN, MM_IDLE, ZAP_START, next_zap_action, zap_start, zap_step
from kvmlab.kvm.vcpu import SNAPSHOT, needs_fault, next_action, snapshot, vcpu_step
from kvmlab.memory.folio_batch import batch_entries, drain
from kvmlab.memory.ledger import Ledger
from kvmlab.memory.state import Layout, model_code, read

ACTION_SHIFT = 16
ACTOR_SHIFT = 12


class Event(NamedTuple):
    """One step that somebody takes.

    Args:
        action: number of the action (`actions.ACTIONS`).
        actor: which vCPU, 0 for other actors.
        arg: gfn * 2 + access for a snapshot, gfn for a zap, 0 otherwise.
    """

    action: int
    actor: int
    arg: int

    @classmethod
    def of(cls, code: int) -> Event:
        """The event with this number."""
        return cls(code >> ACTION_SHIFT, code >> ACTOR_SHIFT & 15, code & 0xFFF)

    @property
    def code(self) -> int:
        """Its number."""
        return event_code(*self)


@model_code
def event_code(action: int, actor: int, arg: int) -> int:
    """The number of an event."""
    return action << ACTION_SHIFT | actor << ACTOR_SHIFT | arg


@model_code
def apply(s: int, action: int, actor: int, arg: int, ledger: Ledger | None, c: Machine) -> int:
    """The state after an event that `events` allows in this one."""
    if action == SNAPSHOT:
        return snapshot(s, actor, arg >> 1, arg & 1, c)
    if action < ZAP_START:
        return vcpu_step(s, actor, action, ledger, c)
    if action == ZAP_START:
        return zap_start(s, arg, ledger, c)
    if action == DRAIN:
        return drain(s, ledger, c.matter)
    return zap_step(s, action, ledger, c)


@model_code
def events(s: int, out: Any, c: Machine) -> int:
    """Write the codes of all events that a state allows into `out` and return their number.

    The order is fixed: vCPUs by number, then the mm thread, then the drain.
    """
    n = 0
    for v in range(c.vcpus):
        if read(s, c.pc, v) == IDLE:
            for g in range(c.gfns):
                if c.reads != 0 and needs_fault(s, g, READ, c) != 0:
                    out[n] = event_code(SNAPSHOT, v, g * 2 + READ)
                    n += 1
                if c.writes != 0 and needs_fault(s, g, WRITE, c) != 0:
                    out[n] = event_code(SNAPSHOT, v, g * 2 + WRITE)
                    n += 1
        else:
            action = next_action(s, v, c)
            if action != 0:
                out[n] = event_code(action, v, 0)
                n += 1
    if read(s, c.mm_pc, 0) == MM_IDLE:
        if read(s, c.mm_left, 0) != 0:
            for g in range(c.gfns):
                out[n] = event_code(ZAP_START, 0, g)
                n += 1
    else:
        out[n] = event_code(next_zap_action(s, c), 0, 0)
        n += 1
    if batch_entries(s, c.matter) != 0:
        out[n] = event_code(DRAIN, 0, 0)
        n += 1
    return n


class System:
    """A configuration that can be stepped: rules, first state, and nothing that changes.

    Args:
        config: what takes part.

    Raises:
        kvmlab.kvm.machine.BadConfig: the configuration is out of range.

    >>> from kvmlab.kvm.policies import find_policy
    >>> system = System(Config(find_policy("d"), zaps=0))
    >>> [system.name(event) for event in system.events(system.first)]
    ['vcpu0 snapshot gfn 0 read', 'vcpu0 snapshot gfn 0 write']
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.machine, self.layout, self.first = build_machine(config)

    def events(self, state: int) -> list[Event]:
        """The events that a state allows, in their fixed order."""
        out = [0] * self.most_events
        n = events(state, out, self.machine)
        return [Event.of(code) for code in out[:n]]

    @property
    def most_events(self) -> int:
        """A bound on the number of events of a state."""
        return (self.machine.vcpus * 2 + 1) * self.machine.gfns + 2

    def step(self, state: int, event: Event, ledger: Ledger | None = None) -> int:
        """The state after an event; with a ledger, who got and dropped what is written into it.

        Args:
            state: a state of this system.
            event: one of `events(state)`.
            ledger: the book of this run.
        """
        return apply(state, event.action, event.actor, event.arg, ledger, self.machine)

    def name(self, event: Event) -> str:
        """An event in words."""
        from kvmlab.kvm.actions import ACTIONS

        action = ACTIONS[event.action]
        if event.action == SNAPSHOT:
            return f"vcpu{event.actor} {action.name} gfn {event.arg >> 1} {'write' if event.arg & 1 else 'read'}"
        who = f"vcpu{event.actor}" if action.actor == "vcpu" else action.actor
        return f"{who} {action.name}" + (f" gfn {event.arg}" if event.action == ZAP_START else "")

    def decode(self, state: int) -> dict[str, tuple[int, ...]]:
        """Every field of a state by name."""
        return self.layout.decode(state)


__all__ = ["Event", "Layout", "System", "apply", "event_code", "events"]
