"""What a guest access does to each kind of host page, by kernel: the model's prediction for the lab's KVM matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.config import Config
from kvmlab.kvm.host import EXITED
from kvmlab.kvm.machine import READ, WRITE
from kvmlab.kvm.policies import Policy, stock_policy
from kvmlab.kvm.scenario import Run, Runner
from kvmlab.kvm.system import System
from kvmlab.memory.state import read

if TYPE_CHECKING:
    import pandas as pd

EINVAL = "einval"


@dataclass(frozen=True, slots=True)
class PageCase:
    """One page of the matrix.

    Args:
        case: name as in the captures: `noncompound/order3/remap_pfn_range`.
        page: number of the page in its block.
        block: `anon`, `noncompound`, `compound`, `split`, `reserved`, `single` or `mmio`.
        insert: how it gets into the page table; for anonymous memory what the host did with it before.
    """

    case: str
    page: int
    block: str
    insert: str

    @property
    def own_count(self) -> int | None:
        """`_refcount` of the page as allocated: 1 for first pages, 0 for tails; None without struct page.

        split_page() gives every page a count of its own. Source: prep_new_page() and split_page() in 6.12.117.
        """
        if self.block in ("mmio", "anon"):
            return None
        return 1 if self.page == 0 or self.block == "split" else 0

    @property
    def head_count(self) -> int:
        """page_count(): the count of the head for a compound tail."""
        return 1 if self.block == "compound" else self.own_count or 0

    @property
    def mapped_count(self) -> int | None:
        """`_refcount` once it is mapped: vm_insert_page() takes a reference, of the head for a compound tail."""
        if self.own_count is None or self.insert != "vm_insert_page" or not self.can_map:
            return self.own_count
        return self.own_count + (1 if self.block != "compound" or self.page == 0 else 0)

    @property
    def can_map(self) -> bool:
        """Whether mmap() works: vm_insert_page() refuses a page whose page_count() is 0."""
        return self.insert != "vm_insert_page" or self.head_count > 0


_BLOCKS = {
    "noncompound/order3": ("remap_pfn_range", "vmf_insert_pfn", "vm_insert_page"),
    "compound/order3": ("remap_pfn_range", "vmf_insert_pfn", "vm_insert_page"),
    "split/order3": ("remap_pfn_range", "vm_insert_page"),
    "reserved/order3": ("remap_pfn_range", "vmf_insert_pfn"),
    "single/order0": ("remap_pfn_range", "vmf_insert_pfn", "vm_insert_page"),
    "mmio": ("remap_pfn_range",),
}


def page_cases() -> Iterator[PageCase]:
    """Every page of the matrix, in the order of the captures."""
    for before in ("touched", "untouched", "zero_page"):
        yield PageCase(f"anon/{before}", 0, "anon", before)
    for block, inserts in _BLOCKS.items():
        for insert in inserts:
            for page in (0, 1, 7) if block.endswith("order3") else (0,):
                yield PageCase(f"{block}/{insert}", page, block.partition("/")[0], insert)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one page under one kernel.

    Args:
        case: the page.
        refcount: `_refcount` before the guest runs; None if nothing is mapped or there is no struct page.
        read, write: `ok`, `efault`, or None where mmap() already fails.
        mmap: `ok` or `einval`.
        warn: whether the kernel warns (once per boot): a reserved page with count 0, up to 6.12.
        after_read, after_write: `_refcount` of the mapped page after the access, as `refcount`.
        references: counts after each change by the read, then by the write: `+2` for a get to 2, `-1` for a put to 1,
            `?0` for a try-get that found 0; for a compound tail behind vm_insert_page() those of its head.
    """

    case: PageCase
    refcount: int | None
    read: str | None
    write: str | None
    mmap: str
    warn: bool
    after_read: int | None
    after_write: int | None
    references: tuple[tuple[str, ...], tuple[str, ...]]


def predict(case: PageCase, kernel: KernelRelease | str, *, secretmem: bool = True) -> Prediction:
    """Let the model's guest read and then write one page.

    Args:
        case: the page.
        kernel: the release.
        secretmem: whether the kernel has CONFIG_SECRETMEM, as those of distributions do.

    Raises:
        UnknownRelease: no policy is known for it.

    >>> tail = next(c for c in page_cases() if c.case == "compound/order3/remap_pfn_range" and c.page == 1)
    >>> predict(tail, "6.12").read, predict(tail, "7.3").read
    ('efault', 'ok')
    """
    release = KernelRelease.parse(kernel) if isinstance(kernel, str) else kernel
    policy = stock_policy(release.version)
    if policy is None:
        raise UnknownRelease(
            f"{release.text!r} is no kernel release whose fault policy is known: expected such as 6.12"
        )
    if not case.can_map:
        return Prediction(case, case.mapped_count, None, None, EINVAL, False, None, None, ((), ()))
    if case.block == "anon":
        return _anonymous(case, policy)
    if case.insert == "vm_insert_page":
        count = case.mapped_count
        return Prediction(case, count, "ok", "ok", "ok", False, count, count, _through_gup(case, policy, secretmem))
    return _pfnmap(case, policy)


