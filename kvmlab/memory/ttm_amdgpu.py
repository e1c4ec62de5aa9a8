"""What amdgpu asks TTM for: caching modes by a buffer's creation flags, and its pools by what the device reaches."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from kvmlab.kernel.ttm import AMDGPU_BENEFICIAL_ORDER, ttm_features
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmPool
from kvmlab.memory.ttm_device import TtmDevice, TtmError
from kvmlab.memory.ttm_state import Caching
from kvmlab.memory.zone import PAGE_SIZE

CPU_GTT_USWC: Final = 1 << 2  # AMDGPU_GEM_CREATE_CPU_GTT_USWC
# Bits of the addresses that a generation of the memory controller reaches; some boards with GMC 9 have 48.
DMA_BITS: Final = {6: 40, 7: 40, 8: 40, 9: 44, 10: 44, 11: 44, 12: 44}


@dataclass(frozen=True, slots=True)
class BufferKind:
    """A kind of amdgpu buffer.

    Args:
        name: its name in `ttm_amdgpu.csv`.
        flags: the creation flags that matter, by name without AMDGPU_GEM_CREATE_.
        basis: `read`, `documented` or `inferred`.
        source: where this is from.
    """

    name: str
    flags: tuple[str, ...]
    basis: str
    source: str

    @property
    def caching(self) -> Caching:
        """The caching mode of its pages."""
        return amdgpu_caching(CPU_GTT_USWC * ("CPU_GTT_USWC" in self.flags))


@cache
def buffer_kinds() -> dict[str, BufferKind]:
    """The kinds of amdgpu buffers, by name.

    >>> buffer_kinds()["dumb"].caching
    <Caching.WRITE_COMBINED: 1>
    """
    text = files("kvmlab.kernel").joinpath("data/ttm_amdgpu.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        r["name"]: BufferKind(r["name"], tuple(filter(None, r["flags"].split("|"))), r["basis"], r["source"])
        for r in rows
    }


def amdgpu_caching(flags: int, *, write_combining: bool = True) -> Caching:
    """The caching mode of a buffer's pages, by its creation flags.

    Args:
        flags: AMDGPU_GEM_CREATE_*, u64.
        write_combining: whether the platform can do it: not 32-bit x86, and not x86 without PAT.

    Source: amdgpu_ttm_tt_create and amdgpu_bo_support_uswc of 6.1.192, 6.12.117 and 7.2.13.

    >>> amdgpu_caching(0x4).name, amdgpu_caching(0x3).name
    ('WRITE_COMBINED', 'CACHED')
    """
    return Caching.WRITE_COMBINED if flags & CPU_GTT_USWC and write_combining else Caching.CACHED


def amdgpu_devices(
    release: str,
    *,
    highest_address: int,
    dma_bits: int = 44,
    encrypted: bool = False,
    xen_pv: bool = False,
    dma32: bool = False,
    nid: int = -1,
    partitions: Sequence[int] = (),
) -> tuple[TtmDevice, ...]:
    """The pools that amdgpu sets up: the device's own, and one for each memory partition of an APU such as MI300A.

    Args:
        release: kernel release.
        highest_address: highest physical address of memory and devices, in bytes (/proc/iomem).
        dma_bits: width of the addresses that the device reaches (`DMA_BITS`).
        encrypted: whether memory encryption is active.
        xen_pv: whether the kernel is a paravirtual guest of Xen.
        dma32: whether the device's addressing is limited (dma_addressing_limited()).
        nid: node of the device, -1 for none.
        partitions: nodes of the memory partitions.

    Raises:
        UnknownRelease: no table covers the release.

    Source: amdgpu_ttm_init, amdgpu_ttm_pools_init and gmc_v*.c of 6.12.117; drm_need_swiotlb().

    >>> amdgpu_devices("6.12", highest_address=(64 << 30) - 1)
    (TtmDevice(dma_alloc=False, dma32=False, nid=-1, beneficial_order=0),)
    >>> amdgpu_devices("7.3", highest_address=1 << 45)[0].dma_alloc
    True
    """
    bounced = encrypted or xen_pv or highest_address > 1 << dma_bits
    order = 0 if ttm_features(release)["beneficial"] == "none" else AMDGPU_BENEFICIAL_ORDER
    own = TtmDevice(bounced, dma32, nid, order)
    return (own, *(TtmDevice(False, False, node, order) for node in partitions))


def amdgpu_pool(buddy: Buddy, *, kernel_buffers: bool = False, **device: Any) -> TtmPool:
    """TTM's pools as amdgpu uses them: pages are zeroed for user space, and requests may fail after retries.

    Args:
        buddy: the page allocator; it was made for as many devices as there are pools.
        kernel_buffers: whether the buffers are the driver's own, whose pages are not zeroed.
        device: arguments of `amdgpu_devices`; the highest address is by default that of the memory.

    Raises:
        TtmError: more pools than the allocator was made for, or a node that does not exist.

    >>> pool = amdgpu_pool(Buddy.fresh("64MiB", release="6.12", engine="python"))
    >>> hex(int(pool.state.gfp[0, 9])), hex(int(pool.state.gfp[0, 0]))
    ('0x396dc2', '0x104dc2')
    """
    highest = max(z.end for z in buddy.zones) * PAGE_SIZE - 1
    try:
        devices = amdgpu_devices(buddy.release, **{"highest_address": highest, **device})
    except TypeError as error:
        raise TtmError(f"amdgpu's pools have no such setting: {str(error).rpartition(' ')[2]}.") from error
    return TtmPool(buddy, devices=devices, zero=not kernel_buffers, retry_mayfail=True)
