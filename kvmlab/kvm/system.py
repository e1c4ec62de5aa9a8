"""The whole system: a configuration that can be stepped, one event at a time."""

from __future__ import annotations

from typing import NamedTuple

from kvmlab.kvm.actions import ACTIONS
from kvmlab.kvm.config import Config
from kvmlab.kvm.events import ACTION_SHIFT, ACTOR_SHIFT, FILL_TLB, apply, event_code, most_events, successors
from kvmlab.kvm.machine import build_machine
from kvmlab.kvm.mm import WRITEBACK_START, ZAP_START
from kvmlab.kvm.vcpu import SNAPSHOT
from kvmlab.memory.ledger import Ledger


class Event(NamedTuple):
    """One step that somebody takes.

    Args:
        action: number of the action (`actions.ACTIONS`).
        actor: which vCPU, 0 for other actors.
        arg: gfn * 2 + access for a snapshot, gfn for a zap or a TLB fill, 0 otherwise.
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


class System:
    """A configuration that can be stepped: rules, first state, and nothing that changes.

    Args:
        config: what takes part.

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
        room = most_events(self.machine)
        codes, states = [0] * room, [0] * room
        return [Event.of(code) for code in codes[: successors(state, codes, states, self.machine)]]

    def step(self, state: int, event: Event, ledger: Ledger | None = None) -> int:
        """The state after an event; with a ledger, who got and dropped what is written into it.

        Args:
            state: a state of this system.
            event: one of `events(state)`.
            ledger: the book of this run.
        """
        return apply(state, event.code, ledger, self.machine)

    def actor(self, event: Event) -> str:
        """Who takes an event: `vcpu0`, `mm`, ..."""
        actor = ACTIONS[event.action].actor
        return f"vcpu{event.actor}" if actor == "vcpu" else actor

    def detail(self, event: Event) -> str:
        """What an event is about: gfn and access, or nothing."""
        if event.action == SNAPSHOT:
            return f"gfn {event.arg >> 1} {'write' if event.arg & 1 else 'read'}"
        return f"gfn {event.arg}" if event.action in (ZAP_START, WRITEBACK_START, FILL_TLB) else ""

    def name(self, event: Event) -> str:
        """An event in words."""
        return f"{self.actor(event)} {ACTIONS[event.action].name} {self.detail(event)}".rstrip()

    def decode(self, state: int) -> dict[str, tuple[int, ...]]:
        """Every field of a state by name."""
        return self.layout.decode(state)


__all__ = ["Config", "Event", "System"]
