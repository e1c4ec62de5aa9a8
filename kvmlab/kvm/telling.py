"""What a step did, in a sentence: the same action reads differently when it fails, finds nothing, or comes too late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kvmlab.kvm import driver, mm, nested, vcpu
from kvmlab.kvm.actions import ACTIONS
from kvmlab.kvm.host import NOTHING, PAGE, ZERO_PAGE
from kvmlab.kvm.lookup import holds_found, own_count
from kvmlab.kvm.machine import COMPOUND, UNCOUNTED, WRITE, has_reference
from kvmlab.kvm.policies import AfterCheck, Finish, Remapped
from kvmlab.kvm.system import Event, System
from kvmlab.memory.folio_batch import batch_entries
from kvmlab.memory.page import ANON, FREE, LEAKED, refcount
from kvmlab.memory.state import Field, read


@dataclass(frozen=True, slots=True)
class Seen:
    """One step as its teller sees it: the system, the state before, the event, and the state after."""

    system: System
    before: int
    event: Event
    after: int

    def of_vcpu(self, field: Field) -> int:
        """A value of the vCPU that takes the step, before it."""
        return read(self.before, field, self.event.actor)

    def count(self, page: int) -> int:
        """`_refcount` of a page before the step."""
        return refcount(self.before, page, self.system.machine.matter)

    @property
    def gfn(self) -> int:
        """The gfn that the vCPU faults on."""
        return self.of_vcpu(self.system.machine.gfn)

    @property
    def pte(self) -> int:
        """What the PTE of that gfn holds before the step."""
        return read(self.before, self.system.machine.pte, self.gfn)

    @property
    def found(self) -> int:
        """What the vCPU's look-up has found."""
        return self.of_vcpu(self.system.machine.got)

    @property
    def stale(self) -> bool:
        """Whether the retry test of the policy, with both its halves, calls the fault stale."""
        return vcpu.is_stale(self.before, self.event.actor, 1, 1, self.system.machine) != 0

    @property
    def through_pfnmap(self) -> bool:
        """Whether the fault is on a driver's PFNMAP page."""
        return self.gfn >= self.system.machine.anon


def what(code: int) -> str:
    """What a PTE, an SPTE or a look-up holds, in words.

    Args:
        code: 0 nothing, 1 the zero page, 2 + a page frame.

    >>> what(0), what(1), what(2)
    ('nothing', 'the zero page', 'page 0')
    """
    return "nothing" if code == NOTHING else "the zero page" if code == ZERO_PAGE else f"page {code - PAGE}"


def _snapshot(seen: Seen) -> str:
    does = "writes" if seen.event.arg & 1 == WRITE else "reads"
    return f"guest {does} gfn {seen.event.arg >> 1}, which has no fitting SPTE; KVM remembers mmu_invalidate_seq"


def _check_early(seen: Seen) -> str:
    return "stale already: nothing is held, the guest faults again" if seen.stale else "not stale: on to the look-up"


def _copy(seen: Seen) -> str:
    if seen.pte != ZERO_PAGE:
        return f"the PTE maps {what(seen.pte)} by now: nothing to copy"
    return ACTIONS[vcpu.COPY].does


def _grab(seen: Seen) -> str:
    keeps = seen.system.config.policy.takes_ref
    if seen.pte < PAGE:
        return (
            f"GUP finds the zero page{' and takes a reference' if keeps else '; its reference is given back at once'}"
        )
    page = seen.pte - PAGE
    n = seen.count(page)
    if n <= 0:
        after = (
            "it is left to an async page fault, and the guest faults again"
            if seen.system.config.async_pf
            else "KVM_RUN returns -EFAULT"
        )
        return f"GUP finds page {page} with refcount {n} and takes nothing: {after}"
    if keeps:
        return f"GUP finds page {page} and takes a reference: {n} to {n + 1}"
    return f"GUP finds page {page}, takes a reference and drops it at once (no FOLL_GET): {n}, {n + 1}, {n}"


