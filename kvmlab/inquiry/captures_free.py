"""Free memory in captures: how broken up it is, with the number explained, and which runs of page frames are free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.shelf import CaptureSet
from kvmlab.inquiry.captures import need_flags
from kvmlab.kernel.kpf import BUDDY

if TYPE_CHECKING:
    import pandas as pd

    from kvmlab.capture.buddyinfo import Buddyinfo


@dataclass(frozen=True, slots=True)
class Fragmentation:
    """How broken up the free memory of one zone is, for requests of one order.

    Args:
        node, zone: the zone.
        order: order of the request.
        free_pages: free pages of the zone, without those on per-CPU lists.
        usable_pages: of these, pages in blocks of at least that order.
        blocks: requests of that order that the free lists could serve, one after the other.
    """

    node: int
    zone: str
    order: int
    free_pages: int
    usable_pages: int
    blocks: int

    @property
    def unusable_share(self) -> float | None:
        """Share of the free pages that lie in blocks too small for this order; None if nothing is free.

        0 means that all free memory can serve the order, 1 that none of it can. It is the kernel's "unusable free
        space index" (debugfs extfrag/unusable_index).
        """
        return None if not self.free_pages else 1 - self.usable_pages / self.free_pages

    def __str__(self) -> str:
        if self.unusable_share is None:
            return f"Node {self.node}, zone {self.zone}: nothing is free."
        return (
            f"Node {self.node}, zone {self.zone}: of {self.free_pages} free pages, "
            f"{self.free_pages - self.usable_pages} ({self.unusable_share:.1%}) lie in blocks below order {self.order} "
            f"and cannot serve a request of {1 << self.order} pages in one block; {self.blocks} such requests fit."
        )


def fragmentation_of(buddyinfo: Buddyinfo) -> tuple[Fragmentation, ...]:
    """The numbers of every zone and order of a /proc/buddyinfo.

    Args:
        buddyinfo: what was read.

    >>> from kvmlab.capture.buddyinfo import parse_buddyinfo
    >>> print(fragmentation_of(parse_buddyinfo("Node 0, zone DMA32 6 1 0 1"))[2])  # doctest: +NORMALIZE_WHITESPACE
    Node 0, zone DMA32: of 16 free pages, 8 (50.0%) lie in blocks below order 2 and cannot serve a request of 4 pages in
    one block; 2 such requests fit.
    """
    rows = []
    for row in buddyinfo.rows:
        for order in range(len(row.nr_free)):
            usable = sum(n << k for k, n in enumerate(row.nr_free) if k >= order)
            rows.append(Fragmentation(row.node, row.zone, order, row.free_pages, usable, usable >> order))
    return tuple(rows)


def fragmentation(captures: CaptureSet) -> pd.DataFrame:
    """How broken up free memory is, from the first /proc/buddyinfo of a set.

    `unusable_share` is the share of the free pages that lie in blocks too small for the order. Pages on per-CPU lists
    are not in buddyinfo; watermarks are not looked at: a request may fail although a block is there.

    Returns:
        node int16, zone, order int8, free_pages, usable_pages, blocks int64, unusable_share float64, and its meaning
        as a sentence.

    Raises:
        MissingInput: if the set has no buddyinfo.
    """
    import pandas as pd

    found = fragmentation_of(captures.need("buddyinfo", "fragmentation()")[1].value)
    cells = [(f.node, f.zone, f.order, f.free_pages, f.usable_pages, f.blocks, f.unusable_share, str(f)) for f in found]
    names = ["node", "zone", "order", "free_pages", "usable_pages", "blocks", "unusable_share", "meaning"]
    types = {"node": "int16", "order": "int8", "free_pages": "int64", "usable_pages": "int64", "blocks": "int64"}
    return pd.DataFrame(cells, columns=names).astype(types | {"unusable_share": "float64"})


def free_runs(captures: CaptureSet, *, at_least: int = 1) -> pd.DataFrame:
    """The runs of free page frames in kpageflags, with the largest block that each can hold.

    Observed is the BUDDY bit, which the kernel sets on every page of a free block. Pages on per-CPU lists are free
    too, but do not have it. That a run holds its largest aligned block in one piece is inferred: two neighbours that
    may not merge (different zones, pageblocks of types that do not mix) look the same.

    Args:
        captures: the recorded files.
        at_least: leave shorter runs out, in pages.

    Returns:
        first, last (inclusive), pages uint64, largest_order int8.

    Raises:
        MissingInput: if the set has no kpageflags.
    """
    import numpy as np

    from kvmlab.capture.kpage import free_blocks

    flags = need_flags(captures, "free_runs")
    runs = flags.runs(BUDDY, BUDDY).df_runs()[["first", "last", "pages"]]
    pfns, orders = free_blocks(flags)
    owner = np.searchsorted(runs["first"].to_numpy(), pfns, side="right") - 1
    largest = np.zeros(len(runs), dtype=np.int8)
    np.maximum.at(largest, owner, orders)
    runs = runs.assign(largest_order=largest)
    return runs[runs["pages"] >= at_least].reset_index(drop=True)
