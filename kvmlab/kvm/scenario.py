"""Scripted runs: a guest that touches its pages in a given order, walked one step at a time with the ledger open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kvmlab.kvm import actions, mm, vcpu
from kvmlab.kvm.host import EXITED, IDLE, NOTHING, map_new_page
from kvmlab.kvm.kernel_names import match_stack
from kvmlab.kvm.policies import AfterCheck
from kvmlab.kvm.system import Event, System
from kvmlab.kvm.telling import tell
from kvmlab.memory.folio_batch import batch_entries
from kvmlab.memory.ledger import Entry, Ledger
from kvmlab.memory.page_state import PageState, page_state
from kvmlab.memory.state import read

# The retry after a copy on write finds the PTE writable and needs no more; other retries come from other actors only.
_RETRIES = 8
# After these GUP has left its fast way in this fault.
_WALKS = frozenset({vcpu.MAP_ZERO_PAGE, vcpu.MAP_ANON, vcpu.COW_START})


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run.

    Args:
        number: from 1.
        event: what was done.
        actor: who: `vcpu0`, `mm`, `lru drain`.
        action: name of the action.
        detail: what happened, in words.
        functions: kernel functions that were active in it, outermost first, in the names of 6.9.
        page: the followed page after the step; None before it is allocated.
        holders: who holds its references, one name a reference.
        batch: folios in the CPU's lru_add batch after the step.
        entries: what the ledger wrote in this step.
        state: the whole state after the step.
    """

    number: int
    event: Event
    actor: str
    action: str
    detail: str
    functions: tuple[str, ...]
    page: PageState | None
    holders: tuple[str, ...]
    batch: int
    entries: tuple[Entry, ...]
    state: int

    @property
    def stray_put(self) -> bool:
        """Whether somebody dropped a reference here that he did not hold."""
        return any(entry.stray for entry in self.entries)

    @property
    def bad_pages(self) -> tuple[int, ...]:
        """The pages that were found bad in this step."""
        return tuple(entry.page for entry in self.entries if entry.what == "bad page")

    def marks(self, stack: Sequence[str] = ()) -> tuple[str, ...]:
        """What is special about the step: `stray put`, `bad page`, `in stack`.

        Args:
            stack: reliable functions of a reported stack, innermost first; `in stack` says that all functions of the
                step are in it, in their order.
        """
        marks = ["stray put"] * self.stray_put + ["bad page"] * bool(self.bad_pages)
        inside = bool(stack) and bool(self.functions) and match_stack(self.functions, stack).agrees
        return (*marks, *["in stack"] * inside)


