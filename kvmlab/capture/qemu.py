"""What QEMU prints when KVM_RUN fails: the error and the guest's registers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, numbered, unquoted

if TYPE_CHECKING:
    import pandas as pd

FAILED = re.compile(r"error: kvm run failed (.{1,200})$")
_REGISTER = re.compile(
    r"\b(R[A-Z0-9]{1,3}|E[A-Z]{2}|RIP|EIP|RFL|EFL|CR[0-9]|DR[0-9]|EFER|CPL|II|A20|SMM|HLT) ?= ?([0-9a-fA-F]{1,16})\b"
)
_SEGMENT = re.compile(r"(ES|CS|SS|DS|FS|GS|LDT|TR) ?= ?([0-9a-f]{4}) ([0-9a-f]{8,16}) ([0-9a-f]{8}) ([0-9a-f]{8})")
_TABLE = re.compile(r"(GDT|IDT)= +([0-9a-f]{8,16}) ([0-9a-f]{8})$")
_CODE = re.compile(r"Code=((?:<?[0-9a-f?]{2}>? ?){1,256})$")


@dataclass(frozen=True, slots=True)
class KvmRunFailed:
    """One failed KVM_RUN.

    Args:
        line: number of the line with the error.
        error: text of the error as printed, `Bad address` for EFAULT.
        registers: value (u64) by name: general registers, RIP, RFL, CRn, DRn, EFER, and the small state bits.
        segments: selector, base, limit and flags by segment name.
        code: the bytes around RIP, None for those that QEMU could not read (`??`); empty if the line is missing.
        code_at: index in `code` of the byte that RIP points to, None if it is not marked.
    """

    line: int
    error: str
    registers: Mapping[str, int]
    segments: Mapping[str, tuple[int, int, int, int]]
    code: tuple[int | None, ...]
    code_at: int | None

    @property
    def efault(self) -> bool:
        """Whether KVM_RUN failed with EFAULT: the host could not resolve a page of the guest."""
        return self.error.startswith("Bad address")


@dataclass(frozen=True, slots=True)
class QemuLog:
    """All failed KVM_RUNs of a text, and the lines inside their dumps that could not be read (`malformed`)."""

    failures: tuple[KvmRunFailed, ...]
    malformed: tuple[Malformed, ...] = ()

    def df_failures(self) -> pd.DataFrame:
        """One row a failure: line int64, error, rip, cr2, cr3 UInt64, cpl Int64."""
        import pandas as pd

        cells = [(f.line, f.error, *(f.registers.get(n) for n in ("RIP", "CR2", "CR3", "CPL"))) for f in self.failures]
        frame = pd.DataFrame(cells, columns=["line", "error", "rip", "cr2", "cr3", "cpl"], dtype=object)
        return frame.astype(
            {"line": "int64", "error": "str", "rip": "UInt64", "cr2": "UInt64", "cr3": "UInt64", "cpl": "Int64"}
        )


def parse_qemu(text: str | bytes) -> QemuLog:
    """Find what QEMU printed about failed KVM_RUNs; other lines of its log are passed over.

    Args:
        text: the log, or a mail that quotes it.

    Source: accel/kvm/kvm-all.c and target/i386/cpu-dump.c of QEMU; public sample of 2024.

    >>> log = parse_qemu("error: kvm run failed Bad address\\nRIP=00007fb20bfc3f7f RFL=00010202 [-------] CPL=3\\n")
    >>> log.failures[0].efault, hex(log.failures[0].registers["RIP"]), log.failures[0].registers["CPL"]
    (True, '0x7fb20bfc3f7f', 3)
    """
    failures: list[KvmRunFailed] = []
    malformed: list[Malformed] = []
    registers: dict[str, int] = {}
    segments: dict[str, tuple[int, int, int, int]] = {}
    now: tuple[int, str] | None = None
    code: tuple[tuple[int | None, ...], int | None] | None = None

    def close() -> None:
        nonlocal now, registers, segments, code
        if now is not None:
            data, at = code if code is not None else ((), None)
            failures.append(KvmRunFailed(*now, registers, segments, data, at))
        now, registers, segments, code = None, {}, {}, None

    for number, line in numbered(text):
        plain = unquoted(line[:4096])
        if found := FAILED.search(plain):
            close()
            now = number, found[1]
        elif now is None or not plain:
            continue
        elif found := _SEGMENT.match(plain):
            segments[found[1]] = tuple(int(found[k], 16) for k in (2, 3, 4, 5))  # type: ignore[assignment]
        elif found := _TABLE.match(plain):
            segments[found[1]] = 0, int(found[2], 16), int(found[3], 16), 0
        elif plain.startswith("Code="):
            code = _code(plain)
            if code is None:
                malformed.append(Malformed(number, line, "expected bytes in hexadecimal behind `Code=`."))
            close()
        elif pairs := _REGISTER.findall(plain):
            registers |= {name: int(value, 16) for name, value in pairs}
        else:
            close()
    close()
    return QemuLog(tuple(failures), tuple(malformed))


def _code(plain: str) -> tuple[tuple[int | None, ...], int | None] | None:
    if not _CODE.match(plain):
        return None
    words = plain.removeprefix("Code=").split()
    at = next((k for k, word in enumerate(words) if word.startswith("<")), None)
    bare = [word.strip("<>") for word in words]
    return tuple(None if "?" in word else int(word, 16) for word in bare), at
