"""Milliseconds for the first drawing and for one step of a pan, measured inside Chromium without a window and a GPU."""

from __future__ import annotations

import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

STEPS = 12
SLOW_MS = 500
PAN = """
async (steps) => {
  const plot = document.querySelector('.plotly-graph-div');
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
  while (!plot._fullLayout?._size) await frame();
  const range = plot._fullLayout.xaxis.range.map(Number);
  const reach = range[1] - range[0];
  const spent = [];
  for (let i = 0; i < steps; i++) {
    const start = performance.now();
    await Plotly.relayout(plot, {'xaxis.range': [range[0] + reach * 0.01 * i, range[1] - reach * (0.3 - 0.01 * i)]});
    await frame();
    spent.push(performance.now() - start);
  }
  return spent;
}
"""


@dataclass(frozen=True)
class Drawn:
    """What a browser took for a figure.

    Args:
        first_ms: from opening the page until the figure is drawn.
        pan_ms: median of one step of a pan, in the best of three pans.
    """

    first_ms: float
    pan_ms: float


class Browser:
    """Chromium for the length of a `with` block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> Browser:
        from playwright.sync_api import sync_playwright

        chromium = shutil.which("chromium")
        if chromium is None:
            raise SystemExit("no Chromium: apt-get install chromium")
        (self.folder / "plotly.min.js").write_text(get_plotlyjs())
        self._driver = sync_playwright().start()
        self._browser = self._driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        return self

    def __exit__(self, *_: Any) -> None:
        self._browser.close()
        self._driver.stop()

    def draw(self, name: str, picture: go.Figure) -> Drawn:
        """Open a figure on a page of its own and pan it."""
        place = self.folder / f"{name}.html"
        place.write_text(picture.to_html(include_plotlyjs="directory"))
        page = self._browser.new_page(viewport={"width": 1200, "height": 800})
        page.goto(place.as_uri(), timeout=180_000)
        page.wait_for_function("() => document.querySelector('.plotly-graph-div')?._fullLayout?._size", timeout=180_000)
        page.set_default_timeout(600_000)
        first = float(page.evaluate("() => performance.now()"))
        # Thrice, because others may use the machine meanwhile; unless one pass has shown that it is slow.
        passes = [statistics.median(page.evaluate(PAN, STEPS)[2:])]
        while len(passes) < 3 and passes[0] < SLOW_MS:
            passes.append(statistics.median(page.evaluate(PAN, STEPS)[2:]))
        page.close()
        return Drawn(first, min(passes))
