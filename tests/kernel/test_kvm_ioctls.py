"""KVM ioctl numbers, held against the UAPI header where one is installed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.kernel.kvm_ioctls import KVMIO, decode_ioctl, kvm_ioctls

HEADER = Path("/usr/include/linux/kvm.h")
_DIRECTIONS = {"_IO": "", "_IOR": "r", "_IOW": "w", "_IOWR": "rw"}


def test_the_reported_command_is_kvm_run() -> None:
    command = decode_ioctl(0x000000000000AE80)
    assert (command.name, command.type, command.nr, command.size, command.direction) == ("KVM_RUN", 0xAE, 0x80, 0, "")
    assert command.kvm is not None
    assert command.kvm.scope == ("vcpu",)


@pytest.mark.parametrize(
    ("cmd", "name"),
    [
        (0xAE01, "KVM_CREATE_VM"),
        (0xAE41, "KVM_CREATE_VCPU"),
        (0x4020AE46, "KVM_SET_USER_MEMORY_REGION"),
        (0x4010AE42, "KVM_GET_DIRTY_LOG"),
        (0x4070AEA0, "KVM_SET_PIT2"),
        (0x4040AEA0, "KVM_SET_VCPU_EVENTS"),
        (0xC040AED4, "KVM_CREATE_GUEST_MEMFD"),
    ],
)
def test_commands_that_share_a_number_are_told_apart(cmd: int, name: str) -> None:
    assert decode_ioctl(cmd).name == name


def test_other_commands() -> None:
    tcgets = decode_ioctl(0x5401)
    assert (tcgets.name, tcgets.type, tcgets.nr) == (None, 0x54, 1)
    odd_size = decode_ioctl(0x4028AE46)
    assert odd_size.name is None
    assert [i.name for i in odd_size.candidates] == ["KVM_SET_USER_MEMORY_REGION"]
    assert decode_ioctl(0xFFFF_FFFF_0000_AE80).name == "KVM_RUN"
    # Two commands of different descriptors have the very same word.
    shared = decode_ioctl(0x4010AEAB)
    assert shared.name == "KVM_GET_ONE_REG"
    assert [i.name for i in shared.candidates] == ["KVM_ARM_SET_DEVICE_ADDR"]
    assert decode_ioctl(0x4010AEAB, "arm64").name == "KVM_ARM_SET_DEVICE_ADDR"


def test_every_number_is_made_of_its_parts() -> None:
    for ioctl in kvm_ioctls():
        if ioctl.cmd is None:
            continue
        command = decode_ioctl(ioctl.cmd)
        assert (command.type, command.nr, command.direction) == (KVMIO, ioctl.nr, ioctl.direction)
        assert ioctl in (command.kvm, *command.candidates)
        assert (command.size > 0) == (ioctl.argument is not None)


@given(st.integers(0, 2**64 - 1))
def test_no_number_is_refused(value: int) -> None:
    command = decode_ioctl(value)
    parts = (
        {"": 0, "w": 1, "r": 2, "rw": 3}[command.direction] << 30 | command.size << 16 | command.type << 8 | command.nr
    )
    assert parts == command.cmd == value & 0xFFFFFFFF


def test_agrees_with_the_installed_header() -> None:
    if not HEADER.is_file():
        pytest.skip("no UAPI header linux/kvm.h on this machine")
    text = HEADER.read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.findall(r"#define\s+(KVM_\w+)\s+(_IO[RW]*)\(KVMIO,\s*(0x[0-9a-f]+)(?:,\s*([^)]*?))?\s*\)", text)
    mine = {ioctl.name: ioctl for ioctl in kvm_ioctls()}
    missing = [name for name, *_ in found if name not in mine]
    # A header newer than the table may have a few more commands, never other numbers for the same ones.
    assert len(missing) <= 10
    for name, macro, nr, argument in found:
        if name in mine:
            assert (mine[name].nr, mine[name].direction) == (int(nr, 16), _DIRECTIONS[macro]), name
            assert (mine[name].argument or "") == " ".join(argument.split()), name
    assert len(found) > 100
