"""The system call behind a block of user registers, as far as the registers that were not lost tell it."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.inquiry.basis import Basis
from kvmlab.kernel.kvm_ioctls import KVMIO, IoctlCommand, decode_ioctl
from kvmlab.kernel.x86 import SyscallRegisters, syscall_name, syscall_number, syscall_registers
from kvmlab.report.records import Registers

# File descriptors are small; anything larger in RDI is a pointer or a length.
_LIKELY_FDS = 1 << 20


@dataclass(frozen=True, slots=True)
class Syscall:
    """A system call as its registers show it.

    Args:
        registers: what the registers say one by one.
        nr: call number as printed (ORIG_RAX), None if that line was lost.
        nr_inferred: call number that the arguments point to, None if they point to none.
        name: name of the call, by `nr` or else by `nr_inferred`.
        basis: observed if the number was printed, inferred otherwise.
        fd: file descriptor, None if the call has none or it is not known.
        ioctl: the decoded command, None unless the call is an ioctl.
        argument: third argument of an ioctl.
    """

    registers: SyscallRegisters
    nr: int | None
    nr_inferred: int | None
    name: str | None
    basis: Basis
    fd: int | None
    ioctl: IoctlCommand | None
    argument: int | None


def syscall_of(registers: Registers | None) -> Syscall | None:
    """The system call of a user register block of x86-64.

    A block that lost its ORIG_RAX line can still be an ioctl: then RAX holds the placeholder of a call that has not
    returned, RDI a small number and RSI a command of KVM's type.

    Args:
        registers: the block; None, kernel mode and other architectures give None.

    >>> from kvmlab.text.span import Span
    >>> values = {"RAX": 0xFFFFFFFFFFFFFFDA, "RDX": 0, "RSI": 0xAE80, "RDI": 0x17}
    >>> call = syscall_of(Registers("x86_64", "user", values, ("ORIG_RAX",), (), Span(0, 0, 1, 1)))
    >>> (call.nr, call.nr_inferred, call.name, call.fd, call.ioctl.name, str(call.basis))
    (None, 16, 'ioctl', 23, 'KVM_RUN', 'inferred')
    """
    if registers is None or registers.arch != "x86_64" or registers.mode == "kernel":
        return None
    values = registers.values
    shown = syscall_registers(values)
    number = syscall_number("ioctl")
    command = decode_ioctl(values["RSI"]) if "RSI" in values else None
    fd = values.get("RDI")
    inferred = None
    if (
        shown.nr is None
        and shown.placeholder
        and command is not None
        and command.type == KVMIO
        and command.kvm is not None
        and fd is not None
        and fd < _LIKELY_FDS
    ):
        inferred = number
    chosen = shown.nr if shown.nr is not None else inferred
    is_ioctl = chosen is not None and chosen == number
    return Syscall(
        registers=shown,
        nr=shown.nr,
        nr_inferred=inferred,
        name=None if chosen is None else syscall_name(chosen),
        basis=Basis.OBSERVED if shown.nr is not None else Basis.INFERRED,
        fd=fd if is_ioctl else None,
        ioctl=command if is_ioctl else None,
        argument=values.get("RDX") if is_ioctl else None,
    )
