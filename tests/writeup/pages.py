"""Notebooks made by hand, and what an exported page must keep to."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from kvmlab.charts.call_stack import df_call_stack, plot_call_stack
from tests.charts.sample import HOSTILE, frame, report

ATTACKS = (
    HOSTILE,
    '<img src=x onerror="document.title=1">',
    '<a href="javascript:alert(1)">x</a>',
    '<iframe src="https://example.com/"></iframe>',
    '<link rel="stylesheet" href="https://example.com/a.css">',
    "<style>@import url(https://example.com/b.css);</style>",
    "</script><script>document.title='owned'</script>",
    "</title><script>document.title='owned'</script>",
    '"><svg onload=alert(1)>',
    "<!--kvmlab-scripts-->",
    "<!--kvmlab-policy-->",
    "<!--kvmlab-style-->",
)


def hostile_notebook() -> NotebookNode:
    """An executed notebook in which every place that can hold text of a log holds an attack."""
    stack = plot_call_stack(df_call_stack(report(*(frame(a, i, module=a) for i, a in enumerate(ATTACKS)))))
    figure = new_output("display_data", data={"application/vnd.plotly.v1+json": stack.to_plotly_json()})
    cells = [
        new_markdown_cell("# A page\n\nProse with [a citation](https://lore.kernel.org/all/x) and `<TASK>`.", id="m")
    ]
    for i, attack in enumerate(ATTACKS):
        outputs = [
            new_output("stream", name="stdout", text=attack),
            new_output("execute_result", data={"text/plain": attack}, execution_count=1),
            new_output("execute_result", data={"text/plain": "x", "text/html": attack}, execution_count=1),
            new_output("display_data", data={"text/markdown": attack, "text/plain": "x"}),
            new_output("display_data", data={"application/javascript": "document.title='owned'", "text/plain": "x"}),
            new_output("error", ename=attack, evalue=attack, traceback=[attack]),
        ]
        cells += [new_markdown_cell(attack, id=f"m{i}"), new_code_cell(f"# {attack}", id=f"c{i}", outputs=outputs)]
    cells.append(new_code_cell("picture", id="p", outputs=[figure]))
    notebook = new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    return nbformat.from_dict(notebook)


class Outside(HTMLParser):
    """Collects what a page would fetch or run: addresses that are not links, handlers, and scripts by their kind."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.fetched: list[str] = []
        self.handlers: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag if tag in ("script", "style") else ""
        for name, value in attrs:
            if name.startswith("on"):
                self.handlers.append(f"{tag} {name}")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "href", "action", "data", "poster", "srcset", "formaction", "background"):
                self.fetched.append(f"{tag} {name}={value}")
            elif name == "style" and "url(" in (value or ""):
                self.fetched.append(f"{tag} style={value}")
        if tag in ("iframe", "object", "embed", "link", "base", "svg", "img"):
            self.fetched.append(tag)

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts.append(data)
        elif self._in == "style":
            self.styles.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in = ""


def check_page(page: str) -> Outside:
    """Hold a page against the rule that it fetches nothing and runs nothing but its own two scripts."""
    told = Outside()
    told.feed(page)
    assert told.fetched == []
    assert told.handlers == []
    assert all(re.match(r"(https?:|mailto:|#)", link) for link in told.links), told.links
    assert not any("url(" in style or "@import" in style for style in told.styles)
    assert not re.search(r"\bimport\s*\(|\bfetch\s*\(", told.scripts[-1])
    return told
