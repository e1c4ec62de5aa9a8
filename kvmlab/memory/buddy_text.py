"""/proc/buddyinfo and /proc/pagetypeinfo as the kernel prints them, byte for byte.

Source: frag_show_print, pagetypeinfo_show and the functions below them of mm/vmstat.c, 6.12.117 (7.3.4 prints alike).
"""

from __future__ import annotations

from kvmlab.memory import buddy_state as at
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.migratetype import PRINTED, Migratetype

# /proc/pagetypeinfo stops counting a list here and prints `>` before the number.
CAP = 100_000


def buddyinfo(buddy: Buddy) -> str:
    """What /proc/buddyinfo would say: free blocks of every zone by order, per-CPU blocks not counted.

    Args:
        buddy: the allocator.

    >>> buddyinfo(Buddy.fresh("1GiB", engine="python"))
    'Node 0, zone   Normal      0      0      0      0      0      0      0      0      0      0    256 \\n'
    """
    return "".join(
        f"Node {zone.nid}, zone {zone.name:>8} " + "".join(f"{n:6d} " for n in buddy.nr_free(z)) + "\n"
        for z, zone in enumerate(buddy.zones)
    )


def type_counts(buddy: Buddy, zone: int) -> list[list[int]]:
    """Blocks on each free list of a zone: rows by migratetype, columns by order.

    Args:
        buddy: the allocator.
        zone: number of the zone.
    """
    return [[len(buddy.free_list(zone, order, mt)) for order in range(at.NR_ORDERS)] for mt in range(at.NR_MT)]


def pageblock_counts(buddy: Buddy, zone: int) -> list[int]:
    """Pageblocks of a zone by migratetype."""
    import numpy as np

    s, z = buddy.state, buddy.zones[zone]
    first = (z.start - buddy.base) // at.PB_PAGES
    blocks = s.block[first : first + -(-(z.end - z.start) // at.PB_PAGES)] & at.MT_MASK
    return [int(n) for n in np.bincount(blocks, minlength=at.NR_MT)]


def pagetypeinfo(buddy: Buddy, *, cma: bool = False, isolation: bool = True) -> str:
    """What /proc/pagetypeinfo would say: free blocks by type and order, and pageblocks by type.

    Args:
        buddy: the allocator.
        cma, isolation: whether the kernel was built with CONFIG_CMA and CONFIG_MEMORY_ISOLATION: each adds a type.

    >>> pagetypeinfo(Buddy.fresh("1GiB", engine="python")).splitlines()[-1].split()
    ['Node', '0,', 'zone', 'Normal', '0', '512', '0', '0', '0']
    """
    built = {Migratetype.CMA: cma, Migratetype.ISOLATE: isolation}
    types = [mt for mt in Migratetype if built.get(mt, True)]
    out = []
    for nid in sorted({z.nid for z in buddy.zones}):
        mine = [(i, z) for i, z in enumerate(buddy.zones) if z.nid == nid]
        out.append(f"Page block order: {at.PB_ORDER}\nPages per block:  {at.PB_PAGES}\n\n")
        out.append(f"{'Free pages count per migrate type at order':<43} ")
        out.append("".join(f"{order:6d} " for order in range(at.NR_ORDERS)) + "\n")
        for i, z in mine:
            counts = type_counts(buddy, i)
            for mt in types:
                out.append(f"Node {nid:4d}, zone {z.name:>8}, type {PRINTED[mt]:>12} ")
                out.append("".join(f">{CAP:6d} " if n >= CAP else f"{n:6d} " for n in counts[mt]) + "\n")
        out.append(f"\n{'Number of blocks type':<23}" + "".join(f"{PRINTED[mt]:>12} " for mt in types) + "\n")
        for i, z in mine:
            blocks = pageblock_counts(buddy, i)
            out.append(f"Node {nid}, zone {z.name:>8} " + "".join(f"{blocks[mt]:12d} " for mt in types) + "\n")
    return "".join(out)
