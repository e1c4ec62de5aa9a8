"""What a call trace and the registers at its end say: which put noticed, on whose behalf, in which system call."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from kvmlab.errors import UnknownRelease
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.explanation import Row
from kvmlab.inquiry.syscall import syscall_of
from kvmlab.kernel.constants import constant
from kvmlab.kernel.functions import FunctionRole, find_function, plain_symbol
from kvmlab.report.records import CallTrace, Frame, Kind, Registers, Report

TOPIC = "The stack"
# The functions through which a folio leaves a per-CPU batch; together they show a put that the batch made.
_BATCH_DRAIN = {"folio_batch_move_lru", "pagevec_lru_move_fn", "__pagevec_lru_add"}
# The longest word of a row; a stack that is nothing but one role stays readable.
_SHOWN = 6


def stack_rows(report: Report, before: Report | None = None) -> Iterator[Row]:
    """Statements about the call trace and the system call.

    Args:
        report: a report.
        before: the report before it in the text; the registers of a fragment that ends where this report begins are
            taken for those of the same task.
    """
    trace = report.call_trace
    if trace is not None and trace.frames:
        yield _summary(trace)
        yield from _path(trace)
        yield from _batch(report, trace)
        yield from _leftovers(trace)
    yield from _system_call(report, before)
    yield from _same_moment(report, before)


def _summary(trace: CallTrace) -> Row:
    guesses = len(trace.frames) - len(trace.reliable)
    span = trace.frames[0].span | trace.frames[-1].span
    value = f"{len(trace.frames)} entries, {len(trace.reliable)} reliable"
    meaning = "Innermost first."
    if guesses:
        meaning += (
            f" The {guesses} marked ? are addresses that lay on the stack and that the unwinder did not confirm: "
            "left from earlier calls."
        )
    return Row(TOPIC, "call trace", value, meaning, Basis.OBSERVED, span)


def _role(frame: Frame) -> FunctionRole | None:
    known = find_function(frame.function)
    return known.role if known else None


def _path(trace: CallTrace) -> Iterator[Row]:
    """A row for each run of confirmed frames that play the same part."""
    for role, run in groupby(trace.reliable, key=_role):
        frames = list(run)
        names = [frame.function for frame in frames]
        shown = " < ".join(names[:_SHOWN]) + (f" < {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        span = frames[0].span | frames[-1].span
        if role is None:
            yield Row(
                TOPIC, "not in the table of functions", shown, "kvmlab has no sentence on these.", Basis.OBSERVED, span
            )
            continue
        known = [find_function(name) for name in names[:_SHOWN]]
        field = next(function.role_words for function in known if function)
        meaning = "; ".join(f"{f.name} {f.sentence}" for f in known if f) + "."
        yield Row(TOPIC, field, shown, meaning, Basis.INFERRED, span)


def _batch(report: Report, trace: CallTrace) -> Iterator[Row]:
    frames = [frame for frame in trace.reliable if plain_symbol(frame.function) in _BATCH_DRAIN]
    if not frames or report.kind is not Kind.BAD_PAGE:
        return
    release = report.cpu_line.release if report.cpu_line else None
    try:
        size = f"{constant('FOLIO_BATCH_SIZE', release)} folios" if release is not None else "several folios"
    except (UnknownRelease, KeyError):
        size = "several folios"
    meaning = (
        f"The put that failed is the batch's own: the page waited in a per-CPU batch of {size}, which held a "
        "reference to it, and "
        "that reference turned out to be the last. The batch takes folios of every task that ran on this CPU, so the "
        "bad "
        "page need not be the one that this fault allocated."
    )
    yield Row(TOPIC, "which put", "drain of a per-CPU folio batch", meaning, Basis.INFERRED, frames[0].span)


def _leftovers(trace: CallTrace) -> Iterator[Row]:
    """What unconfirmed entries of the emulator hint at: the guest ran code that KVM had to emulate just before."""
    frames = [f for f in trace.frames if not f.reliable and _role(f) is FunctionRole.EMULATOR]
    known = dict.fromkeys(function for f in frames if (function := find_function(f.function)))
    if not known:
        return
    names = ", ".join(function.name for function in known)
    meaning = "; ".join(f"{function.name} {function.sentence}" for function in known)
    meaning += (
        ". Left on the stack by an earlier exit of this guest: a hint at what it was doing, no part of this path."
    )
    yield Row(TOPIC, "left on the stack", names, meaning, Basis.INFERRED, frames[0].span | frames[-1].span)


def _system_call(report: Report, before: Report | None) -> Iterator[Row]:
    registers, own = report.registers, True
    if syscall_of(registers) is None and before is not None and before.kind is Kind.FRAGMENT:
        registers, own = before.registers, False
    call = syscall_of(registers)
    if registers is None or call is None:
        return
    whose = ""
    if not own:
        whose = " They end the report before this one: that it was the same task is inferred from time and stack."
    basis = call.basis if own else Basis.INFERRED
    if call.ioctl is not None:
        name = call.ioctl.name or f"ioctl command {call.ioctl.cmd:#x}"
        value = f"{name} on fd {call.fd}"
        meaning = f"RDI is file descriptor {call.fd}, RSI the command {call.ioctl.cmd:#x}."
        if call.nr is None:
            meaning += (
                " The line with ORIG_RAX is lost; that the call is an ioctl follows from the command's type byte 0xae."
            )
        yield Row(TOPIC, "system call in the registers", value, meaning + whose, basis, registers.span)
    elif call.name is not None:
        yield Row(
            TOPIC, "system call in the registers", call.name, f"ORIG_RAX is {call.nr}.{whose}", basis, registers.span
        )
    shown = call.registers
    if shown.placeholder:
        meaning = (
            f"-{shown.errno}: the placeholder that the entry code stores before the call returns; it is not a result."
        )
        yield Row(TOPIC, "RAX", str(shown.rax), meaning, Basis.INFERRED, registers.span)
    if shown.return_rip is not None:
        meaning = "The syscall instruction saves the address that it returns to in RCX."
        yield Row(TOPIC, "user code", f"{shown.return_rip:#x}", meaning, Basis.INFERRED, registers.span)
    if shown.rflags is not None:
        meaning = f"R11 holds the caller's flags: {', '.join(shown.rflags.names) or 'none set'}."
        yield Row(TOPIC, "user flags", f"{shown.rflags.value:#x}", meaning, Basis.INFERRED, registers.span)
    yield from _lost_registers(registers)


def _lost_registers(registers: Registers) -> Iterator[Row]:
    if registers.missing:
        meaning = (
            f"Lines lost: {'; '.join(registers.missing_lines)}." if registers.missing_lines else "Not in the text."
        )
        yield Row(TOPIC, "registers lost", ", ".join(registers.missing), meaning, Basis.OBSERVED, registers.span)


def _same_moment(report: Report, before: Report | None) -> Iterator[Row]:
    if before is None or report.timestamp is None or before.last_timestamp != report.timestamp:
        return
    meaning = (
        "The report before this one ended in the same microsecond: the guest cannot have run in between, so both "
        "pages were "
        "found in one pass over the same batch or list."
    )
    span = before.span | report.span
    yield Row(TOPIC, "part of a series", f"at {report.timestamp} s", meaning, Basis.INFERRED, span)
