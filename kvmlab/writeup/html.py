"""An executed notebook as one HTML file that needs no network and never runs a text that came out of a log."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from kvmlab.charts.template import DARK, LIGHT

if TYPE_CHECKING:
    from nbformat import NotebookNode

FIGURE_MIME: Final = "application/vnd.plotly.v1+json"
# The static twin of a live view (kvmlab.widgets.live).
STATIC_MIME: Final = "application/vnd.kvmlab.static+json"
_TAGS: Final = re.findall(
    r"\w+",
    "a abbr b blockquote br caption code col colgroup dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i kbd li ol p "
    "pre s samp section small span strong sub summary sup table tbody td tfoot th thead tr tt u ul var",
)
_ATTRIBUTES: Final = {
    "*": ["class", "id", "title", "role", "aria-label", "lang"],
    "a": ["href"],
    "td": ["colspan", "rowspan"],
    "th": ["colspan", "rowspan", "scope"],
    "ol": ["start"],
}
_PANDAS_STYLE: Final = re.compile(r"<style scoped>[^<]*</style>")
_POLICY: Final = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
    "base-uri 'none'; form-action 'none'"
)


def to_html(notebook: NotebookNode, *, title: str, facts: Mapping[str, str] | None = None) -> str:
    """The page: texts sanitised, figures as data with one copy of plotly.js, a policy that forbids all the rest.

    Args:
        notebook: executed; it is not changed.
        title: of the page.
        facts: what the foot of the page says, by name (source, sha256, version, ...).
    """
    pictures = _Pictures()
    body = _convert(notebook, title, facts or {}, pictures)
    scripts = [] if not pictures.n else [_plotly_js(), _asset("figures.js")]
    policy = _POLICY.format(scripts=" ".join(_digest(s) for s in scripts) or "'none'")
    colours = dict(zip(LIGHT.colours, DARK.colours, strict=True))
    tail = "".join(f"<script>{script}</script>\n" for script in scripts)
    if scripts:
        tail = f'<script type="application/json" id="kvmlab-colours">{json.dumps(colours)}</script>\n{tail}'
    parts = {
        "policy": f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        "style": f"<style>{_asset('page.css')}{_code_colours()}</style>",
        "scripts": tail,
    }
    # Marks are comments: no text of a notebook gets into the page with its `<` unescaped, so they cannot be forged.
    for name, part in parts.items():
        body = body.replace(f"<!--kvmlab-{name}-->", part, 1)
    return body


def write_html(notebook: NotebookNode, out: str | Path, *, title: str, facts: Mapping[str, str] | None = None) -> Path:
    """Write `to_html`'s page to a file.

    Args:
        notebook, title, facts: as for `to_html`.
        out: the file; its folder is made.
    """
    place = Path(out)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(to_html(notebook, title=title, facts=facts), encoding="utf-8", newline="\n")
    return place


class _Pictures:
    """Turns plotly's JSON into `<figure>` elements and counts them."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, picture: Mapping[str, Any]) -> str:
        self.n += 1
        layout = picture.get("layout", {})
        meta = layout.get("meta") if isinstance(layout.get("meta"), dict) else {}
        alt = html.escape(str(meta.get("alt") or f"Picture {self.n}, without a text alternative"))
        height = int(layout.get("height") or 450)
        data = json.dumps({"data": picture.get("data", []), "layout": layout}, separators=(",", ":"), sort_keys=True)
        for character in "<>&\u2028\u2029":
            data = data.replace(character, f"\\u{ord(character):04x}")
        return (
            f'<figure data-picture="{self.n}">\n'
            f'<div class="drawing" role="img" aria-label="{alt}" style="min-height:{height}px"></div>\n'
            f'<script type="application/json">{data}</script>\n'
            f"<noscript><p>This picture needs JavaScript. In words: {alt}</p></noscript>\n"
            f"<details><summary>Picture {self.n} in words</summary><p>{alt}</p></details>\n</figure>"
        )


def _convert(notebook: NotebookNode, title: str, facts: Mapping[str, str], pictures: _Pictures) -> str:
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors.sanitize import SanitizeHTML
    from traitlets.config import Config

    priority = [FIGURE_MIME, STATIC_MIME, "text/html", "text/markdown", "image/png", "image/jpeg", "text/plain"]
    template = resources.files("kvmlab.writeup") / "page"
    with resources.as_file(template) as folder:
        exporter: Any = cast("Any", HTMLExporter)(
            template_name=folder.name,
            extra_template_basedirs=[str(folder.parent)],
            sanitize_html=True,
            config=Config({"NbConvertBase": {"display_data_priority": priority}}),
        )
        cleaner: Any = cast("Any", SanitizeHTML)(tags=_TAGS, attributes=_ATTRIBUTES)
        exporter.register_filter("clean_html", lambda text: cleaner.sanitize_html_tags(str(text)))
        exporter.register_filter("without_pandas_style", lambda text: _PANDAS_STYLE.sub("", text))
        exporter.register_filter("figure", pictures)
        told = {"kvmlab": {"title": title, "facts": list(facts.items())}}
        body, _ = exporter.from_notebook_node(notebook, resources=told)
    return str(body)


@cache
def _asset(name: str) -> str:
    return (resources.files("kvmlab.writeup") / "page" / name).read_text(encoding="utf-8")


@cache
def _plotly_js() -> str:
    from plotly.offline import get_plotlyjs

    script = str(get_plotlyjs())
    if "</script" in script.lower():
        raise ValueError("plotly.js holds an end tag and cannot be put into a page as it is")
    return script


@cache
def _code_colours() -> str:
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped, unused-ignore]

    light, dark = (HtmlFormatter(style=style).get_style_defs(".highlight") for style in ("xcode", "github-dark"))
    return (
        f"\n{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n.highlight {{ background: none !important }}\n"
    )


def _digest(script: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"
