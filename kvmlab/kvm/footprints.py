"""Which part of a state each actor reads or writes, by where it is: what makes steps worth remembering."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kvmlab.kvm.driver import CLEARED, GONE, OWNS, UNMAPPED, UNMAPPING
from kvmlab.kvm.events import drain_successors, mm_successors, other_successors, vcpu_successors
from kvmlab.kvm.host import (
    COW_COPY,
    COW_END,
    EXITED,
    IDLE,
    LOCKED,
    LOOKUP,
    POST_CHECK,
    PRE_CHECK,
    RELEASE,
)
from kvmlab.kvm.machine import Machine
from kvmlab.kvm.mm import MM_CLEARED, MM_GATHERED, MM_IDLE, MM_STARTED, MM_WRITING
from kvmlab.kvm.system import System

Names = frozenset[str]

MATTER: Names = frozenset(
    {"use", "refcount", "mapcount", "flags", "listed", "mapping", "index", "batch", "others", "activate", "activated",
     "zero"}
)  # fmt: skip
_OWN: Names = frozenset({"pc", "gfn", "wants", "stale", "got", "slow", "accounted"})
_SPTES: Names = frozenset({"spte", "counted"})
_SHOOT: Names = _SPTES | MATTER | {"in_progress"}
"""What the notifier's start touches; cached translations come on top."""
_END: Names = frozenset({"in_progress", "pc", "stale"})
"""What the notifier's end touches, of every vCPU."""
_MM: Names = frozenset({"mm_pc", "mm_gfn", "mm_page", "mm_left", "wb_left"})
_OUTSIDE: Names = frozenset({"driver_pc", "nested_pc", "nested_got", "nested_held"})

VCPU: dict[int, Names] = {
    IDLE: _SPTES,
    PRE_CHECK: frozenset({"in_progress"}),
    LOOKUP: _SHOOT | {"pte", "clean"},
    COW_COPY: MATTER | {"pte", "clean"},
    COW_END: _END,
    POST_CHECK: MATTER | {"in_progress"},
    LOCKED: _SHOOT | {"clean"},
    RELEASE: MATTER,
    EXITED: frozenset(),
}
"""Beside its own record; of other vCPUs only at the notifier's end, and their translations at its start."""

MM: dict[int, Names] = {
    MM_IDLE: _SHOOT,
    MM_STARTED: MATTER | {"pte"},
    MM_GATHERED: MATTER,
    MM_CLEARED: _END,
    MM_WRITING: frozenset({"pte", "clean"}),
}

DRIVER: dict[int, Names] = {
    OWNS: _SHOOT,
    UNMAPPING: frozenset({"pte"}),
    CLEARED: _END,
    UNMAPPED: MATTER,
    GONE: frozenset(),
}

_NOTIFIES = {"vcpu": (LOOKUP,), "mm": (MM_IDLE,), "driver": (OWNS,)}


class Actor:
    """One actor: where its program counter stands, the bits it reads by its value, and its steps by theirs.

    Args:
        at, low: place of the program counter, and the mask of its width; 0 and 0 if it has none.
        masks: bits that it reads and writes, by program counter.
        successors: writes the codes of its events, and the states after them.
    """

    __slots__ = ("_successors", "at", "low", "masks", "steps")

    def __init__(
        self, at: int, low: int, masks: tuple[int, ...], successors: Callable[[int, list[int], list[int]], int]
    ) -> None:
        self.at, self.low, self.masks, self._successors = at, low, masks, successors
        self.steps: dict[int, tuple[int, ...]] = {}

    def changes(self, s: int, out: list[int]) -> tuple[int, ...]:
        """For each of its events the bits that it changes.

        Args:
            s: the state.
            out: room for the states after its events.
        """
        n = self._successors(s, [0] * len(out), out)
        return tuple(s ^ after for after in out[:n])


def bits_of(system: System, names: Iterable[str], only: int | None = None) -> int:
    """The bits of fields; names that a layout lacks count nothing.

    Args:
        system: the system.
        names: the fields.
        only: one element of each, all if None.
    """
    mask = 0
    for name in names:
        if name in system.layout.fields:
            field, n = system.layout.fields[name]
            for i in range(n) if only is None else (only,):
                mask |= ((1 << field.width) - 1) << (field.at + field.stride * i)
    return mask


def _by_pc(table: dict[int, Names], size: int, always: int, system: System, who: str) -> tuple[int, ...]:
    """The mask for every value that a program counter of this many values can have."""
    tlbs = [name for name in system.layout.fields if name.startswith("tlb ")]
    masks = []
    for pc in range(size):
        names = set(table.get(pc, ()))
        if pc in _NOTIFIES.get(who, ()):
            names.update(tlbs)
        masks.append(always | bits_of(system, names))
    return tuple(masks)


def _of_vcpu(v: int, c: Machine) -> Callable[[int, list[int], list[int]], int]:
    """The successors of one vCPU."""
    return lambda s, codes, states: vcpu_successors(s, v, codes, states, 0, c)


def actors(system: System) -> list[Actor]:
    """The actors of a system, in the order of `successors`.

    Args:
        system: the system.
    """
    c = system.machine
    tlbs = [name for name in system.layout.fields if name.startswith("tlb ")]
    found = []
    for v in range(c.vcpus):
        own = bits_of(system, [*_OWN, *tlbs], only=v)
        at = c.pc.at + c.pc.stride * v
        masks = _by_pc(VCPU, 1 << c.pc.width, own, system, "vcpu")
        found.append(Actor(at, (1 << c.pc.width) - 1, masks, _of_vcpu(v, c)))
    masks = _by_pc(MM, 1 << c.mm_pc.width, bits_of(system, _MM), system, "mm")
    found.append(
        Actor(
            c.mm_pc.at, (1 << c.mm_pc.width) - 1, masks, lambda s, codes, states: mm_successors(s, codes, states, 0, c)
        )
    )
    if c.driver or c.nested:
        always = bits_of(system, _OUTSIDE | (MATTER | {"pte", "clean"} if c.nested else frozenset()))
        masks = _by_pc(DRIVER, 1 << c.driver_pc.width, always, system, "driver")
        found.append(
            Actor(
                c.driver_pc.at,
                (1 << c.driver_pc.width) - 1,
                masks,
                lambda s, codes, states: other_successors(s, codes, states, 0, c),
            )
        )
    found.append(
        Actor(0, 0, (bits_of(system, MATTER),), lambda s, codes, states: drain_successors(s, codes, states, 0, c))
    )
    return found


def judged_bits(system: System) -> int:
    """The bits on which it depends which invariants a state breaks.

    Args:
        system: the system.
    """
    tlbs = [name for name in system.layout.fields if name.startswith("tlb ")]
    names = {"use", "refcount", "mapcount", "batch", "pte", "in_progress", "spte", "pc", "mm_pc", *_OUTSIDE, *tlbs}
    return bits_of(system, names)