def _follow(seen: Seen) -> str:
    c, policy = seen.system.machine, seen.system.config.policy
    if seen.pte == NOTHING:
        return "the PTE is gone and the driver inserts nothing: the access is given up"
    page = seen.pte - PAGE
    n = seen.count(page)
    if c.driver_kind == UNCOUNTED:
        return f"page {page} is reserved or has no struct page: its count is nobody's business"
    if policy.remapped is Remapped.UNTOUCHED:
        return f"the pfn of page {page} is taken as it is; its refcount of {n} is neither read nor changed"
    if policy.remapped is Remapped.BLIND_GET:
        whose = "the head of the block of page" if c.driver_kind == COMPOUND else "page"
        return f"get_page() on {whose} {page} whatever its count is: {n} to {n + 1}"
    n = own_count(seen.before, page, c)
    if n <= 0:
        if policy.remapped is Remapped.TRY_GET:
            return f"try-get on page {page} finds refcount {n}: refused, KVM_RUN returns -EFAULT"
        return f"try-get on page {page} finds refcount {n}: mapped all the same, remembered as not refcounted"
    if policy.remapped is Remapped.CLASSIFY and not policy.takes_ref:
        return f"page {page} is refcounted: taken and dropped at once (no FOLL_GET): {n}, {n + 1}, {n}"
    return f"try-get on page {page}: {n} to {n + 1}"


def _let_go(seen: Seen) -> str:
    """How a stale fault parts with what it found, by policy."""
    c, policy = seen.system.machine, seen.system.config.policy
    page = what(seen.found)
    uncounted = seen.through_pfnmap and c.driver_kind == UNCOUNTED
    held = holds_found(seen.before, seen.event.actor, c) != 0
    if policy.after_check is AfterCheck.RELEASE_PFN and not uncounted:
        whose = "the fault's own reference" if held else "though the fault holds no reference"
        return f"kvm_release_pfn_clean() puts {page}, {whose}"
    if policy.after_check is AfterCheck.MARK_ACCESSED:
        return f"{page} is marked accessed, nothing is put"
    if policy.after_check is AfterCheck.PUT_UNUSED and held:
        return f"the fault puts its reference of {page}, unused"
    return "nothing is held, nothing is put"


def _check_late(seen: Seen) -> str:
    policy = seen.system.config.policy
    if not seen.stale:
        return "not stale: on to mmu_lock"
    if policy.stale_exits:
        return "stale: KVM_RUN returns -EFAULT instead of retrying"
    injected = f"; injected: one put of {what(seen.found)} more" if policy.stale_put and seen.found >= PAGE else ""
    return f"stale: the sequence moved on since the snapshot; {_let_go(seen)}{injected}; the guest faults again"


def _install(seen: Seen) -> str:
    c, policy = seen.system.machine, seen.system.config.policy
    stale = vcpu.is_stale(seen.before, seen.event.actor, c.in_progress_tested, c.sequence_tested, c) != 0
    page = what(seen.found)
    first = "stale under mmu_lock: no SPTE is set" if stale else f"not stale under mmu_lock: the SPTE maps {page}"
    if policy.finish is Finish.MARK_LOCKED:
        marked = seen.of_vcpu(c.accounted) != 0
        return f"{first}; {page} is marked accessed without a reference" if marked else f"{first}; nothing to mark"
    if policy.finish is Finish.RELEASE_UNLOCKED:
        return f"{first}; the reference of {page} is put" if seen.found == ZERO_PAGE else first
    if holds_found(seen.before, seen.event.actor, c) == 0:
        return f"{first}; no reference was taken, none is put"
    return f"{first}; the fault puts its reference of {page}" + (", unused" if stale else ", marked accessed and dirty")


def _release(seen: Seen) -> str:
    return f"mmu_lock is dropped: {what(seen.found)} is marked accessed, the fault's reference is put"


def _zap_clear(seen: Seen) -> str:
    pte = read(seen.before, seen.system.machine.pte, read(seen.before, seen.system.machine.mm_gfn, 0))
    if pte < PAGE:
        return f"the PTE held {what(pte)}: no mapcount to take down"
    return f"the PTE of page {pte - PAGE} is cleared, its mapcount goes down"


def _zap_put(seen: Seen) -> str:
    page = read(seen.before, seen.system.machine.mm_page, 0) - PAGE
    n = seen.count(page)
    return f"after the TLB flush the PTE's reference of page {page} is dropped: {n} to {n - 1}"


