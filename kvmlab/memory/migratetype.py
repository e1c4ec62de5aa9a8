"""Migratetypes: their numbers, names as /proc prints them, and which lists an allocation falls back to."""

from __future__ import annotations

from enum import IntEnum


class Migratetype(IntEnum):
    """The type of a pageblock and of a free list; the first three have per-CPU lists and fallbacks.

    Source: enum migratetype of include/linux/mmzone.h and migratetype_names of mm/page_alloc.c, 6.12.117, with
    CONFIG_CMA (a build without it has no CMA, and Isolate is 4).
    """

    UNMOVABLE = 0
    MOVABLE = 1
    RECLAIMABLE = 2
    HIGHATOMIC = 3
    CMA = 4
    ISOLATE = 5


PCPTYPES = 3
NR_TYPES = 6

PRINTED = ("Unmovable", "Movable", "Reclaimable", "HighAtomic", "CMA", "Isolate")

# fallbacks[start][i]: the types tried in turn when the lists of `start` are empty (6.1 to 7.3 alike).
FALLBACKS = ((2, 1), (2, 0), (0, 1))


def migratetype(name: str) -> Migratetype:
    """The type of a name in /proc/pagetypeinfo.

    Args:
        name: such as `Unmovable`, in any case.

    Raises:
        ValueError: no type has that name.

    >>> migratetype("HighAtomic")
    <Migratetype.HIGHATOMIC: 3>
    """
    wanted = name.strip().lower()
    for number, printed in enumerate(PRINTED):
        if printed.lower() == wanted:
            return Migratetype(number)
    raise ValueError(f"{name!r} is no migratetype; there are {', '.join(PRINTED)}")


def migratetype_of_gfp(mask: int) -> Migratetype:
    """The type that an allocation mask asks for: __GFP_MOVABLE, __GFP_RECLAIMABLE or neither.

    Args:
        mask: gfp_t, u32.

    Source: gfp_migratetype() of include/linux/gfp.h: bits 3 and 4.

    >>> migratetype_of_gfp(0x396DC2)
    <Migratetype.UNMOVABLE: 0>
    """
    return Migratetype(mask >> 3 & 3) if mask >> 3 & 3 < 3 else Migratetype.UNMOVABLE
