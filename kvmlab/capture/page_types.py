"""What tools/mm/page-types prints: ranges or single pages with flag letters, and the summary by flags."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, hex_u64, numbered, u64
from kvmlab.kernel.kpf import page_types_letters

if TYPE_CHECKING:
    import pandas as pd

HEADER = re.compile(r"(?:(voffset|foffset)\t)?(?:(cgroup)\t)?(?:(map-cnt)\t)?offset\t(len\t)?flags$")
_SUMMARY_HEAD = re.compile(r"\s*flags\s+page-count\s+MB\s+symbolic-flags")
_SUMMARY = re.compile(r"(0x[0-9a-f]{16})\s+([0-9]{1,20})\s+([0-9]{1,20})\s+(\S{1,64})(?:\s+(\S{1,999}))?$")
_TOTAL = re.compile(r"total\s+([0-9]{1,20})\s+([0-9]{1,20})$")


@dataclass(frozen=True, slots=True)
class TypeRange:
    """A run of pages with the same flags.

    Args:
        line: number of its line.
        voffset: first virtual page (or file page) number, None without `-p` or `-f`.
        first: first pfn.
        pages: how many.
        flags: the flag word as far as the letters say it, u64; None if a letter is not where this tool would print it.
        letters: the letters as printed.
    """

    line: int
    voffset: int | None
    first: int
    pages: int
    flags: int | None
    letters: str


@dataclass(frozen=True, slots=True)
class TypeCount:
    """One line of the summary: flag word (u64), pages, and the long names as printed."""

    line: int
    flags: int
    pages: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PageTypes:
    """All of a page-types output: `ranges` of a listing, `counts` and `total` of the summary, what is `malformed`."""

    ranges: tuple[TypeRange, ...]
    counts: tuple[TypeCount, ...]
    total: int | None
    malformed: tuple[Malformed, ...] = ()

    def df_ranges(self) -> pd.DataFrame:
        """One row a run: line, voffset, first, last (inclusive), pages, flags as 64-bit numbers, letters."""
        import pandas as pd

        cells = [(r.line, r.voffset, r.first, r.first + r.pages - 1, r.pages, r.flags, r.letters) for r in self.ranges]
        names = ["line", "voffset", "first", "last", "pages", "flags", "letters"]
        types = {"line": "int64", "voffset": "UInt64", "first": "uint64", "last": "uint64", "pages": "uint64"}
        return pd.DataFrame(cells, columns=names, dtype=object).astype(types | {"flags": "UInt64", "letters": "str"})

    def df_counts(self) -> pd.DataFrame:
        """One row a flag word: line int64, flags uint64, pages uint64, names (text)."""
        import pandas as pd

        cells = [(c.line, c.flags, c.pages, ",".join(c.names)) for c in self.counts]
        frame = pd.DataFrame(cells, columns=["line", "flags", "pages", "names"])
        return frame.astype({"line": "int64", "flags": "uint64", "pages": "uint64", "names": "str"})


def letters_to_flags(letters: str) -> int | None:
    """The flag word that a row of letters stands for; None if a letter stands in a place that is not its own.

    Two letters name two bits each (H and d, I, A, E): the place tells them apart.

    >>> hex(letters_to_flags("__RU_l"))
    '0x2c'
    """
    places = page_types_letters()
    if len(letters) > len(places):
        return None
    flags = 0
    for place, found in zip(places, letters, strict=False):
        if found == place.letter:
            flags |= 1 << place.bit
        elif found != "_":
            return None
    return flags


def parse_page_types(text: str | bytes) -> PageTypes:
    """Read the output of page-types: `-l`, `-L`, with and without `-p` or `-r`, and the summary.

    Args:
        text: the file.

    Source: tools/mm/page-types.c (6.12).

    >>> listing = "offset\\tlen\\tflags\\n2d3a\\t1\\t__RU_l\\n\\n"
    >>> parse_page_types(listing).ranges[0].first
    11578
    """
    ranges: list[TypeRange] = []
    counts: list[TypeCount] = []
    malformed: list[Malformed] = []
    columns: tuple[str, ...] | None = None
    total: int | None = None
    for number, line in numbered(text):
        plain = line.strip()
        if not plain:
            continue
        if head := HEADER.match(plain):
            columns = tuple(filter(None, (*(head[k] for k in (1, 2, 3)), "offset", (head[4] or "").strip(), "flags")))
        elif _SUMMARY_HEAD.match(line):
            columns = None
        elif found := _SUMMARY.match(plain):
            names = tuple(filter(None, (found[5] or "").split(",")))
            counts.append(TypeCount(number, int(found[1], 16), u64(found[2]) or 0, names))
        elif found := _TOTAL.match(plain):
            total = u64(found[1])
        elif columns is not None and (row := _range(number, plain.split("\t"), columns)) is not None:
            ranges.append(row)
        else:
            malformed.append(Malformed(number, line, "expected a line of page-types."))
    return PageTypes(tuple(ranges), tuple(counts), total, tuple(malformed))


def _range(number: int, cells: list[str], columns: tuple[str, ...]) -> TypeRange | None:
    if len(cells) != len(columns):
        return None
    cell = dict(zip(columns, cells, strict=True))
    first, pages = hex_u64(cell["offset"]), hex_u64(cell.get("len", "1"))
    voffset = cell.get("voffset", cell.get("foffset"))
    place = None if voffset is None else hex_u64(voffset)
    if first is None or not pages or (voffset is not None and place is None) or first + pages > 1 << 64:
        return None
    return TypeRange(number, place, first, pages, letters_to_flags(cell["flags"]), cell["flags"])
