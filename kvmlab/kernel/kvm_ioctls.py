"""KVM ioctl numbers: a command word to its parts and its name (0xae80 is KVM_RUN)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from kvmlab.kernel.tables import read_table

KVMIO = 0xAE
_DIRECTIONS = {0: "", 1: "w", 2: "r", 3: "rw"}


@dataclass(frozen=True, slots=True)
class KvmIoctl:
    """One command of the KVM interface.

    Args:
        name: as in the UAPI header.
        nr: its number, 0-255.
        direction: `r` if the caller reads, `w` if it writes, `rw`, or empty.
        argument: C type of the argument, None if there is none.
        cmd: the whole command word on x86-64, None if the command exists on another architecture only.
        scope: what it is called on: `system`, `vm`, `vcpu`, `device`.
        arch: the one architecture that has it, None if it is common.
        dropped: whether newer headers no longer have it.
    """

    name: str
    nr: int
    direction: str
    argument: str | None
    cmd: int | None
    scope: tuple[str, ...]
    arch: str | None
    dropped: bool


@dataclass(frozen=True, slots=True)
class IoctlCommand:
    """A decoded command word.

    Args:
        cmd: the word, u32.
        direction: `r`, `w`, `rw` or empty.
        size: bytes of the argument, 0 without one.
        type: the type byte; 0xae is KVM.
        nr: the number.
        kvm: the KVM command that it is, None for another type or a number that no header has.
        candidates: KVM commands with the same word on other architectures or descriptors; without an exact one, those
            with that number and direction whose argument has another size here.
    """

    cmd: int
    direction: str
    size: int
    type: int
    nr: int
    kvm: KvmIoctl | None
    candidates: tuple[KvmIoctl, ...]

    @property
    def name(self) -> str | None:
        """The name of the command, None if it is not a known KVM command."""
        return None if self.kvm is None else self.kvm.name


@cache
def kvm_ioctls() -> tuple[KvmIoctl, ...]:
    """All KVM commands, by number.

    >>> next(i for i in kvm_ioctls() if i.name == "KVM_RUN").cmd == 0xae80
    True
    """
    return tuple(
        KvmIoctl(
            row["name"],
            int(row["nr"], 16),
            row["direction"],
            row["argument"] or None,
            int(row["cmd"], 16) if row["cmd"] else None,
            tuple(row["scope"].split()),
            row["arch"] or None,
            row["note"] == "dropped",
        )
        for row in read_table("kvm_ioctls")
    )


def decode_ioctl(value: int, arch: str = "x86") -> IoctlCommand:
    """Take an ioctl command word apart; the kernel looks at the low 32 bits only.

    Args:
        value: the second argument of the system call, u64 as in RSI.
        arch: architecture, which decides between commands that share a word: `x86`, `arm64`, `powerpc`, `s390`.

    Source: include/uapi/asm-generic/ioctl.h (2 bits direction, 14 size, 8 type, 8 number). Example: the reported trace.

    >>> decode_ioctl(0xae80).name
    'KVM_RUN'
    >>> decode_ioctl(0x4020ae46).name, decode_ioctl(0x4020ae46).size
    ('KVM_SET_USER_MEMORY_REGION', 32)
    """
    cmd = value & 0xFFFFFFFF
    kind, nr = cmd >> 8 & 0xFF, cmd & 0xFF
    direction = _DIRECTIONS[cmd >> 30]
    same = [i for i in kvm_ioctls() if kind == KVMIO and i.nr == nr and i.direction == direction]
    equal = [i for i in same if i.cmd == cmd]
    exact = min(equal, key=lambda i: (i.arch not in (None, arch), i.arch is None), default=None)
    others = tuple(i for i in equal or same if i is not exact)
    return IoctlCommand(cmd, direction, cmd >> 16 & 0x3FFF, kind, nr, exact, others)
