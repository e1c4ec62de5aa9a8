"""A device's pool as its driver sets it up, caching modes by name, and what the pool refuses."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.errors import KvmlabError
from kvmlab.memory.ttm_state import Caching


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
