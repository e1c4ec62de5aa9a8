"""Is a state of the page allocator one that can be? The invariants, by walking every list and every page."""

from __future__ import annotations

from kvmlab.memory import buddy_state as at
from kvmlab.memory.buddy import Buddy


def violations(buddy: Buddy) -> list[str]:
    """Every broken invariant of a state, one sentence each; none in a sound state.

    Checked: each free, per-CPU and allocated block stands once where its mark says; the counters equal the lists;
    free, per-CPU and allocated pages add up to the managed ones; no two buddies of one order are free unless their
    pageblocks must not be merged; from 6.10 on, a block is on the list of its pageblock's type.

    Args:
        buddy: the allocator.

    >>> violations(Buddy.fresh("64MiB", engine="python"))
    []
    """
    found: list[str] = []
    on_lists = _free_lists(buddy, found)
    on_lists.update(_pcp_lists(buddy, found))
    counts = _pages(buddy, on_lists, found)
    managed = buddy.managed_pages
    if sum(counts.values()) != managed:
        found.append(
            f"free {counts['free']} + pcp {counts['pcp']} + allocated {counts['allocated']} pages != {managed}."
        )
    if counts["pcp"] != buddy.pcp_pages:
        found.append(f"{counts['pcp']} pages stand on per-CPU lists, the counters say {buddy.pcp_pages}.")
    return found


def _free_lists(buddy: Buddy, found: list[str]) -> dict[int, int]:
    s, on_lists = buddy.state, {}
    for z in range(len(buddy.zones)):
        counted_pages = 0
        for order in range(at.NR_ORDERS):
            blocks = 0
            for mt in range(at.NR_MT):
                for pfn in buddy.free_list(z, order, mt):
                    i = pfn - buddy.base
                    blocks += 1
                    counted_pages += (1 << order) * (mt != 5)
                    if i in on_lists:
                        found.append(f"pfn {pfn:#x} stands on two lists.")
                    on_lists[i] = order
                    _free_block(buddy, z, i, order, mt, found)
            if blocks != int(s.free[z, order]):
                found.append(f"zone {z} has {blocks} blocks of order {order}, nr_free says {int(s.free[z, order])}.")
        if counted_pages != int(s.zone[z, at.Z_FREE]):
            found.append(f"zone {z} has {counted_pages} free pages, its counter says {int(s.zone[z, at.Z_FREE])}.")
    return on_lists


def _free_block(buddy: Buddy, z: int, i: int, order: int, mt: int, found: list[str]) -> None:
    s, pfn = buddy.state, i + buddy.base
    entry = int(s.block[i >> at.PB_ORDER])
    if int(s.page[i]) != order or i & ((1 << order) - 1):
        found.append(f"pfn {pfn:#x} stands on a list of order {order} but is marked {int(s.page[i]):#x}.")
    if entry >> at.ZONE_SHIFT != z:
        found.append(f"pfn {pfn:#x} stands on a list of zone {z}, which is not its own.")
    block_mt = entry & at.MT_MASK
    if s.rule[at.R_CLAIM] and s.rule[at.R_MT] and block_mt != mt:
        found.append(f"pfn {pfn:#x} stands on a list of type {mt}, its pageblock has type {block_mt}.")
    other = i ^ (1 << order)
    if order < at.MAX_ORDER and i < other < len(s.page) and int(s.page[other]) == order:
        other_mt = int(s.block[other >> at.PB_ORDER]) & at.MT_MASK
        if block_mt == other_mt or max(block_mt, other_mt) < at.NR_PCPT:
            found.append(f"pfn {pfn:#x} and its buddy are both free at order {order}.")


def _pcp_lists(buddy: Buddy, found: list[str]) -> dict[int, int]:
    s, on_lists = buddy.state, {}
    for z in range(len(buddy.zones)):
        for cpu in range(buddy.cpus):
            pages = 0
            for pindex in range(at.PCP_LISTS):
                for pfn in buddy.pcp_list(z, cpu, pindex):
                    mark = int(s.page[pfn - buddy.base])
                    order = mark & at.ORDER
                    on_lists[pfn - buddy.base] = order
                    pages += 1 << order
                    if not at.PCP <= mark < at.ALLOCATED or (pindex < at.THP_LIST and pindex // 3 != order):
                        found.append(f"pfn {pfn:#x} stands on per-CPU list {pindex} but is marked {mark:#x}.")
            if pages != int(s.pcp[z * buddy.cpus + cpu, at.P_COUNT]):
                found.append(f"zone {z}, CPU {cpu}: {pages} pages on the per-CPU lists, the count differs.")
    return on_lists


def _pages(buddy: Buddy, on_lists: dict[int, int], found: list[str]) -> dict[str, int]:
    marks = buddy.state.page.tolist()
    counts = {"free": 0, "pcp": 0, "allocated": 0}
    i = 0
    while i < len(marks):
        mark = marks[i]
        if mark == at.ABSENT:
            i += 1
            continue
        if mark == at.INNER:
            found.append(f"pfn {i + buddy.base:#x} belongs to no block.")
            i += 1
            continue
        kind = "free" if mark < at.PCP else "pcp" if mark < at.ALLOCATED else "allocated"
        size = 1 << (mark & at.ORDER)
        if kind != "allocated" and on_lists.get(i) != mark & at.ORDER:
            found.append(f"pfn {i + buddy.base:#x} is marked {kind} but stands on no such list.")
        if any(m != at.INNER for m in marks[i + 1 : i + size]):
            found.append(f"the block at pfn {i + buddy.base:#x} has another block inside.")
        counts[kind] += size
        i += size
    return counts
