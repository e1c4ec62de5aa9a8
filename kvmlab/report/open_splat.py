"""A splat while it is being read: what has been seen of it, which stacks are open, and whether its trace has ended."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from kvmlab.report.details import Detail
from kvmlab.report.lines import PAGE_PARTS, Line, Part
from kvmlab.report.records import Kind
from kvmlab.report.stack_items import Entry, StackLine
from kvmlab.report.titles import Title
from kvmlab.text.record import Role

# Functions at the bottom of a kernel stack: behind them there is nothing more to print but user registers.
BOTTOM = re.compile(
    r"entry_SYSCALL\w*|entry_SYSENTER\w*|entry_INT80\w*|ret_from_fork\w*|ret_from_kernel_\w+|kernel_thread_helper|"
    r"system_call_fastpath|sysenter_\w+|el0\w*_sync|ret_fast_syscall|ret_from_syscall|secondary_startup\w*|"
    r"x86_64_start_(?:kernel|reservations)|start_secondary|work_notifysig|int_signal|_syscall_return|syscall_common|handle_syscall|"
    r"asm_exc_page_fault|page_fault|error_code|start_kernel|ret_from_exception|system_call\w*|kernel_thread_starter|"
    r"_new_vmalloc_restore_context_a0|gs_change|kernel_init_thread|__irq_usr|el0_da|__dabt_usr"
)


@lru_cache(maxsize=1024)
def is_bottom(function: str) -> bool:
    """Whether nothing lies below a function in a kernel stack.

    >>> is_bottom("ret_from_fork_asm"), is_bottom("schedule")
    (True, False)
    """
    return BOTTOM.fullmatch(function) is not None


# Lines of a warning's own text, between `cut here` and the line that names the file or behind that line.
TEXT_LIMIT = 8
_BEHIND_TEXT = frozenset({Part.MODULES, Part.HARDWARE, Part.CPU})
# Members that are asked for at every line: Python 3.11 takes longer to look one up than to compare it.
_STACK, _TRACE = Part.STACK, Part.TRACE
_ENDS_OWNER = frozenset({Part.MODULES, Part.CPU, Part.REASON})
_TELLING = _ENDS_OWNER | {Part.TITLE, Part.OWNER, Part.END, Part.DETAIL, Part.REPEAT}
_PROOF = frozenset({Part.STACK, Part.WORDS, Part.REASON, Part.PAGE_TYPE})
_NO_PROOF = frozenset({Part.TITLE, Part.DETAIL, Part.RULE, Part.CUT_HERE})
_BODY = frozenset({Part.CPU, Part.TRACE, Part.STACK, Part.MODULES, Part.REGISTERS, Part.HARDWARE, Part.CODE})


@dataclass(frozen=True, slots=True)
class Splat:
    """The records of one report and how it begins and ends.

    Args:
        title: row of the title table, None if the report has no title line.
        found: what the row's pattern found.
        kind: what the report is.
        lines: its records, each with what it is.
        foreign: records of others that stand inside it.
        caller: caller id of its records.
        open_stacks: stack markers that nothing closes.
        bottomed: whether its trace reached a function that nothing lies below.
        mixed: whether another CPU printed its call trace at the same time, so that entries may be of either.
    """

    title: Title | None
    found: re.Match[str] | None
    kind: Kind
    lines: tuple[Line, ...]
    foreign: tuple[Line, ...]
    caller: str | None
    open_stacks: tuple[str, ...]
    bottomed: bool
    mixed: bool = False


@dataclass(slots=True)
class OpenSplat:
    """A splat that is still being read.

    Args:
        title, found, kind, lines, foreign: as in `Splat`.
        pending: records that are foreign if a part of this splat follows them, and not in it otherwise.
        seen: the parts that have been read.
        stacks: the stack markers that are open.
        in_trace: whether entries of a call trace may follow.
        had_trace: whether a call trace has begun.
        closed_trace: whether it has ended.
        sealed: whether `</TASK>` ended it, so that no user registers follow.
        bottomed: whether it reached a function that nothing lies below.
        entries: whether it has entries.
        placed: whether its entries carry offsets.
        owner: whether entries belong to a page_owner stack.
        ended: whether the end marker was read.
        ruled: whether the rule below it was read, behind which only a panic is of it.
        mixed: whether another CPU printed its call trace at the same time.
        time_ns: time of its last record.
    """

    title: Title | None = None
    found: re.Match[str] | None = None
    kind: Kind = Kind.FRAGMENT
    lines: list[Line] = field(default_factory=list)
    foreign: list[Line] = field(default_factory=list)
    pending: list[Line] = field(default_factory=list)
    seen: set[Part] = field(default_factory=set)
    stacks: list[str] = field(default_factory=list)
    in_trace: bool = False
    had_trace: bool = False
    closed_trace: bool = False
    sealed: bool = False
    bottomed: bool = False
    entries: bool = False
    placed: bool = False
    owner: bool = False
    ended: bool = False
    ruled: bool = False
    mixed: bool = False
    time_ns: int | None = None

    @property
    def talks(self) -> bool:
        """Whether free text and several call traces belong to it."""
        return self.title is not None and (self.title.framed or self.title.many)

    @property
    def last(self) -> Line:
        """The last line that was added."""
        return self.lines[-1]

    @property
    def in_title(self) -> bool:
        """Whether only title lines and a page dump have been read so far."""
        return self.seen.isdisjoint(_BODY)

    @property
    def headless(self) -> bool:
        """Whether it begins within a page dump."""
        return self.title is None and self.lines[0].part in PAGE_PARTS - {Part.PAGE}

    @property
    def in_text(self) -> bool:
        """Whether the text of a warning may follow: kernels to 3.10 print the name of the machine before it."""
        return self.kind is Kind.WARNING and self.seen.isdisjoint(_BODY - {Part.HARDWARE})

    @property
    def reason(self) -> str:
        """The reason that its page dump gives, empty if there is none."""
        return next((line.data for line in reversed(self.lines) if line.part is Part.REASON), "")

    @property
    def is_report(self) -> bool:
        """Whether what has been read is enough to call it a report."""
        if self.title is not None:
            return not self.title.weak or not self.seen <= _NO_PROOF
        if self.kind is Kind.PAGE_DUMP:
            return True
        if self.kind is Kind.OTHER:
            return not self.seen.isdisjoint({Part.TRACE, Part.STACK})
        return len(self.lines) > 1 and (not self.seen.isdisjoint(_PROOF) or len(self.lines) > 2)

    def close(self, caller: str | None) -> Splat:
        """The finished splat."""
        return Splat(
            self.title, self.found, self.kind, tuple(self.lines), tuple(self.foreign), caller, tuple(self.stacks),
            self.bottomed, self.mixed,
        )  # fmt: skip

    def reopen(self) -> None:
        """Lets further parts follow (a panic prints its own call trace behind an oops)."""
        self.ended = self.ruled = self.closed_trace = self.sealed = self.had_trace = self.bottomed = False
        self.in_trace = self.entries = False
        self.stacks.clear()
        self.seen -= {Part.CPU, Part.HARDWARE, Part.TAINTED, Part.WORKQUEUE}

    def interrupt(self, line: Line) -> None:
        """A record that does not belong here: behind the bottom of a stack it shows that the trace has ended."""
        self.pending.append(line)
        if self.bottomed and not self.stacks:
            self.in_trace, self.closed_trace = False, True

    def _tells(self, line: Line) -> bool:
        """Whether what stands before a line is the text of a warning, which kernels to 4.13 and arm print here."""
        return (
            self.kind is Kind.WARNING
            and self.in_text
            and line.part in _BEHIND_TEXT
            and self.last.part in (Part.TITLE, Part.HARDWARE)
            and len(self.pending) <= TEXT_LIMIT
            and not (len(self.lines) > 1 and self.lines[-2].part is Part.DETAIL)
        )

    def add(self, line: Line) -> None:
        """Takes a record in; what stood between it and the last one is free text of the report or foreign."""
        if self.pending:
            own = (self.talks and not self.ruled) or self._tells(line)
            for other in self.pending:
                # Without prefixes nothing tells a report's own text from the mail around it.
                if own and other.record.role is Role.LOG:
                    other.part = Part.DETAIL
                    self.lines.append(other)
                else:
                    self.foreign.append(other)
            self.pending.clear()
        if line.part is _TRACE and self.lines and self.last.part is _TRACE:
            self.mixed = self.mixed or self.last.record.text == line.record.text
        self.lines.append(line)
        if not self.owner or line.part is not _STACK:
            # The stacks of page_owner are of the page dump, and not of the body that follows it.
            self.seen.add(line.part)
        if line.record.time_ns is not None:
            self.time_ns = line.record.time_ns
        if line.part is _STACK:
            self._follow(line.data)
        elif line.part is _TRACE:
            self.owner, self.in_trace, self.had_trace, self.closed_trace = False, True, True, False
            self.placed = self.bottomed = self.entries = False
            if isinstance(line.data, StackLine):
                self._follow(line.data)
        elif line.part not in _TELLING:
            pass
        elif line.part is Part.OWNER or (isinstance(line.data, Detail) and line.data.name == "atomic_stack"):
            self.owner = True
        elif line.part is Part.TITLE and line.record.text.rstrip().endswith(" RIP:"):
            # x86-64 to 2.6.24: what follows is the place, and no entry of the trace.
            self.owner = True
        elif isinstance(line.data, Detail) and line.data.name == "cpu_stopping":
            # Each other CPU of a panic prints its own CPU line and call trace.
            self.reopen()
        elif line.part is Part.END:
            self.in_trace, self.closed_trace, self.ended = False, True, True
        elif line.part in _ENDS_OWNER:
            self.owner = False
            # 2.6 printed the line with the task behind the header of the trace.
            if self.in_trace and self.entries and not self.stacks:
                self.in_trace, self.closed_trace = False, True

    def _follow(self, line: StackLine) -> None:
        for item in line.items:
            if isinstance(item, Entry):
                if not self.owner:
                    self.in_trace = self.had_trace = self.entries = True
                    self.placed = self.placed or item.offset is not None
                    self.bottomed = self.bottomed or (item.reliable and is_bottom(item.function))
            elif item.opens:
                self.in_trace = self.had_trace = True
                self.mixed = self.mixed or (item.stack == "TASK" and self.stacks[-1:] == ["TASK"] and not self.talks)
                self.stacks.append(item.stack)
                self.closed_trace = self.sealed = False
            else:
                if item.stack in self.stacks:
                    del self.stacks[self.stacks.index(item.stack) :]
                self.in_trace = self.had_trace = True
                if item.stack == "TASK":
                    self.in_trace, self.closed_trace, self.sealed = False, True, True
