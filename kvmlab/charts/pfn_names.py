"""Where the pages of a stretch are named: what a mark says when it is pointed at, so that it leads back to a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

# Beyond so many pairs of entry and stretch an entry counts only where it begins.
_MOST_PAIRS: Final = 1 << 22


def names_in(
    first: NDArray[np.uint64], last: NDArray[np.uint64], lines: pd.DataFrame
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each of some stretches of pfns how often its pages are named, and the first line that does.

    Args:
        first, last: the stretches, ascending and apart, both ends inside.
        lines: `pfn`, `last` (uint64, inside) and `line` (int64), as `kvmlab.inquiry.pfn_sources` gives them.

    Returns:
        how many entries touch it, and the lowest of their lines (-1 where there is none).
    """
    import numpy as np

    low, high, line = (lines[name].to_numpy() for name in ("pfn", "last", "line"))
    begin = last.searchsorted(low)
    touched = np.maximum(first.searchsorted(high, side="right").astype(np.int64) - begin, 0)
    if int(touched.sum()) > _MOST_PAIRS:
        touched = np.minimum(touched, 1)
    entry = np.repeat(np.arange(len(low)), touched)
    place = np.repeat(begin - (np.cumsum(touched) - touched), touched) + np.arange(len(entry))
    counts = np.bincount(place, minlength=len(first)).astype(np.int64)
    lowest = np.full(len(first), np.iinfo(np.int64).max)
    np.minimum.at(lowest, place, line[entry])
    return counts, np.where(counts > 0, lowest, -1)


def named_text(count: int, line: int) -> str:
    """What to say of it, empty where nothing names the stretch.

    >>> named_text(1, 60), named_text(3, 60), named_text(0, -1)
    ('line 60 of the source', 'named 3 times, first in line 60 of the source', '')
    """
    if count == 0:
        return ""
    return f"line {line} of the source" if count == 1 else f"named {count:,} times, first in line {line} of the source"
