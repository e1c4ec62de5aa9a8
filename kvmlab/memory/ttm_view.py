"""What can be read of TTM's pools: buffers, the blocks of each pool, counts; comparing and copying them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from kvmlab.kernel.buddy_releases import ReleaseFeatures
from kvmlab.memory import buddy_state as at
from kvmlab.memory import ttm_state as tt
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm_buffer import TtmBuffer
from kvmlab.memory.ttm_device import TtmDevice, caching_of
from kvmlab.memory.ttm_lists import type_order
from kvmlab.memory.ttm_state import Caching

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TtmPoolView:
    """The reading half of `kvmlab.memory.ttm.TtmPool`, which makes these and changes them.

    Args:
        buddy: the page allocator below the pools.
        release: kernel release whose rules hold.
        features: what that release does.
        devices: the devices' pools.
        state: the arrays.
        _live: the live buffers by number, oldest first.
    """

    buddy: Buddy
    release: str
    features: ReleaseFeatures
    devices: tuple[TtmDevice, ...]
    state: tt.TtmState
    _live: dict[int, TtmBuffer]

    @property
    def buffers(self) -> tuple[TtmBuffer, ...]:
        """The live buffers, oldest first."""
        return tuple(self._live.values())

    def buffer_at(self, first: int, number: int, caching: Caching, device: int) -> TtmBuffer:
        """The buffer whose first block begins at an index of the state."""
        import numpy as np

        s, index = self.buddy.state, []
        i = first
        while i >= 0:
            index.append(i)
            i = int(s.nxt[i])
        where = np.array(index, dtype=np.int64)
        order = (s.page[where] & at.ORDER).astype(np.int8)
        pages = int((np.int64(1) << order.astype(np.int64)).sum())
        pooled: NDArray[np.bool_] = (s.prv[where] & tt.FROM_POOL) != 0
        return TtmBuffer(number, caching, pages, (where + self.buddy.base).astype(np.uint64), order, pooled, device)

    def count(self, caching: Caching | str, order: int, *, dma32: bool = False, device: int | None = None) -> int:
        """Blocks in one pool.

        Args:
            caching: the mode.
            order: order of the blocks.
            dma32: the pool for devices that reach 4 GiB only.
            device: a device's own pool; None for the pools that all devices share.
        """
        mode = caching_of(caching)
        if device is None and mode is Caching.CACHED:
            return 0
        kind = tt.global_type(mode, dma32, order) if device is None else tt.device_type(device, mode, order)
        return len(self.pool_list(kind))

    def pool_list(self, kind: int) -> list[int]:
        """First pfns of the blocks of a pool type, all nodes one after the other, first the one that is taken next."""
        s, t = self.buddy.state, self.state
        out = []
        for nid in range(self.buddy.nodes if t.rule[tt.T_NODE_LISTS] else 1):
            head = int(t.rule[tt.T_HEADS] + kind * t.rule[tt.T_NODES] + nid)
            i = int(s.nxt[head])
            while i != head:
                out.append(i + self.buddy.base)
                i = int(s.nxt[i])
        return out

    def pooled_blocks(self) -> tuple[tuple[int, int], ...]:
        """The blocks of all pools as (first pfn, order), by pool type and in the order of its list."""
        kinds = self.state.queue.tolist()
        return tuple((pfn, type_order(kind)) for kind in sorted(kinds) for pfn in self.pool_list(kind))

    @property
    def pooled_pages(self) -> int:
        """Pages in all pools (allocated_pages of the driver)."""
        return int(self.state.pooled.sum())

    def copy(self) -> Self:
        """An independent copy of the pools and of the page allocator below them."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.buddy = self.buddy.copy()
        arrays: list[Any] = [a.copy() for a in self.state]
        other.state = tt.TtmState(*arrays)
        other._live = dict(self._live)
        return other

    def __eq__(self, other: object) -> bool:
        """Whether two pools and their allocators are in the same state."""
        if not isinstance(other, TtmPoolView):
            return NotImplemented
        import numpy as np

        same = self.buddy == other.buddy and self.release == other.release and self.buffers == other.buffers
        return same and all(np.array_equal(a, b) for a, b in zip(self.state, other.state, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<TtmPool {self.release}: {len(self._live)} buffers, {self.pooled_pages} pages pooled>"
