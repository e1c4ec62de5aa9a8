"""/proc/iomem: what lies at which physical address, and which pfns are RAM."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, hex_u64, numbered

if TYPE_CHECKING:
    import pandas as pd

PAGE_SHIFT = 12
_LINE = re.compile(r"([ \t>]*)([0-9a-fA-F]{1,16})-([0-9a-fA-F]{1,16}) : (.*)$")


@dataclass(frozen=True, slots=True)
class Resource:
    """One line of /proc/iomem.

    Args:
        start: first physical address, u64.
        end: last physical address, inclusive, u64.
        depth: nesting, 0 for the outermost.
        name: as printed.
        line: number of its line.
    """

    start: int
    end: int
    depth: int
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class PfnRange:
    """A run of page frames: `first` to `last`, both inclusive."""

    first: int
    last: int

    @property
    def pages(self) -> int:
        """How many pages it holds."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Iomem:
    """All of a /proc/iomem.

    Args:
        resources: in the order of the text.
        malformed: the lines that are no resource.
    """

    resources: tuple[Resource, ...]
    malformed: tuple[Malformed, ...] = ()

    @property
    def hidden(self) -> bool:
        """Whether the kernel hid the addresses (all zero: the reader lacked CAP_SYS_ADMIN)."""
        return bool(self.resources) and all(r.start == 0 and r.end == 0 for r in self.resources)

    def ram(self) -> tuple[PfnRange, ...]:
        """The whole page frames of `System RAM`, ascending; a frame that is RAM only in part is left out.

        Raises nothing; it is empty if the addresses are hidden.
        """
        if self.hidden:
            return ()
        runs: list[PfnRange] = []
        for r in sorted((r for r in self.resources if r.name == "System RAM"), key=lambda r: r.start):
            first, last = (r.start + 0xFFF) >> PAGE_SHIFT, ((r.end + 1) >> PAGE_SHIFT) - 1
            if last >= first:
                runs.append(PfnRange(first, last))
        return tuple(runs)

    def df_iomem(self) -> pd.DataFrame:
        """One row a resource: start, end (inclusive) uint64, depth int8, name, first_pfn, last_pfn uint64."""
        import pandas as pd

        cells = [(r.start, r.end, r.depth, r.name, r.start >> PAGE_SHIFT, r.end >> PAGE_SHIFT) for r in self.resources]
        frame = pd.DataFrame(cells, columns=["start", "end", "depth", "name", "first_pfn", "last_pfn"])
        return frame.astype(
            {"start": "uint64", "end": "uint64", "depth": "int8", "first_pfn": "uint64", "last_pfn": "uint64"}
        )


def parse_iomem(text: str | bytes) -> Iomem:
    """Read /proc/iomem.

    Args:
        text: the file.

    Source: kernel/resource.c r_show(): two blanks a level of nesting.

    >>> iomem = parse_iomem("00001000-0009fbff : System RAM\\n  01000000-017fffff : Kernel code\\n")
    >>> iomem.ram()
    (PfnRange(first=1, last=158),)
    """
    resources: list[Resource] = []
    malformed: list[Malformed] = []
    for number, line in numbered(text):
        if not line.strip("> \t"):
            continue
        match = _LINE.match(line.rstrip())
        start, end = (None, None) if match is None else (hex_u64(match[2]), hex_u64(match[3]))
        if match is None or start is None or end is None or end < start:
            malformed.append(
                Malformed(number, line, "expected `start-end : name` in hexadecimal, end not below start.")
            )
            continue
        depth = min(len(match[1].replace(">", "").expandtabs(2)) // 2, 127)
        resources.append(Resource(start, end, depth, match[4], number))
    return Iomem(tuple(resources), tuple(malformed))
