"""Free blocks of which only the counts were recorded: positions that the allocator could have left behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kvmlab.memory import buddy_boot
from kvmlab.memory import buddy_state as at
from kvmlab.memory.buddy_captured import CapturedZone, FreeBlocks
from kvmlab.memory.buddy_place import place_blocks
from kvmlab.memory.buddy_recorded import MOVABLE, fill_types
from kvmlab.memory.buddy_types import Counts
from kvmlab.memory.zone import Zone, ZoneError

# More free blocks than any machine has that was not made up.
MOST_PLACED = 1 << 23


def check_countable(zones: Sequence[CapturedZone]) -> None:
    """Raise `ZoneError` if there are more free blocks than positions are invented for."""
    for captured in zones:
        blocks = sum(captured.nr_free) or sum(map(sum, captured.by_type.values()))
        if blocks > MOST_PLACED:
            raise ZoneError(
                f"zone {captured.zone.name} has {blocks} free blocks; positions of at most {MOST_PLACED} are invented."
            )


def placed_blocks(captured: CapturedZone, assumed: list[str], *, mixed: bool = False) -> FreeBlocks:
    """Free blocks at invented positions, by type where the types were recorded.

    Args:
        captured: the counts of one zone.
        assumed: gets a sentence for what is assumed.
        mixed: whether a list may hold blocks of pageblocks of another type, as before 6.10; then types share pageblocks
            where there is no room for pageblocks of their own.

    Raises:
        ZoneError: the zone has no room for so many free blocks.
    """
    import numpy as np

    zone = captured.zone
    assumed.append(f"Zone {zone.name}: the positions of free blocks are invented; only their numbers were recorded.")
    by_type = {mt: row for mt, row in captured.by_type.items() if any(row)}
    if not by_type:
        assumed.append(f"Zone {zone.name}: every pageblock is Movable; no pagetypeinfo was recorded.")
        by_type = {MOVABLE: tuple(captured.nr_free)}
    elif captured.nr_free and tuple(map(sum, zip(*by_type.values(), strict=True))) != tuple(captured.nr_free):
        assumed.append(f"Zone {zone.name}: pagetypeinfo does not add up to buddyinfo, which holds; types are adjusted.")
        by_type = _adjusted(by_type, captured.nr_free)
    try:
        pfns, orders, mts, types = _apart(zone, by_type)
    except ZoneError:
        if not mixed or len(by_type) == 1:
            raise
        assumed.append(f"Zone {zone.name}: blocks of several types share pageblocks; else there is no room for them.")
        pfns, orders, mts, types = _together(zone, by_type)
    fill_types(captured, types)
    found = (np.array(column, dtype=np.int64) for column in (pfns, orders, mts))
    pfn, order, mt = found
    return FreeBlocks(pfn, order, types, mt)


Placed = tuple[list[int], list[int], list[int], dict[int, int]]  # first pfns, orders, list types, pageblock types


def _apart(zone: Zone, by_type: Mapping[int, Counts]) -> Placed:
    """Each type in pageblocks of its own."""
    frames, odd = _units(zone)
    pfns: list[int] = []
    orders: list[int] = []
    mts: list[int] = []
    types: dict[int, int] = {}
    for mt in sorted(by_type, key=lambda mt: (sum(n << o for o, n in enumerate(by_type[mt])), mt)):
        found = _place_type(by_type[mt], frames, odd)
        pfns += found[0]
        orders += found[1]
        mts += [mt] * len(found[0])
        types.update(dict.fromkeys(found[2], mt))
    return pfns, orders, mts, types


def _together(zone: Zone, by_type: Mapping[int, Counts]) -> Placed:
    """All types side by side; the pageblocks get the types that were counted, wherever they lie."""
    frames, odd = _units(zone)
    areas = [(pfn, at.MAX_ORDER) for pfn in frames] + [area for unit in odd for area in unit]
    pfns, orders = place_blocks(areas, tuple(map(sum, zip(*by_type.values(), strict=True))))
    mts = [mt for order in range(at.MAX_ORDER, -1, -1) for mt in sorted(by_type) for _ in range(by_type[mt][order])]
    return pfns, orders, mts, {}


def _adjusted(by_type: Mapping[int, Counts], nr_free: Counts) -> dict[int, Counts]:
    """Counts by type changed, in the type that has most of an order, so that they add up to those of the zone."""
    rows = {mt: list(row) for mt, row in by_type.items()}
    for order, wanted in enumerate(nr_free):
        missing = wanted - sum(row[order] for row in rows.values())
        for mt in sorted(rows, key=lambda mt: -rows[mt][order]):
            change = max(missing, -rows[mt][order])
            rows[mt][order] += change
            missing -= change
    return {mt: tuple(row) for mt, row in rows.items()}


def _units(zone: Zone) -> tuple[list[int], list[list[tuple[int, int]]]]:
    """Whole blocks of order 10 of a zone, and the areas of each pageblock outside of them, all from the top down."""
    frames: list[int] = []
    odd: dict[int, list[tuple[int, int]]] = {}
    for a, b in zone.ram:
        heads, orders = buddy_boot.blocks_of_range(a, b)
        for pfn, order in zip(heads.tolist(), orders.tolist(), strict=True):
            if order == at.MAX_ORDER:
                frames.append(pfn)
            else:
                odd.setdefault(pfn >> at.PB_ORDER, []).append((pfn, order))
    return frames[::-1], [odd[block] for block in sorted(odd, reverse=True)]


Unit = list[tuple[int, int]]  # areas (first pfn, order) that one type uses alone: a frame, or part of a pageblock


def _place_type(nr_free: Counts, frames: list[int], odd: list[Unit]) -> tuple[list[int], list[int], list[int]]:
    """Place one type's blocks in pageblocks of its own, taken from `frames` and `odd`; what it does not use goes back.

    Returns:
        First pfns, orders, and the pageblocks that are used.
    """
    largest = min(nr_free[at.MAX_ORDER] if len(nr_free) > at.MAX_ORDER else 0, len(frames))
    units: list[Unit] = [[(frames.pop(), at.MAX_ORDER)] for _ in range(largest)]
    # Fewer units than have room for the blocks' own pages need not be tried.
    wanted = sum(n << order for order, n in enumerate(nr_free)) - (largest << at.MAX_ORDER)
    while wanted > 0 and (odd or frames):
        units.append(odd.pop() if odd else [(frames.pop(), at.MAX_ORDER)])
        wanted -= sum(1 << order for _, order in units[-1])
    step = 1
    while True:
        try:
            pfns, orders = place_blocks([area for unit in units for area in unit], nr_free)
            break
        except ZoneError:
            if not frames and not odd:
                raise
        for _ in range(step):
            if odd:
                units.append(odd.pop())
            elif frames:
                units.append([(frames.pop(), at.MAX_ORDER)])
        # Large counts need many frames: no use in trying after each.
        step = 1 if len(units) < 16 else step * 2
    ends = [p + (1 << o) - 1 for p, o in zip(pfns, orders, strict=True)]
    used = {p >> at.PB_ORDER for p in (*pfns, *ends)}
    for unit in reversed(units):
        if not any(block in used for pfn, order in unit for block in _pageblocks(pfn, order)):
            if unit[0][1] == at.MAX_ORDER:
                frames.append(unit[0][0])
            else:
                odd.append(unit)
    return pfns, orders, sorted(used)


def _pageblocks(pfn: int, order: int) -> range:
    return range(pfn >> at.PB_ORDER, (pfn + (1 << order) - 1 >> at.PB_ORDER) + 1)
