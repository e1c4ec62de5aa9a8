"""From terabytes to a page: a stretch of pfns in view, a selection in it, and the reports and log lines behind that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kvmlab.charts.pfn_map import EmptyMap, df_pfn_map, plot_pfn_map
from kvmlab.inquiry.pfn_ranges import PfnRanges, pfn_ranges
from kvmlab.inquiry.pfn_runs import PfnRun
from kvmlab.report.log import Log
from kvmlab.report.records import Report
from kvmlab.widgets.controller import Controller

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

MOST_ROWS: Final = 200
_LEAST: Final = 64


class PfnBrowser(Controller):
    """Shows the pages of a log, a capture or a simulation.

    Args:
        ranges: the pages.
        log: the log that they came from; its reports and lines are shown for a selection.
        owners: what else is known of pages: a frame with a column `pfn` (uint64) and any others.

    Raises:
        kvmlab.charts.pfn_map.EmptyMap: there is no page.
    """

    def __init__(self, ranges: PfnRanges, *, log: Log | None = None, owners: pd.DataFrame | None = None) -> None:
        super().__init__()
        if ranges.span is None:
            raise EmptyMap("there is no pfn to browse")
        self.ranges, self.log, self.owners = ranges, log, owners
        self._whole: PfnRun = ranges.span
        self._back: list[PfnRun] = []
        self.view: PfnRun = self._whole
        self.selection: PfnRun | None = None

    @classmethod
    def of_log(cls, log: Log, *, source: str | None = None) -> PfnBrowser:
        """A browser for the pfns of a log's reports.

        Args:
            log: the log.
            source: case or file, for the caption.
        """
        known = [report for report in log.reports if report.pfn is not None]
        line = next((r.cpu_line for r in known if r.cpu_line is not None), None)
        kernel = None if line is None or line.release is None else line.release.text
        return cls(pfn_ranges([r.pfn for r in known if r.pfn is not None], source=source, kernel=kernel), log=log)

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
        """What is known of the selected pages beside the log, None if nothing was given."""
        if self.owners is None or self.selection is None:
            return None
        pfns = self.owners["pfn"]
        return self.owners[(pfns >= self.selection.first) & (pfns <= self.selection.last)].head(MOST_ROWS)

    def log_lines(self, *, most: int = 12) -> tuple[str, ...]:
        """The first lines of the selected reports as they stand in the text, each with its number.

        Args:
            most: lines of each report.
        """
        if self.log is None:
            return ()
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
        return plot_pfn_map(df_pfn_map(self.ranges, first=self.view.first, last=self.view.last))

    def twin(self) -> go.Figure:
        """The picture for exported pages: the whole."""
        return plot_pfn_map(df_pfn_map(self.ranges))

    def _nearest(self, pfn: int) -> int:
        at = min(int(self.ranges.last.searchsorted(pfn)), len(self.ranges) - 1)
        after = max(pfn, int(self.ranges.first[at])) if pfn <= int(self.ranges.last[at]) else int(self.ranges.last[at])
        before = int(self.ranges.last[at - 1]) if at else after
        return after if abs(after - pfn) <= abs(pfn - before) else before


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun if n == 1 else noun + 's'}"
