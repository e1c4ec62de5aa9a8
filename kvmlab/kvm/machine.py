"""A machine: one configuration of host, guest and policy, laid out in a packed state; constant in a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kvmlab.errors import KvmlabError
from kvmlab.kvm.policies import Policy
from kvmlab.memory.page import Matter
from kvmlab.memory.state import Field, Layout, write

READ = 0
WRITE = 1


class BadConfig(KvmlabError):
    """A configuration that the model cannot run; the message names the setting."""


@dataclass(frozen=True, slots=True)
class Config:
    """What takes part in a run.

    Args:
        policy: how KVM takes pfns.
        vcpus: number of vCPUs.
        gfns: anonymous guest pages.
        pages: page frames that can be allocated.
        batch: capacity of the CPU's folio batch.
        others: folios in that batch at the start that are not modelled.
        zaps: how often the mm thread zaps a range (munmap or MADV_DONTNEED), each of one page.
        reads, writes: what the guest does.
        check_pages: whether freed pages are tested.
        tracked: whether flags, lists, mapping and index are kept; for replays, not for exploration.
        lru_gen: whether MGLRU is on.
        resets_mapcount: whether a report resets `_mapcount` (6.10 and older).
    """

    policy: Policy
    vcpus: int = 1
    gfns: int = 1
    pages: int = 2
    batch: int = 2
    others: int = 0
    zaps: int = 1
    reads: bool = True
    writes: bool = True
    check_pages: bool = True
    tracked: bool = False
    lru_gen: bool = False
    resets_mapcount: bool = True


class Machine(NamedTuple):
    """Knobs and field positions for the step functions; see `Config` and `Policy` for the meaning of the knobs.

    Args:
        matter: pages and batches.
        pte: of each gfn's hva: 0 none, 1 zero page, 2 + page frame.
        spte: of each gfn, in the same code; `counted`: v11's refcounted bit of it.
        in_progress: invalidations of each gfn between start and end.
        pc, gfn, wants, stale, got, slow, accounted: of each vCPU's fault.
        mm_pc, mm_gfn, mm_page, mm_left: of the mm thread.
    """

    matter: Matter
    vcpus: int
    gfns: int
    reads: int
    writes: int
    early_checks: int
    takes_ref: int
    remapped: int
    after_check: int
    finish: int
    zap: int
    in_progress_tested: int
    sequence_tested: int
    pte: Field
    spte: Field
    counted: Field
    in_progress: Field
    pc: Field
    gfn: Field
    wants: Field
    stale: Field
    got: Field
    slow: Field
    accounted: Field
    mm_pc: Field
    mm_gfn: Field
    mm_page: Field
    mm_left: Field


def _bits(largest: int) -> int:
    return largest.bit_length()


def build_machine(config: Config) -> tuple[Machine, Layout, int]:
    """Lay a configuration out: the constants for the step functions, the layout, and the first state.

    Args:
        config: the configuration.

    Raises:
        BadConfig: a number is out of range.
    """
    for name, value, least in (
        ("vcpus", config.vcpus, 1), ("gfns", config.gfns, 1), ("pages", config.pages, 1), ("batch", config.batch, 1),
        ("others", config.others, 0), ("zaps", config.zaps, 0),
    ):  # fmt: skip
        if value < least:
            raise BadConfig(f"{name}={value} is too small: it must be at least {least}")
    if config.others >= config.batch:
        raise BadConfig(f"others={config.others} does not fit into a batch of {config.batch} that is not yet full")
    layout = Layout()
    n, gfns, vcpus = config.pages, config.gfns, config.vcpus
    tracked = int(config.tracked)
    # PTE, batch entries, mmu_gather and one reference of each vCPU; tracked pages may also wait in the activate batch.
    refcount_max = 3 + vcpus + 3 * tracked
    what = _bits(n + 1)
    matter = Matter(
        pages=n, pool=n, tracked=tracked, check_pages=int(config.check_pages),
        resets_mapcount=int(config.resets_mapcount), lru_gen=int(config.lru_gen), batch_capacity=config.batch,
        refcount_max=refcount_max + 1,
        use=layout.array("use", 2, n),
        refcount=layout.array("refcount", _bits(refcount_max + 1), n),
        mapcount=layout.array("mapcount", _bits(gfns), n),
        flags=layout.array("flags", 8 * tracked, n),
        listed=layout.array("listed", 2 * tracked, n),
        mapping=layout.array("mapping", tracked, n),
        page_index=layout.array("index", _bits(gfns - 1) * tracked, n),
        batch=layout.array("batch", _bits(n), config.batch),
        others=layout.array("others", _bits(config.others), 1),
        activate=layout.array("activate", 3 * tracked, n),
        activated=layout.array("activated", _bits(config.batch) * tracked, 1),
        zero=layout.array("zero", _bits(vcpus + 2), 1),
        alarm=layout.array("alarm", 4, 1),
    )  # fmt: skip
    policy = config.policy
    classifies = int(policy.zap == 1)
    machine = Machine(
        matter=matter, vcpus=vcpus, gfns=gfns, reads=int(config.reads), writes=int(config.writes),
        early_checks=int(policy.early_checks), takes_ref=int(policy.takes_ref), remapped=int(policy.remapped),
        after_check=int(policy.after_check), finish=int(policy.finish), zap=int(policy.zap),
        in_progress_tested=int(policy.in_progress_tested), sequence_tested=int(policy.sequence_tested),
        pte=layout.array("pte", what, gfns),
        spte=layout.array("spte", what, gfns),
        counted=layout.array("counted", classifies, gfns),
        in_progress=layout.array("in_progress", _bits(vcpus + (config.zaps > 0)), gfns),
        pc=layout.array("pc", 4, vcpus),
        gfn=layout.array("gfn", _bits(gfns - 1), vcpus),
        wants=layout.array("wants", 1, vcpus),
        stale=layout.array("stale", 1, vcpus),
        got=layout.array("got", what, vcpus),
        slow=layout.array("slow", tracked, vcpus),
        accounted=layout.array("accounted", classifies, vcpus),
        mm_pc=layout.array("mm_pc", 2 * (config.zaps > 0), 1),
        mm_gfn=layout.array("mm_gfn", _bits(gfns - 1) * (config.zaps > 0), 1),
        mm_page=layout.array("mm_page", what * (config.zaps > 0), 1),
        mm_left=layout.array("mm_left", _bits(config.zaps), 1),
    )  # fmt: skip
    s = 0
    for page in range(n):
        s = write(s, matter.refcount, page, 1)
    s = write(s, matter.zero, 0, 1)
    s = write(s, matter.others, 0, config.others)
    s = write(s, machine.mm_left, 0, config.zaps)
    return machine, layout, s
