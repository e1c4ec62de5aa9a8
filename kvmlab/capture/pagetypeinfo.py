"""/proc/pagetypeinfo: free blocks by migratetype, and pageblocks by migratetype."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.buddyinfo import block_counts
from kvmlab.capture.malformed import Malformed, numbered, u64, unquoted

if TYPE_CHECKING:
    import pandas as pd

_FREE = re.compile(r"Node +([0-9]{1,5}), +zone +(\S{1,32}), +type +(\S{1,32})(?: +(.*))?$")
_BLOCKS = re.compile(r"Node +([0-9]{1,5}), +zone +([^ \t,]{1,32})(?: +(.*))?$")
_ORDER = re.compile(r"Page block order: +([0-9]{1,3})$")
_PAGES = re.compile(r"Pages per block: +([0-9]{1,9})$")
_FREE_HEAD = "Free pages count per migrate type at order"
_HEADS = {"Number of blocks type": "blocks", "Number of mixed blocks": "mixed"}


@dataclass(frozen=True, slots=True)
class FreeRow:
    """Free blocks of one migratetype in one zone.

    Args:
        node, zone, migratetype: as printed.
        nr_free: free blocks of order 0, 1, ...
        capped: for each order, whether the kernel stopped counting (`>100000`) and `nr_free` is a lower bound.
        line: number of its line.
    """

    node: int
    zone: str
    migratetype: str
    nr_free: tuple[int, ...]
    capped: tuple[bool, ...]
    line: int


@dataclass(frozen=True, slots=True)
class BlockRow:
    """Pageblocks of one zone.

    Args:
        node, zone: as printed.
        kind: `blocks` (all pageblocks by type) or `mixed` (those that hold pages of another type; page_owner only).
        counts: pageblocks by migratetype, in the order of the header.
        line: number of its line.
    """

    node: int
    zone: str
    kind: str
    counts: tuple[tuple[str, int], ...]
    line: int


@dataclass(frozen=True, slots=True)
class Pagetypeinfo:
    """All of a /proc/pagetypeinfo.

    Args:
        pageblock_order: order of a pageblock (9 on x86-64), None if the line is missing.
        pages_per_block: pages of a pageblock, None if the line is missing.
        free: the free-block rows, in the order of the text.
        blocks: the pageblock rows.
        malformed: the lines that are neither.
    """

    pageblock_order: int | None
    pages_per_block: int | None
    free: tuple[FreeRow, ...]
    blocks: tuple[BlockRow, ...]
    malformed: tuple[Malformed, ...] = ()

    def df_pagetypeinfo(self) -> pd.DataFrame:
        """One row a zone, migratetype and order: node int16, order int8, nr_free uint64 (blocks), capped bool."""
        import pandas as pd

        cells = [
            (r.node, r.zone, r.migratetype, o, n, c)
            for r in self.free
            for o, (n, c) in enumerate(zip(r.nr_free, r.capped, strict=True))
        ]
        frame = pd.DataFrame(cells, columns=["node", "zone", "migratetype", "order", "nr_free", "capped"])
        return frame.astype({"node": "int16", "order": "int8", "nr_free": "uint64", "capped": "bool"})

    def df_pageblocks(self) -> pd.DataFrame:
        """One row a zone and migratetype: node int16, zone, kind, migratetype, pageblocks uint64."""
        import pandas as pd

        cells = [(r.node, r.zone, r.kind, name, n) for r in self.blocks for name, n in r.counts]
        frame = pd.DataFrame(cells, columns=["node", "zone", "kind", "migratetype", "pageblocks"])
        return frame.astype({"node": "int16", "pageblocks": "uint64"})


def parse_pagetypeinfo(text: str | bytes) -> Pagetypeinfo:
    """Read /proc/pagetypeinfo; a header may repeat (once a node on NUMA machines).

    Args:
        text: the file.

    Source: mm/vmstat.c pagetypeinfo_show() (6.1, 6.12, 7.2); captures for `>100000` and mixed blocks.

    >>> info = parse_pagetypeinfo("Node    0, zone      DMA, type    Movable      0 >100000 \\n")
    >>> info.free[0].nr_free, info.free[0].capped
    ((0, 100000), (False, True))
    """
    free: list[FreeRow] = []
    blocks: list[BlockRow] = []
    malformed: list[Malformed] = []
    order: int | None = None
    pages: int | None = None
    width: int | None = None
    types: tuple[str, ...] = ()
    kind: str | None = None
    for number, line in numbered(text):
        plain = unquoted(line)
        if not plain:
            continue
        if plain.startswith(_FREE_HEAD):
            width = len(plain[len(_FREE_HEAD) :].split()) or None
        elif found := _ORDER.match(plain):
            order = int(found[1])
        elif found := _PAGES.match(plain):
            pages = int(found[1])
        elif head := next((h for h in _HEADS if plain.startswith(h)), None):
            kind, types = _HEADS[head], tuple(plain[len(head) :].split())
        elif found := _FREE.match(plain):
            words = (found[4] or "").split()
            capped = tuple(w.startswith(">") for w in words)
            counts, wrong = block_counts(" ".join(w.removeprefix(">") for w in words), width)
            if wrong is not None:
                malformed.append(Malformed(number, line, wrong))
                continue
            width = len(counts)
            free.append(FreeRow(int(found[1]), found[2], found[3], counts, capped, number))
        elif (found := _BLOCKS.match(plain)) and kind is not None:
            values = [u64(w) for w in (found[3] or "").split()]
            if len(values) != len(types) or None in values:
                malformed.append(
                    Malformed(number, line, f"expected {len(types)} numbers, one a migratetype of the header.")
                )
                continue
            named = tuple((t, v) for t, v in zip(types, values, strict=True) if v is not None)
            blocks.append(BlockRow(int(found[1]), found[2], kind, named, number))
        else:
            malformed.append(Malformed(number, line, "expected a line of /proc/pagetypeinfo."))
    return Pagetypeinfo(order, pages, tuple(free), tuple(blocks), tuple(malformed))
