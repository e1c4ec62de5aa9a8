"""Which controls of the live views have no name for a screen reader, asked of the browser's own accessibility tree."""

from __future__ import annotations

from typing import Any

CONTROLS = {"button", "slider", "checkbox", "combobox", "listbox", "textbox", "spinbutton", "tab", "radio"}


def nameless(page: Any) -> list[str]:
    """Roles of controls inside the widgets that have no accessible name.

    Args:
        page: Playwright's page.
    """
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("Accessibility.enable")
    document = session.send("DOM.getDocument", {"depth": 0})["root"]["nodeId"]
    views = session.send(
        "DOM.querySelectorAll", {"nodeId": document, "selector": ".jp-Notebook .jupyter-widgets.widget-vbox"}
    )
    found = []
    for node in views["nodeIds"]:
        for control in session.send("Accessibility.queryAXTree", {"nodeId": node})["nodes"]:
            role = control.get("role", {}).get("value", "")
            if role in CONTROLS and not control.get("ignored") and not control.get("name", {}).get("value", "").strip():
                found.append(role)
    session.detach()
    return found