@dataclass(frozen=True, slots=True)
class BadPage:
    """A page as its report shows it: before anything is reset.

    Args:
        step: number of the step.
        page: its state when it was tested.
        reason: code of the failing test (`memory.free_checks`).
    """

    step: int
    page: PageState
    reason: int


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Args:
        system: the system that was stepped.
        steps: its steps.
        bad_pages: pages that were reported, in the order of the reports.
        ledger: the whole book.
        last: the last state.
    """

    system: System
    steps: tuple[Step, ...]
    bad_pages: tuple[BadPage, ...]
    ledger: Ledger
    last: int

    def page(self, page: int) -> PageState:
        """A page at the end."""
        return page_state(self.last, page, self.system.machine.matter)


class Runner:
    """Walks a system along a script.

    Args:
        system: a system; flags and lists of pages are only known if it tracks them.
        follow: frame whose counts the steps show.
        stop_when_reported: whether nothing more happens once that frame has been reported as a bad page.

    >>> from kvmlab.kvm.config import Config
    >>> from kvmlab.kvm.policies import find_policy
    >>> runner = Runner(System(Config(find_policy("d"), tracked=True, batch=31)))
    >>> runner.access(0, 0, 1)
    >>> [step.action for step in runner.finish().steps]
    ['snapshot', 'early check', 'map new page', 'grab', 'late check', 'install']
    """

    def __init__(self, system: System, follow: int = 0, *, stop_when_reported: bool = False) -> None:
        self.system = system
        self.follow = follow
        self.stop_when_reported = stop_when_reported
        self.state = system.first
        self._steps: list[Step] = []
        self._slow: set[int] = set()
        self._bad: list[BadPage] = []
        self._ledger = Ledger(on_bad_page=self._on_bad_page)

    def _on_bad_page(self, page: int, reason: int, state: int) -> None:
        self._bad.append(BadPage(self._ledger.step, page_state(state, page, self.system.machine.matter), reason))

    @property
    def stopped(self) -> bool:
        """Whether the followed page has been reported and that ends the run."""
        return self.stop_when_reported and any(bad.page.page == self.follow for bad in self._bad)

    def take(self, event: Event) -> Step:
        """Carry out one event and record it.

        Args:
            event: an event that the state allows.
        """
        before, written = self.state, len(self._ledger.entries)
        self._ledger.step = len(self._steps) + 1
        self.state = self.system.step(before, event, self._ledger)
        entries = tuple(self._ledger.entries[written:])
        machine = self.system.machine
        page = page_state(self.state, self.follow, machine.matter)
        if self._bad and self._bad[-1].step == self._ledger.step:
            # A report may reset the mapcount; the step shows what the report shows.
            page = next((bad.page for bad in self._bad if bad.page.page == self.follow), page)
        born = any(entry.page == self.follow for entry in self._ledger.entries)
        action = actions.ACTIONS[event.action]
        if event.action in _WALKS:
            self._slow.add(event.actor)
        elif event.action == vcpu.SNAPSHOT:
            self._slow.discard(event.actor)
        step = Step(
            self._ledger.step,
            event,
            f"vcpu{event.actor}" if action.actor == "vcpu" else action.actor,
            action.name,
            self._detail(before, event, entries),
            self._functions(before, event, entries),
            page if born else None,
            self._ledger.holders(self.follow) if born else (),
            batch_entries(self.state, machine.matter) + read(self.state, machine.matter.others, 0),
            entries,
            self.state,
        )
        self._steps.append(step)
        return step

    def access(self, v: int, g: int, access: int) -> None:
        """Let a vCPU access a page until it can, or until it leaves KVM_RUN with an error.

        Args:
            v: the vCPU.
            g: the gfn.
            access: 0 read, 1 write.
        """
        c = self.system.machine
        for _ in range(_RETRIES):
            if self.stopped or read(self.state, c.pc, v) == EXITED or vcpu.needs_fault(self.state, g, access, c) == 0:
                return
            self.take(Event(vcpu.SNAPSHOT, v, g * 2 + access))
            while action := vcpu.next_action(self.state, v, c):
                self.take(Event(action, v, 0))
                if self.stopped or read(self.state, c.pc, v) in (IDLE, EXITED):
                    break
            else:
                return

    def touch_by_host(self, g: int) -> None:
        """Let the host write to an untouched page before the guest does.

        Args:
            g: the gfn of the page.
        """
        c = self.system.machine
        if read(self.state, c.pte, g) == NOTHING:
            self.state = map_new_page(self.state, g, self._ledger, c)

    def drain(self) -> None:
        """Let another task drain the CPU's batch."""
        self.take(Event(mm.DRAIN, 0, 0))

    def holders(self, page: int) -> tuple[str, ...]:
        """Who holds references of a page by now, one name a reference.

        Args:
            page: number of its frame.
        """
        return self._ledger.holders(page)

    def finish(self) -> Run:
        """The run so far."""
        return Run(self.system, tuple(self._steps), tuple(self._bad), self._ledger, self.state)

    def _functions(self, before: int, event: Event, entries: Iterable[Entry]) -> tuple[str, ...]:
        names = actions.ACTIONS[event.action].functions
        policy = self.system.config.policy
        if event.action == vcpu.GRAB and event.actor not in self._slow:
            names = (*actions.FAULT_FUNCTIONS, "hva_to_pfn", "get_user_page_fast_only")
        if event.action == vcpu.CHECK_LATE:
            names = actions.FAULT_FUNCTIONS
            if self._went_stale(before, event):
                extra = {
                    AfterCheck.RELEASE_PFN: "kvm_release_pfn_clean",
                    AfterCheck.MARK_ACCESSED: "kvm_set_page_accessed",
                    AfterCheck.PUT_UNUSED: "kvm_release_page_unused",
                }
                names = (*names, extra[policy.after_check])
        puts = [entry for entry in entries if entry.what == "put" and entry.holder == "lru_add batch"]
        if puts:
            names = (*names, *actions.DRAIN_FUNCTIONS)
        if any(entry.what == "bad page" for entry in entries):
            names = (*names, *(actions.FREE_FUNCTIONS if puts else actions.DIRECT_FREE_FUNCTIONS))
        return names

    def _went_stale(self, before: int, event: Event) -> bool:
        return vcpu.is_stale(before, event.actor, 1, 1, self.system.machine) != 0

    def _detail(self, before: int, event: Event, entries: Iterable[Entry]) -> str:
        said = tell(self.system, before, event, self.state)
        if event.action != vcpu.CHECK_LATE:
            strays = [f"page {e.page}: put by the {e.holder}, which holds no reference" for e in entries if e.stray]
            said = "; ".join([said, *strays])
        return said
