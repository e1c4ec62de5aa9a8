"""Plays with TTM's pool on the modelled page allocator: fill buffers, free them, shrink, see where the pages lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kvmlab.charts.order_histogram import df_order_histogram, plot_order_histogram
from kvmlab.charts.pfn_strip import df_pfn_strip, plot_pfn_strip
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.pfn_ranges import PfnRanges, pfn_ranges
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmPool
from kvmlab.memory.ttm_buffer import TtmBuffer
from kvmlab.widgets.controller import Controller

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

CACHINGS: Final = ("cached", "wc", "uc")


class PoolExplorer(Controller):
    """A pool on fresh memory.

    Args:
        release: kernel release whose rules hold.
        memory: size of the modelled machine.
        buffers: sizes in pages of buffers to begin with, cached.

    Raises:
        UnknownRelease: no table covers the release.

    >>> explorer = PoolExplorer("6.12", "256MiB", [8100])
    >>> explorer.words()
    '6.12 on 256MiB: 1 buffer, 8,100 pages in 12 blocks, 99.9 % of them tails; 0 pages pooled'
    """

    def __init__(self, release: str = "6.12", memory: str = "1GiB", buffers: Sequence[int] = ()) -> None:
        super().__init__()
        self.error: str | None = None
        self._reset(release, memory)
        for pages in buffers:
            self.alloc(pages)

    def alloc(self, pages: int, caching: str = "cached") -> None:
        """Fill a buffer; if the pool refuses, `error` says why and nothing is changed.

        Args:
            pages: number of 4 KiB pages.
            caching: `cached`, `wc` or `uc`.
        """
        try:
            self.pool.alloc(pages, caching)
            self.error = None
        except KvmlabError as error:
            self.error = str(error)
        self.changed()

    def free(self, number: int) -> None:
        """Give a buffer back.

        Args:
            number: its place among the live buffers, 0 is the oldest; others are not taken.
        """
        live = self.pool.buffers
        if 0 <= number < len(live):
            self.pool.free(live[number])
        self.changed()

    def shrink(self, pages: int) -> None:
        """Let the shrinker free at least so many pages of the pools."""
        try:
            self.pool.shrink(pages)
            self.error = None
        except KvmlabError as error:
            self.error = str(error)
        self.changed()

    def reset(self, release: str, memory: str) -> None:
        """Begin again on fresh memory; if the release or the size cannot be used, the old pool stays.

        Args:
            release: kernel release.
            memory: size, such as `1GiB`.
        """
        try:
            self._reset(release, memory)
            self.error = None
        except (KvmlabError, ValueError) as error:
            self.error = str(error)
        self.changed()

    @property
    def buffers(self) -> tuple[TtmBuffer, ...]:
        """The live buffers, oldest first."""
        return self.pool.buffers

    def words(self) -> str:
        """One sentence: what there is, or what was refused."""
        if self.error is not None:
            return self.error
        n, pages = len(self.buffers), sum(b.pages for b in self.buffers)
        said = f"{self.release} on {self.memory}: {n} {'buffer' if n == 1 else 'buffers'}"
        if n:
            blocks, tails = sum(b.blocks for b in self.buffers), sum(b.tails for b in self.buffers)
            said += f", {pages:,} pages in {blocks:,} blocks, {100 * tails / pages:.1f} % of them tails"
        return f"{said}; {self.pool.pooled_pages:,} pages pooled"

    def df_buffers(self) -> pd.DataFrame:
        """The live buffers: `buffer`, `caching`, `pages`, `blocks`, `tails`, `tail share`, `runs`, `first` pfn."""
        import pandas as pd

        rows = [
            (
                i,
                b.caching.name.lower(),
                b.pages,
                b.blocks,
                b.tails,
                f"{100 * b.tail_share:.2f} %",
                b.runs,
                int(b.pfn.min()),
            )
            for i, b in enumerate(self.buffers)
        ]
        columns = ["buffer", "caching", "pages", "blocks", "tails", "tail share", "runs", "first"]
        return pd.DataFrame(rows, columns=columns)

    def figure(self) -> go.Figure | None:
        """Where the buffers lie, a lane each; None without buffers."""
        sets = {f"buffer {i} ({b.pages:,} pages)": self._ranges(b) for i, b in enumerate(self.buffers)}
        return plot_pfn_strip(df_pfn_strip(sets)) if sets else None

    def orders(self) -> go.Figure | None:
        """The orders of all live blocks; None without buffers."""
        if not self.buffers:
            return None
        orders = [int(order) for b in self.buffers for order in b.order]
        return plot_order_histogram(
            df_order_histogram({"live buffers": orders}, source=self._source, kernel=self.release)
        )

    @property
    def _source(self) -> str:
        return f"the model on {self.memory} of fresh memory"

    def _ranges(self, buffer: TtmBuffer) -> PfnRanges:
        import numpy as np

        last = buffer.pfn + (np.uint64(1) << buffer.order.astype(np.uint64)) - np.uint64(1)
        return pfn_ranges(buffer.pfn, last=last, source=self._source, kernel=self.release)

    def _reset(self, release: str, memory: str) -> None:
        self.pool = TtmPool(Buddy.fresh(memory, release=release))
        self.release, self.memory = release, memory
