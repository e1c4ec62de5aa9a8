"""Case folders: read, checked, refused with a sentence."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from kvmlab.writeup.case import CaseError, cases, check_case, open_case

RAW = b"BUG: Bad page state in process x  pfn:1\n"
SHA256 = hashlib.sha256(RAW).hexdigest()
TOML = f"""
title = "A case"
date = 2024-07-31
kernel = "6.9.12"
report = 0
question = "What happened?"
unknown = ["the command line"]
mood = "grim"
[source]
subject = "Re: x"
count = 3
[[file]]
path = "raw.txt"
sha256 = "{SHA256}"
bytes = {len(RAW)}
what = "the log"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "2024-07-31-x"
    place.mkdir()
    (place / "raw.txt").write_bytes(RAW)
    (place / "case.toml").write_text(TOML)
    return place


def test_a_case_is_read_from_its_folder_or_its_toml(folder: Path) -> None:
    case = open_case(folder)
    assert case == open_case(str(folder / "case.toml"))
    assert (case.name, case.title, case.date, case.kernel, case.report) == (
        "2024-07-31-x", "A case", "2024-07-31", "6.9.12", 0,
    )  # fmt: skip
    assert case.raw.read_bytes() == RAW
    assert case.unknown == ("the command line",)
    assert case.source == {"subject": "Re: x", "count": "3"}
    assert case.extra == {"mood": "grim"}
    assert cases(folder.parent) == (case,)


def test_the_check_finds_every_change(folder: Path) -> None:
    case = open_case(folder)
    assert [f.holds for f in check_case(case)] == [True]
    (folder / "raw.txt").write_bytes(RAW + b"\n")
    finding = check_case(case)[0]
    assert not finding.holds
    assert SHA256 in finding.reason
    (folder / "raw.txt").unlink()
    assert "cannot be read" in check_case(case)[0].reason


def test_a_wrong_length_is_found(folder: Path) -> None:
    (folder / "case.toml").write_text(TOML.replace(f"bytes = {len(RAW)}", "bytes = 1"))
    assert "case.toml says 1" in check_case(open_case(folder))[0].reason


def test_a_path_that_leads_out_of_the_folder_is_not_followed(folder: Path) -> None:
    (folder.parent / "secret").write_bytes(RAW)
    (folder / "case.toml").write_text(TOML.replace('"raw.txt"', '"../secret"'))
    finding = check_case(open_case(folder))[0]
    assert not finding.holds
    assert finding.reason == "leads out of the case folder"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[file]]", "[file]", r"file should be an array of tables"),
        ('path = "raw.txt"', "path = 3", r"\[\[file\]\] number 1: path should be the file's name"),
        (SHA256, "beef", "sha256 should be 64 lower-case hex digits"),
        ("report = 0", "report = -1", "report should be a number"),
        ('["the command line"]', '"x"', "unknown should be a list of texts"),
        ('title = "A case"', "title = [1]", "title should be one text"),
        ("title", "=", "is not a TOML file"),
    ],
)
def test_a_wrong_toml_is_refused_with_a_sentence(folder: Path, old: str, new: str, message: str) -> None:
    (folder / "case.toml").write_text(TOML.replace(old, new, 1))
    with pytest.raises(CaseError, match=message):
        open_case(folder)


def test_a_case_without_files_is_refused(folder: Path) -> None:
    (folder / "case.toml").write_text('title = "x"')
    with pytest.raises(CaseError, match="names no file"):
        open_case(folder)


@pytest.mark.parametrize("place", ["no-such-case", "no/such/case", "/"])
def test_a_place_without_a_case_is_refused(place: str) -> None:
    with pytest.raises(CaseError, match="is not a case: a folder with a"):
        open_case(place)
