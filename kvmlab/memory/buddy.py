"""The page allocator of one machine: zones with real pfns, free lists in the kernel's order, per-CPU lists.

`Buddy` owns the arrays and checks what callers give; the rules are in the step functions (`buddy_core`,
`buddy_fallback`, `pcp_lists`, `pcp_free`, `zone_search`, `zone_alloc`), the same functions plain and compiled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kvmlab.kernel.buddy_releases import ReleaseFeatures, release_features
from kvmlab.memory import buddy_boot
from kvmlab.memory import buddy_state as at
from kvmlab.memory.buddy_engine import engine as engine_by_name
from kvmlab.memory.buddy_pages import BuddyError
from kvmlab.memory.buddy_setup import Switches, check_room, set_rules, set_zones
from kvmlab.memory.buddy_view import BuddyView
from kvmlab.memory.migratetype import Migratetype, migratetype_of_gfp
from kvmlab.memory.zone import Zone, checked_zones, zone_numbers

GFP_KERNEL = 0xCC0
_DMA, _DMA32, _MOVABLE, _DIRECT, _NORETRY, _COMP, _THISNODE = 1, 4, 8, 0x400, 0x10000, 0x40000, 0x200000
# List heads for TTM pools of each node: those that all devices share, and those of each device.
SHARED_POOLS, DEVICE_POOLS = 44, 33


class Buddy(BuddyView):
    """The state of the page allocator, and the operations on it.

    Args:
        zones: the zones of the machine; all of their memory is free, as the boot code leaves it.
        release: kernel release whose rules hold.
        cpus: number of CPUs.
        pcp: whether there are per-CPU lists.
        migratetypes: whether pageblocks have types; without, everything is Unmovable.
        watermarks: whether requests must leave the zones above their watermarks.
        drain: whether direct reclaim says that it made progress: then a request that gets that far drains all per-CPU
            lists and looks again. It does when it freed something and, up to 6.11, for orders above 3 when compaction
            could go on; whether compaction was put off before is in no file, so this is a switch.
        log_rows: capacity of the event log; 0 for none.
        batch: pcp->batch of every zone, None for the kernel's own choice.
        high: pcp->high of every zone (both limits), None for the kernel's own choice.
        thp: whether order 9 has per-CPU lists (CONFIG_TRANSPARENT_HUGEPAGE).
        min_free_kbytes: the sysctl; None for the kernel's own choice.
        ttm_devices: how many devices can have TTM pools of their own on this machine.
        engine: `numba`, `python` or `auto`.

    Raises:
        ZoneError: zones that cannot be.
        UnknownRelease: no table covers the release.

    >>> b = Buddy([Zone.fresh("1GiB")], release="6.12", engine="python")
    >>> hex(b.alloc(10))
    '0x100000'
    """

    def __init__(
        self,
        zones: Sequence[Zone],
        *,
        release: str = "6.12",
        cpus: int = 1,
        pcp: bool = True,
        migratetypes: bool = True,
        watermarks: bool = False,
        drain: bool = False,
        log_rows: int = 0,
        batch: int | None = None,
        high: int | None = None,
        thp: bool = True,
        min_free_kbytes: int | None = None,
        ttm_devices: int = 1,
        engine: str = "auto",
        _empty: bool = False,
    ) -> None:
        features = release_features("buddy", release)
        self.zones = checked_zones(zones)
        if not 1 <= cpus <= 4096 or not 0 <= log_rows <= 1 << 27 or not 0 <= ttm_devices <= 64:
            raise BuddyError(f"{cpus} CPUs, {log_rows} rows of event log or {ttm_devices} devices are too many or few.")
        self.release = release
        self.features: ReleaseFeatures = features
        self.cpus = cpus
        self.engine: Any = engine_by_name(engine)
        self.base = min(z.start for z in self.zones) // at.FRAME * at.FRAME
        pages = -(-(max(z.end for z in self.zones) - self.base) // at.FRAME) * at.FRAME
        self.nodes = max(z.nid for z in self.zones) + 1
        self.ttm_devices = ttm_devices
        pools = (SHARED_POOLS + DEVICE_POOLS * ttm_devices) * self.nodes
        check_room(pages)
        self.state = at.new_state(pages, len(self.zones), self.nodes, cpus, pools, log_rows)
        self._refs: dict[int, int] = {}
        numbers = zone_numbers(
            self.zones, cpus=cpus, batch_shift=int(features["batch_shift"]), min_free_kbytes=min_free_kbytes
        )
        switches = Switches(pcp, migratetypes, watermarks, drain and pcp, log_rows > 0, thp)
        set_rules(self.state, features, switches, (len(self.zones), self.nodes, cpus), self.base)
        set_zones(self.state, self.zones, self.base, cpus, numbers, batch, high)
        if not _empty:
            self._boot(migratetypes)

    @classmethod
    def fresh(cls, size: str | int = "1GiB", **options: Any) -> Buddy:
        """A machine with one zone Normal from 4 GiB on, all of it free; options as for `Buddy`.

        >>> Buddy.fresh("64MiB", engine="python").free_pages
        16384
        """
        return cls([Zone.fresh(size)], **options)

    def _boot(self, migratetypes: bool) -> None:
        import numpy as np

        parts = [buddy_boot.blocks_of_range(a - self.base, b - self.base) for z in self.zones for a, b in z.ram]
        index = np.concatenate([p[0] for p in parts])
        order = np.concatenate([p[1] for p in parts])
        mt = Migratetype.MOVABLE if migratetypes else Migratetype.UNMOVABLE
        self._mark_ram()
        buddy_boot.set_types(self.state, slice(None), int(mt))
        buddy_boot.seed_lists(self.state, index, order, np.full(len(index), int(mt), dtype=np.int64))

    def _mark_ram(self) -> None:
        for z in self.zones:
            for a, b in z.ram:
                self.state.page[a - self.base : b - self.base] = at.INNER

    # Requests ------------------------------------------------------------------------------------------------------

    def alloc(
        self,
        order: int = 0,
        *,
        gfp: int = GFP_KERNEL,
        nid: int = 0,
        cpu: int = 0,
        owner: int = -1,
        lru: bool | None = None,
    ) -> int | None:
        """Allocate a block (alloc_pages_node).

        Args:
            order: 0 to 10.
            gfp: the allocation mask, which decides migratetype, zones and how hard it tries.
            nid: the node to begin with.
            cpu: the CPU that asks.
            owner: number that the block carries until it is freed (int32).
            lru: whether its pages count as movable ones; None for what __GFP_MOVABLE says.

        Returns:
            The block's first pfn, or None if no zone could serve the request.

        Raises:
            BuddyError: an order, node or CPU that does not exist.
        """
        self._check(order, nid, cpu)
        s = self.state
        s.ctx[at.C_CPU], s.ctx[at.C_BO], s.ctx[at.C_GFP] = cpu, owner, gfp
        i = self.engine.alloc_step(s, *self._request(order, gfp, nid, lru))
        s.ctx[at.C_BO] = -1
        return None if i < 0 else int(i) + self.base

    def _request(self, order: int, gfp: int, nid: int, lru: bool | None) -> tuple[int, int, int, int]:
        movable = bool(gfp & _MOVABLE)
        kind = 0 if gfp & _DMA else 1 if gfp & _DMA32 else 3 if movable else 2
        flags = self.request_flags(gfp) | at.F_LRU * (movable if lru is None else lru)
        return nid * at.NR_KINDS + kind, order, int(migratetype_of_gfp(gfp)), flags

    @staticmethod
    def request_flags(gfp: int) -> int:
        """The request flags of the step functions that an allocation mask stands for."""
        flags = at.F_DIRECT * bool(gfp & _DIRECT) | at.F_NORETRY * bool(gfp & _NORETRY)
        return flags | at.F_THISNODE * bool(gfp & _THISNODE) | at.F_COMP * bool(gfp & _COMP)

    def pinned(self, pfns: Iterable[int]) -> bool:
        """Whether any of these first pages has more references than one."""
        return bool(self._refs) and any(int(pfn) - self.base in self._refs for pfn in pfns)

    def _check(self, order: int, nid: int, cpu: int) -> None:
        if not 0 <= order <= at.MAX_ORDER:
            raise BuddyError(f"order {order} does not exist: the allocator has orders 0 to {at.MAX_ORDER}.")
        if not 0 <= nid < self.nodes or not 0 <= cpu < self.cpus:
            raise BuddyError(f"node {nid} or CPU {cpu} does not exist: there are {self.nodes} and {self.cpus}.")

    def free(self, pfn: int, *, cpu: int = 0) -> None:
        """Drop one reference of a block's first page and free the block with the last one (__free_pages).

        A non-compound block whose first page somebody else still holds loses all its other pages at once: parts
        [2^k, 2^(k+1)) for k from order - 1 down to 0. Only the first page is left to its last holder.

        Args:
            pfn: first page of an allocated block.
            cpu: the CPU that frees.

        Raises:
            BuddyError: `pfn` is not the first page of an allocated block.
        """
        i, order = self._allocated(pfn)
        self._check(order, 0, cpu)
        s = self.state
        s.ctx[at.C_CPU] = cpu
        held = self._refs.get(i, 1) - 1
        if held == 0:
            self._refs.pop(i, None)
            self.engine.free_step(s, i, order)
            return
        self._set_refs(i, held)
        if int(s.page[i]) & at.COMPOUND or order == 0:
            return
        owner = int(s.prv[i])
        s.page[i] = int(s.page[i]) & ~at.ORDER & 0xFF
        s.prv[i] = owner
        for k in range(order - 1, -1, -1):
            self.engine.free_step(s, i + (1 << k), k)
        if s.rule[at.R_LOG]:
            from kvmlab.kernel.events import Op

            z = int(s.block[i >> at.PB_ORDER]) >> at.ZONE_SHIFT
            self.engine.log_event(s, int(Op.HEAD_PINNED_FREE), i, order, -1, z)

    put_page = free

    def get_page(self, pfn: int) -> None:
        """Take one more reference of a block's first page; raises `BuddyError` if it is not one."""
        i, _ = self._allocated(pfn)
        self._refs[i] = self._refs.get(i, 1) + 1

    def _set_refs(self, i: int, count: int) -> None:
        if count == 1:
            self._refs.pop(i, None)
        else:
            self._refs[i] = count

    def split_page(self, pfn: int) -> None:
        """Make single pages of a non-compound block: each gets one reference and is freed on its own.

        Raises:
            BuddyError: not the first page of a block, or a compound block.
        """
        i, order = self._allocated(pfn)
        s = self.state
        if int(s.page[i]) & at.COMPOUND:
            raise BuddyError(f"pfn {pfn:#x} is a compound block: split_page() takes only others.")
        mark = int(s.page[i]) & ~at.ORDER & 0xFF
        s.prv[i : i + (1 << order)] = s.prv[i]
        s.nxt[i : i + (1 << order)] = -1
        s.page[i : i + (1 << order)] = mark
        if s.rule[at.R_LOG]:
            from kvmlab.kernel.events import Op

            self.engine.log_event(s, int(Op.SPLIT), i, order, -1, int(s.block[i >> at.PB_ORDER]) >> at.ZONE_SHIFT)

    def _allocated(self, pfn: int) -> tuple[int, int]:
        i = pfn - self.base
        mark = int(self.state.page[i]) if 0 <= i < self.state.page.shape[0] else at.INNER
        if not at.ALLOCATED <= mark < at.ABSENT or mark & at.POOLED or mark & at.ORDER > at.MAX_ORDER:
            raise BuddyError(f"pfn {pfn:#x} is not the first page of an allocated block.")
        return i, mark & at.ORDER

    def drain_all(self) -> None:
        """Give all per-CPU pages back to the free lists (drain_all_pages)."""
        self.engine.drain_all(self.state)
