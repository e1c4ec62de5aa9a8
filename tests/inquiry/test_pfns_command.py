"""`kvmlab pfns`: the JSON contract, the text, the strip."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.cli import pfns
from kvmlab.inquiry.pfn_ranges import pfn_runs
from kvmlab.writeup.case import open_case


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    pfns.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["pfns", *words])
    return int(args.run(args))


def test_the_reported_trace_as_json(case_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(open_case(case_dir).raw), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "kvmlab.pfns/1"
    assert told["n"] == 1
    assert told["runs"] == [{"first": "0xfb1665", "last": "0xfb1665", "pages": 1, "largest_order": 0}]
    assert told["zones"] == {"DMA": 0, "DMA32": 0, "Normal": 1, "unknown": 0}
    assert told["zone_rules"] == {"arch": "x86_64", "basis": "inferred"}
    assert told["groups"][0]["first_report"] == 1
    assert told["groups"][0]["reports"] == [1]
    assert told["groups"][0]["size"] == 1


def test_a_real_storm(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storm = str(shared / "captures" / "6.12.117+deb12-amd64" / "bad" / "kvmbad_lruoff.dmesg.txt")
    assert run(storm, storm, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["n"], told["distinct"]) == (120, 60)
    assert [group["size"] for group in told["groups"]] == [18, 30, 12, 18, 30, 12]
    assert told["groups"][3]["first_report"] == 60
    assert sum(run["pages"] for run in told["runs"]) == 60
    assert run(storm) == 0
    text = capsys.readouterr().out
    assert "group of 30 from report 18" in text
    assert "pairs with neighbouring index" in text


def test_a_clean_log_holds_no_pfn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = tmp_path / "dmesg"
    quiet.write_text("[    1.000000] usb 1-1: new device\n")
    assert run(str(quiet)) == 1
    assert "no report in the input holds a pfn" in capsys.readouterr().out


@given(st.lists(st.integers(0, (1 << 52) - 1), min_size=1, max_size=20), st.integers(1, 200))
def test_the_strip_shows_every_page_and_keeps_its_width(numbers: list[int], width: int) -> None:
    drawn = pfns.strip(pfn_runs(numbers), width)
    assert 1 <= len(drawn) <= width
    assert drawn[0] != " "
    assert drawn[-1] != " "
