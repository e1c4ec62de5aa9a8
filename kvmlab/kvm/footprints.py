"""Which part of a state each actor reads or writes, by where it is: what makes steps worth remembering."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kvmlab.kvm.driver import CLEARED, GONE, OWNS, UNMAPPED, UNMAPPING
from kvmlab.kvm.events import drain_successors, mm_successors, most_events, other_successors, vcpu_successors
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
from kvmlab.kvm.invariants import at_rest, broken_counts, broken_pages, broken_sptes
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


class Steps(dict[int, tuple[int, ...]]):
    """What the steps of an actor change, by the bits that it reads; computed where it is asked for first.

    Args:
        successors: writes the codes of an actor's events, and the states after them.
        room: how many it may write.
    """

    def __init__(self, successors: Callable[[int, list[int], list[int]], int], room: int) -> None:
        self._successors = successors
        self._codes, self._after = [0] * room, [0] * room

    def __missing__(self, key: int) -> tuple[int, ...]:
        n = self._successors(key, self._codes, self._after)
        changes = self[key] = tuple(key ^ after for after in self._after[:n])
        return changes


class Actor:
    """One actor: where its program counter stands, the bits it reads by its value, and its steps by theirs.

    Args:
        at, low: place of the program counter, and the mask of its width; 0 and 0 if it has none.
        masks: bits that it reads and writes, by program counter.
        steps: for each of its events the bits that it changes, by the bits that it reads.
    """

    __slots__ = ("at", "low", "masks", "steps")

    def __init__(self, at: int, low: int, masks: tuple[int, ...], steps: Steps) -> None:
        self.at, self.low, self.masks, self.steps = at, low, masks, steps

    def changes(self, states: list[int]) -> list[tuple[int, ...]]:
        """For each of these states, and each event of the actor in it, the bits that change.

        Args:
            states: the states.
        """
        at, low, masks, steps = self.at, self.low, self.masks, self.steps
        return [steps[s & masks[s >> at & low]] for s in states]


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


def _of(function: Callable[..., int], c: Machine) -> Callable[[int, list[int], list[int]], int]:
    """The successors of another actor."""
    return lambda s, codes, states: function(s, codes, states, 0, c)


def actors(system: System) -> list[Actor]:
    """The actors of a system, in the order of `successors`.

    Args:
        system: the system.
    """
    c = system.machine
    room = most_events(c)
    tlbs = [name for name in system.layout.fields if name.startswith("tlb ")]
    found = []
    for v in range(c.vcpus):
        own = bits_of(system, [*_OWN, *tlbs], only=v)
        masks = _by_pc(VCPU, 1 << c.pc.width, own, system, "vcpu")
        at = c.pc.at + c.pc.stride * v
        found.append(Actor(at, (1 << c.pc.width) - 1, masks, Steps(_of_vcpu(v, c), room)))
    masks = _by_pc(MM, 1 << c.mm_pc.width, bits_of(system, _MM), system, "mm")
    found.append(Actor(c.mm_pc.at, (1 << c.mm_pc.width) - 1, masks, Steps(_of(mm_successors, c), room)))
    if c.driver or c.nested:
        always = bits_of(system, _OUTSIDE | (MATTER | {"pte", "clean"} if c.nested else frozenset()))
        masks = _by_pc(DRIVER, 1 << c.driver_pc.width, always, system, "driver")
        found.append(Actor(c.driver_pc.at, (1 << c.driver_pc.width) - 1, masks, Steps(_of(other_successors, c), room)))
    found.append(Actor(0, 0, (bits_of(system, MATTER),), Steps(_of(drain_successors, c), room)))
    return found


class Judge:
    """Tells which invariants a state breaks, each of three groups of them only once for the bits that it depends on.

    Args:
        system: the system.
    """

    def __init__(self, system: System) -> None:
        c = self._machine = system.machine
        tlbs = [name for name in system.layout.fields if name.startswith("tlb ")]
        of_counts = {"use", "refcount", "batch", "pte", "nested_held", "nested_got"}
        self.sptes = bits_of(system, {"use", "pte", "spte", "in_progress", *tlbs})
        self.pages = bits_of(system, {"use", "refcount", "mapcount", "batch"})
        self.moving = bits_of(system, {"pc", "mm_pc", "driver_pc"})
        self.counts = bits_of(system, of_counts) if c.matter.reused else 0
        # The values of those bits for which nothing is broken; of the last but one, those in which something moves.
        self.sound_sptes, self.sound_pages = set[int](), set[int]()
        self.in_motion, self.sound_counts = set[int](), set[int]()

    def __call__(self, s: int) -> int:
        """The same as `broken`.

        Args:
            s: the state.
        """
        c, bits = self._machine, 0
        if s & self.sptes not in self.sound_sptes:
            bits |= _remember(broken_sptes(s, c), s & self.sptes, self.sound_sptes)
        if s & self.pages not in self.sound_pages:
            bits |= _remember(broken_pages(s, c), s & self.pages, self.sound_pages)
        if s & self.moving not in self.in_motion:
            if at_rest(s, c) == 0:
                self.in_motion.add(s & self.moving)
            elif s & self.counts not in self.sound_counts:
                bits |= _remember(broken_counts(s, c), s & self.counts, self.sound_counts)
        return bits


def _remember(bits: int, key: int, sound: set[int]) -> int:
    """The bits; if there are none, the key is kept."""
    if bits == 0:
        sound.add(key)
    return bits
