"""A widget without a face that leaves the arrow keys to the lists and sliders beside it instead of to JupyterLab."""

from __future__ import annotations

from importlib import resources

import anywidget


class KeyGuard(anywidget.AnyWidget):
    """Put into a box, it holds for everything in that box."""

    _esm = (resources.files("kvmlab.widgets") / "keys.js").read_text(encoding="utf-8")
