"""Title lines written from numbers by compiled code, for frames of many rows."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def write_titles(heads, head_offsets, which, pfns, digits, offsets, out):  # type: ignore[no-untyped-def]
    """Writes title after title: a head, then the pfn with so many digits.

    Args:
        heads, head_offsets: the different heads one behind the other (uint8), and where each begins.
        which: number of the head of each title.
        pfns, digits: of each title.
        offsets: where each title begins in `out`.
    """
    for i in range(len(which)):
        at = offsets[i]
        for k in range(head_offsets[which[i]], head_offsets[which[i] + 1]):
            out[at] = heads[k]
            at += 1
        for k in range(digits[i] - 1, -1, -1):
            value = np.uint8((pfns[i] >> np.uint64(4 * k)) & np.uint64(15))
            out[at] = value + np.uint8(48 if value < 10 else 87)
            at += 1
