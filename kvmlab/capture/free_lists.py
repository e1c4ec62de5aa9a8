"""The free lists of the page allocator in list order, as the lab's module writes them just before an allocation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.malformed import Malformed, hex_u64, numbered

if TYPE_CHECKING:
    import pandas as pd

HEAD = re.compile(
    r"free_lists node ([0-9]{1,5}) time_ns ([0-9]{1,19}) cpu (-?[0-9]{1,6}) blocks ([0-9]{1,12}) lost ([0-9]{1,12})$"
)
_ZONE = re.compile(
    r"zone (\S{1,32}) start ([0-9a-f]{1,16}) spanned ([0-9]{1,18}) managed ([0-9]{1,18}) free ([0-9]{1,18})"
    r" min ([0-9]{1,18}) low ([0-9]{1,18}) high ([0-9]{1,18})$"
)
_LIST = re.compile(r"list zone (\S{1,32}) order ([0-9]{1,2}) type (\S{1,32}) blocks ([0-9]{1,12}):(.*)$")
_PCP = re.compile(
    r"pcp zone (\S{1,32}) cpu ([0-9]{1,6}) order ([0-9]{1,2}) type (\S{1,32})"
    r" count (-?[0-9]{1,9}) high (-?[0-9]{1,9}) batch (-?[0-9]{1,9}) blocks ([0-9]{1,12}):(.*)$"
)


@dataclass(frozen=True, slots=True)
class ListZone:
    """A zone: name, first pfn, and its sizes and watermarks in pages."""

    zone: str
    start_pfn: int
    spanned: int
    managed: int
    free: int
    min: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class FreeList:
    """One list of free blocks, head first.

    Args:
        zone: zone name.
        cpu: CPU of a per-CPU list, None for a list of the buddy allocator.
        order: order of its blocks.
        migratetype: as printed.
        pfns: first pfn of each block, in list order.
        count, high, batch: of the per-CPU lists of that zone and CPU, in pages; None for a buddy list.
        line: number of its line.
    """

    zone: str
    cpu: int | None
    order: int
    migratetype: str
    pfns: tuple[int, ...]
    count: int | None
    high: int | None
    batch: int | None
    line: int


@dataclass(frozen=True, slots=True)
class FreeLists:
    """All of a free_lists file.

    Args:
        node: NUMA node.
        t: when they were taken, in nanoseconds since boot.
        cpu: CPU on which the allocation that followed ran.
        lost: blocks that did not fit the module's memory; 0 in a whole recording.
        zones, lists: in the order of the text.
        malformed: the lines that are none of these.
    """

    node: int | None
    t: int | None
    cpu: int | None
    lost: int | None
    zones: tuple[ListZone, ...]
    lists: tuple[FreeList, ...]
    malformed: tuple[Malformed, ...] = ()

    def df_free_lists(self) -> pd.DataFrame:
        """One row a block: zone, cpu Int64 (<NA>: buddy list), order int8, migratetype, place int64 (0 is the head),
        pfn uint64."""
        import pandas as pd

        cells = [
            (x.zone, x.cpu, x.order, x.migratetype, place, pfn) for x in self.lists for place, pfn in enumerate(x.pfns)
        ]
        frame = pd.DataFrame(cells, columns=["zone", "cpu", "order", "migratetype", "place", "pfn"], dtype=object)
        types = {"zone": "category", "cpu": "Int64", "order": "int8", "migratetype": "category"}
        return frame.astype(types | {"place": "int64", "pfn": "uint64"})


def parse_free_lists(text: str | bytes) -> FreeLists:
    """Read the file that the lab's module gives in debugfs (`klab/free_lists`).

    Args:
        text: the file.

    >>> lists = parse_free_lists("list zone DMA32 order 3 type Unmovable blocks 2: 1238 2a20\\n").lists
    >>> lists[0].order, [hex(pfn) for pfn in lists[0].pfns]
    (3, ['0x1238', '0x2a20'])
    """
    head: tuple[int, ...] | None = None
    zones: list[ListZone] = []
    lists: list[FreeList] = []
    malformed: list[Malformed] = []
    for number, line in numbered(text):
        plain = line.strip()
        if found := HEAD.match(plain):
            head = tuple(int(found[k]) for k in range(1, 6))
        elif found := _ZONE.match(plain):
            zones.append(ListZone(found[1], int(found[2], 16), *(int(found[k]) for k in range(3, 9))))
        elif found := _LIST.match(plain):
            pfns = _pfns(found[5])
            if pfns is None or len(pfns) != int(found[4]):
                malformed.append(Malformed(number, line, f"expected {found[4]} pfns in hexadecimal."))
                continue
            lists.append(FreeList(found[1], None, int(found[2]), found[3], pfns, None, None, None, number))
        elif found := _PCP.match(plain):
            pfns = _pfns(found[9])
            if pfns is None or len(pfns) != int(found[8]):
                malformed.append(Malformed(number, line, f"expected {found[8]} pfns in hexadecimal."))
                continue
            sizes = int(found[5]), int(found[6]), int(found[7])
            lists.append(FreeList(found[1], int(found[2]), int(found[3]), found[4], pfns, *sizes, number))
        elif plain:
            malformed.append(Malformed(number, line, "expected a line of klab/free_lists."))
    node, t, cpu, _, lost = head or (None, None, None, None, None)
    return FreeLists(node, t, cpu, lost, tuple(zones), tuple(lists), tuple(malformed))


def _pfns(text: str) -> tuple[int, ...] | None:
    pfns = [hex_u64(word) for word in text.split()]
    return None if None in pfns else tuple(p for p in pfns if p is not None)
