"""Neighbouring pfns as runs, in plain Python: enough for the reports of a log, and for the browser build."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kvmlab.errors import KvmlabError

MAX_ORDER: Final = 10
PAGEBLOCK_ORDER: Final = 9
LARGEST_PFN: Final = (1 << 52) - 1


class PfnError(KvmlabError):
    """Numbers that cannot be pfns, or a question that would need too many rows."""


@dataclass(frozen=True, slots=True)
class PfnRun:
    """Neighbouring pfns without a hole: `first` to `last`, both inside."""

    first: int
    last: int

    @property
    def pages(self) -> int:
        """How many pages it has.

        >>> PfnRun(0x2d3a, 0x2d3b).pages
        2
        """
        return self.last - self.first + 1

    def largest_order(self, most: int = MAX_ORDER) -> int:
        """The largest order of which one naturally aligned block lies inside.

        >>> PfnRun(0x100, 0x1ff).largest_order(), PfnRun(0x101, 0x1ff).largest_order(), PfnRun(7, 7).largest_order()
        (8, 7, 0)
        """
        for order in range(most, 0, -1):
            start = -(-self.first >> order) << order
            if start + (1 << order) - 1 <= self.last:
                return order
        return 0

    def alignment(self, most: int = MAX_ORDER) -> int:
        """The largest order at which a block could begin where it begins.

        >>> PfnRun(0x100, 0x1ff).alignment(), PfnRun(0x101, 0x1ff).alignment(), PfnRun(0, 0).alignment()
        (8, 0, 10)
        """
        return most if not self.first else min(most, (self.first & -self.first).bit_length() - 1)


def pfn_runs(pfns: Iterable[int]) -> tuple[PfnRun, ...]:
    """The runs of a few pfns, in order, without any library; `pfn_ranges` does it for millions.

    >>> [(run.first, run.last) for run in pfn_runs([7, 3, 4, 4, 9])]
    [(3, 4), (7, 7), (9, 9)]
    """
    runs: list[list[int]] = []
    for pfn in sorted(set(pfns)):
        if runs and runs[-1][1] + 1 == pfn:
            runs[-1][1] = pfn
        else:
            runs.append([pfn, pfn])
    return tuple(PfnRun(first, last) for first, last in runs)
