"""/proc/buddyinfo: free blocks by node, zone and order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, numbered, u64, unquoted

if TYPE_CHECKING:
    import pandas as pd

_ROW = re.compile(r"Node +([0-9]{1,5}), +zone +(\S{1,32})(?: +(.*))?$")


@dataclass(frozen=True, slots=True)
class BuddyRow:
    """One line of /proc/buddyinfo.

    Args:
        node: NUMA node.
        zone: zone name, `DMA32`.
        nr_free: free blocks of order 0, 1, ...; blocks, not pages, without those on per-CPU lists.
        line: number of its line.
    """

    node: int
    zone: str
    nr_free: tuple[int, ...]
    line: int

    @property
    def free_pages(self) -> int:
        """Pages in all free blocks of this zone."""
        return sum(n << order for order, n in enumerate(self.nr_free))


@dataclass(frozen=True, slots=True)
class Buddyinfo:
    """All of a /proc/buddyinfo.

    Args:
        rows: one a zone, in the order of the text.
        malformed: the lines that are no such row.
    """

    rows: tuple[BuddyRow, ...]
    malformed: tuple[Malformed, ...] = ()

    def df_buddyinfo(self) -> pd.DataFrame:
        """One row a zone and order: node int16, zone str, order int8, nr_free uint64 (blocks), pages uint64."""
        import pandas as pd

        cells = [(r.node, r.zone, o, n, n << o) for r in self.rows for o, n in enumerate(r.nr_free)]
        frame = pd.DataFrame(cells, columns=["node", "zone", "order", "nr_free", "pages"])
        return frame.astype({"node": "int16", "order": "int8", "nr_free": "uint64", "pages": "uint64"})


def block_counts(text: str, width: int | None) -> tuple[tuple[int, ...], str | None]:
    """The block counts at the end of a line, and what is wrong with them (None if nothing is)."""
    words = text.split()
    values = [u64(w) for w in words]
    if not words or None in values:
        bad = next((w for w, v in zip(words, values, strict=True) if v is None), "nothing")
        return (), f"expected block counts, found {bad[:40]!r}."
    if width is not None and len(values) != width:
        return (), f"expected {width} orders as in the line before, found {len(values)}."
    if len(values) > 64 or any(v is not None and v << o > (1 << 64) - 1 for o, v in enumerate(values)):
        return (), "more orders or pages than 64 bits hold."
    return tuple(v for v in values if v is not None), None


def parse_buddyinfo(text: str | bytes) -> Buddyinfo:
    """Read /proc/buddyinfo; quoting and indentation of a mail are allowed.

    Args:
        text: the file.

    Source: mm/vmstat.c frag_show_print() (6.1, 6.12, 7.2).

    >>> info = parse_buddyinfo("Node 0, zone    DMA32      1      2      1 \\n")
    >>> info.rows[0].zone, info.rows[0].nr_free, info.rows[0].free_pages
    ('DMA32', (1, 2, 1), 9)
    """
    rows: list[BuddyRow] = []
    malformed: list[Malformed] = []
    width: int | None = None
    for number, line in numbered(text):
        plain = unquoted(line)
        if not plain:
            continue
        match = _ROW.match(plain)
        if match is None:
            malformed.append(Malformed(number, line, "expected `Node N, zone NAME` and block counts."))
            continue
        counts, wrong = block_counts(match[3] or "", width)
        if wrong is not None:
            malformed.append(Malformed(number, line, wrong))
            continue
        width = len(counts)
        rows.append(BuddyRow(int(match[1]), match[2], counts, number))
    return Buddyinfo(tuple(rows), tuple(malformed))
