"""A page of a state as a record that people can read and compare with a page dump."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.memory.page import FLAG_NAMES, POISONED, Matter
from kvmlab.memory.state import read

USES = ("free", "anonymous", "driver", "leaked")


@dataclass(frozen=True, slots=True)
class PageState:
    """One page of a state.

    Args:
        page: number of its frame in the model.
        use: `free`, `anonymous`, `driver` or `leaked` (found bad, never used again).
        refcount: `_refcount`.
        mapcount: as dumps print it.
        flags: names of the set flags; None if the run does not track them.
        list_poison: whether page->lru holds the poison of list_del(); None if not tracked.
        mapping: whether page->mapping is set; None if not tracked.
        gfn: the gfn that its index stands for; None if not tracked.
    """

    page: int
    use: str
    refcount: int
    mapcount: int
    flags: frozenset[str] | None
    list_poison: bool | None
    mapping: bool | None
    gfn: int | None


def page_state(s: int, page: int, m: Matter) -> PageState:
    """Read a page out of a state.

    Args:
        s: the state.
        page: number of the frame.
        m: where the state keeps its pages.
    """
    tracked = m.tracked != 0
    flags = read(s, m.flags, page)
    return PageState(
        page,
        USES[read(s, m.use, page)],
        read(s, m.refcount, page) - 1,
        read(s, m.mapcount, page),
        frozenset(name for bit, name in FLAG_NAMES.items() if flags & bit) if tracked else None,
        read(s, m.listed, page) == POISONED if tracked else None,
        read(s, m.mapping, page) != 0 if tracked else None,
        read(s, m.page_index, page) if tracked else None,
    )
