"""Who an allocation may come from, told by its order, migratetype and flags: rows with their certainty and source."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# Functions that only TTM's allocation path has; one of them in a stack settles the question.
TTM_FUNCTIONS = frozenset(
    ("ttm_pool_alloc", "__ttm_pool_alloc", "ttm_pool_alloc_page", "ttm_tt_populate", "amdgpu_ttm_tt_populate")
)


@dataclass(frozen=True, slots=True)
class AllocationSignature:
    """One row: which allocations look like one caller's.

    Args:
        name: its name.
        who: the caller that it stands for.
        orders: first and last order that it covers.
        mt: migratetype of the request (0 is Unmovable).
        all_of: flag names that must all be printed.
        one_of: flag names of which one must be printed.
        none_of: flag names that must not be printed.
        certainty: `signature` if nobody else in the kernel is known to ask like this, `possible` if others do.
        source: where this is from.
    """

    name: str
    who: str
    orders: tuple[int, int]
    mt: int
    all_of: frozenset[str]
    one_of: frozenset[str]
    none_of: frozenset[str]
    certainty: str
    source: str

    def covers(self, order: int, mt: int, flags: frozenset[str]) -> bool:
        """Whether an allocation looks like this.

        Args:
            order: its order.
            mt: its migratetype.
            flags: names in its mask, as printed.
        """
        low, high = self.orders
        if not low <= order <= high or mt != self.mt or flags & self.none_of or not self.all_of <= flags:
            return False
        return not self.one_of or bool(flags & self.one_of)


@cache
def allocation_signatures() -> tuple[AllocationSignature, ...]:
    """Every row of the table, the surest first."""
    text = files("kvmlab.kernel").joinpath("data/events_signatures.csv").read_text(encoding="utf-8")
    rows = []
    for r in csv.DictReader(text.splitlines()):
        all_of, one_of, none_of = (frozenset(r[key].split()) for key in ("all_of", "one_of", "none_of"))
        orders = int(r["order_from"]), int(r["order_to"])
        rows.append(
            AllocationSignature(
                r["name"], r["who"], orders, int(r["mt"]), all_of, one_of, none_of, r["certainty"], r["source"]
            )
        )
    return tuple(sorted(rows, key=lambda row: row.certainty != "signature"))


def ttm_certainty(order: int, mt: int, gfp: str, stack: tuple[str, ...] = ()) -> str | None:
    """How sure it is that TTM's page pool made an allocation: `stack`, `signature`, `possible`, or None.

    Args:
        order: its order.
        mt: its migratetype.
        gfp: its mask as names, as the kernel prints it.
        stack: symbols of its stack, offsets allowed, innermost first; with a stack, only the stack counts.

    >>> ttm_certainty(9, 0, "GFP_HIGHUSER|__GFP_NOWARN|__GFP_NORETRY|__GFP_NOMEMALLOC|__GFP_THISNODE")
    'signature'
    >>> ttm_certainty(0, 0, "GFP_HIGHUSER", ("alloc_pages+0x1/0x2", "ttm_pool_alloc+0x3/0x4"))
    'stack'
    """
    if stack:
        return "stack" if any(frame.split("+")[0].split(" ")[0] in TTM_FUNCTIONS for frame in stack) else None
    flags = frozenset(gfp.split("|"))
    return next((s.certainty for s in allocation_signatures() if s.covers(order, mt, flags)), None)
