"""The page allocator as a capture shows it: free lists from recorded pfns or, without them, from recorded counts.

Nothing is read here: the files of /proc become plain values elsewhere. What a capture does not hold is assumed and said
in `CapturedState.assumed`: the order within a free list (ascending pfns, as after boot), what stands on per-CPU lists,
positions where only counts were recorded, types where only the sums were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvmlab.memory import buddy_boot
from kvmlab.memory import buddy_state as at
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.buddy_captured import CapturedList, CapturedZone, FreeBlocks
from kvmlab.memory.buddy_counted import check_countable, placed_blocks
from kvmlab.memory.buddy_recorded import MOVABLE, listed_blocks, recorded_blocks
from kvmlab.memory.pcp_lists import pcp_index
from kvmlab.memory.zone import ZoneError

if TYPE_CHECKING:
    from numpy.typing import NDArray


# More pages than 64-bit addresses reach; sums of a few of them still fit into a signed word.
MOST_PAGES = 1 << 52


@dataclass(frozen=True, slots=True)
class CapturedState:
    """The allocator built from a capture.

    Args:
        buddy: the allocator.
        assumed: one sentence for everything that the capture did not say.
    """

    buddy: Buddy
    assumed: tuple[str, ...]


def buddy_from_capture(
    zones: Sequence[CapturedZone],
    *,
    free: tuple[NDArray[Any], NDArray[Any]] | None = None,
    lists: Sequence[CapturedList] | None = None,
    lru: NDArray[Any] | None = None,
    **options: Any,
) -> CapturedState:
    """Build the allocator that a capture shows.

    Args:
        zones: what is known of each zone.
        free: first pfns and orders of all free blocks (from the BUDDY bits of /proc/kpageflags); None if not recorded.
        lists: the free lists themselves, in list order, per-CPU lists among them; None if not recorded.
        lru: for each pfn from 0 on, whether the page is on an LRU list; None if not recorded.
        options: as for `Buddy`; `cpus` is by default what the page sets say.

    Raises:
        ZoneError: zones that cannot be, free blocks outside of them or overlapping, counts that do not fit.
        UnknownRelease: no table covers the release.
    """
    if not zones:
        raise ZoneError("the capture names no zone.")
    if free is None and lists is None:
        check_countable(zones)
    cpus = max([len(z.pagesets) for z in zones if z.pagesets] or [1])
    buddy = Buddy([z.zone for z in zones], **{"cpus": cpus, **options}, _empty=True)
    by_key = {(z.zone.nid, z.zone.name): z for z in zones}
    ordered = [by_key[z.nid, z.name] for z in buddy.zones]
    assumed = []
    if lists is None:
        assumed.append("Within a free list the blocks stand in ascending order; a capture does not show their order.")
    # Pages that no list holds belong to somebody: single allocated pages, as no capture shows their blocks.
    s = buddy.state
    for z in buddy.zones:
        for a, b in z.ram:
            s.page[a - buddy.base : b - buddy.base] = at.ALLOCATED
            s.nxt[a - buddy.base : b - buddy.base] = s.prv[a - buddy.base : b - buddy.base] = -1
    if lru is not None:
        _mark_lru(buddy, lru)
    parts = []
    for captured in ordered:
        if lists is not None:
            parts.append(listed_blocks(captured, lists))
        elif free is None:
            parts.append(placed_blocks(captured, assumed, mixed=not s.rule[at.R_CLAIM]))
        else:
            parts.append(recorded_blocks(captured, free, lru, assumed))
    _check_blocks(buddy, parts)
    _seed(buddy, parts)
    _set_pagesets(buddy, ordered, assumed, listed=lists is not None)
    for entry in lists or ():
        if entry.cpu is not None:
            _seed_pcp(buddy, entry)
    if free is not None:
        _compare(ordered, buddy, assumed)
    return CapturedState(buddy, tuple(assumed))


def _mark_lru(buddy: Buddy, lru: NDArray[Any]) -> None:
    page = buddy.state.page
    known = lru[buddy.base : buddy.base + len(page)].astype(bool)
    part = page[: len(known)]
    part[known & (part == at.ALLOCATED)] |= at.ON_LRU


def _seed_pcp(buddy: Buddy, entry: CapturedList) -> None:
    """Put a recorded per-CPU list behind its head, in its order."""
    s = buddy.state
    zone = next((z for z, x in enumerate(buddy.zones) if (x.nid, x.name) == (entry.nid, entry.zone)), None)
    if zone is None or not 0 <= (entry.cpu or 0) < buddy.cpus or not s.rule[at.R_PCP]:
        raise ZoneError(f"the capture has a per-CPU list of zone {entry.zone} and CPU {entry.cpu} that does not exist.")
    row = zone * buddy.cpus + (entry.cpu or 0)
    pindex = pcp_index(s, entry.order, entry.migratetype)
    head = len(s.page) + len(buddy.zones) * at.NR_ORDERS * at.NR_MT + row * at.PCP_LISTS + pindex
    for pfn in entry.pfns:
        i = pfn - buddy.base
        size = 1 << entry.order
        if not 0 <= i <= len(s.page) - size or i % size or (s.page[i : i + size] != at.ALLOCATED).any():
            raise ZoneError(f"the capture has pfn {pfn:#x} on a per-CPU list and elsewhere.")
        s.page[i : i + size] = at.INNER
        s.page[i] = at.PCP | entry.order | entry.migratetype << 5
        last = int(s.prv[head])
        s.prv[i], s.nxt[i] = last, head
        s.nxt[last] = s.prv[head] = i
    s.pcp[row, at.P_COUNT] += len(entry.pfns) << entry.order


def _check_blocks(buddy: Buddy, parts: Sequence[FreeBlocks]) -> None:
    import numpy as np

    pfn = np.concatenate([p.pfn for p in parts])
    order = np.concatenate([p.order for p in parts])
    if ((order < 0) | (order > at.MAX_ORDER)).any():
        raise ZoneError("the capture has a free block of an order that does not exist.")
    size = np.int64(1) << order
    if (pfn & (size - 1)).any():
        raise ZoneError("the capture has a free block that is not aligned to its size.")
    ranked = np.argsort(pfn, kind="stable")
    if (pfn[ranked][1:] < (pfn + size)[ranked][:-1]).any():
        raise ZoneError("the capture has free blocks that overlap.")
    ranges = np.array(sorted(r for z in buddy.zones for r in z.ram), dtype=np.int64)
    if len(pfn) and (pfn.min() < ranges[0, 0] or (pfn + size).max() > ranges[-1, 1]):
        raise ZoneError("the capture has free blocks outside of its zones.")
    mine = np.searchsorted(ranges[:, 0], pfn, side="right") - 1
    if (pfn + size > ranges[mine, 1]).any():
        raise ZoneError("the capture has free blocks where its zones have no memory.")


def _seed(buddy: Buddy, parts: Sequence[FreeBlocks]) -> None:
    import numpy as np

    s = buddy.state
    on = bool(s.rule[at.R_MT])
    buddy_boot.set_types(s, slice(None), MOVABLE if on else 0)
    if on:
        for part in parts:
            if part.types:
                blocks = np.array(list(part.types), dtype=np.int64) - (buddy.base >> at.PB_ORDER)
                buddy_boot.set_types(s, blocks, np.array(list(part.types.values()), dtype=np.uint8))
    index = np.concatenate([p.pfn for p in parts]) - buddy.base
    order = np.concatenate([p.order for p in parts])
    buddy_boot.mark_inner(s, index, order)
    mt = (s.block[index >> at.PB_ORDER] & at.MT_MASK).astype(np.int64)
    if on and all(p.mt is not None for p in parts):
        mt = np.concatenate([p.mt for p in parts if p.mt is not None])
    buddy_boot.seed_lists(s, index, order, mt)


def _set_pagesets(buddy: Buddy, ordered: Sequence[CapturedZone], assumed: list[str], *, listed: bool) -> None:
    s, held = buddy.state, 0
    for z, captured in enumerate(ordered):
        for name, value in ((n, v) for values in (captured.watermarks, *captured.pagesets) for n, v in values.items()):
            if not 0 <= value < MOST_PAGES:
                raise ZoneError(f"zone {captured.zone.name} has {name[:40]} {value}, which no number of pages is.")
        for column, name in ((at.Z_MIN, "min"), (at.Z_LOW, "low"), (at.Z_HIGH, "high")):
            if name in captured.watermarks:
                s.zone[z, column] = captured.watermarks[name]
        for cpu, values in enumerate(captured.pagesets[: buddy.cpus]):
            row = s.pcp[z * buddy.cpus + cpu]
            held += values.get("count", 0)
            row[at.P_BATCH] = values.get("batch", row[at.P_BATCH])
            if s.rule[at.R_REFILL]:
                row[at.P_HIGH_MIN] = values.get("high_min", row[at.P_HIGH_MIN])
                row[at.P_HIGH_MAX] = values.get("high_max", row[at.P_HIGH_MAX])
            else:
                row[at.P_HIGH_MIN] = row[at.P_HIGH_MAX] = values.get("high", row[at.P_HIGH_MIN])
            row[at.P_HIGH] = values.get("high", row[at.P_HIGH])
    if held and not listed:
        assumed.append(
            f"{held} pages were on per-CPU lists; which ones is not recorded, so the lists start empty here."
        )


def _compare(ordered: Sequence[CapturedZone], buddy: Buddy, assumed: list[str]) -> None:
    for z, captured in enumerate(ordered):
        if captured.nr_free and tuple(captured.nr_free) != buddy.nr_free(z):
            assumed.append(f"Zone {captured.zone.name}: kpageflags and buddyinfo differ; kpageflags holds.")
