"""Neighbours in pfn against neighbours in hva: whether pages that a process has side by side lie side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Above so many pages arrays are worth loading numpy for.
_MANY: Final = 20_000


@dataclass(frozen=True, slots=True)
class Adjacency:
    """Whether pages that are neighbours for the process are neighbours in memory too.

    Args:
        pages: pages with a known hva.
        hva_neighbours: pairs of pages whose hvas follow each other.
        pfn_neighbours: pairs of pages whose pfns follow each other.
        both: pairs that do both, in the same direction.
        reversed: pairs that do both, in opposite directions.
    """

    pages: int
    hva_neighbours: int
    pfn_neighbours: int
    both: int
    reversed: int

    def __str__(self) -> str:
        return (
            f"{self.hva_neighbours} pairs of neighbours in hva: {self.both} are neighbours in pfn too, {self.reversed} "
            "the other way round"
        )


def adjacency(pfns: Sequence[int] | NDArray[np.uint64], hva_pages: Sequence[int] | NDArray[np.uint64]) -> Adjacency:
    """Count neighbours in pfn against neighbours in hva, whatever the order of the text.

    Args:
        pfns: pfn of each page.
        hva_pages: hva of each page divided by the page size, in the same order; of a page that is named twice the last
            pfn counts.

    Raises:
        ValueError: there are more of the ones than of the others.

    >>> adjacency([7, 8, 3], [0x100, 0x101, 0x102])
    Adjacency(pages=3, hva_neighbours=2, pfn_neighbours=1, both=1, reversed=0)
    >>> print(adjacency([8, 7], [0x100, 0x101]))
    1 pairs of neighbours in hva: 0 are neighbours in pfn too, 1 the other way round
    """
    if len(pfns) > _MANY:
        return _of_arrays(pfns, hva_pages)
    of_hva = {int(hva): int(pfn) for hva, pfn in zip(hva_pages, pfns, strict=True)}
    steps = [of_hva[hva + 1] - pfn for hva, pfn in of_hva.items() if hva + 1 in of_hva]
    distinct = {int(pfn) for pfn in pfns}
    following = sum(pfn + 1 in distinct for pfn in distinct)
    return Adjacency(len(of_hva), len(steps), following, steps.count(1), steps.count(-1))


def _of_arrays(pfns: Sequence[int] | NDArray[np.uint64], hva_pages: Sequence[int] | NDArray[np.uint64]) -> Adjacency:
    """The same for millions of pages."""
    import numpy as np

    given, hvas = np.asarray(pfns, np.uint64), np.asarray(hva_pages, np.uint64)
    if given.shape != hvas.shape:
        raise ValueError(f"{len(given)} pfns and {len(hvas)} hvas: every page needs both")
    order = np.argsort(hvas, kind="stable")
    last = np.ones(len(order), bool)
    np.not_equal(hvas[order][1:], hvas[order][:-1], out=last[:-1])
    hva, pfn = hvas[order][last], given[order][last]
    beside = hva[1:] - hva[:-1] == 1
    before, after = pfn[:-1][beside], pfn[1:][beside]
    distinct = np.unique(given)
    following = int((distinct[1:] - distinct[:-1] == 1).sum())
    return Adjacency(
        len(hva), int(beside.sum()), following, int((after == before + 1).sum()), int((after + 1 == before).sum())
    )
