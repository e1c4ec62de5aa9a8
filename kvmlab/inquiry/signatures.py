"""The signature of a report: the functions that stay the same from boot to boot and from build to build."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from kvmlab.inquiry.frame_rules import canonical_frame
from kvmlab.report.records import Frame, Kind, Report

# Registers that hold the place at which a trap struck, on the architectures that print it as a symbol.
_TRAP_REGISTERS = ("RIP", "EIP", "pc", "PC", "NIP", "epc", "ERA", "era", "IP", "TPC")
_STALLS = frozenset({Kind.SOFT_LOCKUP, Kind.RCU_STALL})
_TRAPS = frozenset({Kind.OOPS, Kind.BUG, Kind.WARNING, Kind.LIST_CORRUPTION, Kind.REFCOUNT}) | _STALLS
# By what the kernel looks at a CPU that is stuck, and how it got there from the function that is.
_LOOKS = re.compile(
    r"rcu_dump_cpu_stacks|rcu_(?:check_callbacks|sched_clock_irq)|nmi_cpu_backtrace\S*|watchdog_(?:overflow_callback|timer_fn)\S*|"
    r"soft_nmi_interrupt"
)
_INTERRUPTS = re.compile(
    r"el[01]\w*irq\w*|__irq_(?:svc|usr)|decrementer_common\w*|timer_interrupt|soft_nmi_common|(?:asm_)?sysvec_\w+|"
    r"(?:smp_|local_)?apic_timer_interrupt|ret_from_intr|handle_riscv_irq|do_irq|ext_int_handler|handle_int|"
    r"end_repeat_nmi|asm_exc_nmi|nmi|ret_from_exception"
)
_ID_DIGITS = 12

# What is equal for reports of one family: kind, functions, detail.
Key: TypeAlias = tuple[Kind, tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Signature:
    """What makes two reports the same.

    Args:
        kind: kind of the reports.
        functions: canonical functions, innermost first; empty without a call trace.
        interesting: the first of them that says who called, None if all are generic.
        detail: what tells reports without a call trace apart (reason, counter), empty otherwise.
        confirmed: False if the trace has no confirmed entry, so that the unconfirmed ones had to do.
    """

    kind: Kind
    functions: tuple[str, ...]
    interesting: str | None
    detail: str
    confirmed: bool

    @property
    def key(self) -> Key:
        """What is equal for reports of one family."""
        return (self.kind, self.functions, self.detail)

    @property
    def id(self) -> str:
        """A name that is the same for the same signature everywhere: kind and twelve hex digits of a hash."""
        text = "\n".join((self.kind.value, self.detail, *self.functions))
        return f"{self.kind.value}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:_ID_DIGITS]}"


def signature_of(report: Report) -> Signature:
    """The signature of a report.

    Confirmed entries of the innermost stack count, without offsets, suffixes, inlined helpers and the machinery of the
    report; for a trap, the function that it struck stands first.

    Args:
        report: any report.
    """
    frames, confirmed = _frames(report)
    functions: list[str] = []
    interesting: str | None = None
    for symbol in (*_trap_symbol(report), *(frame.function for frame in frames)):
        canonical = canonical_frame(symbol)
        if canonical.name is None or (functions and functions[-1] == canonical.name):
            continue
        functions.append(canonical.name)
        if interesting is None and canonical.interesting:
            interesting = canonical.name
    return Signature(report.kind, tuple(functions), interesting, "" if functions else _detail(report), confirmed)


def _frames(report: Report) -> tuple[list[Frame], bool]:
    trace = report.call_trace
    if trace is None:
        return [], True
    frames = [frame for frame in trace.frames if not frame.inlined]
    confirmed = [frame for frame in frames if frame.reliable]
    chosen = confirmed or frames
    if report.kind in _STALLS:
        chosen = _below_look(chosen)
    # Below an interrupt stands the task that it happened to hit, which has nothing to do with it.
    first = chosen[0].context if chosen else None
    if first not in (None, "TASK"):
        chosen = [frame for frame in chosen if frame.context == first]
    return chosen, bool(confirmed) or not frames


def _below_look(frames: list[Frame]) -> list[Frame]:
    """What a stuck CPU was at: the entries below those by which the kernel looked at it, all if there are none such."""
    at = max((i for i, frame in enumerate(frames) if _LOOKS.fullmatch(frame.function)), default=None)
    if at is None:
        return frames
    context = frames[at].context
    if context not in (None, "TASK"):
        below = [i for i in range(at, len(frames)) if frames[i].context != context]
    else:
        entry = next((i for i in range(at, len(frames)) if _INTERRUPTS.fullmatch(frames[i].function)), None)
        below = [] if entry is None else [
            i for i in range(entry, len(frames)) if not _INTERRUPTS.fullmatch(frames[i].function)
        ]  # fmt: skip
    return frames[below[0] :] if below else frames


def _trap_symbol(report: Report) -> Iterator[str]:
    """The function that a trap struck: its own entry is marked as unconfirmed, or is missing."""
    if report.kind not in _TRAPS:
        return
    where = report.fields.get("where")
    if isinstance(where, str) and where:
        yield where.split("+", 1)[0].split(" ", 1)[0]
    elif report.registers is not None and report.registers.mode != "user":
        symbols = report.registers.symbols
        # Decoders put the file behind the function.
        yield from (re.split(r"[+ ]", symbols[name], maxsplit=1)[0] for name in _TRAP_REGISTERS if name in symbols)


def _detail(report: Report) -> str:
    if report.page is not None and report.page.reason:
        return report.page.reason
    for name in ("type", "idx", "counter", "what", "cache", "file"):
        if name in report.fields:
            return str(report.fields[name])
    return report.rule or ""
