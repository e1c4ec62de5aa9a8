"""The typed facts of a report: frozen records, integers that stay integers, None where the text is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kvmlab.kernel.release import KernelRelease
from kvmlab.report.record_page import (
    AddressSpaceLine,
    HeadLine,
    PageDump,
    PageOwner,
    PrintedFlags,
    PrintedPageType,
    RawWords,
)
from kvmlab.report.record_trace import CallTrace, Frame, StackMarker
from kvmlab.text.span import Damage, Span

__all__ = [
    "AddressSpaceLine",
    "CallTrace",
    "CpuLine",
    "Frame",
    "Hardware",
    "HeadLine",
    "Kind",
    "Module",
    "ModuleList",
    "PageDump",
    "PageOwner",
    "PrintedFlags",
    "PrintedPageType",
    "RawWords",
    "Registers",
    "Report",
    "StackMarker",
]


class Kind(StrEnum):
    """What a report is; the values are those of the JSON contract."""

    BAD_PAGE = "bad_page"
    BAD_PAGE_MAP = "bad_page_map"
    BAD_RSS_COUNTER = "bad_rss_counter"
    OOPS = "oops"
    WARNING = "warning"
    BUG = "bug"
    KASAN = "kasan"
    KFENCE = "kfence"
    PAGE_DUMP = "page_dump"
    HUNG_TASK = "hung_task"
    SOFT_LOCKUP = "soft_lockup"
    RCU_STALL = "rcu_stall"
    REFCOUNT = "refcount"
    LIST_CORRUPTION = "list_corruption"
    SUPPRESSED = "suppressed"
    FRAGMENT = "fragment"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Registers:
    """A register block.

    Args:
        arch: `x86_64`, `arm64`, ...
        mode: `user` or `kernel`, None if the block does not show it.
        values: register name to value (u64), in the order of the text.
        missing: registers of a whole block that the text does not hold.
        missing_lines: the lines of a whole block that the text does not hold.
        span: the lines of the block.
        symbols: register name to symbol, for registers that are printed as `sym+0x../0x..`.
    """

    arch: str
    mode: str | None
    values: Mapping[str, int]
    missing: tuple[str, ...]
    missing_lines: tuple[str, ...]
    span: Span
    symbols: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Module:
    """A loaded module and its own taint letters (`OE`, with `+` or `-` while loading or unloading)."""

    name: str
    flags: str = ""


@dataclass(frozen=True, slots=True)
class ModuleList:
    """The `Modules linked in:` list.

    Args:
        modules: in the order of the text.
        last_unloaded: name of the module unloaded last, if printed.
        per_record: how many names each printk record of the list holds.
        span: its lines.
        unloaded_tainted: modules of the `Unloaded tainted modules:` record (5.19 and later).
        unparsed: words among the names that are no module names (`...` of an elided list).
    """

    modules: tuple[Module, ...]
    last_unloaded: str | None
    per_record: tuple[int, ...]
    span: Span
    unloaded_tainted: tuple[Module, ...] = ()
    unparsed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The module names, in the order of the text."""
        return tuple(m.name for m in self.modules)


@dataclass(frozen=True, slots=True)
class CpuLine:
    """The line `CPU: .. PID: .. Comm: .. <taint> <release> #<build>`.

    Args:
        cpu: CPU number, None in the form of 3.x and before (`Pid: .., comm: ..`).
        uid: user id (6.11 and later), None if not printed.
        pid: process id of the task that noticed.
        comm: its name, at most 15 bytes; may hold blanks and slashes.
        kdump_loaded: whether a crash kernel was loaded.
        tainted: whether the kernel was tainted.
        taint_text: the letters as printed, `G    B   W` or as archived `G B W`.
        release: the parsed release.
        build: `#17`.
        version_tail: what stands behind the build number, as printed; None if nothing.
        package_id: distribution's package version in that tail.
        preempt_model: argument of `PREEMPT(..)` in that tail.
        build_id: 40 hex digits in that tail.
        span: its line.
    """

    cpu: int | None
    uid: int | None
    pid: int | None
    comm: str | None
    kdump_loaded: bool
    tainted: bool
    taint_text: str | None
    release: KernelRelease | None
    build: str | None
    version_tail: str | None
    package_id: str | None
    preempt_model: str | None
    build_id: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Hardware:
    """The `Hardware name:` line; parts are None where the text does not follow the DMI pattern."""

    text: str
    vendor: str | None
    product: str | None
    board: str | None
    bios_version: str | None
    bios_date: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Report:
    """One splat of a log, with everything that the text says and where.

    Args:
        index: position among the reports of its source.
        kind: what it is.
        title: the first line as it stands in the text, None for a fragment without one.
        span: its lines.
        timestamp: time of its first record, as printed.
        last_timestamp: time of its last record, as printed.
        process: comm in the title line, as printed.
        pfn: page frame number in the title or the page line.
        page: the page dump.
        modules, cpu_line, taint_verbose, hardware, workqueue, call_trace, registers, code: the other parts.
        fields: numbers of the title by name, for kinds that have them (`val`, `messages`, ...).
        missing: parts that this kind has and this text lacks.
        damage: what was lost, with the reason.
        end_trace: the `---[ end trace ]---` id, if printed.
        rule: name of the row of the title table that matched, None for a fragment.
        caller: `T123` or `C0` where the log has caller ids.
        traces: further call traces (of other CPUs and tasks, of allocation and free), in order.
        more_registers: further register blocks, in order.
        repeats: where the same report stands once more in the text; it is counted once.
        records: positions of its records among the records of the text; foreign lines between them are left out.
        part: name of the attachment that it stands in, None for the text itself; spans count within that part.
    """

    index: int
    kind: Kind
    title: str | None
    span: Span
    timestamp: str | None
    last_timestamp: str | None
    title_span: Span | None = None
    process: str | None = None
    pfn: int | None = None
    page: PageDump | None = None
    modules: ModuleList | None = None
    cpu_line: CpuLine | None = None
    taint_verbose: str | None = None
    hardware: Hardware | None = None
    workqueue: str | None = None
    call_trace: CallTrace | None = None
    registers: Registers | None = None
    code: str | None = None
    end_trace: str | None = None
    fields: Mapping[str, str | int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    damage: tuple[Damage, ...] = ()
    rule: str | None = None
    caller: str | None = None
    traces: tuple[CallTrace, ...] = ()
    more_registers: tuple[Registers, ...] = ()
    repeats: tuple[Span, ...] = ()
    records: tuple[int, ...] = ()
    part: str | None = None

    @property
    def complete(self) -> bool:
        """Whether neither its head nor its tail is missing."""
        return not any(d.kind in ("truncated_head", "truncated_tail") for d in self.damage)