def _free_block(seen: Seen) -> str:
    counted = has_reference(seen.system.machine) != 0
    mapped = seen.system.config.driver == "bad"
    how = "drops its reference of the page" if counted else "frees the block that its page belongs to"
    return f"the driver {how}" + (", which it never unmapped" if mapped else "")


def _nested_map(seen: Seen) -> str:
    held = read(seen.after, seen.system.machine.nested_held, 0) != 0
    return f"{ACTIONS[nested.MAP].does}, {'with a reference' if held else 'without a reference'}"


def _nested_use(seen: Seen) -> str:
    c = seen.system.machine
    page = read(seen.before, c.nested_got, 0) - PAGE
    gone = c.driver != 0 and read(seen.before, c.driver_pc, 0) == driver.GONE
    lost = read(seen.before, c.matter.use, page) in (FREE, LEAKED) or gone
    if lost and read(seen.before, c.nested_held, 0) == 0:
        return f"page {page} is written to, without a fault, after its owner has given it up"
    if read(seen.before, c.clean, page) != 0:
        return f"page {page} is written to, without a fault, after writeback has cleaned it"
    return f"page {page} is written to, without a fault"


def _nested_unmap(seen: Seen) -> str:
    held = read(seen.before, seen.system.machine.nested_held, 0) != 0
    return f"the mapping is given up{' and its reference dropped' if held else '; it had no reference'}"


def _drain(seen: Seen) -> str:
    n = batch_entries(seen.before, seen.system.machine.matter)
    return f"another task empties this CPU's LRU batch: {n} {'reference is' if n == 1 else 'references are'} dropped"


_TELLERS: dict[int, Callable[[Seen], str]] = {
    vcpu.SNAPSHOT: _snapshot, vcpu.CHECK_EARLY: _check_early, vcpu.COPY: _copy, vcpu.GRAB: _grab,
    vcpu.FOLLOW: _follow, vcpu.CHECK_LATE: _check_late, vcpu.INSTALL: _install, vcpu.PUT: _release,
    mm.ZAP_CLEAR: _zap_clear, mm.ZAP_PUT: _zap_put, mm.DRAIN: _drain, driver.FREE_BLOCK: _free_block,
    nested.MAP: _nested_map, nested.USE: _nested_use, nested.UNMAP: _nested_unmap,
}  # fmt: skip


def _ends(seen: Seen) -> list[str]:
    """The pages that the step freed or lost, and a batch that it drained on the way."""
    m = seen.system.machine.matter
    told = []
    if seen.event.action in (vcpu.COPY, vcpu.MAP_ANON) and batch_entries(seen.after, m) == 0 and (
        seen.event.action == vcpu.MAP_ANON or seen.pte == ZERO_PAGE
    ):  # fmt: skip
        told.append("that fills the batch, which is drained and drops its references")
    for page in range(m.pages):
        was, now = read(seen.before, m.use, page), read(seen.after, m.use, page)
        if was == now or now not in (FREE, LEAKED):
            continue
        if now == LEAKED:
            why = "last reference gone while it is mapped" if was == ANON else "freed while somebody holds it"
            told.append(f"page {page}: {why}, reported")
        else:
            mapped = read(seen.after, m.mapcount, page) != 0
            told.append(f"page {page} is freed" + (" while it is mapped, and nothing tests that" if mapped else ""))
    return told


def tell(system: System, before: int, event: Event, after: int) -> str:
    """What a step did and with what outcome.

    Args:
        system: the system that was stepped.
        before: the state before the step.
        event: the step.
        after: the state after it.

    >>> from kvmlab.kvm.config import Config
    >>> from kvmlab.kvm.policies import find_policy
    >>> system = System(Config(find_policy("d")))
    >>> event = system.events(system.first)[0]
    >>> tell(system, system.first, event, system.step(system.first, event))
    'guest reads gfn 0, which has no fitting SPTE; KVM remembers mmu_invalidate_seq'
    """
    seen = Seen(system, before, event, after)
    teller = _TELLERS.get(event.action)
    said = ACTIONS[event.action].does if teller is None else teller(seen)
    return "; ".join([said, *_ends(seen)])


__all__ = ["Seen", "tell", "what"]
