"""A machine: one configuration of host, guest and policy, laid out in a packed state; constant in a run."""

from __future__ import annotations

from typing import NamedTuple

from kvmlab.kvm.config import DRIVER_PAGES, DRIVERS, Config
from kvmlab.kvm.policies import Remapped, Zap
from kvmlab.memory.page import DRIVER_OWNED, Matter
from kvmlab.memory.state import Field, Layout, model_code, write

READ = 0
WRITE = 1

# Kinds of page that a driver lends.
TAIL = 0
COUNTED = 1
UNCOUNTED = 2
COMPOUND = 3

DRIVER_FRAME = 0
"""The frame that a driver owns; once it has freed it, it is the first that is allocated again."""

_FIRST_ZERO_COUNT = 4


class Machine(NamedTuple):
    """Knobs and field positions for the step functions; see `Config` and `Policy` for the meaning of the knobs.

    Args:
        matter: pages and batches.
        anon: anonymous gfns; a driver's page is mapped at the gfn behind them.
        driver: 0 none, 1 good, 2 bad; `driver_kind`: what it lends.
        pte: of each gfn's hva: 0 none, 1 zero page, 2 + page frame.
        spte: of each gfn, in the same code; `counted`: v11's refcounted bit of it.
        in_progress: invalidations of each gfn between start and end.
        clean: whether a page has been written back and not written to since.
        pc, gfn, wants, stale, got, slow, accounted: of each vCPU's fault.
        tlb: what each vCPU has cached, for gfn 0; those of other gfns follow.
        mm_pc, mm_gfn, mm_page, mm_left, wb_left: of the mm thread.
        driver_pc, nested_pc, nested_got, nested_held: of the driver and of the mapping outside the notifier.
    """

    matter: Matter
    vcpus: int
    gfns: int
    anon: int
    reads: int
    writes: int
    zaps: int
    zap_any: int
    writebacks: int
    driver: int
    driver_kind: int
    nested: int
    unsafe: int
    tlbs: int
    async_pf: int
    early_checks: int
    takes_ref: int
    remapped: int
    after_check: int
    finish: int
    zap: int
    in_progress_tested: int
    sequence_tested: int
    flushes: int
    stale_exits: int
    stale_put: int
    pte: Field
    spte: Field
    counted: Field
    in_progress: Field
    clean: Field
    pc: Field
    gfn: Field
    wants: Field
    stale: Field
    got: Field
    slow: Field
    accounted: Field
    tlb: Field
    mm_pc: Field
    mm_gfn: Field
    mm_page: Field
    mm_left: Field
    wb_left: Field
    driver_pc: Field
    nested_pc: Field
    nested_got: Field
    nested_held: Field


@model_code
def has_reference(c: Machine) -> int:
    """1 if the driver holds a reference where a put of its page arrives: its own count, or that of a compound head."""
    return 1 if c.driver_kind in (COUNTED, COMPOUND) else 0


def _bits(largest: int) -> int:
    return largest.bit_length()


