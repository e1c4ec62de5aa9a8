"""`kvmlab ttm`: the JSON contract, the text, and what is refused."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from kvmlab.cli import ttm
from kvmlab.errors import KvmlabError

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    ttm.add_parser(parser.add_subparsers())
    return parser.parse_args(["ttm", *words])


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    args = arguments(*words, "--json")
    assert args.run(args) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_document(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--kernel", "6.12", "--zone", "fresh:1GiB", "--alloc", "8100")
    assert found["schema"] == "kvmlab.ttm/1"
    (buffer,) = found["buffers"]
    assert buffer["blocks"][0] == {"pfn": "0x100000", "order": 10, "from_pool": False}
    assert [b["order"] for b in buffer["blocks"]] == [10] * 7 + [9, 8, 7, 5, 2]
    assert (buffer["pages"], buffer["caching"], buffer["tails"], buffer["runs"]) == (8100, "cached", 8088, 2)
    assert round(buffer["tail_share"], 4) == 0.9985
    assert str(found["page_pool"]).startswith("\t  --- 0--- ")
    assert str(found["buddyinfo"]).startswith("Node 0, zone   Normal ")
    one_run = document(capsys, "--kernel", "6.12", "--no-order-9-lists", "--alloc", "8100")
    assert one_run["buffers"][0]["runs"] == 1


def test_buffers_are_freed_in_turn_or_held(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--kernel", "7.3", "--alloc", "1,3,9,512", "--caching", "wc")
    freed = document(capsys, *words)
    held = document(capsys, *words, "--hold")
    assert "total node0\t:      525 of" in str(freed["page_pool"])
    assert "total node0\t:        0 of" in str(held["page_pool"])
    assert [b["pages"] for b in held["buffers"]] == [1, 3, 9, 512]


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captures are not beside the checkout")
def test_from_a_capture(capsys: pytest.CaptureFixture[str]) -> None:
    base = CAPTURES / "6.12.117+deb12-amd64" / "base"
    found = document(capsys, "--kernel", "6.12.117+deb12-amd64", "--zone", f"from:{base}", "--alloc", "8100,1000")
    orders = [[b["order"] for b in x["blocks"]] for x in found["buffers"]]
    assert orders == [[10] * 7 + [9, 8, 7, 5, 2], [9, 8, 7, 6, 5, 3]]
    assert len(found["assumed"]) > 1


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    args = arguments("--kernel", "6.18", "--alloc", "33177600B")
    assert args.run(args) == 0
    out, err = capsys.readouterr()
    assert "buffer 0: 8100 pages, cached, 12 blocks, 2 runs" in out
    assert "99.85%" in out
    assert "0x100000   0x101bff  7       10     7168" in out
    assert "not sure: " in err
    assert "loop=C" in err


def test_a_buffer_of_thousands_of_blocks_is_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    where = Path(__file__).resolve().parents[2] / "data" / "captures" / "6.12.117+deb12-amd64" / "fragmented"
    args = arguments("--kernel", "6.12", "--zone", f"from:{where}", "--alloc", "8100")
    assert args.run(args) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) < 70
    assert "1 - 6237/8100 = 23.00%" in out
    assert "and 6196 more rows (--json has them all). Blocks: 1 of order 8, " in out
    assert "Of 18 folders with free lists, frag/stride1/n1000_caching2 was taken." in err


@pytest.mark.parametrize(
    "words",
    [
        ("--kernel", "9.9", "--alloc", "1"),
        ("--kernel", "6.12", "--alloc", "0"),
        ("--kernel", "6.12", "--alloc", "-3"),
        ("--kernel", "6.12", "--alloc", "5,,3"),
        ("--kernel", "6.12", "--alloc", "9" * 40),
        ("--kernel", "6.12", "--alloc", "1.5"),
        ("--kernel", "6.12", "--alloc", "1," * 10_001 + "1"),
        ("--kernel", "6.12", "--alloc", "262145"),
        ("--kernel", "6.12", "--alloc", "٣"),
        ("--kernel", "6.12", "--zone", "fresh:0", "--alloc", "1"),
        ("--kernel", "6.12", "--zone", "fresh:99999TiB", "--alloc", "1"),
        ("--kernel", "6.12", "--zone", "elsewhere", "--alloc", "1"),
        ("--kernel", "6.12", "--zone", "from:/nonexistent", "--alloc", "1"),
        ("--kernel", "6.12", "--zone", f"from:{__file__}", "--alloc", "1"),
        ("--kernel", "6.12", "--zone", "from:/dev/null", "--alloc", "1"),
    ],
)
def test_refused_with_one_sentence(words: tuple[str, ...]) -> None:
    args = arguments(*words)
    with pytest.raises(KvmlabError, match=r"\.$") as caught:
        args.run(args)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
