"""The pictures of README.md: made from the shipped case and the shipped captures, drawn by Chromium, as SVG files.

`python -m kvmlab.writeup.pictures docs/pictures` makes them anew.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import kvmlab
from kvmlab.errors import KvmlabError

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from kvmlab.inquiry.pfn_ranges import PfnRanges
    from kvmlab.inquiry.ttm_predict import BufferPrediction

WIDTH: Final = 900
_CAPTURES: Final = "6.12.117+deb12-amd64"
_BUFFER: Final = "frag/stride2/n8100_caching2"
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--virtual-time-budget=20000",
    "--dump-dom",
)
_MARK: Final = "kvmlab-picture"
_SCRIPT: Final = """<pre id="MARK"></pre><script>
const plot = document.querySelector(".plotly-graph-div");
Plotly.toImage(plot, {format: "svg", width: WIDTH, height: HEIGHT}).then((url) => {
  document.getElementById("MARK").textContent = decodeURIComponent(url.slice(url.indexOf(",") + 1));
});
</script>"""


class NoPicture(KvmlabError):
    """A picture that could not be made; the message says what is missing."""


def replay_picture(data: Path) -> go.Figure:
    """The life of the reported page under three policies.

    Args:
        data: the `data/` folder of the checkout.
    """
    from kvmlab.charts.replay import df_replay, plot_replay
    from kvmlab.inquiry.replay import replay, same_events
    from kvmlab.kvm.policies import find_policy
    from kvmlab.report.log import read_log
    from kvmlab.writeup.case import open_case

    case = open_case(data / "2024-07-31-kvm-bad-page-state")
    replayed = replay(read_log(case.raw).bad_pages[0])
    wanted = [find_policy(name) for name in ("c_69", "d")]
    return plot_replay(df_replay(same_events(replayed, wanted), source=case.name))


def map_picture(data: Path) -> go.Figure:
    """Where a TTM buffer lies when every second page of memory is taken: nowhere in one piece.

    Args:
        data: as for `replay_picture`.
    """
    from kvmlab.charts.pfn_map import df_pfn_map, plot_pfn_map

    prediction = _prediction(data)
    return plot_pfn_map(df_pfn_map(_ranges(prediction.recorded), cells=4096))


def ttm_picture(data: Path) -> go.Figure:
    """The same buffer: where a real kernel put it, and where the model says.

    Args:
        data: as for `replay_picture`.
    """
    from kvmlab.charts.pfn_strip import df_pfn_strip, plot_pfn_strip

    prediction = _prediction(data)
    sets = {"recorded by 6.12": _ranges(prediction.recorded), "predicted": _ranges(prediction.predicted)}
    picture = plot_pfn_strip(df_pfn_strip(sets))
    same = prediction.recorded == prediction.predicted
    verdict = "every block where the model says" if same else "not every block where the model says"
    blocks = len(prediction.recorded)
    picture.update_layout(title={"text": f"A TTM buffer of {prediction.pages:,} pages in {blocks:,} blocks: {verdict}"})
    return picture


def _prediction(data: Path) -> BufferPrediction:
    from kvmlab.capture.shelf import open_captures
    from kvmlab.inquiry.ttm_listed import predict_listed

    folder = data / "captures" / _CAPTURES / "fragmented"
    if not folder.is_dir():
        raise NoPicture(f"{folder} is not there: the pictures need the captures of the kernel lab")
    return predict_listed(open_captures(folder), release=_CAPTURES)[_BUFFER]


def _ranges(blocks: Sequence[tuple[int, int]]) -> PfnRanges:
    from kvmlab.inquiry.pfn_ranges import pfn_ranges

    first, last = [pfn for pfn, _ in blocks], [pfn + (1 << order) - 1 for pfn, order in blocks]
    return pfn_ranges(first, last=last, source=f"kernel lab, fragmented, {_BUFFER}", kernel=_CAPTURES)


PICTURES: Final = {"replay": replay_picture, "pfn-map": map_picture, "ttm-recorded-and-predicted": ttm_picture}


def make_pictures(out: str | Path, *, data: Path | None = None) -> tuple[Path, ...]:
    """Make all pictures and return where they are.

    Args:
        out: the folder for them.
        data: the `data/` folder; that of the checkout if None.

    Raises:
        NoPicture: there is no Chromium, or a capture is missing.
    """
    place = Path(out)
    place.mkdir(parents=True, exist_ok=True)
    root = Path(kvmlab.__file__).resolve().parents[1] / "data" if data is None else data
    return tuple(_save(make(root), place / f"{name}.svg") for name, make in PICTURES.items())


def _save(picture: go.Figure, place: Path) -> Path:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise NoPicture("there is no Chromium to draw with; as root: apt-get install chromium")
    with tempfile.TemporaryDirectory(prefix="kvmlab-picture-") as folder:
        page = Path(folder) / "picture.html"
        for number, trace in enumerate(picture.data):
            trace.uid = f"trace{number}"
        height = int(picture.layout.height or 450)
        script = _SCRIPT.replace("MARK", _MARK).replace("WIDTH", str(WIDTH)).replace("HEIGHT", str(height))
        page.write_text(picture.to_html(full_html=False, include_plotlyjs=True) + script, encoding="utf-8")
        words = [*_FLAGS, f"--user-data-dir={folder}/profile", page.as_uri()]
        done = subprocess.run([chromium, *words], capture_output=True, text=True, timeout=120, check=False)
    found = re.search(rf'<pre id="{_MARK}">(.+?)</pre>', done.stdout, re.DOTALL)
    if found is None:
        raise NoPicture(f"Chromium could not draw {place.name}: {done.stderr[-200:].strip() or 'no picture came out'}")
    # plotly numbers its clip paths at random; the same picture is to be the same file.
    svg = html.unescape(found[1])
    for number, name in enumerate(dict.fromkeys(re.findall(r'id="[a-z]*?([0-9a-f]{6})', svg))):
        svg = svg.replace(name, f"k{number:05}")
    place.write_text(svg + "\n", encoding="utf-8", newline="\n")
    return place


def main(words: list[str]) -> int:
    """Make the pictures in the folder that is named, and print their paths."""
    if len(words) != 1:
        print("usage: python -m kvmlab.writeup.pictures FOLDER", file=sys.stderr)
        return 2
    try:
        for place in make_pictures(words[0]):
            print(f"{place}  {place.stat().st_size:,} bytes")
    except KvmlabError as error:
        print(f"kvmlab: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
