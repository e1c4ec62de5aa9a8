"""Sets of pfns like those of a large storm or capture: runs of geometric length anywhere in the span."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kvmlab.inquiry.pfn_ranges import PfnRanges, pfn_ranges


def storm(pages: int, *, span: int = 1 << 26, mean: int = 300, seed: int = 11) -> PfnRanges:
    """About `pages` pages in runs of `mean` pages on average.

    Args:
        pages: how many pages are wanted.
        span: pfns are below this one; 2**26 is 256 GiB.
        mean: pages of a run.
        seed: of the random generator.
    """
    random = np.random.default_rng(seed)
    first = np.sort(random.integers(0, span, max(1, pages // mean)))
    return pfn_ranges(first, last=first + random.geometric(1 / mean, len(first)) - 1, source="made up", kernel="6.12")


def single_pfns(ranges: PfnRanges) -> NDArray[np.uint64]:
    """Every pfn of a set, one by one, in a random order as a storm may report them."""
    sizes = (ranges.last - ranges.first + np.uint64(1)).astype(np.int64)
    offsets = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    pfns: NDArray[np.uint64] = np.repeat(ranges.first, sizes) + offsets.astype(np.uint64)
    np.random.default_rng(3).shuffle(pfns)
    return pfns


def lines_of(ranges: PfnRanges) -> pd.DataFrame:
    """A line for every run, as a capture of that many blocks would have."""
    lines = np.arange(1, len(ranges) + 1, dtype=np.int64)
    return pd.DataFrame({"pfn": ranges.first, "last": ranges.last, "line": lines, "what": "a block"})
