"""A live view with its static twin: JupyterLab shows the one, an exported page the other, and no state is stored."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kvmlab.charts.table import Table
from kvmlab.charts.template import visible

if TYPE_CHECKING:
    import ipywidgets
    import plotly.graph_objects as go

FIGURE_MIME: Final = "application/vnd.plotly.v1+json"
STATIC_MIME: Final = "application/vnd.kvmlab.static+json"


class Live:
    """Something to display: widgets in JupyterLab, `twin()` wherever there is no kernel.

    Args:
        widget: the widgets.
        twin: makes the picture for exported pages, None if there is nothing to draw.
        words: what the view is, for those who see neither.
    """

    def __init__(self, widget: ipywidgets.Widget, twin: Callable[[], go.Figure | None], words: str) -> None:
        self.widget, self.twin, self.words = widget, twin, words

    def __repr__(self) -> str:
        return self.words

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        children = getattr(self.widget, "children", None)
        if children is not None:
            from kvmlab.widgets.access import Access

            if not any(isinstance(child, Access) for child in children):
                self.widget.children = (*children, Access())
        shown = self.widget._repr_mimebundle_()
        bundle = dict(shown[0] if isinstance(shown, tuple) else shown or {})
        picture = self.twin()
        if picture is not None:
            bundle[STATIC_MIME] = json.loads(picture.to_json())
        bundle["text/plain"] = self.words
        bundle.pop("text/html", None)
        return bundle


class Pane:
    """A place whose content is replaced as a whole, so that nothing flickers and nothing is ever run.

    Args:
        name: its class in the document, `kvmlab-NAME`.
    """

    def __init__(self, name: str) -> None:
        import ipywidgets

        # No tooltip: an Output has no description, and the widget manager fails on the one without the other.
        self.widget = ipywidgets.Output()
        self.widget.add_class(f"kvmlab-{name}")

    def show_figure(self, picture: go.Figure) -> None:
        """Show a picture, with its text alternative for those who do not see it."""
        alt = str((picture.layout.meta or {}).get("alt", "a picture"))
        self._show({FIGURE_MIME: json.loads(picture.to_json()), "text/plain": alt}, _in_words(alt))

    def show_words(self, alt: str) -> None:
        """Show only the text alternative of a picture that is drawn elsewhere."""
        self._show(_in_words(alt))

    def show_table(self, table: Table) -> None:
        """Show a table; its cells are escaped."""
        self._show({"text/html": table._repr_html_(), "text/plain": str(table)})

    def show_text(self, text: str) -> None:
        """Show text as it is, control characters written out."""
        self._show({"text/plain": "\n".join(visible(line) for line in text.splitlines())})

    def _show(self, *parts: dict[str, Any]) -> None:
        self.widget.outputs = tuple({"output_type": "display_data", "data": data, "metadata": {}} for data in parts)


def _in_words(alt: str) -> dict[str, Any]:
    words = f"<details><summary>In words</summary><p>{html.escape(alt)}</p></details>"
    return {"text/html": words, "text/plain": ""}


def button(label: str, action: Callable[[], None], *, tooltip: str) -> ipywidgets.Button:
    """A button that does something; it can be reached and pressed by keyboard.

    Args:
        label: what stands on it.
        action: called without arguments.
        tooltip: what it does, in a few words.
    """
    import ipywidgets

    made = ipywidgets.Button(description=label, tooltip=tooltip, layout={"width": "auto"})
    made.on_click(lambda _: action())
    return made
