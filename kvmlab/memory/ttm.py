"""TTM's page pools on a page allocator: buffers in, blocks out, as a kernel release does it."""

from __future__ import annotations

from collections.abc import Sequence

from kvmlab.kernel.buddy_releases import ReleaseFeatures
from kvmlab.kernel.ttm import ttm_features
from kvmlab.memory import buddy_state as at
from kvmlab.memory import ttm_state as tt
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm_buffer import TtmBuffer
from kvmlab.memory.ttm_device import TtmDevice as TtmDevice
from kvmlab.memory.ttm_device import TtmError as TtmError
from kvmlab.memory.ttm_device import TtmNoMemory as TtmNoMemory
from kvmlab.memory.ttm_device import caching_of as caching_of
from kvmlab.memory.ttm_lists import select_type
from kvmlab.memory.ttm_setup import new_ttm_state, set_limits, set_masks
from kvmlab.memory.ttm_state import Caching
from kvmlab.memory.ttm_steps import free_chain
from kvmlab.memory.ttm_view import TtmPoolView


class TtmPool(TtmPoolView):
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
        self.buddy = buddy
        self.release = buddy.release if release is None else release
        self.features: ReleaseFeatures = ttm_features(self.release).replaced(features or {})
        self.devices = tuple(devices)
        if len(self.devices) > buddy.ttm_devices or not self.devices:
            raise TtmError(f"{len(self.devices)} devices: the allocator was made for {buddy.ttm_devices}.")
        if any(not -1 <= d.nid < buddy.nodes or not 0 <= d.beneficial_order <= at.MAX_ORDER for d in self.devices):
            raise TtmError("a device is bound to a node or names an order that does not exist.")
        if page_pool_size is not None and page_pool_size < 0:
            raise TtmError(f"page_pool_size {page_pool_size} is no number of pages.")
        self.state = new_ttm_state(buddy, self.features, self.devices, x86=x86)
        set_masks(self.state, self.release, self.devices, zero=zero, retry_mayfail=retry_mayfail)
        set_limits(self.state, buddy, self.features, page_pool_size)
        self._live: dict[int, TtmBuffer] = {}
        self._next = 0

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

    # Pools ---------------------------------------------------------------------------------------------------------

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

    def set_page_pool_size(self, pages: int) -> bool:
        """Write the module's parameter `page_pool_size` while it runs; 0 for the default.

        Args:
            pages: the limit of the pools; a smaller one shrinks them at the next free.

        Returns:
            Whether that changed anything: with a limit for each node the parameter is read once, when TTM starts.

        Raises:
            TtmError: a negative number.
        """
        if pages < 0:
            raise TtmError(f"page_pool_size {pages} is no number of pages.")
        if self.features["limit"] == "node":
            return False
        set_limits(self.state, self.buddy, self.features, pages)
        return True

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
