"""`kvmlab pfns`: the JSON contract, the text, the strip."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.cli import pfns
from kvmlab.cli.pfns_strip import strip
from kvmlab.cli.pfns_told import not_ram_told, pageblocks_told
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.pfn_runs import pfn_runs
from kvmlab.inquiry.pfn_zones import MemoryLayout
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
    assert told["runs"] == [
        {"first": "0xfb1665", "last": "0xfb1665", "pages": 1, "largest_order": 0, "alignment": 0, "gap": None}
    ]
    assert told["zones"] == {"DMA": 0, "DMA32": 0, "Normal": 1, "unknown": 0}
    assert told["zone_rules"] == {"arch": "x86_64", "basis": "inferred", "source": "by the rules of x86_64"}
    assert told["not_ram"] is None
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


def test_zones_and_holes_of_the_machine_itself(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_folder = root / "data" / "captures" / "6.12.117+deb12-amd64" / "storm-1vcpu" / "storm"
    after = run_folder / "after"
    words = ["--zoneinfo", str(after / "zoneinfo.txt"), "--iomem", str(after / "iomem.txt"), "--json"]
    assert run(str(run_folder / "dmesg.txt.gz"), *words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["zones"] == {"DMA": 0, "DMA32": 60, "unknown": 0}
    assert told["zone_rules"]["basis"] == "observed"
    assert told["not_ram"] == []


def test_a_pfn_in_a_hole_is_pointed_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "iomem").write_text("00001000-0009fbff : System RAM\n00100000-3fffffff : System RAM\n")
    (tmp_path / "dmesg").write_text("[    1.000000] BUG: Bad page state in process x  pfn:000a0\n")
    assert run(str(tmp_path / "dmesg"), "--iomem", str(tmp_path / "iomem")) == 0
    assert "no RAM at 0xa0" in capsys.readouterr().out


def test_a_clean_log_holds_no_pfn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = tmp_path / "dmesg"
    quiet.write_text("[    1.000000] usb 1-1: new device\n")
    assert run(str(quiet)) == 1
    assert "no report in the input holds a pfn" in capsys.readouterr().out


@given(st.lists(st.integers(0, (1 << 52) - 1), min_size=1, max_size=20), st.integers(1, 200))
def test_the_strip_shows_every_page_and_keeps_its_width(numbers: list[int], width: int) -> None:
    drawn = strip(pfn_runs(numbers), width)
    assert 1 <= len(drawn) <= width
    assert drawn[0] != " "
    assert drawn[-1] != " "


def test_captures_are_told_like_logs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = root / "data" / "captures" / "6.12.117+deb12-amd64" / "fragmented" / "frag" / "stride2" / "n8100_caching2"
    assert run(str(folder / "blocks.txt.gz"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["n"], told["distinct"], told["groups"]) == (8100, 8100, [])
    assert told["sources"][0]["kind"] == "ttm_run"
    assert sum(one["pages"] for one in told["runs"]) == sum(told["zones"].values()) == 8100
    assert told["runs"][1]["gap"] == int(told["runs"][1]["first"], 16) - int(told["runs"][0]["last"], 16) - 1
    assert run(str(folder / "kpageflags.bin.gz"), "--only", "buddy") == 0
    text = capsys.readouterr().out
    assert "kpageflags, page frames with the flag buddy" in text
    assert "pageblocks of 512 pages are touched" in text
    with pytest.raises(UnusableInput, match="names no pfn"):
        run(str(folder / "buddyinfo.txt"))
    with pytest.raises(UnusableInput, match="chooses a part of a capture"):
        run(str(root / "README.md"), "--only", "buddy")


def test_a_log_and_a_capture_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "dmesg").write_text("[    1.000000] BUG: Bad page state in process x  pfn:00080\n")
    (tmp_path / "trace").write_text(
        " x-1 [000] 1.000000: mm_page_alloc: page=0x1 pfn=0x81 order=0 migratetype=0 gfp_flags=GFP_KERNEL\n"
    )
    assert run(str(tmp_path / "dmesg"), str(tmp_path / "trace"), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [source["kind"] for source in told["sources"]] == ["log", "trace"]
    assert [(one["first"], one["pages"]) for one in told["runs"]] == [("0x80", 2)]


BLOCK = 1 << 9


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(1, 3000)), max_size=20))
def test_pageblocks_are_those_that_a_naive_count_finds(spans: list[tuple[int, int]]) -> None:
    runs = pfn_runs(pfn for first, n in spans for pfn in range(first, first + n))
    counts = Counter(pfn // BLOCK for one in runs for pfn in range(one.first, one.last + 1))
    told = pageblocks_told(runs)
    assert (told["touched"], told["whole"]) == (len(counts), sum(n == BLOCK for n in counts.values()))
    assert told["fullest_pages"] == max(counts.values(), default=0)
    if counts:
        assert counts[int(told["fullest"], 16) // BLOCK] == told["fullest_pages"]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60), st.lists(st.integers(0, 30), max_size=8))
def test_what_is_no_ram_is_what_no_stretch_of_ram_holds(pfns: list[int], ram: list[int]) -> None:
    stretches = pfn_runs(block * 8 + i for block in ram for i in range(8))
    layout = MemoryLayout((), tuple(stretches), Basis.OBSERVED, "")
    outside = sorted(pfn for pfn in set(pfns) if pfn // 8 not in ram)
    assert not_ram_told(pfn_runs(pfns), layout) == (len(outside), [f"{pfn:#x}" for pfn in outside])


def test_the_picture_is_for_terminals_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "dmesg"
    log.write_text("[    1.000000] BUG: Bad page state in process x  pfn:00080\n")
    assert run(str(log)) == 0
    piped = capsys.readouterr().out
    assert not set(piped) & set("▁▂▃▄▅▆▇█")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert run(str(log)) == 0
    shown = capsys.readouterr().out
    assert strip(pfn_runs([0x80]), 20) in shown
    assert "taller is fuller" in shown
    assert run(str(log), "--json") == 0
    assert json.loads(capsys.readouterr().out)["n"] == 1
