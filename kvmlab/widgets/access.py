"""A widget without a face that makes those beside it usable by keyboard and by screen readers in JupyterLab."""

from __future__ import annotations

from importlib import resources

import anywidget


class Access(anywidget.AnyWidget):
    """Put into a box, it leaves the arrow keys to the lists and sliders of that box, and names what has no name."""

    _esm = (resources.files("kvmlab.widgets") / "access.js").read_text(encoding="utf-8")
