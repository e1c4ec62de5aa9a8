"""What a buffer of TTM consists of: blocks, pages, tails, runs of consecutive pfns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvmlab.memory.ttm_state import Caching

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class TtmBuffer:
    """The pages of one buffer object, in the order of its page vector (tt->pages).

    Args:
        id: number of the buffer.
        caching: its caching mode.
        pages: number of 4 KiB pages, N.
        pfn: first pfn of each block, uint64.
        order: order of each block, int8.
        from_pool: whether the block came from a pool rather than from the page allocator.
        device: number of the device pool that filled it.
    """

    id: int
    caching: Caching
    pages: int
    pfn: NDArray[np.uint64]
    order: NDArray[np.int8]
    from_pool: NDArray[np.bool_]
    device: int = 0

    @property
    def blocks(self) -> int:
        """Number of blocks, B."""
        return len(self.pfn)

    @property
    def tails(self) -> int:
        """Pages with refcount 0: all but the first of each block."""
        return self.pages - self.blocks

    @property
    def tail_share(self) -> float:
        """Share of the pages that are tails: T = 1 - B / N."""
        return self.tails / self.pages

    @property
    def runs(self) -> int:
        """Runs of consecutive pfns, in the order of the page vector."""
        import numpy as np

        ends = self.pfn + (np.uint64(1) << self.order.astype(np.uint64))
        return int(1 + (self.pfn[1:] != ends[:-1]).sum())

    def orders(self) -> tuple[int, ...]:
        """Order of each block."""
        return tuple(int(o) for o in self.order)

    def page_pfns(self) -> NDArray[np.uint64]:
        """The pfn of every page of the vector."""
        import numpy as np

        sizes = np.int64(1) << self.order.astype(np.int64)
        starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
        pfns: NDArray[np.uint64] = np.repeat(self.pfn, sizes) + (np.arange(self.pages) - starts).astype(np.uint64)
        return pfns

    def dma_addresses(self, offset: int = 0) -> NDArray[np.uint64]:
        """The bus address of every page (tt->dma_address), as direct mapping gives them; an IOMMU gives others.

        Args:
            offset: what the device adds to a physical address, in bytes.
        """
        import numpy as np

        return (self.page_pfns() << np.uint64(12)) + np.uint64(offset)

    def is_tail(self) -> NDArray[np.bool_]:
        """For every page of the vector whether it is a tail, which has refcount 0."""
        import numpy as np

        out = np.ones(self.pages, dtype=bool)
        sizes = np.int64(1) << self.order.astype(np.int64)
        out[np.cumsum(sizes) - sizes] = False
        return out

    def histogram(self) -> tuple[int, ...]:
        """Number of blocks by order, 0 to 10."""
        import numpy as np

        return tuple(int(n) for n in np.bincount(self.order, minlength=11))

    def df_blocks(self) -> pd.DataFrame:
        """One row a block: buffer, index of its first page, pfn (uint64), order, pages, tails, from_pool."""
        import numpy as np
        import pandas as pd

        sizes = np.int64(1) << self.order.astype(np.int64)
        columns: dict[str, Any] = {
            "buffer": np.full(self.blocks, self.id, dtype=np.int32),
            "index": np.cumsum(sizes) - sizes,
            "pfn": self.pfn,
            "order": self.order,
            "pages": sizes,
            "tails": sizes - 1,
            "from_pool": self.from_pool,
        }
        return pd.DataFrame(columns)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TtmBuffer):
            return NotImplemented
        mine = (self.id, self.caching, self.pages, self.device, self.pfn.tolist(), self.order.tolist())
        theirs = (other.id, other.caching, other.pages, other.device, other.pfn.tolist(), other.order.tolist())
        return mine == theirs and self.from_pool.tolist() == other.from_pool.tolist()

    __hash__ = None  # type: ignore[assignment]


def buffer_pages(size: int, extra_pages: int = 0) -> int:
    """Pages of a buffer of so many bytes: rounded up, and what a driver wants behind it.

    Args:
        size: bytes, at least 1.
        extra_pages: the driver's.

    Source: ttm_tt_init_fields of drivers/gpu/drm/ttm/ttm_tt.c, 6.12.117.

    >>> buffer_pages(33_177_600), buffer_pages(8193)
    (8100, 3)
    """
    return -(-size // 4096) + extra_pages


def fewest_blocks(pages: int, largest: int = 10) -> int:
    """Blocks of a buffer on memory without fragmentation: N / 2^M blocks of the largest order, then its binary digits.

    Args:
        pages: N.
        largest: M, the largest order.

    Source: the order loops of ttm_pool_alloc(): the order is at most the highest set bit of what is left.

    >>> fewest_blocks(8100), fewest_blocks(2025), fewest_blocks(1)
    (12, 8, 1)
    """
    return (pages >> largest) + (pages & ((1 << largest) - 1)).bit_count()


def highest_tail_share(pages: int, largest: int = 10) -> float:
    """The tail share that memory without fragmentation gives: 1 - B_min / N.

    >>> round(highest_tail_share(8100), 5)
    0.99852
    """
    return 1 - fewest_blocks(pages, largest) / pages


def scattered_tail_share(pages: int, free_share: float, zone_pages: int) -> float:
    """The tail share expected where each page is free with the same probability, independent of its neighbours.

    A block of order k below 10 is then maximal and free with probability p^(2^k) (1 - p^(2^k)); the buffer takes the
    blocks from the largest order down. Fractions of blocks are allowed, so this is slightly too high. Real memory is
    fragmented in clusters, which leaves more large blocks: then the real share is higher.

    Args:
        pages: N.
        free_share: p, between 0 and 1.
        zone_pages: pages of the zone.

    >>> round(100 * scattered_tail_share(8100, 0.5, 1 << 20), 2)
    81.33
    """
    blocks, left = 0.0, float(pages)
    for order in range(10, -1, -1):
        whole = free_share ** (1 << order)
        there = zone_pages / (1 << order) * whole * (1.0 if order == 10 else 1 - whole)
        taken = min(there, left / (1 << order))
        blocks += taken
        left -= taken * (1 << order)
    return 1 - (blocks + left) / pages