def build_machine(config: Config) -> tuple[Machine, Layout, int]:
    """Lay a configuration out: the constants for the step functions, the layout, and the first state.

    Args:
        config: the configuration.
    """
    layout = Layout()
    driver = DRIVERS.index(config.driver)
    kind = DRIVER_PAGES.index(config.driver_page)
    gfns, vcpus = config.gfns + (driver > 0), config.vcpus
    what = _bits(config.pages + (driver > 0) + 1)
    matter = _matter(config, layout, config.pages + (driver > 0), gfns)
    policy = config.policy
    # v11's SPTE bit, and what a fault remembers of the page it found.
    classifies = int(policy.zap == Zap.BY_SPTE_BIT or policy.remapped == Remapped.CLASSIFY)
    works = int(config.zaps + config.writebacks > 0)
    vcpu = layout.records(
        {
            "pc": 4 if _can_exit(config) else 3,
            "gfn": _bits(gfns - 1),
            "wants": 1,
            "stale": 1,
            "got": what,
            "slow": int(config.tracked),
            "accounted": classifies,
            **{f"tlb {g}": what * config.tlb for g in range(gfns)},
        },
        vcpus,
    )
    machine = Machine(
        matter=matter, vcpus=vcpus, gfns=gfns, anon=config.gfns, reads=int(config.reads), writes=int(config.writes),
        zaps=config.zaps, zap_any=int(config.zap_any), writebacks=config.writebacks, driver=driver, driver_kind=kind,
        nested=int(config.nested), unsafe=int(config.unsafe), tlbs=int(config.tlb), async_pf=int(config.async_pf),
        early_checks=int(policy.early_checks), takes_ref=int(policy.takes_ref), remapped=int(policy.remapped),
        after_check=int(policy.after_check), finish=int(policy.finish), zap=int(policy.zap),
        in_progress_tested=int(policy.in_progress_tested), sequence_tested=int(policy.sequence_tested),
        flushes=int(policy.flushes_tlb), stale_exits=int(policy.stale_exits), stale_put=int(policy.stale_put),
        pte=layout.array("pte", what, gfns),
        spte=layout.array("spte", what, gfns),
        counted=layout.array("counted", classifies, gfns),
        in_progress=layout.array("in_progress", _bits(vcpus + works + (driver == 1)), gfns),
        clean=layout.array("clean", int(config.writebacks > 0), matter.pages),
        pc=vcpu["pc"], gfn=vcpu["gfn"], wants=vcpu["wants"], stale=vcpu["stale"], got=vcpu["got"],
        slow=vcpu["slow"], accounted=vcpu["accounted"], tlb=vcpu["tlb 0"],
        mm_pc=layout.array("mm_pc", (3 if config.writebacks else 2) * works, 1),
        mm_gfn=layout.array("mm_gfn", _bits(gfns - 1) * works, 1),
        mm_page=layout.array("mm_page", what * works, 1),
        mm_left=layout.array("mm_left", _bits(config.zaps), 1),
        wb_left=layout.array("wb_left", _bits(config.writebacks), 1),
        driver_pc=layout.array("driver_pc", 3 * (driver > 0), 1),
        nested_pc=layout.array("nested_pc", 2 * config.nested, 1),
        nested_got=layout.array("nested_got", what * config.nested, 1),
        nested_held=layout.array("nested_held", int(config.nested), 1),
    )  # fmt: skip
    return machine, layout, _first(config, machine)


def _can_exit(config: Config) -> bool:
    """Whether a vCPU can leave KVM_RUN with an error, and a step can break more than the rules of anonymous pages."""
    return config.driver != "none" or config.follow_up or config.tracked or config.policy.stale_exits


def _matter(config: Config, layout: Layout, pages: int, gfns: int) -> Matter:
    """Pages, batches and alarm."""
    tracked = int(config.tracked)
    # PTE (or mmu_gather), batch, nested map, one reference of each vCPU; tracked pages may wait for activation.
    most = 2 + config.vcpus + config.nested + 3 * tracked
    return Matter(
        pages=pages, reused=int(config.gfns > 0), tracked=tracked, check_pages=int(config.check_pages),
        resets_mapcount=int(config.resets_mapcount), lru_gen=int(config.lru_gen), batch_capacity=config.batch,
        refcount_max=most + 1,
        use=layout.array("use", 2, pages),
        refcount=layout.array("refcount", _bits(most + 1), pages),
        mapcount=layout.array("mapcount", 1 if config.check_pages else _bits(gfns), pages),
        flags=layout.array("flags", 8 * tracked, pages),
        listed=layout.array("listed", 2 * tracked, pages),
        mapping=layout.array("mapping", tracked, pages),
        page_index=layout.array("index", _bits(gfns - 1) * tracked, pages),
        batch=layout.array("batch", _bits(config.pages), config.batch),
        others=layout.array("others", _bits(config.others), 1),
        activate=layout.array("activate", 3 * tracked, pages),
        activated=layout.array("activated", _bits(config.batch) * tracked, 1),
        zero=layout.array("zero", 4 * tracked, 1),
        alarm=layout.array("alarm", 4 if _can_exit(config) or config.nested else 2, 1),
    )  # fmt: skip


def _first(config: Config, c: Machine) -> int:
    """The first state: everything free, the driver's page mapped."""
    s, m = 0, c.matter
    for page in range(m.pages):
        s = write(s, m.refcount, page, 1)
    s = write(s, m.zero, 0, _FIRST_ZERO_COUNT)
    s = write(s, m.others, 0, config.others)
    s = write(s, c.mm_left, 0, config.zaps)
    s = write(s, c.wb_left, 0, config.writebacks)
    if c.driver != 0:
        s = write(s, m.use, DRIVER_FRAME, DRIVER_OWNED)
        s = write(s, m.refcount, DRIVER_FRAME, 2 if has_reference(c) != 0 else 1)
        s = write(s, c.pte, c.anon, 2 + DRIVER_FRAME)
        s = write(s, c.driver_pc, 0, 3 if c.driver == 2 else 0)
    return s
