"""Which pfns stand together: runs, gaps, alignment, the largest order that fits, pageblocks, zones, holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kvmlab.inquiry.pfn_runs import LARGEST_PFN, MAX_ORDER, PAGEBLOCK_ORDER, PfnError, PfnRun

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

_MOST_BLOCKS: Final = 1 << 24
_DENSE: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class PfnRanges:
    """The runs of a set of pfns, however it came about: reports, a capture or a simulation.

    Args:
        first, last: the runs, in order, both ends inside (uint64).
        given: pages that were given, repeated ones counted each time.
        source: case or file that they came from.
        kernel: release text.
    """

    first: NDArray[np.uint64]
    last: NDArray[np.uint64]
    given: int
    source: str | None = None
    kernel: str | None = None

    @classmethod
    def of_blocks(
        cls, pfn: ArrayLike, order: ArrayLike, *, source: str | None = None, kernel: str | None = None
    ) -> PfnRanges:
        """The runs of blocks, as the page allocator or the TTM pool hands them out, in the model or in a capture.

        Args:
            pfn: first pfn of each block.
            order: order of each block.
            source: case or file that they came from, for captions.
            kernel: release text, for captions.

        >>> PfnRanges.of_blocks([0x100, 0x180], [7, 0]).pages
        129
        """
        import numpy as np

        starts = _checked(pfn)
        sizes = np.uint64(1) << np.atleast_1d(np.asarray(order)).astype(np.uint64)
        last = starts + sizes[: len(starts)] - np.uint64(1)
        return pfn_ranges(starts, last=last, source=source, kernel=kernel)

    def __len__(self) -> int:
        return len(self.first)

    @property
    def pages(self) -> int:
        """Distinct pages."""
        return int((self.last - self.first).sum()) + len(self)

    @property
    def span(self) -> PfnRun | None:
        """From the lowest to the highest pfn, None if there is none."""
        return PfnRun(int(self.first[0]), int(self.last[-1])) if len(self) else None

    def run_of(self, pfn: int) -> PfnRun | None:
        """The run that holds a pfn, None if none does."""
        at = int(self.first.searchsorted(pfn, side="right")) - 1
        if at < 0 or pfn > int(self.last[at]):
            return None
        return PfnRun(int(self.first[at]), int(self.last[at]))

    def between(self, first: int, last: int) -> PfnRanges:
        """What of it lies between two pfns, both inside."""
        import numpy as np

        low, high = int(self.last.searchsorted(first)), int(self.first.searchsorted(last, side="right"))
        starts = np.maximum(self.first[low:high], np.uint64(first))
        ends = np.minimum(self.last[low:high], np.uint64(last))
        pages = int((ends - starts).sum()) + len(starts)
        return PfnRanges(starts, ends, pages, self.source, self.kernel)

    def df_runs(self, *, max_order: int = MAX_ORDER) -> pd.DataFrame:
        """One row a run: `first`, `last`, `pages`, `gap` (pages to the run before), `alignment` and `largest_order`.

        Args:
            max_order: no order above this one is looked for (MAX_PAGE_ORDER, 10 on x86).
        """
        import numpy as np
        import pandas as pd

        gap = np.zeros(len(self), np.uint64)
        gap[1:] = self.first[1:] - self.last[:-1] - np.uint64(1)
        alignment, largest = np.zeros(len(self), np.int8), np.zeros(len(self), np.int8)
        for order in range(1, max_order + 1):
            mask = np.uint64((1 << order) - 1)
            alignment[self.first & mask == 0] = order
            start = (self.first + mask) & ~mask
            largest[start + mask <= self.last] = order
        frame = pd.DataFrame(
            {
                "first": self.first,
                "last": self.last,
                "pages": self.last - self.first + np.uint64(1),
                "gap": gap,
                "alignment": alignment,
                "largest_order": largest,
            }
        )
        frame.attrs = {"source": self.source, "kernel": self.kernel}
        return frame

    def df_pageblocks(self, *, order: int = PAGEBLOCK_ORDER) -> pd.DataFrame:
        """One row a touched block of `2**order` pages: `pfn` (its first), `pages` (of the set in it), `share` (0 to 1).

        Args:
            order: size of a block; 9 is the pageblock of x86.

        Raises:
            PfnError: more than sixteen million blocks are touched; ask with a larger order.
        """
        import numpy as np
        import pandas as pd

        low, high = self.first >> np.uint64(order), self.last >> np.uint64(order)
        touched = (high - low).astype(np.int64) + 1
        total = int(touched.sum())
        if total > _MOST_BLOCKS:
            raise PfnError(
                f"{total} blocks of order {order} are touched, more than {_MOST_BLOCKS}: ask with a larger order"
            )
        run = np.repeat(np.arange(len(self)), touched)
        block = low[run] + (np.arange(total) - np.repeat(np.cumsum(touched) - touched, touched)).astype(np.uint64)
        start = block << np.uint64(order)
        inside = np.minimum(self.last[run], start + np.uint64((1 << order) - 1)) - np.maximum(self.first[run], start)
        opens = np.flatnonzero(np.diff(block, prepend=np.uint64(LARGEST_PFN)) != 0)
        pages = np.add.reduceat(inside + np.uint64(1), opens) if total else inside
        frame = pd.DataFrame({"pfn": start[opens], "pages": pages, "share": pages / float(1 << order)})
        frame.attrs = {"source": self.source, "kernel": self.kernel}
        return frame

    def below(self, edges: ArrayLike) -> NDArray[np.uint64]:
        """How many of the pages lie below each edge (uint64), for any number of edges at once.

        Args:
            edges: pfns in any order.
        """
        import numpy as np

        marks = np.asarray(edges, np.uint64)
        if not len(self):
            return np.zeros(marks.shape, np.uint64)
        before = np.concatenate(([0], np.cumsum(self.last - self.first + np.uint64(1)))).astype(np.uint64)
        at = self.first.searchsorted(marks, side="right")
        run = np.maximum(at, 1) - 1
        beyond = np.where(marks > self.last[run], self.last[run] + np.uint64(1) - marks, np.uint64(0))
        inside = marks - self.first[run] + beyond
        return np.where(at > 0, before[run] + inside, np.uint64(0))

    def count_in(self, spans: Sequence[tuple[int, int]]) -> list[int]:
        """How many of the pages lie in each span of pfns, both ends inside."""
        return [self.between(first, last).pages for first, last in spans]


def pfn_ranges(
    pfns: ArrayLike,
    *,
    last: ArrayLike | None = None,
    source: str | None = None,
    kernel: str | None = None,
) -> PfnRanges:
    """The runs of a set of pfns, given singly or as blocks.

    Args:
        pfns: pfns in any order, repeated or not; the first pfns of blocks if `last` is given.
        last: the last pfns of the blocks, inside.
        source: case or file that they came from, for captions.
        kernel: release text, for captions.

    Raises:
        PfnError: a number is negative, above 2**52 - 1 or not whole, or a block ends before it begins.

    >>> ranges = pfn_ranges([7, 3, 4, 4, 9])
    >>> ranges.pages, ranges.given, len(ranges), ranges.run_of(4)
    (4, 5, 3, PfnRun(first=3, last=4))
    """
    import numpy as np

    starts = _checked(pfns)
    ends = starts if last is None else _checked(last)
    if ends is not starts and (starts.shape != ends.shape or bool(np.any(ends < starts))):
        raise PfnError("every block needs a first and a last pfn, and the last may not lie before the first")
    given = len(starts) + (0 if ends is starts else int((ends - starts).sum()))
    if len(starts) and bool(np.any(starts[1:] < starts[:-1])):
        if ends is starts and int(starts.max() - starts.min()) <= _DENSE * len(starts):
            first, stop = _runs_by_marking(starts)
            return PfnRanges(first, stop, given, source, kernel)
        if ends is starts:
            starts = ends = np.sort(starts)
        else:
            order = np.argsort(starts, kind="stable")
            starts, ends = starts[order], ends[order]
    reach = ends if ends is starts else np.maximum.accumulate(ends)
    opens = np.ones(len(starts), bool)
    np.greater(starts[1:], reach[:-1] + np.uint64(1), out=opens[1:])
    at = np.flatnonzero(opens)
    closes = np.append(at[1:], len(starts)) - 1 if len(at) else at
    return PfnRanges(starts[at], reach[closes], given, source, kernel)


def _runs_by_marking(pfns: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Runs of many pfns that lie close together: a byte a page is marked, which is five times as fast as sorting."""
    import numpy as np

    low = pfns.min()
    marked = np.zeros(int(pfns.max() - low) + 3, np.bool_)
    marked[pfns - low + np.uint64(1)] = True
    turns = np.flatnonzero(marked[1:] != marked[:-1]).astype(np.uint64) + low
    return turns[0::2], turns[1::2] - np.uint64(1)


def _checked(numbers: Any) -> NDArray[np.uint64]:
    import numpy as np

    array = np.atleast_1d(np.asarray(numbers))
    if array.size == 0:
        return np.zeros(0, np.uint64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise PfnError(f"pfns are whole numbers in one row, got {array.dtype} in {array.ndim} dimensions")
    if array.dtype.kind == "i" and int(array.min()) < 0:
        raise PfnError(f"a pfn is not negative, got {int(array.min())}")
    if int(array.max()) > LARGEST_PFN:
        raise PfnError(f"a pfn is at most {LARGEST_PFN:#x}, got {int(array.max()):#x}")
    return array.astype(np.uint64, copy=False)
