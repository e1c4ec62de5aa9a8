"""The slider of the replay player as the browser's own range input: focusable, named, with its value in words."""

from __future__ import annotations

from importlib import resources
from typing import Final

import anywidget
import traitlets

STYLE: Final = """
.kvmlab-slider { display: flex; gap: 0.6em; align-items: center; width: 60%; }
.kvmlab-slider label { display: flex; gap: 0.6em; align-items: center; flex: 1; }
.kvmlab-slider input { flex: 1; min-width: 8em; }
.kvmlab-slider input:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
"""


class StepSlider(anywidget.AnyWidget):
    """A number between two others; arrow keys, page keys, Home and End change it.

    Args:
        value, min, max: the number and its bounds.
        label: what the number is, for the eye and for screen readers.
        text: what the value stands for, read out when it changes.
    """

    _esm = (resources.files("kvmlab.widgets") / "step_slider.js").read_text(encoding="utf-8")
    _css = STYLE
    value = traitlets.Int(1).tag(sync=True)
    min = traitlets.Int(1).tag(sync=True)
    max = traitlets.Int(1).tag(sync=True)
    label = traitlets.Unicode("step").tag(sync=True)
    text = traitlets.Unicode("").tag(sync=True)
