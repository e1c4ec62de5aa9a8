"""The typed facts of a report: frozen records, integers that stay integers, None where the text is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from kvmlab.kernel.release import KernelRelease
from kvmlab.text.span import Damage, Span


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
class Frame:
    """One entry of a call trace.

    Args:
        function: symbol as printed (suffixes such as `.isra.0` kept).
        offset: bytes into the function, None where the text has none.
        size: size of the function in bytes, None where the text has none.
        module: module name, None for the core kernel.
        reliable: False for entries marked `?`, which the unwinder did not confirm.
        context: stack that the entry is on: `TASK`, `IRQ`, `NMI`, ...; None before any marker.
        span: the line that it stands on.
        timestamp: time of its record, as printed.
        build_id: build id behind the module name, if printed.
        address: return address as printed (u64), None where the text has none or hides it.
        source: `file:line` entries that a decoder added, innermost inlined function first.
        inlined: whether a decoder says that this function was inlined into the next one.
        info: letters of arm64 (`P`, `C`, ...) or `unreliable`, as printed in parentheses.
    """

    function: str
    offset: int | None
    size: int | None
    module: str | None
    reliable: bool
    context: str | None
    span: Span
    timestamp: str | None = None
    build_id: str | None = None
    address: int | None = None
    source: tuple[str, ...] = ()
    inlined: bool = False
    info: str | None = None

    @property
    def text(self) -> str:
        """The entry as the kernel writes it: `? kvm_vcpu_ioctl+0x29e/0x6f0 [kvm]`."""
        where = "" if self.offset is None else f"+{self.offset:#x}"
        where += "" if self.size is None else f"/{self.size:#x}"
        behind = " ".join(x for x in (self.module, self.build_id) if x)
        return f"{'' if self.reliable else '? '}{self.function}{where}{f' [{behind}]' if behind else ''}"


@dataclass(frozen=True, slots=True)
class StackMarker:
    """A line that opens or closes a stack, such as `<TASK>` or `</TASK>`."""

    stack: str
    opens: bool
    span: Span


@dataclass(frozen=True, slots=True)
class CallTrace:
    """A call trace with its header and markers.

    Args:
        header: span of the `Call Trace:` line, None if it was lost.
        frames: the entries, innermost first.
        markers: the stack markers, in order.
        name: what the text says it is (`Allocated by task 23268`), None for the splat's own.
    """

    header: Span | None
    frames: tuple[Frame, ...]
    markers: tuple[StackMarker, ...] = ()
    name: str | None = None

    @property
    def reliable(self) -> tuple[Frame, ...]:
        """The entries that the unwinder confirmed."""
        return tuple(f for f in self.frames if f.reliable)


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
class PrintedFlags:
    """The flags line of a page dump, as printed.

    Args:
        value: the word (unsigned long).
        names: the printed names, in the order of the text.
        fields: `section`, `node`, `zone`, `lastcpupid`, `kasantag` as printed, those present.
        unnamed: leftover bits that the kernel itself printed as a number.
        prefix: `anon` or `ksm`, None if absent.
        cma: whether ` CMA` follows.
        span: its line.
    """

    value: int
    names: tuple[str, ...]
    fields: Mapping[str, int]
    unnamed: int
    prefix: str | None
    cma: bool
    span: Span


@dataclass(frozen=True, slots=True)
class PrintedPageType:
    """The `page_type:` line (6.4 and later): the printed number and the printed names.

    Args:
        value: the word shared with `_mapcount` (u32; to 6.11), or its top byte alone (6.12 and later).
        names: the printed names.
        span: its line.
        top_byte: whether only the top byte is printed (`f0(buddy)`).
    """

    value: int
    names: tuple[str, ...]
    span: Span
    top_byte: bool = False


@dataclass(frozen=True, slots=True)
class HeadLine:
    """The `head:` line of a compound page: printed fields by name (counts signed, `pointer` u64)."""

    fields: Mapping[str, int]
    span: Span


@dataclass(frozen=True, slots=True)
class RawWords:
    """A `raw:` or `head:` hex dump of a struct page.

    Args:
        words: the words in memory order (unsigned long).
        width: digits of a word: 16 on 64-bit, 8 on 32-bit.
        span: its lines.
    """

    words: tuple[int, ...]
    width: int
    span: Span


@dataclass(frozen=True, slots=True)
class AddressSpaceLine:
    """The line that names the page's address_space: operations symbol, inode and dentry, as printed."""

    aops: str | None
    ino: int | None
    dentry: str | None
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class PageOwner:
    """The page_owner tail of a page dump.

    Args:
        tracked_as: `allocated` or `freed`, None if not printed.
        order, migratetype, gfp_mask, gfp_names, pid, tgid, comm, ts, free_ts: as printed.
        free_pid, free_tgid: who freed it last.
        allocation_stack, free_stack: symbols with offsets, innermost first.
        migrate_reason: last migrate reason, if printed.
        span: its lines.
        notes: lines that say what is not there (`page_owner free stack trace missing`), as printed.
    """

    tracked_as: str | None
    order: int | None
    migratetype: str | None
    gfp_mask: int | None
    gfp_names: tuple[str, ...]
    pid: int | None
    tgid: int | None
    comm: str | None
    ts: int | None
    free_ts: int | None
    free_pid: int | None
    free_tgid: int | None
    allocation_stack: tuple[Frame, ...]
    free_stack: tuple[Frame, ...]
    migrate_reason: str | None
    span: Span
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageDump:
    """What `dump_page()` printed about one struct page; everything is as printed, nothing decoded.

    Args:
        era: release in which this form of the page line first appeared, e.g. `6.9`.
        pointer: address of the struct page (often hashed), None where the form has none.
        refcount: `_refcount` as printed.
        mapcount: mapcount as printed (`_mapcount` + 1 for an ordinary page).
        mapping: address_space pointer as printed, u64.
        index: page index as printed, unsigned long.
        pfn: page frame number on the page line, None where the form has none.
        head: the compound line.
        memcg: memcg_data as printed.
        address_space: the aops line.
        flags, page_type, raw, head_raw, reason, page_owner: the other lines.
        reason_span: where the reason stands.
        span: all its lines.
        bad_flags: the flags that the kernel names as the reason (`bad because of flags:`, to 5.6).
        notes: other lines of the dump, as printed (`page does not match folio`).
    """

    era: str
    pointer: int | None
    refcount: int | None
    mapcount: int | None
    mapping: int | None
    index: int | None
    pfn: int | None
    page_line: Span | None
    head: HeadLine | None
    memcg: int | None
    address_space: AddressSpaceLine | None
    flags: PrintedFlags | None
    page_type: PrintedPageType | None
    raw: RawWords | None
    head_raw: RawWords | None
    reason: str | None
    reason_span: Span | None
    page_owner: PageOwner | None
    span: Span
    bad_flags: PrintedFlags | None = None
    notes: tuple[str, ...] = ()

    @property
    def order(self) -> int | None:
        """Order of the block as the head line prints it, None if it does not."""
        return None if self.head is None else self.head.fields.get("order")


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
