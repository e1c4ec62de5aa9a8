"""The TTM page pool by kernel release: presets, and the allocation mask of each block that it asks the system for."""

from __future__ import annotations

from kvmlab.kernel.buddy_releases import ReleaseFeatures, release_features
from kvmlab.kernel.gfp import gfp_table
from kvmlab.kernel.release import KernelRelease

# The releases that stand for a generation each; every other release between 5.15 and 7.3 works too.
PRESETS = ("5.15", "6.1", "6.6", "6.12", "6.18", "7.2", "7.3")

MAX_ORDER = 10
# amdgpu and xe say that blocks above 2 MiB gain nothing (get_order(SZ_2M)).
AMDGPU_BENEFICIAL_ORDER = 9


def ttm_features(release: str | KernelRelease) -> ReleaseFeatures:
    """What the TTM pool of a kernel release does.

    Args:
        release: a release as `uname -r` prints it, or one of `PRESETS`.

    Raises:
        UnknownRelease: no table covers the release.

    >>> ttm_features("6.12")["loop"], ttm_features("7.3")["loop"]
    ('B', 'C')
    >>> [f.feature for f in ttm_features("6.18").uncertain][:3]
    ['loop', 'list_order', 'node_lists']
    """
    return release_features("ttm", release)


def ttm_gfp(
    release: str | KernelRelease,
    order: int,
    *,
    zero: bool = False,
    retry_mayfail: bool = False,
    dma32: bool = False,
    beneficial_order: int = 0,
) -> int:
    """The allocation mask with which ttm_pool_alloc_page() asks for a block.

    Args:
        release: the kernel release.
        order: order of the block, 0 to 10.
        zero: the buffer wants zeroed pages (TTM_TT_FLAG_ZERO_ALLOC: buffers of user space).
        retry_mayfail: the operation context has gfp_retry_mayfail (amdgpu sets it when it creates a buffer).
        dma32: the pool serves a device that reaches 4 GiB only.
        beneficial_order: what the driver told the pool; 0 for nothing. amdgpu: 9, where the kernel knows it.

    Source: ttm_pool_alloc and ttm_pool_alloc_page of 6.1.192, 6.12.117 and 7.3.4; the rows of ttm_releases.csv.

    >>> hex(ttm_gfp("6.12", 9, zero=True, retry_mayfail=True)), hex(ttm_gfp("6.1", 9, zero=True, retry_mayfail=True))
    ('0x396dc2', '0x196dc2')
    """
    features, table = ttm_features(release), gfp_table(release)
    bit = table.flags
    mask = table.value("GFP_USER") | (bit["__GFP_DMA32"] if dma32 else table.value("GFP_HIGHUSER"))
    if zero:
        mask |= bit["__GFP_ZERO"]
    if retry_mayfail:
        mask |= bit["__GFP_RETRY_MAYFAIL"]
        if features["mayfail_nowarn"] == "yes":
            mask |= bit["__GFP_NOWARN"]
    if order == 0:
        return mask
    mask |= bit["__GFP_NOMEMALLOC"] | bit["__GFP_NORETRY"] | bit["__GFP_NOWARN"]
    if features["thisnode"] == "yes":
        mask |= bit["__GFP_THISNODE"]
    if features["kswapd_bit"] == "yes":
        mask |= bit["__GFP_KSWAPD_RECLAIM"]
    rule = features["beneficial"]
    if rule == "above" and 0 < beneficial_order < order:
        mask &= ~bit["__GFP_DIRECT_RECLAIM"]
    if rule == "other" and beneficial_order:
        if order != beneficial_order:
            mask &= ~table.value("__GFP_RECLAIM")
        else:
            mask = mask & ~bit["__GFP_NORETRY"] | bit["__GFP_RETRY_MAYFAIL"]
    return mask
