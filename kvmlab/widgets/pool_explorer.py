"""Plays with TTM's pool on the modelled page allocator, on one kernel or the same on two side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts.order_histogram import df_order_histogram, plot_order_histogram
from kvmlab.charts.ttm_pool_time import df_ttm_pool_time, plot_ttm_pool_time
from kvmlab.charts.ttm_strip import df_ttm_strip, plot_ttm_strip
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.ttm_scene import Action, Fill, Free, Run, Scene, Shrink, Side, perform
from kvmlab.memory.ttm_buffer import TtmBuffer
from kvmlab.memory.ttm_text import page_pool
from kvmlab.widgets.controller import Controller

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

CACHINGS: Final = ("cached", "wc", "uc")
MOST_ROWS: Final = 200


class PoolExplorer(Controller):
    """A pool on modelled memory; a change of the kernel or of the memory does again all that was done.

    Args:
        release: kernel release whose rules hold.
        memory: size of the modelled machine.
        buffers: sizes in pages of buffers to begin with, cached.
        beside: a second release that gets the same requests; None for none.

    Raises:
        UnknownRelease: no table covers the release.
        ZoneError: the size cannot be.

    >>> explorer = PoolExplorer("6.12", "256MiB", [8100])
    >>> explorer.words()
    '6.12 on 256MiB: 1 buffer, 8,100 pages in 12 blocks, 99.9 % of them tails; 0 pages pooled'
    """

    def __init__(
        self, release: str = "6.12", memory: str = "1GiB", buffers: Sequence[int] = (), *, beside: str | None = None
    ) -> None:
        super().__init__()
        self.error: str | None = None
        self.chosen = 0
        self.actions: tuple[Action, ...] = tuple(Fill(pages) for pages in buffers)
        self._show(_sides(release, beside, Scene(memory), self.actions))

    def _show(self, sides: tuple[Side, ...]) -> None:
        self.sides = sides
        self.chosen = max(0, len(sides[0].live) - 1)

    # What is asked of the machine ------------------------------------------------------------------------------------

    def alloc(self, pages: int, caching: str = "cached") -> None:
        """Fill a buffer; if the pool refuses, `error` says why and nothing is changed.

        Args:
            pages: number of 4 KiB pages.
            caching: `cached`, `wc` or `uc`.
        """
        self._act(Fill(pages, caching))

    def free(self, number: int) -> None:
        """Give a buffer back.

        Args:
            number: its place among the live buffers, 0 is the oldest; others are not taken.
        """
        if 0 <= number < len(self.buffers):
            self._act(Free(number))

    def shrink(self, pages: int) -> None:
        """Let the shrinker free at least so many pages of the pools."""
        self._act(Shrink(pages))

    def run(self, workload: str, steps: int) -> None:
        """Run a workload for so many allocations (`kvmlab.memory.workload.workloads`)."""
        self._act(Run(workload, steps))

    def begin_again(self) -> None:
        """Forget all that was done."""
        self._rebuild(())

    def set(self, *, release: str | None = None, beside: str | None = "", **scene: Any) -> None:
        """Change the kernels or the scene and do again all that was done; what cannot be leaves everything as it is.

        Args:
            release: the kernel; None for the one that there is.
            beside: the second kernel, None for none; an empty text for the one that there is.
            scene: fields of `kvmlab.inquiry.ttm_scene.Scene`.
        """
        there = None if len(self.sides) < 2 else self.sides[1].release
        self._rebuild(self.actions, release or self.release, there if beside == "" else beside, scene)

    def reset(self, release: str, memory: str) -> None:
        """Begin again on fresh memory; if the release or the size cannot be used, the old pool stays.

        Args:
            release: kernel release.
            memory: size, such as `1GiB`.
        """
        there = None if len(self.sides) < 2 else self.sides[1].release
        self._rebuild((), release, there, {"memory": memory, "fragmentation": "whole", "pool_content": "empty"})

    def choose(self, number: int) -> None:
        """Show another of the live buffers; others are not taken."""
        if 0 <= number < len(self.buffers):
            self.chosen = number
        self.changed()

    def _act(self, action: Action) -> None:
        self._rebuild((*self.actions, action))

    def _rebuild(
        self,
        actions: tuple[Action, ...],
        release: str | None = None,
        beside: str | None = "",
        scene: dict[str, Any] | None = None,
    ) -> None:
        there = None if len(self.sides) < 2 else self.sides[1].release
        try:
            wanted = replace(self.scene, **(scene or {}))
            sides = _sides(release or self.release, there if beside == "" else beside, wanted, actions)
        except (KvmlabError, ValueError, TypeError) as error:
            self.error = str(error)
        else:
            last = [(side, side.steps[-1]) for side in sides if side.steps and len(actions) > len(self.actions)]
            refused = [f"{side.release}: no memory for {step.pages:,} pages" for side, step in last if step.failed]
            self.error = "; ".join(refused) or None
            self.actions = actions
            self._show(sides)
        self.changed()

    # What there is ---------------------------------------------------------------------------------------------------

    @property
    def release(self) -> str:
        """The kernel; of two, the first."""
        return self.sides[0].release

    @property
    def scene(self) -> Scene:
        """How the machine began."""
        return self.sides[0].scene

    @property
    def memory(self) -> str:
        """Size of the machine."""
        return self.scene.memory

    @property
    def buffers(self) -> tuple[TtmBuffer, ...]:
        """The live buffers of the first kernel, oldest first."""
        return self.sides[0].live

    def words(self) -> str:
        """What there is, a sentence for each kernel, or what was refused."""
        return self.error if self.error is not None else "\n".join(_said(side) for side in self.sides)

    def df_buffers(self) -> pd.DataFrame:
        """The newest live buffers: `kernel`, `buffer`, `caching`, `pages`, `blocks`, `tails`, `tail share`, `runs`,
        `from a pool` (blocks), `first` pfn.
        """
        import pandas as pd

        rows = [
            (
                side.release,
                i,
                b.caching.name.lower(),
                b.pages,
                b.blocks,
                b.tails,
                f"{100 * b.tail_share:.2f} %",
                b.runs,
                int(b.from_pool.sum()),
                int(b.pfn.min()),
            )
            for side in self.sides
            for i, b in list(enumerate(side.live))[-MOST_ROWS:]
        ]
        columns = ["kernel", "buffer", "caching", "pages", "blocks", "tails", "tail share", "runs", "from a pool"]
        return pd.DataFrame(rows, columns=[*columns, "first"])

    def page_pool(self) -> str:
        """The pools as debugfs prints them (ttm/page_pool), kernel by kernel."""
        return "\n".join(f"{side.release}:\n{page_pool(side.pool).expandtabs()}" for side in self.sides)

    def figure(self) -> go.Figure | None:
        """Where the chosen buffer lies, page by page, and what waits in the pools; None without buffers."""
        sets = self._chosen()
        if not sets:
            return None
        pooled = {_name(side, self.chosen): side.pooled_blocks() for side in self.sides}
        return plot_ttm_strip(df_ttm_strip(sets, pooled=pooled, source=self._source, kernel=self._kernels))

    def orders(self) -> go.Figure | None:
        """The orders of the chosen buffer's blocks; None without buffers."""
        sets = {name: buffer.orders() for name, buffer in self._chosen().items()}
        if not sets:
            return None
        return plot_order_histogram(df_order_histogram(sets, source=self._source, kernel=self._kernels))

    def history(self) -> go.Figure | None:
        """Pages in buffers and in the pools over all that was done; None as long as nothing was."""
        sets = {side.release: side.steps for side in self.sides if side.steps}
        return plot_ttm_pool_time(df_ttm_pool_time(sets, source=self._source)) if sets else None

    def _chosen(self) -> dict[str, TtmBuffer]:
        return {_name(side, self.chosen): side.live[self.chosen] for side in self.sides if self.chosen < len(side.live)}

    @property
    def _kernels(self) -> str:
        return ", ".join(side.release for side in self.sides)

    @property
    def _source(self) -> str:
        scene = self.scene
        if scene.fragmentation == "whole":
            return f"the model on {scene.memory} of fresh memory"
        return f"the model on {scene.memory}, {scene.fragmentation} fragmentation, {100 * scene.free_share:.0f} % free"


def _sides(release: str, beside: str | None, scene: Scene, actions: tuple[Action, ...]) -> tuple[Side, ...]:
    releases = [release] if beside in (None, release) else [release, str(beside)]
    return tuple(perform(kernel, scene, actions) for kernel in releases)


def _name(side: Side, number: int) -> str:
    return f"{side.release}, buffer {number}"


def _said(side: Side) -> str:
    live = side.live
    n, pages = len(live), sum(b.pages for b in live)
    said = f"{side.release} on {side.scene.memory}: {n} {'buffer' if n == 1 else 'buffers'}"
    if n:
        blocks, tails = sum(b.blocks for b in live), sum(b.tails for b in live)
        said += f", {pages:,} pages in {blocks:,} blocks, {100 * tails / pages:.1f} % of them tails"
    return f"{said}; {side.pool.pooled_pages:,} pages pooled"
