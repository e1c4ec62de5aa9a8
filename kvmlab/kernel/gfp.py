"""Allocation masks (gfp_t) by kernel release: bits to the text that the kernel prints, and back."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from kvmlab.errors import KvmlabError, UnknownRelease
from kvmlab.kernel.release import KernelRelease, parse_version

# The oldest and newest release that the tables speak of; before 5.11 several bits had other numbers.
COVERED = ("5.11", "7.3")

GFP_MAX = (1 << 32) - 1


class GfpError(KvmlabError):
    """A mask or a text of flag names that cannot be an allocation mask of that release."""


@dataclass(frozen=True, slots=True)
class GfpTable:
    """Names, bits and print order of one release.

    Args:
        release: the release it was made for, `major.minor`.
        flags: bit value (u32) of each `__GFP_*` flag by name.
        masks: value of each composite mask by name.
        order: the names in the order in which the kernel tries them.
        read: whether every row was read in a source tree; False where a release of a change is from memory.
    """

    release: str
    flags: dict[str, int]
    masks: dict[str, int]
    order: tuple[str, ...]
    read: bool

    def value(self, name: str) -> int:
        """The bits that a name stands for, 0 bits excluded; raises `GfpError` for a name this release has not.

        >>> hex(gfp_table("6.12").value("GFP_HIGHUSER"))
        '0x100cc2'
        """
        found = self.flags.get(name, self.masks.get(name))
        if found is None:
            raise GfpError(f"{name!r} is not an allocation flag of {self.release}.")
        return found


def _rows(name: str) -> list[dict[str, str]]:
    text = files("kvmlab.kernel").joinpath(f"data/{name}").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def _holds(row: dict[str, str], version: tuple[int, ...]) -> bool:
    until = row["until"]
    return parse_version(row["since"]) <= version and (not until or version <= parse_version(until))


def _expand(expression: str, known: dict[str, int]) -> int:
    value = 0
    for name in expression.split("|"):
        value |= known[name]
    return value


@cache
def _table(version: tuple[int, int]) -> GfpTable:
    flag_rows = [r for r in _rows("gfp_flags.csv") if _holds(r, version)]
    mask_rows = [r for r in _rows("gfp_masks.csv") if _holds(r, version)]
    flags = {r["name"]: 1 << int(r["bit"]) for r in flag_rows}
    known = dict(flags)
    for row in mask_rows:
        known[row["name"]] = _expand(row["flags"], known)
    masks = {r["name"]: known[r["name"]] for r in mask_rows}
    (names,) = [r for r in _rows("gfp_names.csv") if _holds(r, version)]
    order = tuple(n for n in names["names"].split() if n in known)
    read = version in ((6, 1), (6, 12), (7, 3))
    return GfpTable(".".join(map(str, version)), flags, masks, order, read)


def gfp_table(release: str | KernelRelease) -> GfpTable:
    """The allocation flags of one kernel release.

    Args:
        release: a release as `uname -r` prints it, or `6.12`.

    Raises:
        UnknownRelease: the release has no numbers or is outside of `COVERED`.

    Source: include/linux/gfp_types.h and include/trace/events/mmflags.h of 6.1.192, 6.12.117 and 7.3.4.

    >>> hex(gfp_table("6.12.117+deb12-amd64").flags["__GFP_COMP"])
    '0x40000'
    """
    parsed = KernelRelease.parse(release) if isinstance(release, str) else release
    version = parsed.version
    if version is None or not parse_version(COVERED[0]) <= version[:2] <= parse_version(COVERED[1]):
        raise UnknownRelease(
            f"no table of allocation flags covers {parsed.text[:80]!r}; covered are {COVERED[0]} to {COVERED[1]}."
        )
    return _table((version[0], version[1]))


def gfp_text(mask: int, release: str | KernelRelease) -> str:
    """An allocation mask as that kernel prints it in trace events and page_owner.

    Args:
        mask: gfp_t, u32.
        release: the kernel release.

    Raises:
        GfpError: `mask` is not a u32.
        UnknownRelease: no table covers the release.

    Source: __print_flags and format_flags: names in table order, what is left as a number.

    >>> gfp_text(0x194dc2, "6.1")
    'GFP_HIGHUSER|__GFP_RETRY_MAYFAIL|__GFP_NORETRY|__GFP_ZERO|__GFP_NOMEMALLOC'
    >>> gfp_text(1 << 30, "6.1")
    '0x40000000'
    """
    if not 0 <= mask <= GFP_MAX:
        raise GfpError(f"{mask:#x} is not a 32-bit allocation mask.")
    table = gfp_table(release)
    if mask == 0:
        return "none"
    names = []
    left = mask
    for name in table.order:
        value = table.value(name)
        if left & value == value:
            names.append(name)
            left &= ~value
        if left == 0:
            break
    if left:
        names.append(f"{left:#x}")
    return "|".join(names)


def gfp_mask(text: str, release: str | KernelRelease) -> int:
    """The bits of an allocation mask from its printed text; the opposite of `gfp_text`.

    Args:
        text: names joined by `|`, numbers among them (`0x140cca`), or `none`.
        release: the kernel release.

    Raises:
        GfpError: a part is neither a flag name of that release nor a u32.
        UnknownRelease: no table covers the release.

    >>> hex(gfp_mask("GFP_HIGHUSER|__GFP_RETRY_MAYFAIL|__GFP_NORETRY|__GFP_ZERO|__GFP_NOMEMALLOC", "6.1"))
    '0x194dc2'
    """
    table = gfp_table(release)
    if text == "none":
        return 0
    mask = 0
    for part in text.split("|"):
        mask |= _number(part) if part[:1].isdigit() else table.value(part)
    return mask


def _number(text: str) -> int:
    try:
        value = int(text, 16 if text.startswith(("0x", "0X")) else 10) if len(text) <= 12 else -1
    except ValueError:
        value = -1
    if not 0 <= value <= GFP_MAX:
        raise GfpError(f"{text[:40]!r} is not a 32-bit allocation mask.")
    return value


def gfp_flag_names(mask: int, release: str | KernelRelease) -> tuple[str, ...]:
    """The single flags of a mask in the order of their bits; a bit without a name is `0x...`.

    >>> gfp_flag_names(0x104dc2, "6.12")[:3]
    ('__GFP_HIGHMEM', '__GFP_IO', '__GFP_FS')
    """
    if not 0 <= mask <= GFP_MAX:
        raise GfpError(f"{mask:#x} is not a 32-bit allocation mask.")
    by_bit = {value: name for name, value in gfp_table(release).flags.items()}
    return tuple(by_bit.get(1 << bit, f"{1 << bit:#x}") for bit in range(32) if mask >> bit & 1)
