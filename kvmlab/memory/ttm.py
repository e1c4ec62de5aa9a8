"""TTM's page pools on a page allocator: buffers in, blocks out, as a kernel release does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvmlab.errors import KvmlabError
from kvmlab.kernel.buddy_releases import ReleaseFeatures
from kvmlab.kernel.ttm import ttm_features, ttm_gfp
from kvmlab.memory import buddy_state as at
from kvmlab.memory import ttm_state as tt
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm_buffer import TtmBuffer
from kvmlab.memory.ttm_lists import select_type, type_order
from kvmlab.memory.ttm_state import Caching
from kvmlab.memory.ttm_steps import free_chain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_NID_POOLS = {"none": 0, "uncached": 1, "all": 2}
_LOOPS = {"A": tt.LOOP_A, "B": tt.LOOP_B, "C": tt.LOOP_C}


class TtmError(KvmlabError):
    """A request that the pool cannot be given; nothing was changed."""


class TtmNoMemory(TtmError):
    """The buffer could not be filled (-ENOMEM): what it had got was rolled back as the kernel does it."""


@dataclass(frozen=True, slots=True)
class TtmDevice:
    """One device's pool (struct ttm_pool), as its driver sets it up.

    Args:
        dma_alloc: pages come from dma_alloc_attrs() and are pooled for every caching mode.
        dma32: the device reaches 4 GiB only.
        nid: node that the device is bound to, -1 for none.
        beneficial_order: the largest order that it gains from (6.19 and later), 0 if it says nothing. amdgpu: 9.
    """

    dma_alloc: bool = False
    dma32: bool = False
    nid: int = -1
    beneficial_order: int = 0


class TtmPool:
    """The TTM pools of a machine.

    Args:
        buddy: the page allocator that they take their pages from; the pool changes it.
        release: kernel release whose rules hold; None for that of `buddy`. The two may differ, to compare pools alone.
        devices: the devices' pools; there are as many as the allocator has list heads for (one).
        page_pool_size: limit in pages, of all pools or of each node by release; None for the default, half the memory.
        zero: buffers want zeroed pages, as those of user space do.
        retry_mayfail: the driver asks with gfp_retry_mayfail, as amdgpu does.
        x86: the architecture has write-combined and uncached pages; without, only DMA pools keep anything.
        features: switches that replace those of the release, by name (`kvmlab.kernel.data.ttm_releases`).

    Raises:
        UnknownRelease: no table covers the release.
        TtmError: devices or switches that cannot be.

    >>> pool = TtmPool(Buddy.fresh("1GiB", release="6.12", engine="python"))
    >>> buffer = pool.alloc(8100)
    >>> buffer.orders(), round(buffer.tail_share, 4)
    ((10, 10, 10, 10, 10, 10, 10, 9, 8, 7, 5, 2), 0.9985)
    """

    def __init__(
        self,
        buddy: Buddy,
        *,
        release: str | None = None,
        devices: Sequence[TtmDevice] = (TtmDevice(),),
        page_pool_size: int | None = None,
        zero: bool = False,
        retry_mayfail: bool = False,
        x86: bool = True,
        features: dict[str, str] | None = None,
    ) -> None:
        import numpy as np

        self.buddy = buddy
        self.release = buddy.release if release is None else release
        self.features: ReleaseFeatures = ttm_features(self.release).replaced(features or {})
        self.devices = tuple(devices)
        if len(self.devices) > buddy.ttm_devices or not self.devices:
            raise TtmError(f"{len(self.devices)} devices: the allocator was made for {buddy.ttm_devices}.")
        if any(not -1 <= d.nid < buddy.nodes or not 0 <= d.beneficial_order <= at.MAX_ORDER for d in self.devices):
            raise TtmError("a device is bound to a node or names an order that does not exist.")
        nodes = buddy.nodes
        self.state = tt.TtmState(
            np.zeros(tt.TTM_RULES, dtype=np.int64),
            np.zeros(nodes, dtype=np.int64),
            np.zeros(nodes, dtype=np.int64),
            np.zeros((len(self.devices), tt.DEVICE_FIELDS), dtype=np.int64),
            np.array(self._registered(x86), dtype=np.int64),
            np.zeros((len(self.devices), at.NR_ORDERS), dtype=np.int64),
            np.zeros((len(self.devices), at.NR_ORDERS), dtype=np.int64),
        )
        self._set_rules(x86)
        self._set_devices(zero, retry_mayfail)
        self._set_limits(page_pool_size)
        self._live: dict[int, TtmBuffer] = {}
        self._next = 0

    def _set_rules(self, x86: bool) -> None:
        f, rule, buddy = self.features, self.state.rule, self.buddy
        rule[tt.T_HEADS] = len(buddy.state.page) + at.list_heads(len(buddy.zones), buddy.cpus)
        rule[tt.T_NODES] = buddy.nodes
        rule[tt.T_TYPES] = tt.GLOBAL_TYPES + tt.DEVICE_TYPES * len(self.devices)
        rule[tt.T_LOOP] = _LOOPS[f["loop"]]
        rule[tt.T_FIFO] = f["list_order"] == "fifo"
        rule[tt.T_NODE_LISTS] = f["node_lists"] == "yes"
        rule[tt.T_NODE_LIMIT] = f["limit"] == "node"
        rule[tt.T_SHRINK_N] = f["shrink"] == "n_blocks"
        rule[tt.T_NID_POOLS] = _NID_POOLS[f["nid_pools"]]
        rule[tt.T_X86] = x86

    def _set_devices(self, zero: bool, retry_mayfail: bool) -> None:
        s = self.state
        for number, device in enumerate(self.devices):
            kind = 1 if device.dma32 else 2
            s.device[number] = (device.dma_alloc, device.dma32, device.nid, max(device.nid, 0) * at.NR_KINDS + kind)
            for order in range(at.NR_ORDERS):
                gfp = ttm_gfp(
                    self.release,
                    order,
                    zero=zero,
                    retry_mayfail=retry_mayfail,
                    dma32=device.dma32,
                    beneficial_order=device.beneficial_order,
                )
                s.gfp[number, order] = gfp
                s.flags[number, order] = self.buddy.request_flags(gfp)

    def _set_limits(self, page_pool_size: int | None) -> None:
        by_node = [sum(z.pages for z in self.buddy.zones if z.nid == nid) for nid in range(self.buddy.nodes)]
        if page_pool_size is not None and page_pool_size < 0:
            raise TtmError(f"page_pool_size {page_pool_size} is no number of pages.")
        if self.features["limit"] == "node":
            self.state.limit[:] = [page_pool_size or n // 2 for n in by_node]
        else:
            self.state.limit[:] = page_pool_size or sum(by_node) // 2

    def _registered(self, x86: bool) -> list[int]:
        """Pool types in the order of their registration, which is the order of the shrinker's visits."""
        types = list(range(tt.GLOBAL_TYPES))
        for number, device in enumerate(self.devices):
            bound = device.nid >= 0 and x86
            own = (
                {Caching.UNCACHED, Caching.WRITE_COMBINED} if self.features["nid_pools"] == "uncached" else set(Caching)
            )
            if self.features["nid_pools"] == "none" or not bound:
                own = set()
            for caching in Caching:
                if device.dma_alloc or caching in own:
                    types += [tt.device_type(number, caching, order) for order in range(at.NR_ORDERS)]
        return types

    # Buffers -------------------------------------------------------------------------------------------------------

    def alloc(self, pages: int, caching: Caching | str = Caching.CACHED, *, device: int = 0, cpu: int = 0) -> TtmBuffer:
        """Fill a buffer (ttm_pool_alloc).

        Args:
            pages: number of 4 KiB pages, at least 1.
            caching: the mode, or its name (`cached`, `wc`, `uc`).
            device: number of the device's pool.
            cpu: the CPU that asks.

        Raises:
            TtmNoMemory: not even single pages were left; everything it had got was given back.
            TtmError: a size, mode, device or CPU that does not exist.
        """
        mode = caching_of(caching)
        if not 1 <= pages <= len(self.buddy.state.page):
            raise TtmError(f"a buffer of {pages} pages cannot be made on {self.buddy.managed_pages} pages of memory.")
        self._check(device, cpu)
        number = self._next
        first = int(self.buddy.engine.ttm_alloc(self.buddy.state, self.state, device, pages, int(mode), number, cpu))
        if first < 0:
            raise TtmNoMemory(f"no memory for a buffer of {pages} pages; {self.buddy.free_pages} pages are free.")
        buffer = self.buffer_at(first, number, mode, device)
        self._live[number] = buffer
        self._next = number + 1 if number + 1 < tt.FROM_POOL else 0
        return buffer

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

    def free(self, buffer: TtmBuffer, *, cpu: int = 0) -> None:
        """Give a buffer's pages back (ttm_pool_free): to the pool of its caching mode, or to the page allocator.

        Raises:
            TtmError: it is not a live buffer of this pool.
        """
        if self._live.get(buffer.id) != buffer:
            raise TtmError(f"buffer {buffer.id} is not live in this pool.")
        self._check(buffer.device, cpu)
        del self._live[buffer.id]
        first = int(buffer.pfn[0]) - self.buddy.base
        caching = int(buffer.caching)
        if self.buddy.pinned(buffer.pfn):
            self._free_pinned(buffer, cpu)
        else:
            self.buddy.engine.ttm_free(self.buddy.state, self.state, buffer.device, first, caching, buffer.id, cpu)

    def _free_pinned(self, buffer: TtmBuffer, cpu: int) -> None:
        """The same block by block, where somebody holds the first page of a block that goes to the system."""
        s = self.buddy.state
        s.ctx[at.C_BO], s.ctx[at.C_CPU] = buffer.id, cpu
        for pfn, order in zip(buffer.pfn.tolist(), buffer.order.tolist(), strict=True):
            i = pfn - self.buddy.base
            kind = int(select_type(self.state, buffer.device, int(buffer.caching), order))
            if kind >= 0:
                s.nxt[i] = -1
                free_chain(s, self.state, buffer.device, i, -1, int(buffer.caching))
            else:
                self.buddy.free(pfn, cpu=cpu)
        s.ctx[at.C_BO] = -1

    def _check(self, device: int, cpu: int) -> None:
        if not 0 <= device < len(self.devices) or not 0 <= cpu < self.buddy.cpus:
            raise TtmError(f"device {device} or CPU {cpu} does not exist.")

    @property
    def buffers(self) -> tuple[TtmBuffer, ...]:
        """The live buffers, oldest first."""
        return tuple(self._live.values())

    # Pools ---------------------------------------------------------------------------------------------------------

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

    def adopt(self, caching: Caching | str, order: int, blocks: int, *, dma32: bool = False) -> int:
        """Declare pages of unknown owner to be pooled blocks: for states from captures, which show how much is pooled.

        Args:
            caching: the pool's mode, write-combined or uncached.
            order: order of the blocks.
            blocks: how many.
            dma32: the pool for devices that reach 4 GiB only.

        Returns:
            How many aligned blocks of pages without an owner there were, the highest pfns first.
        """
        import numpy as np

        mode = caching_of(caching)
        if mode is Caching.CACHED or blocks < 0 or not 0 <= order <= at.MAX_ORDER:
            raise TtmError(f"{blocks} blocks of order {order} cannot stand in a shared pool for {mode.name.lower()}.")
        s = self.buddy.state
        unknown = (s.page == at.ALLOCATED) & (s.prv[: len(s.page)] < 0)
        whole = np.flatnonzero(unknown.reshape(-1, 1 << order).all(axis=1)) << order
        chosen = whole[::-1][:blocks].tolist()
        for i in chosen:
            s.page[i : i + (1 << order)] = at.INNER
            s.page[i] = at.ALLOCATED | order
            self.buddy.engine.pool_fill(s, self.state, tt.global_type(mode, dma32, order), i, order)
        return len(chosen)

    @property
    def pooled_pages(self) -> int:
        """Pages in all pools (allocated_pages of the driver)."""
        return int(self.state.pooled.sum())

    def shrink(self, pages: int, *, nid: int = 0) -> int:
        """Let the shrinker free at least `pages` pages of the pools, or all; returns how many it freed."""
        if pages < 0 or not 0 <= nid < self.buddy.nodes:
            raise TtmError(f"{pages} pages of node {nid} cannot be shrunk.")
        return int(self.buddy.engine.shrinker_scan(self.buddy.state, self.state, nid, pages))

    def fini(self, device: int = 0) -> None:
        """Free what a device's own pools hold (ttm_pool_fini)."""
        self._check(device, 0)
        for caching in Caching:
            for order in range(at.NR_ORDERS):
                for nid in range(self.buddy.nodes if self.state.rule[tt.T_NODE_LISTS] else 1):
                    kind = tt.device_type(device, caching, order)
                    self.buddy.engine.pool_fini(self.buddy.state, self.state, kind, nid)

    def copy(self) -> TtmPool:
        """An independent copy of the pools and of the page allocator below them."""
        other = object.__new__(TtmPool)
        other.__dict__.update(self.__dict__)
        other.buddy = self.buddy.copy()
        arrays: list[Any] = [a.copy() for a in self.state]
        other.state = tt.TtmState(*arrays)
        other._live = dict(self._live)
        return other

    def __eq__(self, other: object) -> bool:
        """Whether two pools and their allocators are in the same state."""
        if not isinstance(other, TtmPool):
            return NotImplemented
        import numpy as np

        same = self.buddy == other.buddy and self.release == other.release and self.buffers == other.buffers
        return same and all(np.array_equal(a, b) for a, b in zip(self.state, other.state, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<TtmPool {self.release}: {len(self._live)} buffers, {self.pooled_pages} pages pooled>"


def caching_of(caching: Caching | str) -> Caching:
    """A caching mode from its number or name.

    Raises:
        TtmError: no mode has that name.

    >>> caching_of("wc")
    <Caching.WRITE_COMBINED: 1>
    """
    if isinstance(caching, Caching):
        return caching
    names = {"cached": 2, "wc": 1, "write_combined": 1, "uc": 0, "uncached": 0}
    if caching not in names:
        raise TtmError(f"{str(caching)[:40]!r} is no caching mode; there are cached, wc and uc.")
    return Caching(names[caching])
