"""The model against the lab: the buffers of a recorded run predicted one after the other, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.klttm import TtmBuffer as RecordedBuffer
from kvmlab.capture.klttm import TtmRun
from kvmlab.capture.ttm_pool import PagePool
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.captures_lab import orders_text
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmNoMemory, TtmPool
from kvmlab.memory.ttm_buffer import TtmBuffer
from kvmlab.memory.ttm_state import Caching
from kvmlab.memory.ttm_text import page_pool

if TYPE_CHECKING:
    import pandas as pd

Blocks = tuple[tuple[int, int], ...]  # (first pfn, order) in the order of the page vector


@dataclass(frozen=True, slots=True)
class BufferPrediction:
    """One recorded buffer beside what the model says.

    Args:
        index: its number in the run.
        pages: pages asked for.
        caching: its mode.
        recorded, predicted: the blocks; predicted is empty where the model found no memory.
        pool_recorded, pool_predicted: blocks of the shared pools by order (wc, uc, wc 32, uc 32) after it was freed;
            None where the run does not show them.
    """

    index: int
    pages: int
    caching: Caching
    recorded: Blocks
    predicted: Blocks
    pool_recorded: tuple[tuple[int, ...], ...] | None = None
    pool_predicted: tuple[tuple[int, ...], ...] | None = None

    @property
    def same_orders(self) -> bool:
        """Whether the orders are the same, one after the other."""
        return [o for _, o in self.recorded] == [o for _, o in self.predicted]

    @property
    def misplaced_share(self) -> float:
        """Share of the pages that stand in blocks of another order than recorded.

        Half the sum over the orders of the difference in pages, divided by the buffer's pages; 0: the same histogram.
        """
        return (
            sum(abs(a - b) for a, b in zip(_pages(self.recorded), _pages(self.predicted), strict=True)) / 2 / self.pages
        )

    @property
    def exact_pfn_share(self) -> float:
        """Share of the pages whose pfn is predicted at exactly its place in the page vector."""
        return sum(a == b for a, b in zip(_vector(self.recorded), _vector(self.predicted), strict=False)) / self.pages

    @property
    def common_pfn_share(self) -> float:
        """Share of the pages whose pfn is predicted at any place."""
        return len(set(_vector(self.recorded)) & set(_vector(self.predicted))) / self.pages

    @property
    def same_pool(self) -> bool | None:
        """Whether the pools hold the same blocks by order afterwards; None where that was not recorded."""
        return None if self.pool_recorded is None else self.pool_recorded == self.pool_predicted


def _pages(blocks: Blocks) -> list[int]:
    out = [0] * 11
    for _, order in blocks:
        out[order] += 1 << order
    return out


def _vector(blocks: Blocks) -> list[int]:
    return [pfn for first, order in blocks for pfn in range(first, first + (1 << order))]


def predict_run(run: TtmRun, buddy: Buddy, *, hold: bool = False) -> tuple[BufferPrediction, ...]:
    """Predict the buffers of a run: each is allocated and, unless they are held, freed before the next.

    The pools begin as the run's first page_pool says; which frames were in them is not recorded, so any frames in use
    are taken. Between two buffers the recorded machine did other things, which the model does not know.

    Args:
        run: what the lab's program printed.
        buddy: the allocator as it was before; it is not changed.
        hold: keep the buffers.

    Raises:
        UnusableInput: a buffer of an unknown caching mode.
    """
    first = run.page_pool[0][1] if run.page_pool and run.page_pool[0][0] == 0 else None
    limits = [total.limit for total in first.totals] if first is not None else []
    pool = TtmPool(buddy.copy(), page_pool_size=limits[0] if limits else None)
    if first is not None:
        fill_pools(pool, first)
    after = {k: found for k, found in run.page_pool if k > 0}
    out = []
    for k, recorded in enumerate(run.buffers):
        if recorded.caching not in (0, 1, 2):
            raise UnusableInput(f"buffer {k} has caching mode {recorded.caching}; expected 0, 1 or 2.")
        out.append(predict_buffer(pool, k, recorded, after.get(k + 1), hold))
    return tuple(out)


def predict_buffer(
    pool: TtmPool, k: int, recorded: RecordedBuffer, after: PagePool | None, hold: bool, *, cpu: int = 0
) -> BufferPrediction:
    """Fill one recorded buffer from a pool and set both side by side.

    Args:
        pool: the pool; it is changed.
        k: number of the buffer in its run.
        recorded: the buffer.
        after: page_pool as it was recorded afterwards, None if it was not.
        hold: keep the buffer.
        cpu: the CPU that asks.
    """
    caching = Caching(recorded.caching)
    try:
        buffer = pool.alloc(recorded.npages, caching, cpu=cpu)
    except TtmNoMemory:
        predicted: Blocks = ()
    else:
        predicted = blocks_of(buffer)
        if not hold:
            pool.free(buffer)
    return BufferPrediction(
        k,
        recorded.npages,
        caching,
        tuple((b.pfn, b.order) for b in recorded.blocks),
        predicted,
        None if after is None else tuple(row.blocks for row in after.rows),
        None if after is None else pool_counts(pool),
    )


def fill_pools(pool: TtmPool, recorded: PagePool) -> None:
    """Put as many blocks of each order into the shared pools as a recorded page_pool shows, out of pages in use."""
    modes = {"wc": (Caching.WRITE_COMBINED, False), "uc": (Caching.UNCACHED, False)}
    modes |= {"wc 32": (Caching.WRITE_COMBINED, True), "uc 32": (Caching.UNCACHED, True)}
    for row in recorded.rows:
        if row.label in modes:
            caching, dma32 = modes[row.label]
            for order in range(len(row.blocks) - 1, -1, -1):
                pool.adopt(caching, order, row.blocks[order], dma32=dma32)


def pool_counts(pool: TtmPool) -> tuple[tuple[int, ...], ...]:
    """Blocks of the shared pools by order, in the order in which page_pool prints them."""
    rows = page_pool(pool).splitlines()[1:5]
    return tuple(tuple(int(n) for n in row.split(":")[1].split()) for row in rows)


def blocks_of(buffer: TtmBuffer) -> Blocks:
    """The blocks of a buffer as (first pfn, order)."""
    return tuple((int(p), int(o)) for p, o in zip(buffer.pfn, buffer.order, strict=True))


def df_predictions(predictions: Sequence[BufferPrediction]) -> pd.DataFrame:
    """One row a buffer: what was asked for, blocks and orders (`10x7 9 8`) recorded and predicted, and the measures."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "buffer": p.index,
                "pages": p.pages,
                "caching": p.caching.name.lower(),
                "blocks_recorded": len(p.recorded),
                "blocks_predicted": len(p.predicted),
                "orders_recorded": orders_text(order for _, order in p.recorded),
                "orders_predicted": orders_text(order for _, order in p.predicted),
                "same_orders": p.same_orders,
                "misplaced_share": p.misplaced_share,
                "exact_pfn_share": p.exact_pfn_share,
                "common_pfn_share": p.common_pfn_share,
                "same_pool": p.same_pool,
            }
            for p in predictions
        ]
    )
