"""The bits of /proc/kpageflags by kernel release: names, meaning and how sure the release is."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kvmlab.errors import UnknownRelease
from kvmlab.kernel.release import KernelRelease

# The releases whose fs/proc/page.c or captures were looked at; a newer kernel may give a bit another meaning.
COVERED = ((2, 6, 31), (7, 3))

BUDDY = 1 << 10
COMPOUND_HEAD = 1 << 15
COMPOUND_TAIL = 1 << 16
NOPAGE = 1 << 20
RESERVED = 1 << 32
ARCH = 1 << 38
UNCACHED = 1 << 39
ARCH_2 = 1 << 41


@dataclass(frozen=True, slots=True)
class KpfBit:
    """One bit of a kpageflags word.

    Args:
        bit: its number, 0 to 63.
        name: the name that tools/mm/page-types prints in its long form.
        symbol: the name in the kernel's headers.
        since: first release that has it.
        until: last release that has it, None if it is still there.
        meaning: what sets it.
        since_basis: `read` if `since` was read in source or seen in a capture, `memory` if it was not.
        source: where this is from.
    """

    bit: int
    name: str
    symbol: str
    since: str
    until: str | None
    meaning: str
    since_basis: str
    source: str

    def holds_in(self, version: tuple[int, ...]) -> bool:
        """Whether a kernel of `version` (numbers of the release) has this bit under this name."""
        if version < _version(self.since):
            return False
        until = None if self.until is None else _version(self.until)
        return until is None or version[: len(until)] <= until


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


@cache
def kpf_rows() -> tuple[KpfBit, ...]:
    """Every row of the table, in the order of the bits.

    >>> [row.symbol for row in kpf_rows() if row.bit == 34]
    ['KPF_MAPPEDTODISK', 'KPF_OWNER_2']
    """
    text = files("kvmlab.kernel").joinpath("data/kpageflags.csv").read_text(encoding="utf-8")
    return tuple(
        KpfBit(
            int(r["bit"]),
            r["name"],
            r["symbol"],
            r["since"],
            r["until"] or None,
            r["meaning"],
            r["since_basis"],
            r["source"],
        )
        for r in csv.DictReader(text.splitlines())
    )


@dataclass(frozen=True, slots=True)
class KpfLetter:
    """One place in a row of letters that tools/mm/page-types prints: the `bit`, its `letter` and its long `name`."""

    bit: int
    letter: str
    name: str


@cache
def page_types_letters() -> tuple[KpfLetter, ...]:
    """The letters in the order of their places; bits from 47 on are made by the tool and are no kernel ABI.

    >>> [row.letter for row in page_types_letters()][:3]
    ['L', 'E', 'R']
    """
    text = files("kvmlab.kernel").joinpath("data/kpf_letters.csv").read_text(encoding="utf-8")
    return tuple(KpfLetter(int(r["bit"]), r["letter"], r["name"]) for r in csv.DictReader(text.splitlines()))


@cache
def _by_bit(version: tuple[int, ...] | None) -> dict[int, str]:
    names: dict[int, set[str]] = {}
    for row in kpf_rows():
        if version is None or row.holds_in(version):
            names.setdefault(row.bit, set()).add(row.name)
    return {bit: next(iter(found)) for bit, found in names.items() if len(found) == 1}


def kpf_table(release: str | KernelRelease) -> dict[int, str]:
    """The names of the bits in one kernel, by bit number.

    Args:
        release: a release as `uname -r` prints it.

    Raises:
        UnknownRelease: if the release is not a version or is outside of `COVERED`.

    Source: include/uapi/linux/kernel-page-flags.h and include/linux/kernel-page-flags.h, fs/proc/page.c.

    >>> kpf_table("6.12.117+deb12-amd64")[34], kpf_table("6.1.0-56-amd64")[34]
    ('owner_2', 'mappedtodisk')
    """
    parsed = KernelRelease.parse(release) if isinstance(release, str) else release
    version = parsed.version
    low, high = COVERED
    if version is None or version < low or version[:2] > high:
        raise UnknownRelease(
            f"no kpageflags table covers the release {parsed.text!r}; covered are 2.6.31 to {high[0]}.{high[1]}."
        )
    return dict(_by_bit(version))


def kpf_names(value: int, release: str | KernelRelease | None = None) -> tuple[str, ...]:
    """The names of the bits set in a kpageflags word; a bit without one name is `bit_N`, never dropped.

    Args:
        value: the word, u64.
        release: the kernel that wrote it; without it, bits whose name depends on the release stay `bit_N`.

    Raises:
        UnknownRelease: if a release is given that the table does not cover.

    >>> kpf_names(0x400000400)
    ('buddy', 'bit_34')
    >>> kpf_names(0x400000400, "6.12.117")
    ('buddy', 'owner_2')
    """
    names = _by_bit(None) if release is None else kpf_table(release)
    return tuple(names.get(bit, f"bit_{bit}") for bit in range(value.bit_length()) if value >> bit & 1)
