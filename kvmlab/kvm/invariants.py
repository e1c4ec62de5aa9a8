"""What must hold: the invariants by number, and the functions that tell which of them a state or a step breaks."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.kvm.driver import CLEARED, UNMAPPING
from kvmlab.kvm.host import EXITED, IDLE, NOTHING, PAGE, tlb_of
from kvmlab.kvm.machine import Machine
from kvmlab.kvm.mm import MM_IDLE
from kvmlab.memory import page as alarms
from kvmlab.memory.page import ANON, FREE, LEAKED
from kvmlab.memory.state import model_code, read


@dataclass(frozen=True, slots=True)
class Invariant:
    """One property, or an event that is worth telling.

    Args:
        number: its bit in answers is `1 << number`.
        id: `I3`, or the name of the event.
        name: a few words.
        statement: what must hold.
        cuts: whether exploration stops at a state that breaks it.
        is_bug: False for events.
        sense: which of the three meanings of "safe" in the discussion of v11 it belongs to: 1 counts are right,
            2 no access after free, 3 no stale translation; None for none of them.
    """

    number: int
    id: str
    name: str
    statement: str
    cuts: bool
    is_bug: bool
    sense: int | None

    @property
    def label(self) -> str:
        """Id and name as one text: `I3 freed while mapped`; an event has its id alone."""
        return f"{self.id} {self.name}" if self.is_bug or self.id.startswith("I") else self.id


def _rule(number: int, sense: int | None, cuts: bool, name: str, statement: str) -> Invariant:
    return Invariant(number, f"I{number}", name, statement, cuts, True, sense)


def _event(number: int, cuts: bool, id: str, name: str, statement: str) -> Invariant:
    return Invariant(number, id, name, statement, cuts, False, None)


INVARIANTS: tuple[Invariant, ...] = (
    _rule(1, 2, True, "SPTE of a freed page", "no SPTE points to a page that is free or somebody else's"),
    _rule(2, 1, True, "refcount below zero", "no refcount is below 0"),
    _rule(3, 1, True, "freed while mapped", "no page is freed with mapcount > 0 (bad page: nonzero mapcount)"),
    _rule(4, 1, False, "count without holder", "at rest, refcount = PTEs + batch entries + pins"),
    _rule(5, 3, True, "stale SPTE", "SPTE and PTE name the same page unless an invalidation of the gfn is in progress"),
    _rule(6, None, True, "unexpected EFAULT", "KVM_RUN fails only where the policy refuses a page, or GUP does"),
    _rule(7, 1, True, "owned page freed", "KVM never drops the last reference of a page that its owner still has"),
    _rule(8, 2, True, "touch without holder", "a fault without a reference marks no page that may be handed out again"),
    Invariant(9, "I9", "freed by its owner while held", "a driver that unmapped first frees a page that nobody holds",
              False, False, 1),
    _rule(10, 1, False, "zero page dropped", "gets and puts of the zero page balance"),
    _rule(11, 1, False, "freed page in a batch", "no entry of an LRU batch refers to a freed page"),
    _rule(12, 3, True, "stale TLB entry", "once no invalidation is in progress, no vCPU can use an old translation"),
    _rule(13, 2, True, "unguarded access", "no access outside the notifier to memory without reference or pin"),
    _rule(14, 3, True, "write lost", "no write outside the notifier to a page that writeback has cleaned"),
    _event(15, True, "block lost", "freed block has a count",
           "a block is freed while somebody holds its tail: nonzero _refcount"),
    _event(16, True, "count overflow", "more references than fit",
           "a refcount does not fit into the model's field; nothing is said beyond"),
    _event(17, False, "refused", "page turned down",
           "KVM_RUN returns -EFAULT: the policy refuses a PFNMAP page whose count is 0"),
    _event(18, False, "EFAULT after bad page", "GUP fails",
           "KVM_RUN returns -EFAULT: GUP finds a mapped page with count 0"),
    _event(19, False, "hung guest", "async page faults for ever",
           "the guest faults on such a page for ever, by async page faults (inferred)"),
)  # fmt: skip

BY_NUMBER = {invariant.number: invariant for invariant in INVARIANTS}
CUTTING = sum(1 << invariant.number for invariant in INVARIANTS if invariant.cuts)
"""The bits of those at which exploration stops."""

_ALARM_BITS = {
    alarms.REUSED_TOUCH: 8,
    alarms.ZERO_PAGE_DROPPED: 10,
    alarms.COUNT_OVERFLOW: 16,
    alarms.OWNED_PAGE_FREED: 7,
    alarms.UNGUARDED_ACCESS: 13,
    alarms.WRITE_LOST: 14,
    alarms.REFUSED: 17,
    alarms.FAILED_ON_BAD_PAGE: 18,
    alarms.HUNG: 19,
    alarms.UNEXPECTED_EXIT: 6,
    alarms.FREED_WHILE_HELD: 9,
}
ALARM_BITS: tuple[int, ...] = tuple(
    1 << 9 | 1 << 15 if code == alarms.BLOCK_LOST else 1 << _ALARM_BITS[code] if code in _ALARM_BITS else 0
    for code in range(16)
)
"""The bit of each alarm."""


@model_code
def at_rest(s: int, c: Machine) -> int:
    """1 if no fault, zap or unmapping is in flight."""
    for v in range(c.vcpus):
        pc = read(s, c.pc, v)
        if pc != IDLE and pc != EXITED:
            return 0
    driver = read(s, c.driver_pc, 0)
    if driver in (UNMAPPING, CLEARED):
        return 0
    return 1 if read(s, c.mm_pc, 0) == MM_IDLE else 0


@model_code
def holders_of(s: int, page: int, c: Machine) -> int:
    """References of a page that can be allocated, at rest: PTEs, batch entries, a pin."""
    holders = 0
    for g in range(c.anon):
        if read(s, c.pte, g) == PAGE + page:
            holders += 1
    for i in range(c.matter.batch_capacity):
        if read(s, c.matter.batch, i) == page + 1:
            holders += 1
    if c.nested != 0 and read(s, c.nested_held, 0) != 0 and read(s, c.nested_got, 0) == PAGE + page:
        holders += 1
    return holders


@model_code
def broken_sptes(s: int, c: Machine) -> int:
    """I1, I5 and I12: what SPTEs and cached translations point to."""
    bits = 0
    for g in range(c.gfns):
        pte = read(s, c.pte, g)
        quiet = read(s, c.in_progress, g) == 0
        spte = read(s, c.spte, g)
        if spte != NOTHING:
            if spte >= PAGE:
                use = read(s, c.matter.use, spte - PAGE)
                if use in (FREE, LEAKED):
                    bits |= 2
                for h in range(c.gfns):
                    if h != g and read(s, c.pte, h) == spte:
                        bits |= 2
            if quiet and spte != pte:
                bits |= 32
        if c.tlbs != 0 and quiet:
            for v in range(c.vcpus):
                cached = read(s, tlb_of(g, c), v)
                if cached != NOTHING and cached != pte:
                    bits |= 4096
    return bits


@model_code
def broken_pages(s: int, c: Machine) -> int:
    """I2, I3 and I11: what pages and the batch say for themselves."""
    bits, m = 0, c.matter
    for page in range(m.pages):
        if read(s, m.refcount, page) == 0:
            bits |= 4
        if read(s, m.use, page) in (FREE, LEAKED) and read(s, m.mapcount, page) != 0:
            bits |= 8
    for i in range(m.batch_capacity):
        slot = read(s, m.batch, i)
        if slot != 0 and read(s, m.use, slot - 1) != ANON:
            bits |= 2048
    return bits


@model_code
def broken_counts(s: int, c: Machine) -> int:
    """I4 of a state at rest: whether every count has its holders."""
    bits, m = 0, c.matter
    if m.reused != 0:
        for page in range(m.pages):
            if read(s, m.use, page) in (FREE, ANON) and read(s, m.refcount, page) != holders_of(s, page, c) + 1:
                bits |= 16
    return bits


@model_code
def broken(s: int, c: Machine) -> int:
    """The invariants that a state breaks, one bit each; those that a step breaks are in its alarm."""
    bits = broken_sptes(s, c) | broken_pages(s, c)
    return bits | broken_counts(s, c) if at_rest(s, c) != 0 else bits


__all__ = ["ALARM_BITS", "BY_NUMBER", "CUTTING", "INVARIANTS", "Invariant", "at_rest", "broken"]
