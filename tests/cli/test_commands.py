"""The commands on the reported trace: tables for people, documents for programs, exit status."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kvmlab.cli import COMMANDS
from tests.cli.running import run

SPAN = {"first_line", "last_line", "first_byte", "last_byte"}


@pytest.fixture(scope="module")
def raw() -> str:
    return str(Path(__file__).resolve().parents[2] / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt")


def every_value(value: object) -> list[object]:
    if isinstance(value, dict):
        return [v for inner in value.values() for v in every_value(inner)]
    if isinstance(value, list):
        return [v for inner in value for v in every_value(inner)]
    return [value]


def test_triage_document_has_what_the_contract_names(raw: str) -> None:
    done = run("triage", raw, "--json")
    document = json.loads(done.out)
    assert (done.status, done.err) == (0, "")
    assert document["schema"] == "kvmlab.triage/1"
    (source,) = document["sources"]
    assert {"path", "sha256", "bytes", "lines", "kind", "unparsed_lines", "damage"} <= source.keys()
    assert (source["bytes"], source["lines"]) == (6685, 84)
    fragment, bad = document["reports"]
    assert fragment["kind"] == "fragment"
    assert fragment["registers"]["RSI"] == "0xae80"
    assert bad["kind"] == "bad_page"
    assert bad["title"] == "BUG: Bad page state in process CPU 0/KVM pfn:fb1665"
    assert bad["span"].keys() == SPAN
    assert (bad["span"]["first_line"], bad["span"]["last_line"]) == (7, 84)
    assert (bad["timestamp"], bad["cpu"], bad["pid"], bad["comm"]) == ("252080.141632", 8, 1819169, "CPU 0/KVM")
    assert (bad["kernel"], bad["taint"]) == ("6.9.12-ajb-00008-gfcd4b7efbad0", "GBW")
    assert bad["hardware"] == "Dell Inc. Precision 3660/0PRR48, BIOS 2.8.1 08/14/2023"
    page = bad["page"]
    assert (page["refcount"], page["mapcount"], page["mapping"], page["index"]) == (0, 1, "0x0", "0x7fa8117c3")
    assert page["flags"] == "0x17ffffc00a000c"
    assert page["flag_names"] == ["referenced", "uptodate", "mappedtodisk", "swapbacked"]
    assert page["flag_fields"] == {"node": 0, "zone": 2, "lastcpupid": "0x1fffff"}
    assert (page["order"], page["page_type"], page["memcg"], page["head"]) == (None, "0x0", None, None)
    assert page["raw"][0] == "0x17ffffc00a000c"
    assert len(page["raw"]) == 8
    checks = {check["check"]: check["holds"] for check in page["checks"]}
    assert {"raw[0] == flags", "raw[4] == index", "high half of raw[6] == refcount"} <= checks.keys()
    assert set(checks.values()) == {True}
    assert bad["reason"] == "nonzero mapcount"
    assert len(bad["frames"]) == 48
    first = {
        "function": "dump_stack_lvl",
        "offset": 96,
        "size": 128,
        "module": None,
        "reliable": True,
        "context": "TASK",
    }
    assert first.items() <= bad["frames"][0].items()
    assert len(bad["modules"]) == 259
    assert bad["modules"][0] == {"name": "vhost_net", "flags": ""}
    assert bad["page_owner"] is None
    assert {d["kind"] for d in bad["damage"]} >= {"truncated_tail"}


def test_families_of_the_reported_trace(raw: str) -> None:
    families = json.loads(run("triage", raw, "--json").out)["families"]
    (family,) = [f for f in families if 1 in f["reports"]]
    keys = {
        "id",
        "title",
        "reports",
        "count",
        "suppressed",
        "first_timestamp",
        "last_timestamp",
        "signature",
        "pfn_runs",
    }
    assert keys <= family.keys()
    assert family["count"] == len(family["reports"])
    assert "folio_batch_move_lru" in family["signature"]
    assert family["pfn_runs"] == [{"first": "0xfb1665", "last": "0xfb1665", "pages": 1}]


def test_no_64_bit_value_travels_as_a_number(raw: str) -> None:
    for command in ("triage", "explain", "replay"):
        for value in every_value(json.loads(run(command, raw, "--json").out)):
            assert not (isinstance(value, int) and abs(value) > 1 << 32), command


def test_sources_are_numbered_in_the_order_given(raw: str) -> None:
    document = json.loads(run("triage", raw, raw, "--json").out)
    assert [(r["source"], r["index"]) for r in document["reports"]] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_standard_input_is_a_source(raw: str) -> None:
    document = json.loads(run("triage", "-", "--json", stdin=Path(raw).read_bytes()).out)
    assert document["sources"][0]["path"] == "-"
    assert document["reports"][1]["pfn"] == "0xfb1665"


def test_a_clean_log_is_done_but_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "clean").write_text("[    0.000000] Linux version 6.9.12\n[    0.000001] Command line: quiet\n")
    done = run("triage", str(tmp_path / "clean"), "--json")
    assert (done.status, json.loads(done.out)["reports"]) == (1, [])


@pytest.mark.parametrize("command", ["triage", "explain", "replay"])
def test_plain_text_in_a_pipe_and_tables_in_a_terminal(command: str, raw: str) -> None:
    piped, shown = run(command, raw), run(command, raw, terminal=True)
    assert piped.status == shown.status == 0
    assert "\x1b[" not in piped.out
    assert not re.search(r"[\u2500-\u257f]", piped.out)
    assert "fb1665" in piped.out
    assert "fb1665" in shown.out
    assert re.search(r"[\u2500-\u257f]", shown.out), "a terminal gets tables"


@pytest.mark.parametrize("command", ["triage", "explain", "replay"])
def test_a_log_cannot_drive_the_terminal(command: str, raw: str) -> None:
    evil = Path(raw).read_text().replace("CPU 0/KVM", "\x1b]0;own\x07[red]x").encode()
    for terminal in (False, True):
        done = run(command, "-", stdin=evil, terminal=terminal)
        assert "\x1b]" not in done.out
        assert "\x07" not in done.out


def test_explain_document(raw: str) -> None:
    document = json.loads(run("explain", raw, "--json").out)
    assert document["schema"] == "kvmlab.explain/1"
    assert {row["basis"] for row in document["rows"]} == {"observed", "inferred", "assumed"}
    assert document["missing"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str) -> None:
    done = run(command, "--help")
    assert done.status == 0
    assert f"kvmlab {command}" in done.out.split("examples:")[1]


def test_case_check_on_the_shipped_case_and_on_a_changed_one(case_dir: Path, tmp_path: Path) -> None:
    assert run("case", "check", str(case_dir)).status == 0
    for name in ("raw.txt", "case.toml"):
        (tmp_path / name).write_bytes((case_dir / name).read_bytes())
    (tmp_path / "raw.txt").write_bytes((case_dir / "raw.txt").read_bytes() + b"\n")
    done = run("case", "check", str(tmp_path))
    assert done.status == 2
    assert "NO" in done.out
