"""Registers of x86-64 at a system call: flag bits, call numbers, argument order and the placeholder in RAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kvmlab.kernel.tables import read_table

ARGUMENT_REGISTERS = ("RDI", "RSI", "RDX", "R10", "R08", "R09")
# The entry code stores -ENOSYS in the saved RAX; the result of the call takes its place on the way out.
PLACEHOLDER_ERRNO = 38
_MAX_ERRNO = 4095


@dataclass(frozen=True, slots=True)
class Rflags:
    """A decoded flags register.

    Args:
        value: the register.
        names: the set flags, lowest bit first.
        iopl: I/O privilege level, 0-3.
        reserved_bit1: whether the bit that is always 1 is 1; False shows that the value was spoilt.
        unknown: other set bits, reserved in the architecture.
    """

    value: int
    names: tuple[str, ...]
    iopl: int
    reserved_bit1: bool
    unknown: int


@dataclass(frozen=True, slots=True)
class SyscallRegisters:
    """What a user-mode register block says of the system call that it was taken in.

    Args:
        nr: call number (ORIG_RAX), None if the block lost that line.
        name: its name, None if unknown.
        arguments: register name to value, in the order of the arguments, those that the block has.
        rax: RAX as a signed number, None if lost.
        errno: name of the error that RAX holds, None if it holds none.
        placeholder: whether RAX is the placeholder that the entry code stores before the call returns; not a result.
        return_rip: where the caller goes on: the syscall instruction saves it in RCX.
        rflags: the caller's flags: the syscall instruction saves them in R11.
    """

    nr: int | None
    name: str | None
    arguments: Mapping[str, int]
    rax: int | None
    errno: str | None
    placeholder: bool
    return_rip: int | None
    rflags: Rflags | None


def decode_rflags(value: int) -> Rflags:
    """Decode RFLAGS.

    Args:
        value: the register, u64.

    Source: Intel SDM volume 1, section 3.4.3. Example: R11 of the reported trace.

    >>> decode_rflags(0x246).names, decode_rflags(0x246).reserved_bit1
    (('PF', 'ZF', 'IF'), True)
    """
    rows = [(int(row["bit"]), row["name"]) for row in read_table("x86_rflags")]
    iopl_mask = 3 << 12
    known = sum(1 << bit for bit, _ in rows) | iopl_mask
    return Rflags(
        value,
        tuple(name for bit, name in rows if name and value >> bit & 1),
        (value & iopl_mask) >> 12,
        bool(value & 2),
        value & ~known,
    )


def syscall_name(nr: int) -> str | None:
    """Name of an x86-64 system call, None if the table does not have it.

    >>> syscall_name(16)
    'ioctl'
    """
    return next((row["name"] for row in read_table("x86_64_syscalls") if int(row["nr"]) == nr), None)


def syscall_number(name: str) -> int | None:
    """Number of an x86-64 system call, None if the table does not have it.

    >>> syscall_number("ioctl")
    16
    """
    return next((int(row["nr"]) for row in read_table("x86_64_syscalls") if row["name"] == name), None)


def errno_name(number: int) -> str | None:
    """Name of an error number of Linux, given positive or negative; None if there is none.

    >>> errno_name(-38), errno_name(14)
    ('ENOSYS', 'EFAULT')
    """
    return next((row["name"] for row in read_table("errno") if int(row["number"]) == abs(number)), None)


def signed64(value: int) -> int:
    """A u64 read as a signed number.

    >>> signed64(0xffffffffffffffda)
    -38
    """
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def syscall_registers(values: Mapping[str, int]) -> SyscallRegisters:
    """Read a user-mode register block as the state of a system call.

    Args:
        values: register name (`RAX`, `ORIG_RAX`, `R08`, ...) to value, u64; lost ones missing.

    Source: the x86-64 system call convention (syscall instruction, Intel SDM volume 2). Example: the reported trace.

    >>> call = syscall_registers({"RAX": 0xffffffffffffffda, "RDI": 0x17, "RSI": 0xae80, "R11": 0x246})
    >>> (call.rax, call.errno, call.placeholder, call.nr, call.arguments["RDI"])
    (-38, 'ENOSYS', True, None, 23)
    """
    rax = signed64(values["RAX"]) if "RAX" in values else None
    failed = rax is not None and -_MAX_ERRNO <= rax < 0
    nr = signed64(values["ORIG_RAX"]) if "ORIG_RAX" in values else None
    return SyscallRegisters(
        nr,
        None if nr is None else syscall_name(nr),
        {name: values[name] for name in ARGUMENT_REGISTERS if name in values},
        rax,
        errno_name(rax) if failed and rax is not None else None,
        rax == -PLACEHOLDER_ERRNO,
        values.get("RCX"),
        decode_rflags(values["R11"]) if "R11" in values else None,
    )
