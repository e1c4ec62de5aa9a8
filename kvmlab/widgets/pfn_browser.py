"""From terabytes to a page: a stretch of pfns in view, a selection in it, and the reports and log lines behind that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvmlab.charts.pfn_map import EmptyMap, df_pfn_map, plot_pfn_map
from kvmlab.inquiry.pfn_ranges import PfnRanges
from kvmlab.inquiry.pfn_runs import PfnRun
from kvmlab.inquiry.pfn_sources import PfnSource, named_at, pfns_of_capture, pfns_of_log
from kvmlab.report.log import Log
from kvmlab.report.records import Report
from kvmlab.widgets.controller import Controller

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import plotly.graph_objects as go
    from numpy.typing import NDArray

    from kvmlab.capture.read import Capture

MOST_ROWS: Final = 200
_OWNER_COLUMNS: Final = ("pfn", "order", "comm", "pid", "gfp_text", "migratetype", "line", "stack")
_LEAST: Final = 64


class PfnBrowser(Controller):
    """Shows the pages of a log, a capture or a simulation.

    Args:
        ranges: the pages.
        log: the log that they came from; its reports and lines are shown for a selection.
        owners: who has pages, such as `PageOwner.df_page_owner()`: `pfn` (uint64), `order` or `pages`, and any others.
        lines: where pages are named, as `PfnSource.lines`.

    Raises:
        kvmlab.charts.pfn_map.EmptyMap: there is no page.
    """

    def __init__(
        self,
        ranges: PfnRanges,
        *,
        log: Log | None = None,
        owners: pd.DataFrame | None = None,
        lines: pd.DataFrame | None = None,
    ) -> None:
        super().__init__()
        if ranges.span is None:
            raise EmptyMap("there is no pfn to browse")
        self.ranges, self.log, self.owners, self.lines = ranges, log, owners, lines
        self._whole: PfnRun = ranges.span
        self._back: list[PfnRun] = []
        self.view: PfnRun = self._whole
        self.selection: PfnRun | None = None

    @classmethod
    def of_log(cls, log: Log, *, source: str | None = None, owners: pd.DataFrame | None = None) -> PfnBrowser:
        """A browser for the pfns of a log's reports.

        Args:
            log: the log.
            source: case or file, for the caption.
            owners: as for the class.
        """
        told = pfns_of_log(log, source=source)
        return cls(told.ranges, log=log, owners=owners, lines=told.lines)

    @classmethod
    def of_source(cls, told: PfnSource, *, owners: pd.DataFrame | None = None) -> PfnBrowser:
        """A browser for the pfns of a capture, as `pfns_of_capture` gives them.

        Args:
            told: the pages, and the lines that name them.
            owners: as for the class.
        """
        return cls(told.ranges, lines=told.lines if len(told.lines) else None, owners=owners)

    @classmethod
    def of_capture(cls, capture: Capture, *, only: str | None = None, owners: Capture | None = None) -> PfnBrowser:
        """A browser for the pfns of a recorded file.

        Args:
            capture: kpageflags, a trace, page_owner, ...
            only: a part of it, as for `pfns_of_capture`.
            owners: a page_owner file of the same machine; the capture itself if it is one.
        """
        who = capture if owners is None and capture.kind.name == "page_owner" else owners
        return cls.of_source(pfns_of_capture(capture, only=only), owners=None if who is None else who.df())

    def zoom(self, first: int, last: int) -> None:
        """Bring a stretch into view, both ends inside; one without a page in it is not taken.

        Args:
            first, last: pfns in either order; less than 64 pages are widened to these.
        """
        low, high = sorted((max(0, first), max(0, last)))
        if high - low + 1 < _LEAST:
            low = low // _LEAST * _LEAST
            high = max(high, low + _LEAST - 1)
        if self.ranges.between(low, high).pages and PfnRun(low, high) != self.view:
            self._back.append(self.view)
            self.view = PfnRun(low, high)
        self.changed()

    def closer(self) -> None:
        """Zoom to a quarter of the view, around the page in its middle or the nearest one to that."""
        middle = (self.view.first + self.view.last) // 2
        near = self._nearest(middle)
        reach = max(_LEAST, self.view.pages // 4) // 2
        self.zoom(near - reach, near + reach - 1)

    def back(self) -> None:
        """The view before the last zoom."""
        if self._back:
            self.view = self._back.pop()
        self.changed()

    def whole(self) -> None:
        """All pages."""
        self._back.clear()
        self.view = self._whole
        self.changed()

    def pan(self, share: float) -> None:
        """Move the view by a share of its size, up to the last page on that side.

        Args:
            share: 0.5 is half a view towards higher pfns, -0.5 towards lower ones.
        """
        size = self.view.pages
        low = round(self.view.first + share * size)
        low = min(max(low, self._whole.first), max(self._whole.last - size + 1, self._whole.first))
        if self.ranges.between(low, low + size - 1).pages:
            self.view = PfnRun(low, low + size - 1)
        self.changed()

    def select(self, first: int, last: int) -> None:
        """Select a stretch, both ends inside, in either order."""
        low, high = sorted((max(0, first), max(0, last)))
        self.selection = PfnRun(low, high)
        self.changed()

    def clear(self) -> None:
        """Select nothing."""
        self.selection = None
        self.changed()

    def reports(self) -> tuple[Report, ...]:
        """The reports whose page lies in the selection, in the order of the log."""
        chosen = self.selection
        if chosen is None or self.log is None:
            return ()
        return tuple(r for r in self.log.reports if r.pfn is not None and chosen.first <= r.pfn <= chosen.last)

    def df_selected(self) -> pd.DataFrame:
        """The reports of the selection: `report`, `pfn`, `line`, `reason`, `comm`, `title`."""
        import pandas as pd

        rows = [
            (r.index, r.pfn, (r.title_span or r.span).first_line, r.page and r.page.reason, r.process, r.title)
            for r in self.reports()
        ]
        return pd.DataFrame(rows, columns=["report", "pfn", "line", "reason", "comm", "title"]).astype(
            {"pfn": "uint64"}
        )

    def df_owners(self) -> pd.DataFrame | None:
        """Who has the selected pages, by block, None if nobody said; a block counts if any of its pages is selected."""
        if self.owners is None or self.selection is None:
            return None
        known = self.owners[self.owners["pfn"].notna()]
        first = known["pfn"].to_numpy("uint64")
        last = first + _sizes(known) - first.dtype.type(1)
        inside = (first <= self.selection.last) & (last >= self.selection.first)
        columns = [name for name in _OWNER_COLUMNS if name in known] or list(known.columns)
        found: pd.DataFrame = known.loc[inside, columns].head(MOST_ROWS)
        return found

    def log_lines(self, *, most: int = 12) -> tuple[str, ...]:
        """The first lines of the selected reports as they stand in the text, each with its number.

        Of a capture the entries that name a selected page are given, in the order of the text.

        Args:
            most: lines of each report.
        """
        if self.log is None:
            if self.lines is None or self.selection is None:
                return ()
            found = named_at(self.lines, self.selection.first, self.selection.last).head(MOST_ROWS)
            return tuple(f"{row.line:6}  pfn {row.pfn:#x} {row.what}" for row in found.itertuples())
        lines: list[str] = []
        for report in self.reports():
            span = report.title_span or report.span
            last = min(report.span.last_line, span.first_line + most - 1)
            lines += [f"{n:6}  {self.log.text.line(n)}" for n in range(span.first_line, last + 1)]
            if len(lines) >= MOST_ROWS:
                break
        return tuple(lines[:MOST_ROWS])

    def words(self) -> str:
        """One sentence on what is in view and what is selected."""
        inside = self.ranges.between(self.view.first, self.view.last)
        runs = f"{_many(inside.pages, 'page')} in {_many(len(inside), 'run')}"
        said = f"pfn {self.view.first:#x} to {self.view.last:#x}: {runs}"
        if self.selection is None:
            return said + "; nothing is selected"
        chosen = self.ranges.between(self.selection.first, self.selection.last)
        return (
            f"{said}; selected {self.selection.first:#x} to {self.selection.last:#x}: {_many(chosen.pages, 'page')}, "
            f"{_many(len(self.reports()), 'report')}"
        )

    def figure(self) -> go.Figure:
        """The map of the view at the level of detail that fits it."""
        part = df_pfn_map(self.ranges, first=self.view.first, last=self.view.last, lines=self.lines)
        return plot_pfn_map(part)

    def twin(self) -> go.Figure:
        """The picture for exported pages: the whole."""
        return plot_pfn_map(df_pfn_map(self.ranges, lines=self.lines))

    def _nearest(self, pfn: int) -> int:
        at = min(int(self.ranges.last.searchsorted(pfn)), len(self.ranges) - 1)
        after = max(pfn, int(self.ranges.first[at])) if pfn <= int(self.ranges.last[at]) else int(self.ranges.last[at])
        before = int(self.ranges.last[at - 1]) if at else after
        return after if abs(after - pfn) <= abs(pfn - before) else before


def _sizes(owners: pd.DataFrame) -> NDArray[np.uint64]:
    """Pages of each block; single pages if the frame says nothing of them."""
    import numpy as np

    if "pages" in owners:
        return owners["pages"].to_numpy(np.uint64)
    if "order" in owners:
        return np.uint64(1) << owners["order"].to_numpy(np.uint64)
    return np.ones(len(owners), np.uint64)


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun if n == 1 else noun + 's'}"
