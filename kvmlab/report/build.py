"""From the lines of one splat to the frozen record of a report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from kvmlab.kernel.bad_page_reasons import Stage, reasons
from kvmlab.report import registers
from kvmlab.report.build_missing import missing_parts
from kvmlab.report.build_page import PageBuilder
from kvmlab.report.build_task import (
    cpu_number,
    hung_task_line,
    is_of_title,
    machine_of,
    of_hung_task,
    of_line,
    of_soft_lockup,
    with_release,
)  # fmt: skip
from kvmlab.report.build_trace import TraceBuilder
from kvmlab.report.cpu_line import match_cpu_line, match_hardware, match_process
from kvmlab.report.details import Detail
from kvmlab.report.lines import PAGE_PARTS, Line, Part
from kvmlab.report.modules import match_modules, parse_modules
from kvmlab.report.numbers import decimal_number, hex_number
from kvmlab.report.open_splat import Splat
from kvmlab.report.records import CallTrace, CpuLine, Hardware, Kind, Report
from kvmlab.report.report_damage import report_damage
from kvmlab.report.stack_items import StackLine
from kvmlab.text.span import Span, hull

_DECIMAL_FIELDS = frozenset(
    {"messages", "val", "line", "cpu", "pid", "seconds", "order", "reporter", "idx", "die", "jiffies", "mapcount"}
)
_OF_REGISTERS = frozenset({Part.REGISTERS, Part.CODE})
# Asked for at every line: Python 3.11 takes longer to look a member up than to compare it.
_STACK = Part.STACK
_CALLERS = "Caller"
_WITHIN_REGISTERS = frozenset({"decoded_code", "hung_task_note", "powerpc_task"})


@dataclass(slots=True)
class _Block:
    lines: list[tuple[registers.RegisterLine, Span]] = field(default_factory=list)
    code: bool = False
    user: bool = False


def build_report(splat: Splat, index: int) -> Report:
    """The report of a splat.

    Args:
        splat: the splat.
        index: position among the reports of its source.
    """
    return _Builder(splat).build(index)


class _Builder:
    def __init__(self, splat: Splat) -> None:
        self.splat = splat
        self.page = PageBuilder()
        self.traces: list[TraceBuilder] = []
        self.blocks: list[_Block] = []
        self.modules: list[tuple[str, Span]] = []
        self.unloaded: list[str] = []
        self.cpu: CpuLine | None = None
        self.hardware: Hardware | None = None
        self.machine: Hardware | None = None
        # Whether the CPU line is another CPU's.
        self.borrowed = False
        self.workqueue: str | None = None
        self.verbose: str | None = None
        self.code: list[str] = []
        self.end: str | None = None
        self.trace_name: str | None = None
        self.header_pfn: int | None = None
        self.fields: dict[str, str | int] = {}
        self.titles: list[Line] = []
        self.repeats: list[Span] = []
        self.fresh = False
        self.task: tuple[str, int] | None = None
        self.released: CpuLine | None = None

    def build(self, index: int) -> Report:
        lines = self.splat.lines
        before: Line | None = None
        for line in lines:
            self._take(line, before)
            # A decoder's listing of the code, and the taint on mips to 3.x, stand between registers and part nothing.
            if not (isinstance(line.data, Detail) and line.data.name in _WITHIN_REGISTERS):
                before = line
        span = hull([line.record.span for line in lines])
        kind = self._kind()
        title = self._title()
        timed = [line.record.timestamp for line in lines if line.record.timestamp is not None]
        own, others = self._own_trace()
        built = [registers.build_registers(block.lines, block.code, block.user) for block in self.blocks if block.lines]
        blocks = [block for block in built if block.values or block.symbols]
        dump = self.page.build()
        self.cpu = with_release(self.cpu, self.released)
        unnamed = self.cpu is None or (self.cpu.pid is None and self.cpu.comm is None)
        if unnamed and self.task is not None and not {"comm", "pid"} & self.fields.keys():
            self.fields["comm"], self.fields["pid"] = self.task
        process = self.fields.get("process")
        pfn = hex_number(str(self.fields.get("pfn", ""))) if self.header_pfn is None else self.header_pfn
        if pfn is None and dump is not None:
            pfn = dump.pfn
        report = Report(
            index=index,
            kind=kind,
            title=None if title is None else title.record.text.strip(),
            span=span,
            timestamp=timed[0] if timed else None,
            last_timestamp=timed[-1] if timed else None,
            repeats=tuple(self.repeats),
            title_span=None if title is None else title.record.span,
            process=None if process is None else str(process),
            pfn=pfn,
            page=dump,
            modules=parse_modules(self.modules, self.unloaded) if self.modules else None,
            cpu_line=self.cpu,
            taint_verbose=self.verbose,
            hardware=self.hardware or self.machine,
            workqueue=self.workqueue,
            call_trace=own,
            registers=blocks[0] if blocks else None,
            code=self.code[0] if self.code else None,
            end_trace=self.end,
            fields=self.fields,
            missing=missing_parts(self.splat, own, blocks, self.page.began, self.cpu is not None, self.end is not None),
            damage=(),
            rule=None if self.splat.title is None else self.splat.title.name,
            caller=self.splat.caller,
            traces=others,
            more_registers=tuple(blocks[1:]),
            records=tuple(line.index for line in lines),
        )
        return replace(report, damage=report_damage(report, self.splat))

    def _take(self, line: Line, before: Line | None) -> None:
        part, data, span = line.part, line.data, line.record.span
        if before is not None and before.part in _OF_REGISTERS and part not in _OF_REGISTERS:
            closes = part is Part.STACK and any(m.stack == "TASK" and not m.opens for m in data.markers)
            if self.blocks:
                self.blocks[-1].user = self.blocks[-1].user or closes
        if part is _STACK:
            self._take_stack(line)
        elif part in _OF_REGISTERS:
            self._take_registers(line, before)
        elif part is Part.TITLE:
            self.titles.append(line)
            if not (data[0].late and self.splat.kind is Kind.HUNG_TASK):
                # What the watchdog says behind the trace is about the CPU that the watchdog ran on.
                self._take_fields(data[1].groupdict())
            if data[0].late:
                self.trace_name = line.record.text.strip()
            elif line.record.text.rstrip().endswith(" RIP:"):
                self.trace_name = "RIP"
        elif part is Part.PAGE_REST and "header_pfn" in data:
            self.header_pfn = data["header_pfn"]
        elif part in PAGE_PARTS or part is Part.OWNER:
            self.page.take(line)
            if part is Part.REASON and (at := line.record.text.find("Modules linked in:")) > 0:
                self.modules.append((match_modules(line.record.text[at:]) or "", span))
            if part is Part.PAGE and "ainted" in line.record.text:
                self.released = of_line(line.record.text, span)
        elif part is Part.MODULES:
            if line.rest or not self.modules:
                # A soft lockup to 3.8 prints the list twice.
                self.modules.append((data, span))
        elif part is Part.UNLOADED:
            self.unloaded.append(data)
        elif part is Part.CPU:
            self._take_cpu(line)
        elif part is Part.TAINTED:
            self.verbose = self.verbose or data
        elif part is Part.HARDWARE:
            self._take_hardware(line)
        elif part is Part.WORKQUEUE:
            self.workqueue = self.workqueue or data
        elif part is Part.TRACE:
            self.page.end_owner()
            self._open_trace(span)
            if isinstance(data, StackLine):
                self.traces[-1].add(line, data)
        elif part is Part.REPEAT:
            # Only a title printed twice is another mention of the report.
            if before is not None and before.part is Part.TITLE:
                self.repeats.append(span)
        elif part is Part.END:
            self.end = data or self.end or ""
        elif part is Part.DETAIL and isinstance(data, Detail):
            self.trace_name = data.found if data.names else self.trace_name
            self.task = self.task or match_process(line.record.text)
            self._take_fields({"cpu": cpu_number(line.record.text)})
            if data.name == "hung_task_note" and self.splat.kind is Kind.HUNG_TASK and self.cpu is None:
                self.cpu = hung_task_line(line.record.text, span, self.fields)

    def _take_fields(self, found: dict[str, str | Any]) -> None:
        for key, shown in found.items():
            if shown is None or key in self.fields:
                continue
            if key == "cpu_hex":
                self.fields["cpu"] = int(shown, 16)
                continue
            number = decimal_number(shown) if key in _DECIMAL_FIELDS else None
            self.fields[key] = shown if number is None else number

    def _take_cpu(self, line: Line) -> None:
        if not line.rest:
            self.page.end_owner()
            if self.cpu is None or (self.borrowed and is_of_title(line.data, self.fields)):
                self.cpu = line.data
                self.machine = machine_of(line.data, line.record.text.strip())
                if self.splat.kind is Kind.HUNG_TASK:
                    self.cpu = of_hung_task(line.data, self.fields)
                elif self.splat.kind is Kind.SOFT_LOCKUP:
                    self.cpu = of_soft_lockup(line.data, self.fields)
                    self.borrowed = self.cpu is not line.data
            if self.traces and self.traces[-1].header is None and self.traces[-1].name is not None:
                # What a name stood for has ended: arm prints the entries of the report itself without a header.
                self.fresh = bool(self.traces[-1].frames)
        elif self.cpu is not None:
            again = match_cpu_line(line.data, self.cpu.span | line.record.span)
            self.cpu = again or self.cpu

    def _take_hardware(self, line: Line) -> None:
        if line.rest and self.hardware is not None:
            self.hardware = match_hardware(line.data, self.hardware.span | line.record.span) or self.hardware
        elif self.hardware is None:
            self.hardware = line.data

    def _take_stack(self, line: Line) -> None:
        if self.page.takes_frames:
            self.page.take_frames(line)
            return
        if line.record.text.lstrip().startswith("Caller[") and self.traces and self.traces[-1].frames:
            # sparc64 prints the windows of its registers behind the call trace: the same functions once more.
            self.trace_name = None if self.traces[-1].name == _CALLERS else _CALLERS
        if not self.traces or self.trace_name is not None or self.fresh:
            self._open_trace(None)
        self.traces[-1].add(line, line.data)

    def _open_trace(self, header: Span | None) -> None:
        # `Backtrace:` with nothing behind it but the header of the call trace is one trace.
        if not (self.traces and self.trace_name is None and not self.traces[-1].frames and not self.traces[-1].markers):
            self.traces.append(TraceBuilder(header=header, name=self.trace_name))
        self.trace_name, self.fresh = None, False

    def _take_registers(self, line: Line, before: Line | None) -> None:
        follows = before is not None and before.part in _OF_REGISTERS
        first = line.part is Part.REGISTERS and line.data.first
        if not self.blocks or not follows or (first and self.blocks[-1].lines and _again(self.blocks[-1], line.data)):
            self.blocks.append(_Block())
        if "ainted" in line.record.text:
            self.released = self.released or of_line(line.record.text, line.record.span)
        if line.part is Part.CODE:
            self.blocks[-1].code = True
            if line.rest and self.code:
                self.code[-1] = f"{self.code[-1]} {line.data}"
            else:
                self.code.append(line.data)
        else:
            self._take_fields({"cpu": cpu_number(line.record.text)})
            self.blocks[-1].lines.append((line.data, line.record.span))

    def _own_trace(self) -> tuple[CallTrace | None, tuple[CallTrace, ...]]:
        """The splat's own trace (of those with entries the first without a name, or the first), and the others."""
        traces = [trace.close() for trace in self.traces if trace.frames or trace.header is not None or trace.markers]
        full = [t for t in traces if t.frames] or traces
        own = next((t for t in full if t.name is None), full[0] if full else None)
        return own, tuple(t for t in traces if t is not own)

    def _kind(self) -> Kind:
        if self.splat.title is None and self.splat.kind in (Kind.PAGE_DUMP, Kind.OTHER):
            names = {frame.function.partition(".")[0] for trace in self.traces for frame in trace.frames}
            # The title of a bad page has another log level than its dump; a console may hold only the latter.
            if "bad_page" in names or self.page.reason in _bad_page_reasons():
                return Kind.FRAGMENT
        return self.splat.kind

    def _title(self) -> Line | None:
        if self.titles:
            return next((t for t in self.titles if t.data[0] is self.splat.title), self.titles[0])
        return (
            self.splat.lines[0]
            if self.splat.kind in (Kind.PAGE_DUMP, Kind.OTHER) and self._kind() is not Kind.FRAGMENT
            else None
        )


@cache
def _bad_page_reasons() -> frozenset[str]:
    """The reasons that only `bad_page()` gives."""
    return frozenset(reason.text for reason in reasons() if reason.stage is not Stage.DUMP)


def _again(block: _Block, line: registers.RegisterLine) -> bool:
    """Whether a block already holds the register that a line begins a block with."""
    return any(
        line.values.keys() & held.values.keys()
        or line.symbols.keys() & held.symbols.keys()
        # 4.15 to 4.17 sum up behind the registers of the program.
        or ("RIP" in line.symbols and "RIP" in held.values)
        for held, _ in block.lines
    )
