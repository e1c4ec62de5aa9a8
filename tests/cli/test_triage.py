"""`kvmlab triage` on large and on many files: the fast way prints what the slow way prints, filtered or not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from kvmlab.cli import triage_sources
from kvmlab.inquiry.families import families, family_json
from kvmlab.report import log_pieces, scan_rows
from kvmlab.report.jsonable import report_json
from kvmlab.report.log import read_log
from tests.cli.running import Terminal, run
from tests.report.generator import log

REPORTED = Path(__file__).resolve().parents[2] / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt"
SUPPRESSED = "[ 9000.000000] BUG: Bad page state: 42 messages suppressed"
RSS = "[ 9001.000000] BUG: Bad rss-counter state mm:000000007355ed50 type:MM_ANONPAGES val:100"


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("storm") / "storm.log"
    path.write_text("\n".join([*log(3, "dmesg", 0.9, 120_000), SUPPRESSED, RSS, ""]))
    return path


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("other") / "other.log.gz"
    path.write_bytes(gzip.compress("\n".join([*log(4, "dmesg", 0.5, 60_000), ""]).encode()))
    return path


@pytest.fixture(scope="module")
def frame(storm: Path) -> str:
    stacks = [r.call_trace.reliable for r in read_log(storm).bad_pages if r.call_trace is not None]
    return min((f.function for stack in stacks for f in stack), key=[f.function for s in stacks for f in s].count)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--rows", "3"),
        ("--rows", "0"),
        ("--kind", "bad_page"),
        ("--kind", "suppressed", "--kind", "bad_rss_counter"),
        ("--since", "0.5"),
        ("--since", "1e30"),
        ("--pfn", "1-ffffff"),
        ("--pfn", "ffffffffffffffff-fffffffffffffffff"),
        ("--frame", "FRAME"),
        ("--frame", "FRAME", "--kind", "bad_page", "--since", "0.001"),
        ("--frame", "no_such_function"),
    ],
    ids=" ".join,
)
def test_both_ways_print_the_same(storm: Path, other: Path, frame: str, words: tuple[str, ...]) -> None:
    chosen = [frame if word == "FRAME" else word for word in words]
    for files in ([storm], [other], [storm, other]):
        fast, slow = (run("triage", *map(str, files), *chosen, "--scan", way) for way in ("fast", "slow"))
        assert fast.out == slow.out
        assert fast.status == slow.status
        assert not slow.err


def test_a_large_file_is_read_the_fast_way(storm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "fast way" not in run("triage", str(storm)).err
    monkeypatch.setattr(triage_sources, "FAST_FROM", storm.stat().st_size)
    assert "read the fast way" in run("triage", str(storm)).err
    assert "read the fast way" not in run("triage", str(storm), "--scan", "slow").err
    assert "64 MiB" in " ".join(run("triage", "--help").out.split())


@pytest.mark.parametrize("words", [(), ("--kind", "bad_page", "--since", "0.5"), ("--frame", "FRAME", "--rows", "9")])
def test_a_scan_is_summed_up_part_by_part(
    storm: Path, frame: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [frame if word == "FRAME" else word for word in words]
    slow = run("triage", str(storm), *chosen, "--scan", "slow").out
    monkeypatch.setattr(scan_rows, "AT_ONCE", 5)
    assert run("triage", str(storm), *chosen, "--scan", "fast").out == slow


def test_a_large_pipe_is_read_the_fast_way(storm: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = storm.read_bytes()
    assert "fast way" not in run("triage", "-", stdin=data).err
    monkeypatch.setattr(triage_sources, "FAST_FROM", len(data))
    piped = run("triage", "-", stdin=data)
    assert "read the fast way" in piped.err
    assert piped.out == run("triage", str(storm)).out.replace(str(storm), "-")
    packed = run("triage", "-", "--scan", "fast", stdin=other.read_bytes())
    assert packed.out == run("triage", str(other), "--scan", "slow").out.replace(str(other), "-")
    both = run("triage", str(storm), "-", str(other), stdin=data)
    assert [line.split()[0] for line in both.out.partition("Sources\n")[2].splitlines()[1:4]] == [
        str(storm), "-", str(other),
    ]  # fmt: skip


def test_a_terminal_gets_a_bar_with_rate_and_time(storm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from kvmlab.report.scan_progress import Progress

    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    with Progress("storm.log") as bar:
        bar.begin(100 << 20)
        for _ in range(3):
            bar.advance(20 << 20)
    assert "storm.log" in shown.getvalue()
    assert "/s" in shown.getvalue()
    assert ":" in shown.getvalue()


def test_many_files_get_a_table_of_sources(storm: Path, other: Path) -> None:
    done = run("triage", str(storm), str(other))
    assert "Sources" in done.out
    _, _, table = done.out.partition("Sources\n")
    assert table.splitlines()[0].split()[:2] == ["source", "kind"]
    assert [line.split()[0] for line in table.splitlines()[1:3]] == [str(storm), str(other)]
    many = run("triage", *[str(storm)] * 9)
    assert "sha256" not in many.out, "the reports of many sources are not listed one by one"
    assert "sha256" in run("triage", *[str(storm)] * 9, "--rows", "1").out


def test_a_block_that_stands_twice_counts_once_and_that_is_said(storm: Path, tmp_path: Path) -> None:
    twice = tmp_path / "twice.log"
    first = "\n".join(log(3, "dmesg", 0.9, 8_000)) + "\n"
    twice.write_text(first + first)
    outs = [run("triage", str(twice), "--scan", way).out for way in ("slow", "fast")]
    assert outs[0] == outs[1]
    assert "(printed 2 times, counted once)" in outs[0]


def test_the_document_says_what_the_records_are(storm: Path) -> None:
    (source,) = json.loads(run("triage", str(storm), "--json").out)["sources"]
    assert source["records"]["log"] > 100


@pytest.mark.parametrize("words", [(), ("--kind", "bad_page", "--since", "0.5"), ("--frame", "FRAME")], ids=" ".join)
def test_the_document_of_large_logs_is_that_of_logs_read_whole(
    storm: Path, other: Path, frame: str, tmp_path: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [frame if word == "FRAME" else word for word in words]
    twice = tmp_path / "twice.log"
    twice.write_bytes(storm.read_bytes() + storm.read_bytes()[-40_000:])
    files = [str(twice), str(other), str(REPORTED)]
    whole = json.loads(run("triage", *files, *chosen, "--json", "--scan", "slow").out)
    assert any(report["repeats"] for report in whole["reports"]) or chosen
    if not words:
        # Whole reports, of which nothing has been left out, give the same.
        logs = [read_log(file) for file in files]
        reports = [report_json(report, n) for n, log in enumerate(logs) for report in log.reports]
        assert whole["reports"] == json.loads(json.dumps(reports))
        assert whole["families"] == json.loads(json.dumps([family_json(family) for family in families(logs)]))
    monkeypatch.setattr(triage_sources, "FAST_FROM", 1000)
    monkeypatch.setattr(log_pieces, "PIECE", 50_000)
    monkeypatch.setattr(log_pieces, "MARGIN", 200)
    read: list[int] = []
    real = log_pieces.find_reports
    monkeypatch.setattr(log_pieces, "find_reports", lambda records: read.append(1) or real(records))
    done = run("triage", *files, *chosen, "--json")
    assert json.loads(done.out) == whole
    assert len(read) > 4
    assert done.status == (0 if whole["reports"] else 1)
    piped = json.loads(run("triage", "-", *files[1:], *chosen, "--json", stdin=twice.read_bytes()).out)
    assert piped.pop("sources")[0].pop("path") == "-"
    whole.pop("sources")
    assert piped == whole


def test_a_large_mail_in_a_pipe_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    mail = b"From: someone@example.org\nSubject: a splat\n\n" + REPORTED.read_bytes()
    monkeypatch.setattr(triage_sources, "FAST_FROM", 1000)
    for words in (("--json",), ()):
        assert (
            run("triage", "-", *words, stdin=mail).out == run("triage", "-", *words, "--scan", "slow", stdin=mail).out
        )
    done = run("triage", "-", "--json", stdin=gzip.compress(mail))
    assert (done.status, "save it to a file" in done.err) == (2, True)


def test_families_that_look_alike_are_offered(tmp_path: Path) -> None:
    made = tmp_path / "log"
    text = REPORTED.read_text()
    made.write_text(text.replace("handle_mm_fault+0x18c/0x320", "hugetlb_fault+0x18c/0x320"))
    done = run("triage", str(REPORTED), str(made))
    assert "Families that look alike" in done.out
    assert "only the first has handle_mm_fault; only the second has hugetlb_fault" in done.out


def test_parquet(storm: Path, other: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "pages.parquet"
    done = run("triage", str(storm), str(other), "--parquet", str(out))
    assert done.status == 0
    table = pq.read_table(out)
    assert f"{table.num_rows} bad pages of 2 sources" in done.out
    assert set(table.column("source").to_pylist()) == {str(storm), str(other)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--parquet", "x", "--json"), "choose one"),
        (("--rows", "many"), "no number of rows"),
        (("--scan", "quick"), "invalid choice"),
    ],
)
def test_what_cannot_be_is_said(storm: Path, words: tuple[str, ...], said: str) -> None:
    done = run("triage", str(storm), *words)
    assert done.status == 2
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "words", [("--kind", "bad_page", "--since", "0.5"), ("--pfn", "1-ffffff"), ("--frame", "FRAME"), ("--kind", "oops")]
)
def test_parquet_of_some_bad_pages(storm: Path, frame: str, tmp_path: Path, words: tuple[str, ...]) -> None:
    from kvmlab.inquiry.filters import make_filter

    pq = pytest.importorskip("pyarrow.parquet")
    chosen = [frame if word == "FRAME" else word for word in words]
    out = tmp_path / "pages.parquet"
    done = run("triage", str(storm), *chosen, "--parquet", str(out))
    given: dict[str, list[str]] = {}
    for name, value in zip(chosen[::2], chosen[1::2], strict=True):
        given[name.removeprefix("--")] = [value]
    since = given.get("since", [None])[0]
    wanted = make_filter(given.get("kind"), since, given.get("pfn"), given.get("frame"))
    expected = [report for report in wanted.apply(read_log(storm)).bad_pages if report.pfn is not None]
    table = pq.read_table(out)
    assert table.column("pfn").to_pylist() == [report.pfn for report in expected]
    assert table.column("report").to_pylist() == [report.index for report in expected]
    assert done.status == (0 if expected else 1)


def test_parquet_of_a_pipe(storm: Path, other: Path, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    out, piped = tmp_path / "pages.parquet", tmp_path / "piped.parquet"
    run("triage", str(other), str(storm), "--parquet", str(out))
    done = run("triage", str(other), "-", "--parquet", str(piped), stdin=storm.read_bytes())
    assert done.status == 0
    assert pq.read_table(piped).drop(["source"]) == pq.read_table(out).drop(["source"])


def test_a_missing_file_among_others_is_named(storm: Path) -> None:
    for way in ("fast", "slow"):
        done = run("triage", str(storm), "/no/such/file", "--scan", way)
        assert done.status == 2
        assert "/no/such/file" in done.err
