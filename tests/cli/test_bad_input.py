"""Unusable input: one sentence on standard error and exit 2, or a result that says what was lost; never a traceback."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
from pathlib import Path

import pytest

from tests.cli.running import Done, run

COMMANDS = ("triage", "explain", "replay")


def refused(done: Done, *words: str) -> None:
    """One sentence on stderr that has the words, nothing on stdout, exit 2."""
    assert done.status == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert done.err.startswith("kvmlab: ")
    for word in words:
        assert word in done.err


@pytest.mark.parametrize("command", COMMANDS)
def test_empty_file(command: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    refused(run(command, str(tmp_path / "empty")), "empty")


@pytest.mark.parametrize("command", COMMANDS)
def test_missing_file(command: str, tmp_path: Path) -> None:
    refused(run(command, str(tmp_path / "no-such-log")), "no-such-log", "no such file")


@pytest.mark.parametrize("command", COMMANDS)
def test_directory(command: str, tmp_path: Path) -> None:
    refused(run(command, str(tmp_path)), str(tmp_path), "directory")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "closed"
    path.write_bytes(b"x")
    path.chmod(0)
    refused(run("triage", str(path)), "closed")


def test_empty_name() -> None:
    refused(run("triage", ""), "empty file name")


@pytest.mark.parametrize("command", COMMANDS)
def test_binary_garbage_holds_nothing_to_report(command: str, tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(random.Random(1).randbytes(200_000))
    done = run(command, str(tmp_path / "garbage"))
    assert done.status == 1
    assert re.search("no (report|bad page) found", done.out)


def test_garbage_is_said_to_be_undecodable(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(random.Random(1).randbytes(200_000))
    done = run("triage", "--json", str(tmp_path / "garbage"))
    source = json.loads(done.out)["sources"][0]
    assert done.status == 1
    assert [d["kind"] for d in source["damage"]] == ["undecodable"]


def test_one_line_of_100_megabytes(tmp_path: Path) -> None:
    (tmp_path / "line").write_bytes(b"[ 1.0] " + b"A" * 100_000_000)
    done = run("triage", "--json", str(tmp_path / "line"))
    assert done.status == 1
    assert json.loads(done.out)["sources"][0]["lines"] == 1


def test_truncated_gzip_keeps_what_could_be_read(tmp_path: Path, case_dir: Path) -> None:
    packed = gzip.compress((case_dir / "raw.txt").read_bytes())
    (tmp_path / "cut.gz").write_bytes(packed[: len(packed) * 3 // 4])
    done = run("triage", "--json", str(tmp_path / "cut.gz"))
    document = json.loads(done.out)
    assert done.status == 0
    assert "truncated_container" in {d["kind"] for d in document["sources"][0]["damage"]}
    assert document["reports"][1]["pfn"] == "0xfb1665"
    assert not document["reports"][1]["complete"]


def test_text_that_is_not_utf_8_is_read_and_said(tmp_path: Path) -> None:
    (tmp_path / "latin1").write_bytes(b"[    1.000000] BUG: Bad page state in process caf\xe9  pfn:12345\n")
    done = run("triage", "--json", str(tmp_path / "latin1"))
    report = json.loads(done.out)["reports"][0]
    assert report["pfn"] == "0x12345"
    assert "caf" in report["title"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_encodings_with_a_byte_order_mark(encoding: str, tmp_path: Path, case_dir: Path) -> None:
    (tmp_path / "wide").write_bytes((case_dir / "raw.txt").read_text(encoding="utf-8").encode(encoding))
    done = run("triage", "--json", str(tmp_path / "wide"))
    assert json.loads(done.out)["reports"][1]["pfn"] == "0xfb1665"


def test_decompression_bomb_is_bounded_and_the_bound_can_be_raised(tmp_path: Path) -> None:
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"A" * 3_000_000, 9))
    refused(run("triage", "--max-bytes", "1M", str(tmp_path / "bomb.gz")), "--max-bytes", "1048576")
    assert run("triage", "--max-bytes", "4MiB", str(tmp_path / "bomb.gz")).status == 1


@pytest.mark.parametrize("text", ["lots", "", "-1", "1X", "9" * 40])
def test_a_bound_that_is_no_size(text: str) -> None:
    done = run("triage", "--max-bytes", text, "-", stdin=b"x")
    assert done.status == 2
    assert "--max-bytes" in done.err


@pytest.mark.parametrize("command", ["explain", "replay"])
def test_a_report_that_is_not_there(command: str, case_dir: Path) -> None:
    refused(run(command, "--report", "9", str(case_dir / "raw.txt")), "no report 9", "0 to 1")


def test_no_command_and_unknown_command() -> None:
    assert run().status == 2
    assert run("tirage").status == 2
