"""The commands `kvmlab explore` and `kvmlab kvm-matrix`: JSON contract, tables, bad arguments."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import pytest

from kvmlab.cli import explore as explore_command
from kvmlab.cli import kvm_matrix as matrix_command
from kvmlab.errors import KvmlabError
from kvmlab.kvm.config import parse_config
from kvmlab.kvm.explore import explore
from kvmlab.kvm.policies import find_policy


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    sub = parser.add_subparsers()
    explore_command.add_parser(sub)
    matrix_command.add_parser(sub)
    args = parser.parse_args(words)
    return int(args.run(args))


def test_the_json_document_of_an_exploration(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("explore", "--policy", "c_69", "--config", "A", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "kvmlab.explore/1"
    assert (document["policy"], document["states"], document["complete"]) == ("c_69", 335, True)
    assert document["config"]["vcpus"] == 1
    by_id = {v["invariant"]: v for v in document["violations"]}
    assert {"I2", "I3", "I8"} <= set(by_id)
    assert by_id["I3"]["depth"] == len(by_id["I3"]["trace"]) == 7
    assert by_id["I3"]["trace"][0] == {"step": 1, "actor": "vcpu0", "action": "snapshot", "detail": "gfn 0 write"}


def test_events_are_no_violations(capsys: pytest.CaptureFixture[str]) -> None:
    _run("explore", "--policy", "try-get", "--config", "T", "--json")
    document = json.loads(capsys.readouterr().out)
    assert document["violations"] == []
    assert [e["invariant"] for e in document["events"]] == ["refused"]


def test_a_clean_policy_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("explore", "--policy", "refcounted-page", "--config", "A") == 0
    out = capsys.readouterr().out
    assert "308 states, 657 transitions, all states" in out
    assert "no invariant is broken" in out
    assert "\x1b" not in out


def test_a_bound_is_told_on_both_channels(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("explore", "--policy", "d", "--config", "A", "--max-states", "20") == 0
    captured = capsys.readouterr()
    assert "NOT all" in captured.out
    assert "that is no proof" in captured.out
    assert "the bound of 20 states was reached" in captured.err


def test_all_policies_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("explore", "--policy", "all") == 0
    out = capsys.readouterr().out
    assert "v11-early-checks" in out
    assert _run("explore", "--policy", "all", "--config", "T", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["rows"]) == 7


def test_going_on_behind_violations(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("explore", "--policy", "c_69", "--config", "A,follow_up=yes", "--continue", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert "EFAULT after bad page" in [e["invariant"] for e in document["events"]]


@pytest.mark.parametrize(
    "words", [("--policy", "e"), ("--policy", "d", "--config", "vcpus=x"), ("--policy", "d", "--max-states", "0")]
)
def test_bad_arguments_are_one_sentence(words: tuple[str, ...]) -> None:
    with pytest.raises(KvmlabError) as caught:
        _run("explore", *words)
    assert "\n" not in str(caught.value)


def test_the_json_document_of_the_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("kvm-matrix", "--kernel", "6.12", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["kernel"]) == ("kvmlab.kvm-matrix/1", "6.12")
    rows = {(r["case"], r["page"]): r for r in document["rows"]}
    tail = rows["noncompound/order3/remap_pfn_range", 1]
    assert (tail["refcount"], tail["read"], tail["write"], tail["warn"]) == (0, "efault", "efault", False)
    assert len(rows) == 37


def test_the_matrix_in_words_and_for_an_unknown_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("kvm-matrix", "--kernel", "7.3") == 0
    assert "efault" not in capsys.readouterr().out
    with pytest.raises(KvmlabError):
        _run("kvm-matrix", "--kernel", "vanilla")


@pytest.mark.parametrize("kernel", ["6.1", "6.12", "7.3"])
def test_the_matrix_beside_what_was_recorded(kernel: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas")
    folder = root / "data" / "captures"
    if not folder.is_dir():
        pytest.skip("data/captures is not in this checkout")
    assert _run("kvm-matrix", "--kernel", kernel, "--against", str(folder)) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    agree, total = (int(word) for word in said.replace("of ", "").split(":")[1].split()[:2])
    assert agree == total > 200
    assert _run("kvm-matrix", "--kernel", kernel, "--against", str(folder), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert all(field["agrees"] is not False for row in document["rows"] for field in row["recorded"])


def test_a_recorded_row_that_differs_is_named_and_is_the_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    place = tmp_path / "6.12.1" / "machine" / "kvm"
    place.mkdir(parents=True)
    manifest = (
        'schema = "kvmlab.capture/1"\nrelease = "6.12.1"\nrun = "machine"\nquestion = "?"\ninjected = "nothing"\n'
    )
    (place.parent / "manifest.toml").write_text(manifest)
    (place / "matrix.jsonl").write_text(
        '{"case":"compound/order3/remap_pfn_range","page":1,"seq":[{"run":"read","ok":1,"errno":0}]}\n'
    )
    assert _run("kvm-matrix", "--kernel", "6.12", "--against", str(tmp_path)) == 1
    assert "open: nothing explains it yet" in capsys.readouterr().out
    with pytest.raises(KvmlabError, match=r"no recorded matrix of a 7\.3 kernel"):
        _run("kvm-matrix", "--kernel", "7.3", "--against", str(tmp_path))


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_run_tells_how_far_it_is_and_wipes_that_away(monkeypatch: pytest.MonkeyPatch) -> None:
    from kvmlab.cli import progress

    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.0)
    terminal = _Terminal()
    with progress.ProgressLine(10_000, terminal) as line:
        answer = explore(parse_config(find_policy("c_69"), "A,vcpus=2"), engine="python", progress=line)
    assert answer.states == 9_760
    shown = terminal.getvalue().split("\r")
    assert any("states of at most 10,000" in text for text in shown)
    assert shown[-1] == ""
    assert shown[-2].strip() == ""


def test_nothing_is_told_in_a_pipe_or_of_a_short_run() -> None:
    from kvmlab.cli.progress import ProgressLine

    pipe, terminal = io.StringIO(), _Terminal()
    for stream in (pipe, terminal):
        with ProgressLine(10_000, stream) as line:
            explore("d", progress=line)
        assert stream.getvalue() == ""


def test_the_bound_is_told_for_every_policy_that_reached_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("explore", "--policy", "all", "--config", "A,zaps=1", "--max-states", "305") == 0
    captured = capsys.readouterr()
    assert "bound reached" in captured.out
    assert "under try-get-early-checks, v11-early-checks, v11-one-line-fix, refcounted-page;" in captured.err
