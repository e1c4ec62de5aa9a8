"""Registers of the reported system call, call numbers and error names, held against the machine's own tables."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.kernel.tables import read_table
from kvmlab.kernel.x86 import decode_rflags, errno_name, signed64, syscall_name, syscall_number, syscall_registers

SEED = {
    "RAX": 0xFFFFFFFFFFFFFFDA,
    "RBX": 0x0000560A64915500,
    "RCX": 0x00007FAA23E81C5B,
    "RDX": 0x0,
    "RSI": 0xAE80,
    "RDI": 0x17,
    "RBP": 0xAE80,
    "R08": 0x0,
    "R09": 0x0,
    "R10": 0x0,
    "R11": 0x246,
}


def test_the_reported_registers() -> None:
    call = syscall_registers(SEED)
    assert (call.nr, call.name) == (None, None)
    assert call.arguments == {"RDI": 23, "RSI": 0xAE80, "RDX": 0, "R10": 0, "R08": 0, "R09": 0}
    assert list(call.arguments)[:2] == ["RDI", "RSI"]
    assert (call.rax, call.errno, call.placeholder) == (-38, "ENOSYS", True)
    assert call.return_rip == 0x00007FAA23E81C5B
    assert call.rflags is not None
    assert call.rflags.names == ("PF", "ZF", "IF")
    assert call.rflags.reserved_bit1
    assert (call.rflags.iopl, call.rflags.unknown) == (0, 0)


def test_a_whole_block_has_the_number() -> None:
    call = syscall_registers(SEED | {"ORIG_RAX": 0x10})
    assert (call.nr, call.name) == (16, "ioctl")
    assert syscall_number("ioctl") == 16
    done = syscall_registers({"RAX": 5, "ORIG_RAX": 0xFFFFFFFFFFFFFFFF})
    assert (done.rax, done.errno, done.placeholder, done.nr, done.rflags) == (5, None, False, -1, None)
    assert syscall_registers({}).rax is None


def test_unknown_numbers() -> None:
    assert syscall_name(99999) is None
    assert syscall_number("no_such_call") is None
    assert errno_name(5000) is None


@given(st.integers(0, 2**64 - 1))
def test_no_bit_of_rflags_is_lost(value: int) -> None:
    flags = decode_rflags(value)
    bits = {row["name"]: int(row["bit"]) for row in read_table("x86_rflags")}
    named = sum(1 << bits[name] for name in flags.names)
    assert named | flags.iopl << 12 | flags.reserved_bit1 << 1 | flags.unknown == value
    assert -(1 << 63) <= signed64(value) < 1 << 63


def test_error_names_are_those_of_this_linux() -> None:
    if errno.ENOSYS != 38:
        pytest.skip("this machine numbers errors in another way")
    for row in read_table("errno"):
        assert getattr(errno, row["name"]) == int(row["number"])
    assert {int(row["number"]) for row in read_table("errno")} >= set(range(1, 41))
    assert errno_name(-14) == "EFAULT"


def test_call_numbers_agree_with_the_installed_header() -> None:
    header = next(
        (
            p
            for p in map(Path, ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"))
            if p.is_file()
        ),
        None,
    )
    if header is None:
        pytest.skip("no x86-64 UAPI header on this machine")
    numbers = {name: int(nr) for name, nr in re.findall(r"#define __NR_(\w+)\s+(\d+)", header.read_text())}
    for row in read_table("x86_64_syscalls"):
        assert numbers[row["name"]] == int(row["nr"])
