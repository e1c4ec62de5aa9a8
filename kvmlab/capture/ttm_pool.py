"""TTM's debugfs files: the pools (`ttm/page_pool`, `dri/N/ttm_page_pool`) in every layout, and a shrink's output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, numbered, u64, unquoted

if TYPE_CHECKING:
    import pandas as pd

HEADER = re.compile(r"(?:-{1,8} ?[0-9]{1,3}-{1,8} *)+$")
_ORDER = re.compile(r"-{1,8} ?([0-9]{1,3})-{1,8}")
# `wc`, `uc 32`, `DMA wc`, `DMA`, `N0 uc` and a colon.
_ROW = re.compile(r"((?:wc|uc|DMA|N[0-9]{1,4})(?: (?:wc|uc|32|wc 32|uc 32))?)\s*: *([0-9 ]*)$")
_TOTAL = re.compile(r"total(?: node([0-9]{1,5}))?\s*: *([0-9]{1,20}) of +([0-9]{1,20})$")
_SHRINK = re.compile(r"(?:([0-9]{1,5}): )?([0-9]{1,20})/([0-9]{1,20})$")

# ttm_pool_debugfs_shrink_show prints these for an empty pool (SHRINK_EMPTY and SHRINK_STOP as unsigned long).
SHRINK_EMPTY = (1 << 64) - 2
SHRINK_STOP = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class PoolRow:
    """One pool: its label as printed (`wc`, `uc 32`, `DMA wc`, ...), blocks by order, and its line."""

    label: str
    blocks: tuple[int, ...]
    line: int

    @property
    def pages(self) -> int:
        """Pages in all its blocks."""
        return sum(n << order for order, n in enumerate(self.blocks))


@dataclass(frozen=True, slots=True)
class PoolTotal:
    """A `total` line: node (None before 7.2), pages in all pools, and the limit in pages."""

    node: int | None
    pages: int
    limit: int


@dataclass(frozen=True, slots=True)
class PagePool:
    """All of a page_pool file.

    Args:
        rows: the pools, in the order of the text.
        totals: the `total` lines.
        unused: whether the file says only `unused` (a device without pools of its own).
        malformed: the lines that are none of these.
    """

    rows: tuple[PoolRow, ...]
    totals: tuple[PoolTotal, ...]
    unused: bool = False
    malformed: tuple[Malformed, ...] = ()

    @property
    def pages(self) -> int:
        """Pages in all rows of this file."""
        return sum(row.pages for row in self.rows)

    @property
    def consistent(self) -> bool | None:
        """Whether the rows hold no more than the totals say; None without totals.

        The totals count every pool of the machine, so rows may hold less: a device's own pools are printed elsewhere.
        """
        return self.pages <= sum(t.pages for t in self.totals) if self.totals else None

    def df_page_pool(self) -> pd.DataFrame:
        """One row a pool and order: pool, order int8, blocks uint64, pages uint64."""
        import pandas as pd

        cells = [(r.label, o, n, n << o) for r in self.rows for o, n in enumerate(r.blocks)]
        frame = pd.DataFrame(cells, columns=["pool", "order", "blocks", "pages"])
        return frame.astype({"pool": "str", "order": "int8", "blocks": "uint64", "pages": "uint64"})


def parse_page_pool(text: str | bytes) -> PagePool:
    """Read /sys/kernel/debug/ttm/page_pool or dri/N/ttm_page_pool of any release.

    Args:
        text: the file.

    Source: drivers/gpu/drm/ttm/ttm_pool.c (5.11, 6.12, 7.2); captures of 6.12 and 7.3; public sample of 5.11.

    >>> text = "\\t  --- 0--- --- 1---\\nwc\\t:        3        2\\n\\ntotal\\t:        7 of   121507\\n"
    >>> pool = parse_page_pool(text)
    >>> pool.rows[0].blocks, pool.pages, pool.totals[0].pages
    ((3, 2), 7, 7)
    """
    rows: list[PoolRow] = []
    totals: list[PoolTotal] = []
    malformed: list[Malformed] = []
    unused, width = False, None
    for number, line in numbered(text):
        plain = unquoted(line)
        if not plain or plain.startswith(("$ ", "# ")):
            continue
        if len(plain) < 1024 and HEADER.match(plain):
            width = len(_ORDER.findall(plain))
        elif plain == "unused":
            unused = True
        elif found := _TOTAL.match(plain):
            totals.append(PoolTotal(None if found[1] is None else int(found[1]), int(found[2]), int(found[3])))
        elif found := _ROW.match(plain):
            values = [u64(word) for word in found[2].split()]
            if None in values or not values or len(values) > 32 or (width is not None and len(values) != width):
                malformed.append(Malformed(number, line, f"expected {width or 'some'} block counts, one an order."))
                continue
            rows.append(PoolRow(found[1], tuple(v for v in values if v is not None), number))
        else:
            malformed.append(Malformed(number, line, "expected a line of a TTM page_pool file."))
    return PagePool(tuple(rows), tuple(totals), unused, tuple(malformed))


@dataclass(frozen=True, slots=True)
class Shrink:
    """One line of page_pool_shrink: node (None before 7.x), pages counted and freed, None where the pool was empty."""

    node: int | None
    counted: int | None
    freed: int | None


@dataclass(frozen=True, slots=True)
class Shrinks:
    """All lines of page_pool_shrink outputs: `rows` in order, and what is `malformed`."""

    rows: tuple[Shrink, ...]
    malformed: tuple[Malformed, ...] = ()

    def df_shrinks(self) -> pd.DataFrame:
        """One row a line: node Int64, counted UInt64, freed UInt64 (pages; <NA> where the pool was empty)."""
        import pandas as pd

        cells = [(r.node, r.counted, r.freed) for r in self.rows]
        frame = pd.DataFrame(cells, columns=["node", "counted", "freed"], dtype=object)
        return frame.astype({"node": "Int64", "counted": "UInt64", "freed": "UInt64"})


def parse_page_pool_shrink(text: str | bytes) -> Shrinks:
    """Read what page_pool_shrink printed. Reading that file frees pages, so the capture script never does.

    Args:
        text: the output of one or more reads.

    >>> parse_page_pool_shrink("16381/1\\n18446744073709551614/18446744073709551615\\n").rows
    (Shrink(node=None, counted=16381, freed=1), Shrink(node=None, counted=None, freed=None))
    """
    rows: list[Shrink] = []
    malformed: list[Malformed] = []
    for number, line in numbered(text):
        plain = unquoted(line)
        found = _SHRINK.match(plain)
        if found is None:
            if plain:
                malformed.append(Malformed(number, line, "expected `counted/freed`."))
            continue
        counted, freed = u64(found[2]), u64(found[3])
        node = None if found[1] is None else int(found[1])
        rows.append(Shrink(node, None if counted == SHRINK_EMPTY else counted, None if freed == SHRINK_STOP else freed))
    return Shrinks(tuple(rows), tuple(malformed))
