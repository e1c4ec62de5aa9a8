"""Writing the release's rules, the devices and the limits into a new state of TTM's pools."""

from __future__ import annotations

from collections.abc import Sequence

from kvmlab.kernel.buddy_releases import ReleaseFeatures
from kvmlab.kernel.ttm import ttm_gfp
from kvmlab.memory import buddy_state as at
from kvmlab.memory import ttm_state as tt
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm_device import TtmDevice
from kvmlab.memory.ttm_state import Caching

_NID_POOLS = {"none": 0, "uncached": 1, "all": 2}
_LOOPS = {"A": tt.LOOP_A, "B": tt.LOOP_B, "C": tt.LOOP_C}
_ZONE_BITS, _DMA32 = 0x7, 0x4  # __GFP_DMA, __GFP_HIGHMEM and __GFP_DMA32


def new_ttm_state(buddy: Buddy, features: ReleaseFeatures, devices: Sequence[TtmDevice], *, x86: bool) -> tt.TtmState:
    """Empty pools with the rules of a release.

    Args:
        buddy: the page allocator that they take their pages from.
        features: what the release does.
        devices: the devices' pools.
        x86: whether the architecture has write-combined and uncached pages.
    """
    import numpy as np

    nodes, size = buddy.nodes, (len(devices), at.NR_ORDERS)
    state = tt.TtmState(
        np.zeros(tt.TTM_RULES, dtype=np.int64),
        np.zeros(nodes, dtype=np.int64),
        np.zeros(nodes, dtype=np.int64),
        np.zeros((len(devices), tt.DEVICE_FIELDS), dtype=np.int64),
        np.array(registered_types(features, devices, x86=x86), dtype=np.int64),
        np.zeros(size, dtype=np.int64),
        np.zeros(size, dtype=np.int64),
    )
    rule = state.rule
    rule[tt.T_HEADS] = len(buddy.state.page) + at.list_heads(len(buddy.zones), buddy.cpus)
    rule[tt.T_NODES] = nodes
    rule[tt.T_TYPES] = tt.GLOBAL_TYPES + tt.DEVICE_TYPES * len(devices)
    rule[tt.T_LOOP] = _LOOPS[features["loop"]]
    rule[tt.T_FIFO] = features["list_order"] == "fifo"
    rule[tt.T_NODE_LISTS] = features["node_lists"] == "yes"
    rule[tt.T_NODE_LIMIT] = features["limit"] == "node"
    rule[tt.T_SHRINK_N] = features["shrink"] == "n_blocks"
    rule[tt.T_NID_POOLS] = _NID_POOLS[features["nid_pools"]]
    rule[tt.T_X86] = x86
    return state


def set_masks(s: tt.TtmState, release: str, devices: Sequence[TtmDevice], *, zero: bool, retry_mayfail: bool) -> None:
    """Fill in each device, and the allocation mask of each order.

    dma_alloc_attrs() takes the zone bits out of the mask and sets __GFP_DMA32 again for a device that needs it.

    Args:
        s: new pools.
        release: kernel release.
        devices: the devices' pools.
        zero, retry_mayfail: as for `ttm_gfp`.

    Source: dma_alloc_attrs of kernel/dma/mapping.c, 6.12.117; the masks of `kvmlab.kernel.ttm`.
    """
    for number, device in enumerate(devices):
        kind = 1 if device.dma32 else 2
        s.device[number] = (device.dma_alloc, device.dma32, device.nid, max(device.nid, 0) * at.NR_KINDS + kind)
        for order in range(at.NR_ORDERS):
            gfp = ttm_gfp(
                release,
                order,
                zero=zero,
                retry_mayfail=retry_mayfail,
                dma32=device.dma32,
                beneficial_order=device.beneficial_order,
            )
            if device.dma_alloc:
                gfp = gfp & ~_ZONE_BITS | _DMA32 * device.dma32
            s.gfp[number, order] = gfp
            s.flags[number, order] = Buddy.request_flags(gfp)


def set_limits(s: tt.TtmState, buddy: Buddy, features: ReleaseFeatures, page_pool_size: int | None) -> None:
    """Set where freeing begins to shrink the pools.

    Args:
        s: the pools.
        buddy: the page allocator below them.
        features: what the release does.
        page_pool_size: the limit in pages, of all pools or of each node by release; None or 0 for half the memory.
    """
    by_node = [sum(z.pages for z in buddy.zones if z.nid == nid) for nid in range(buddy.nodes)]
    if features["limit"] == "node":
        s.limit[:] = [page_pool_size or n // 2 for n in by_node]
    else:
        s.limit[:] = page_pool_size or sum(by_node) // 2


def registered_types(features: ReleaseFeatures, devices: Sequence[TtmDevice], *, x86: bool) -> list[int]:
    """Pool types in the order of their registration, which is the order of the shrinker's visits.

    Args:
        features, devices, x86: as for `new_ttm_state`.
    """
    types = list(range(tt.GLOBAL_TYPES))
    for number, device in enumerate(devices):
        own = {Caching.UNCACHED, Caching.WRITE_COMBINED} if features["nid_pools"] == "uncached" else set(Caching)
        if features["nid_pools"] == "none" or device.nid < 0 or not x86:
            own = set()
        for caching in Caching:
            if device.dma_alloc or caching in own:
                types += [tt.device_type(number, caching, order) for order in range(at.NR_ORDERS)]
    return types
