"""A line of Unicode blocks for a terminal: where runs of pfns lie, and how full each stretch is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from kvmlab.inquiry.pfn_runs import PfnRun

_SHADES: Final = " ▁▂▃▄▅▆▇█"


def strip(runs: Sequence[PfnRun], width: int) -> str:
    """Draw runs as a line of Unicode blocks, at most `width` of them; one page is enough to be seen.

    >>> strip([PfnRun(0, 3), PfnRun(8, 8), PfnRun(15, 15)], 4)
    '█ ▁▁'
    """
    first, last = runs[0].first, runs[-1].last
    order = 0
    while (last >> order) - (first >> order) + 1 > width:
        order += 1
    cells = [0] * ((last >> order) - (first >> order) + 1)
    for run in runs:
        for cell in range(run.first >> order, (run.last >> order) + 1):
            start = max(run.first, cell << order)
            cells[cell - (first >> order)] += min(run.last, ((cell + 1) << order) - 1) - start + 1
    top = len(_SHADES) - 1
    return "".join(
        _SHADES[0 if not n else (top if not order else 1 + round((top - 1) * math.log2(n) / order))] for n in cells
    )
