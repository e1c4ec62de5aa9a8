"""Free blocks whose pfns were recorded, and the migratetypes of the pageblocks that they lie in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kvmlab.memory import buddy_state as at
from kvmlab.memory.buddy_captured import CapturedList, CapturedZone, FreeBlocks
from kvmlab.memory.buddy_types import divide_pageblocks
from kvmlab.memory.migratetype import Migratetype

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOVABLE = int(Migratetype.MOVABLE)


def recorded_blocks(
    captured: CapturedZone, free: tuple[NDArray[Any], NDArray[Any]], lru: NDArray[Any] | None, assumed: list[str]
) -> FreeBlocks:
    import numpy as np

    pfn, order = free[0].astype(np.int64), free[1].astype(np.int64)
    mine = (pfn >= captured.zone.start) & (pfn < captured.zone.end)
    ranked = np.lexsort((pfn[mine], -order[mine]))
    pfn, order = pfn[mine][ranked], order[mine][ranked]
    types = _solve_types(captured, pfn, order, lru, assumed)
    return FreeBlocks(pfn, order, types)


def _solve_types(
    captured: CapturedZone, pfn: NDArray[Any], order: NDArray[Any], lru: NDArray[Any] | None, assumed: list[str]
) -> dict[int, int]:
    name = captured.zone.name
    if not captured.by_type:
        assumed.append(f"Zone {name}: every pageblock is Movable; no pagetypeinfo was recorded.")
        return {}
    vectors: dict[int, list[int]] = {}
    large: dict[int, list[int]] = {9: [], 10: []}
    for p, o in zip(pfn.tolist(), order.tolist(), strict=True):
        if o >= at.PB_ORDER:
            large[o].append(p)
        else:
            vectors.setdefault(p >> at.PB_ORDER, [0] * at.PB_ORDER)[o] += 1
    prefer = {} if lru is None else {b: _likely_type(b, lru) for b in vectors}
    sums = {mt: tuple(row[: at.PB_ORDER]) for mt, row in captured.by_type.items()}
    types, exact = divide_pageblocks({b: tuple(v) for b, v in vectors.items()}, sums, prefer)
    if not exact:
        assumed.append(f"Zone {name}: pageblock types do not follow from pagetypeinfo exactly; some are guessed.")
    for size, heads in large.items():
        rest = iter(heads)
        # Kernel allocations claim the first blocks, so the lowest ones are taken for the types that they have.
        for mt in sorted(captured.by_type, key=lambda mt: (mt == MOVABLE, mt)):
            for _, head in zip(range(captured.by_type[mt][size]), rest, strict=False):
                for block in range(head >> at.PB_ORDER, (head + (1 << size)) >> at.PB_ORDER):
                    types[block] = mt
    fill_types(captured, types)
    return types


def _likely_type(block: int, lru: NDArray[Any]) -> int:
    pages = lru[block << at.PB_ORDER : (block + 1) << at.PB_ORDER]
    return MOVABLE if len(pages) and bool(pages.any()) else int(Migratetype.UNMOVABLE)


def listed_blocks(captured: CapturedZone, lists: Sequence[CapturedList]) -> FreeBlocks:
    import numpy as np

    key = (captured.zone.nid, captured.zone.name)
    mine = [x for x in lists if x.cpu is None and (x.nid, x.zone) == key]
    types: dict[int, int] = {}
    for x in mine:
        for pfn in x.pfns:
            for block in range(pfn >> at.PB_ORDER, (pfn + (1 << x.order) - 1 >> at.PB_ORDER) + 1):
                types[block] = x.migratetype
    fill_types(captured, types)
    sizes = [len(x.pfns) for x in mine]
    return FreeBlocks(
        np.array([pfn for x in mine for pfn in x.pfns], dtype=np.int64),
        np.repeat(np.array([x.order for x in mine], dtype=np.int64), sizes),
        types,
        np.repeat(np.array([x.migratetype for x in mine], dtype=np.int64), sizes),
    )


def fill_types(captured: CapturedZone, types: dict[int, int]) -> None:
    """Give pageblocks without free blocks the types that are still missing, the lowest first; Movable is the rest."""
    first, last = captured.zone.start >> at.PB_ORDER, (captured.zone.end - 1) >> at.PB_ORDER
    have: dict[int, int] = {}
    for mt in types.values():
        have[mt] = have.get(mt, 0) + 1
    idle = (block for block in range(first, last + 1) if block not in types)
    for mt in sorted(captured.pageblocks):
        if mt != MOVABLE:
            missing = captured.pageblocks[mt] - have.get(mt, 0)
            types.update((block, mt) for _, block in zip(range(missing), idle, strict=False))