def _pfnmap(case: PageCase, policy: Policy) -> Prediction:
    """A page behind PFNMAP: the policy's lookup decides."""
    uncounted = case.block in ("mmio", "reserved")
    tail = "compound" if case.block == "compound" else "tail"
    kind = "uncounted" if uncounted else "refcounted" if case.own_count else tail
    system = System(Config(policy, gfns=0, pages=0, zaps=0, driver="good", driver_page=kind, tracked=True))
    c = system.machine
    outcomes, references = [], []
    runner = Runner(system)
    for access in (READ, WRITE):
        if read(runner.state, c.pc, 0) == EXITED:
            runner = Runner(system)
        before = len(runner.finish().ledger.entries)
        runner.access(0, 0, access)
        outcomes.append("efault" if read(runner.state, c.pc, 0) == EXITED else "ok")
        references.append(changes(runner.finish(), before))
    count = runner.finish().page(0).refcount if kind == "refcounted" else case.own_count
    warn = case.block == "reserved" and case.own_count == 0 and policy.id != "d"
    return Prediction(
        case, case.own_count, outcomes[0], outcomes[1], "ok", warn, count, count, (references[0], references[1])
    )


def _anonymous(case: PageCase, policy: Policy) -> Prediction:
    """Anonymous memory: touched by the host, untouched, or mapping the zero page."""
    # One page fills no batch, whatever its capacity.
    system = System(Config(policy, batch=3, zaps=0, tracked=True))
    runner = Runner(system)
    if case.insert == "touched":
        runner.touch_by_host(0)
    refcount = runner.finish().page(0).refcount if case.insert == "touched" else None
    counts, references = [], []
    for access in (READ, WRITE):
        before = len(runner.finish().ledger.entries)
        runner.access(0, 0, access)
        references.append(changes(runner.finish(), before))
        page = runner.finish().page(0)
        # Up to the write a page that was not touched before is the zero page, whose count is its own 1.
        counts.append(page.refcount if page.use == "anonymous" else 1)
    return Prediction(case, refcount, "ok", "ok", "ok", False, counts[0], counts[1], (references[0], references[1]))


def _through_gup(case: PageCase, policy: Policy, secretmem: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Gets and puts of the head where GUP finds the page through a normal PTE.

    The fast walk takes its reference and gives up again on a small folio without mapping (gup_fast_folio_allowed(),
    which guards secretmem), so the slow walk follows; a read then tries once more for a writable page, in vain, and the
    write faults anew. A large folio, or a kernel without CONFIG_SECRETMEM, is content with the fast walk. Seen in the
    recorded page_ref events of 6.12, built with that option and without.
    """
    if not policy.takes_ref:
        return (), ()
    if case.block == "compound" or not secretmem:
        return ("+3", "-2"), ()
    return ("+3", "-2", "+3", "+4", "-3", "-2"), ("+3", "-2", "+3", "-2")


def changes(run: Run, since: int) -> tuple[str, ...]:
    """The changes of the followed page's count that KVM's faults made, in the notation of `Prediction`.

    Args:
        run: the run.
        since: number of ledger entries to skip.
    """
    told = []
    for entry in run.ledger.entries[since:]:
        if entry.page != 0 or not entry.holder.startswith("fault of"):
            continue
        told.append(
            f"?{entry.refcount}" if entry.what == "try" else f"{'+' if entry.change > 0 else '-'}{entry.refcount}"
        )
    return tuple(told)


def fault_matrix(kernel: KernelRelease | str, *, secretmem: bool = True) -> tuple[Prediction, ...]:
    """The prediction for every page of the matrix.

    Args:
        kernel: the release.
        secretmem: whether the kernel has CONFIG_SECRETMEM; it changes how GUP finds a small page of vm_insert_page().

    Raises:
        UnknownRelease: no policy is known for it.

    >>> [sum(row.read == "efault" for row in fault_matrix(kernel)) for kernel in ("6.1", "6.12", "7.3")]
    [8, 8, 0]
    """
    return tuple(predict(case, kernel, secretmem=secretmem) for case in page_cases())


def df_fault_matrix(kernel: KernelRelease | str) -> pd.DataFrame:
    """The same as a frame, one row a page, with the fields of `Prediction`; `references` as two columns.

    Args:
        kernel: the release.
    """
    import pandas as pd

    rows = [
        (
            p.case.case,
            p.case.page,
            p.refcount,
            p.read,
            p.write,
            p.mmap,
            p.warn,
            p.after_read,
            p.after_write,
            *p.references,
        )
        for p in fault_matrix(kernel)
    ]
    columns = ["case", "page", "refcount", "read", "write", "mmap", "warn", "after_read", "after_write",
               "references_read", "references_write"]  # fmt: skip
    counts = {"refcount": "Int64", "after_read": "Int64", "after_write": "Int64"}
    return pd.DataFrame(rows, columns=columns).astype(counts)
