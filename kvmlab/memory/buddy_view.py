"""What can be read of a page allocator's state: counts, lists, pages, events; comparing and copying it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from kvmlab.memory import buddy_state as at
from kvmlab.memory.buddy_pages import Block, block_at, refcounts_of
from kvmlab.memory.zone import Zone

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class BuddyView:
    """The reading half of `kvmlab.memory.buddy.Buddy`, which makes these and changes them.

    Args:
        zones: the zones, by node and then from the lowest up.
        release: kernel release whose rules hold.
        cpus: number of CPUs.
        base: pfn of index 0.
        state: the arrays.
        _refs: references of first pages that have another number than 1, by index.
    """

    zones: tuple[Zone, ...]
    release: str
    cpus: int
    base: int
    state: at.State
    _refs: dict[int, int]

    @property
    def free_pages(self) -> int:
        """Pages on the free lists of all zones (NR_FREE_PAGES); per-CPU pages are not free."""
        return int(self.state.zone[:, at.Z_FREE].sum())

    @property
    def pcp_pages(self) -> int:
        """Pages on per-CPU lists."""
        return int(self.state.pcp[:, at.P_COUNT].sum())

    @property
    def managed_pages(self) -> int:
        """Pages that the allocator got."""
        return sum(z.pages for z in self.zones)

    @property
    def nbytes(self) -> int:
        """Bytes of the state, the event log not counted."""
        return sum(int(a.nbytes) for a in self.state[:-1])

    def nr_free(self, zone: int | None = None) -> tuple[int, ...]:
        """Free blocks by order, as /proc/buddyinfo counts them, of one zone (its number) or of all."""
        counts = self.state.free.sum(axis=0) if zone is None else self.state.free[zone]
        return tuple(int(n) for n in counts)

    def free_list(self, zone: int, order: int, mt: int) -> list[int]:
        """The pfns of a free list, first the one that is taken next."""
        s = self.state
        head = s.page.shape[0] + (zone * at.NR_ORDERS + order) * at.NR_MT + mt
        return self._walk(head)

    def pcp_list(self, zone: int, cpu: int, pindex: int) -> list[int]:
        """The first pfns of the blocks of a per-CPU list, first the one that is taken next."""
        s = self.state
        head = s.page.shape[0] + len(self.zones) * at.NR_ORDERS * at.NR_MT
        return self._walk(head + (zone * self.cpus + cpu) * at.PCP_LISTS + pindex)

    def _walk(self, head: int) -> list[int]:
        out, nxt = [], self.state.nxt
        i = int(nxt[head])
        while i != head:
            out.append(i + self.base)
            i = int(nxt[i])
        return out

    # Pages ---------------------------------------------------------------------------------------------------------

    def block(self, pfn: int) -> Block:
        """The block that a page belongs to; raises `BuddyError` outside of every zone."""
        return block_at(self.state, self.base, pfn, self._refs)

    def refcounts(self, pfn: int, pages: int) -> NDArray[np.int64]:
        """References of each page of a range: 1 or more on first pages of allocated blocks, 0 on all others.

        Args:
            pfn: first page of the range.
            pages: its length.
        """
        return refcounts_of(self.state, self.base, pfn, pages, self._refs)

    # State ---------------------------------------------------------------------------------------------------------

    def copy(self) -> Self:
        """An independent copy of the whole state."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.state = at.copy_state(self.state)
        other._refs = dict(self._refs)
        return other

    def __eq__(self, other: object) -> bool:
        """Whether two machines are in the same state: pages, lists, counters and references; not the event log."""
        if not isinstance(other, BuddyView):
            return NotImplemented
        import numpy as np

        same = self.zones == other.zones and self.release == other.release and self._refs == other._refs
        mine, theirs = self.state, other.state
        return same and all(
            np.array_equal(a, b) for a, b in zip(self._comparable(mine), self._comparable(theirs), strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def _comparable(s: at.State) -> list[Any]:
        # Links mean something only where a page is the first of a block, and on the list heads.
        import numpy as np

        linked = np.ones(len(s.nxt), dtype=bool)
        linked[: s.page.shape[0]] = s.page < at.ABSENT
        return [s.nxt[linked], s.prv[linked], *s[2:8]]

    def df_events(self) -> pd.DataFrame:
        """The event log as a frame with the columns of `kvmlab.kernel.events.EVENT_DTYPES`."""
        import pandas as pd

        rows = self.state.log[: int(self.state.ctx[at.C_LOG_N])]
        frame = pd.DataFrame({name: rows[name] for name in rows.dtype.names or ()})
        frame["src"] = pd.Categorical(["sim"] * len(frame), categories=["sim"])
        return frame

    @property
    def events_lost(self) -> int:
        """Events that found the log full."""
        return int(self.state.ctx[at.C_LOST])

    def __repr__(self) -> str:
        zones = ", ".join(f"{z.name} {z.pages} pages" for z in self.zones)
        return f"<Buddy {self.release}: {zones}; {self.free_pages} free, {self.pcp_pages} on per-CPU lists>"
