"""A storm: a guest that reads and then writes many fresh pages, every bad page of it, and what the log would show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.config import Config
from kvmlab.kvm.host import EXITED
from kvmlab.kvm.machine import READ, WRITE
from kvmlab.kvm.policies import Policy
from kvmlab.kvm.scenario import Run, Runner
from kvmlab.kvm.system import System
from kvmlab.memory.folio_batch import batch_capacity
from kvmlab.memory.page_state import PageState
from kvmlab.memory.report_limit import ReportLimit
from kvmlab.memory.state import read

if TYPE_CHECKING:
    import pandas as pd

BY_PUT = "put"
BY_DRAIN = "drain"
BY_ACTIVATE = "activate drain"
_HOW = {"lru_add batch": BY_DRAIN, "activate batch": BY_ACTIVATE}


@dataclass(frozen=True, slots=True)
class StormReport:
    """One bad page of a storm.

    Args:
        gfn: guest page, in the order of the guest's accesses.
        page: the page as its report shows it.
        how: whose put freed it: `drain` of the lru_add batch, `activate drain`, or a direct `put`.
        step: number of the step; reports of one step come from one drain.
        reason: code of the failing test.
    """

    gfn: int
    page: PageState
    how: str
    step: int
    reason: int


@dataclass(frozen=True, slots=True)
class Storm:
    """A finished storm.

    Args:
        policy: how KVM takes pfns.
        pages: guest pages.
        reports: the bad pages, in order.
        survivors: gfns of pages that are mapped and whole, although a put of theirs was stray, with their refcount.
        exited: whether a vCPU left KVM_RUN with -EFAULT.
        run: the run.
    """

    policy: Policy
    pages: int
    reports: tuple[StormReport, ...]
    survivors: tuple[tuple[int, int], ...]
    exited: bool
    run: Run

    @property
    def groups(self) -> tuple[int, ...]:
        """Sizes of the groups that one put or one drain reported."""
        sizes: list[int] = []
        last = None
        for report in self.reports:
            if report.step == last:
                sizes[-1] += 1
            else:
                sizes.append(1)
            last = report.step
        return tuple(sizes)

    def shown(self, interval_ns: int = 500_000) -> tuple[int, int]:
        """How many reports are printed and how many swallowed.

        Args:
            interval_ns: time from one report to the next.
        """
        limit, printed = ReportLimit(), 0
        for number in range(len(self.reports)):
            limit, shown, _ = limit.step(number * interval_ns)
            printed += shown
        return printed, len(self.reports) - printed

    def df_reports(self) -> pd.DataFrame:
        """One row a bad page: report, gfn, how, step, refcount, mapcount, flags (tuple)."""
        import pandas as pd

        rows = [
            (n, r.gfn, r.how, r.step, r.page.refcount, r.page.mapcount, tuple(sorted(r.page.flags or ())))
            for n, r in enumerate(self.reports)
        ]
        return pd.DataFrame(rows, columns=["report", "gfn", "how", "step", "refcount", "mapcount", "flags"])


def simulate_storm(
    policy: Policy,
    release: KernelRelease | str,
    *,
    pages: int = 100,
    lru_gen: bool = False,
    two_passes: bool = False,
    writes_only: bool = False,
    drain_at_end: bool = True,
) -> Storm:
    """Let a guest touch fresh pages one after the other, on one CPU whose batch holds nothing else.

    Args:
        policy: how KVM takes pfns.
        release: the kernel, for the capacity of the batch.
        pages: guest pages.
        lru_gen: whether MGLRU is on.
        two_passes: whether all pages are read before the first is written.
        writes_only: whether the guest writes without reading first.
        drain_at_end: whether another task drains the CPU's batches at the end.

    Raises:
        UnknownRelease: the batch of this release is not known.

    >>> from kvmlab.kvm.policies import find_policy
    >>> storm = simulate_storm(find_policy("c_69"), "6.9.12", pages=62, drain_at_end=False)
    >>> storm.groups, storm.survivors
    ((30, 30), ((30, 2), (61, 2)))
    """
    capacity = batch_capacity(release)
    version = (KernelRelease.parse(release) if isinstance(release, str) else release).version
    resets = version is not None and version[:2] < (6, 11)
    config = Config(
        policy, gfns=pages, pages=pages, batch=capacity, zaps=0, tracked=True, lru_gen=lru_gen, resets_mapcount=resets
    )
    runner = Runner(System(config))
    c = runner.system.machine
    order = [(g, READ) for g in range(pages)] if two_passes else []
    for g in range(pages):
        if not two_passes and not writes_only:
            order.append((g, READ))
        order.append((g, WRITE))
    for g, access in order:
        if read(runner.state, c.pc, 0) == EXITED:
            break
        runner.access(0, g, access)
    if drain_at_end:
        runner.drain()
    return _storm(policy, pages, runner)


def _storm(policy: Policy, pages: int, runner: Runner) -> Storm:
    """Sort out whose put freed each bad page, and who lives on another's reference."""
    run = runner.finish()
    freed_by: dict[int, str] = {}
    last_put: dict[int, str] = {}
    for entry in run.ledger.entries:
        if entry.what == "put":
            last_put[entry.page] = entry.holder
        elif entry.what == "bad page":
            freed_by[entry.page] = _HOW.get(last_put.get(entry.page, ""), BY_PUT)
    reports = tuple(
        StormReport(bad.page.gfn or 0, bad.page, freed_by[bad.page.page], bad.step, bad.reason) for bad in run.bad_pages
    )
    robbed = {entry.page for entry in run.ledger.entries if entry.stray}
    survivors = []
    for page in sorted(robbed):
        state = run.page(page)
        if state.use == "anonymous":
            survivors.append((state.gfn or 0, state.refcount))
    exited = read(run.last, run.system.machine.pc, 0) == EXITED
    return Storm(policy, pages, reports, tuple(survivors), exited, run)


def with_stale_put(policy: Policy) -> Policy:
    """A policy with the lab's injected fault: one put more whenever the late check finds the fault stale.

    Args:
        policy: a policy with a late check.
    """
    return replace(policy, stale_put=True)
