"""The map of the pfn browser in JupyterLab: a box drawn with the mouse becomes a stretch of pfns to zoom to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kvmlab.inquiry.pfn_runs import PfnRun
from kvmlab.widgets.pfn_browser import PfnBrowser

if TYPE_CHECKING:
    import ipywidgets

_WIDTH: Final = 930


class MapFigure:
    """A plotly figure widget that follows a browser and tells it of zooms.

    Args:
        browser: the controller.

    Attributes:
        alt: what is drawn, in words.
    """

    def __init__(self, browser: PfnBrowser) -> None:
        import plotly.graph_objects as go

        self.browser = browser
        self._drawing = False
        self._drawn: PfnRun | None = None
        self._row_pages = 1
        self._figure: Any = go.FigureWidget()
        self.alt = ""

    @property
    def widget(self) -> ipywidgets.Widget:
        """The widget to put into a box."""
        widget: ipywidgets.Widget = self._figure
        return widget

    def draw(self) -> None:
        """Show the browser's view at its own level of detail; nothing is sent if it is the same as before."""
        if self._drawn == self.browser.view:
            return
        picture = self.browser.figure()
        self.alt = str(picture.layout.meta["alt"])
        self._drawing = True
        try:
            with self._figure.batch_update():
                self._figure.data = ()
                self._figure.add_traces(picture.data)
                self._figure.layout = picture.layout
                self._figure.layout.width = _WIDTH
            # A new layout object comes without the callbacks of the one before.
            self._figure.layout.on_change(self._zoomed, "xaxis.range", "yaxis.range")
        finally:
            self._drawing = False
        self._drawn = self.browser.view
        rows = picture.data[0].y
        self._row_pages = int(rows[1] - rows[0]) if len(rows) > 1 else self.browser.view.pages

    def _zoomed(self, layout: Any, x_range: Any, y_range: Any) -> None:
        if self._drawing or x_range is None or y_range is None:
            return
        stretch = stretch_of(x_range, y_range, self._row_pages)
        self._drawn = None
        self.browser.zoom(stretch.first, stretch.last)


def stretch_of(x_range: tuple[float, float], y_range: tuple[float, float], row_pages: int) -> PfnRun:
    """The pfns inside a box on a map: whole rows if it covers several, part of a row if it lies in one.

    Args:
        x_range: pfns inside a row, from left to right.
        y_range: first pfns of rows, in either order.
        row_pages: pages of a row, a power of two.

    >>> run = stretch_of((16, 48), (0x1f0, 0x210), 64); hex(run.first), hex(run.last)
    ('0x210', '0x230')
    >>> run = stretch_of((16, 48), (0x100, 0x200), 64); hex(run.first), hex(run.last)
    ('0x100', '0x23f')
    """
    low, high = sorted(y_range)
    first_row, last_row = (max(0, round(y / row_pages)) * row_pages for y in (low, high))
    if first_row == last_row:
        left, right = (min(max(0, round(x)), row_pages - 1) for x in sorted(x_range))
        return PfnRun(first_row + left, first_row + right)
    return PfnRun(first_row, last_row + row_pages - 1)
