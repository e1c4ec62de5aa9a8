"""The command `kvmlab replay`: its JSON contract, its tables, and what it says to bad arguments."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from kvmlab.cli import replay as command
from kvmlab.errors import KvmlabError

RAW = str(Path(__file__).resolve().parents[2] / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt")


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    args = parser.parse_args(["replay", *words])
    return int(args.run(args))


def test_the_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(RAW, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "kvmlab.replay/1"
    assert (document["report"], document["policy"], document["explained"]) == (1, "c_69", True)
    assert {"step", "actor", "action", "functions", "refcount", "mapcount", "batch"} <= set(document["steps"][0])
    assert document["predicted"]["refcount"] == 0
    assert document["predicted"]["index"] == "0x7fa8117c3"
    assert all({"field", "predicted", "reported", "agrees"} <= set(row) for row in document["agreement"])
    assert all(row["agrees"] for row in document["agreement"])
    hypotheses = {h["id"]: h for h in document["hypotheses"]}
    assert list(hypotheses) == ["H1", "H2", "H3", "H4", "H5", "H6"]
    assert all({"statement", "fits", "contradicts", "would_decide"} <= set(h) for h in document["hypotheses"])
    assert hypotheses["H1"]["stands"]
    assert hypotheses["H1"]["contradicts"] == []
    assert hypotheses["H3"]["contradicts"]


def test_the_text_is_plain_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(RAW) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "explained: 6.9.12-ajb-00008-gfcd4b7efbad0 is 8 commits past its tag" in out
    assert "stray put" in out
    assert "v11-early-checks      c_69    as reported   0         1" in out


def test_another_policy_is_not_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(RAW, "--policy", "refcounted-page", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["policy"], document["explained"]) == ("d", False)
    assert document["nearest_misses"]


def test_a_clean_log_has_nothing_to_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = tmp_path / "clean.txt"
    clean.write_text("[    1.000000] Linux version 6.9.12\n")
    assert _run(str(clean)) == 1
    assert "no bad page" in capsys.readouterr().out
    assert _run(str(clean), "--json") == 1
    assert json.loads(capsys.readouterr().out)["explained"] is False


def test_bad_arguments_are_one_sentence() -> None:
    with pytest.raises(KvmlabError, match="there is no report 99"):
        _run(RAW, "--report", "99")
    with pytest.raises(KvmlabError, match="there is no policy"):
        _run(RAW, "--policy", "e")


def test_a_fragment_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(RAW, "--report", "0", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["explained"] is False
    assert document["steps"] == []
