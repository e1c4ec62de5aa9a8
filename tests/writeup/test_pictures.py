"""The pictures of the README: made by the command, small enough for a page, the ones that are in the tree."""

from __future__ import annotations

import html
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from kvmlab.writeup.pictures import PICTURES, NoPicture, main, make_pictures
from tests.charts.figures import check_figure
from tests.writeup.chromium import chromium

MOST_BYTES = 100_000


def check_svg(place: Path) -> None:
    """A drawing that names nothing outside itself and runs nothing."""
    text = place.read_text()
    assert len(text) < MOST_BYTES
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("width") == "900"
    for node in root.iter():
        assert not node.tag.endswith(("script", "foreignObject", "}a"))
        links = [v for k, v in node.attrib.items() if k.endswith("href")]
        assert all(v.startswith(("#", "data:image/png;base64,")) for v in links)


@pytest.mark.parametrize("name", PICTURES)
def test_each_picture_keeps_the_rules(root: Path, name: str) -> None:
    check_figure(PICTURES[name](root / "data"))


def test_the_model_puts_every_block_where_the_kernel_did(root: Path) -> None:
    title = check_figure(PICTURES["ttm-recorded-and-predicted"](root / "data"))["layout"]["title"]["text"]
    assert title == "A TTM buffer of 8,100 pages in 3,963 blocks: every block where the model says"


@pytest.mark.ui
def test_the_command_makes_files_small_enough_for_a_page(tmp_path: Path) -> None:
    chromium()
    made = make_pictures(tmp_path / "pictures")
    assert [place.stem for place in made] == list(PICTURES)
    for place in made:
        check_svg(place)
    again = make_pictures(tmp_path / "again")
    assert [place.read_bytes() for place in again] == [place.read_bytes() for place in made]


def test_the_pictures_in_the_tree_are_small(root: Path) -> None:
    shown = sorted((root / "docs" / "pictures").glob("*.svg"))
    assert [place.stem for place in shown] == sorted(PICTURES)
    for place in shown:
        check_svg(place)


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_in_the_tree_are_those_of_this_code(root: Path, name: str) -> None:
    """Every word and number of the picture that the code makes now stands in the file; fonts may differ."""
    told = check_figure(PICTURES[name](root / "data"))["layout"]
    drawn = "".join(ElementTree.parse(root / "docs" / "pictures" / f"{name}.svg").getroot().itertext())
    words = [told["title"]["text"], *(a["text"] for a in told["annotations"])]
    lines = [html.unescape(re.sub(r"<(?!br)[^>]*>", "", line)) for text in words for line in text.split("<br>")]
    assert [line for line in lines if line.replace(" ", "") not in drawn.replace(" ", "").replace("\xa0", "")] == []


def test_without_captures_or_browser_a_sentence_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NoPicture, match="the pictures need the captures of the kernel lab"):
        PICTURES["pfn-map"](tmp_path)
    monkeypatch.setenv("PATH", "")
    assert main([str(tmp_path / "out")]) == 2
    assert "there is no Chromium to draw with" in capsys.readouterr().err
    assert main([]) == 2
