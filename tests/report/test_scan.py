"""The scan from outside: sources, chunks, compressed files, many files, Parquet, progress, memory, what it refuses."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.scan.logs import make
from kvmlab.errors import UnusableInput
from kvmlab.report.log import read_log
from kvmlab.report.scan import scan_log, scan_logs
from kvmlab.report.scan_parquet import write_parquet
from kvmlab.report.scan_progress import Progress


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "made.log"
    make(path, 600_000, 0.5, seed=9)
    return path


@pytest.fixture(scope="module")
def expected(made: Path) -> pd.DataFrame:
    return scan_log(made, engine="python", threads=1).df_bad_pages()


def test_the_truth_of_the_generator(tmp_path: Path) -> None:
    truth = make(tmp_path / "x.log", 400_000, 0.8, seed=4)
    scan = scan_log(tmp_path / "x.log", engine="numba", threads=2, chunk=50_000)
    frame = scan.df_bad_pages()
    assert (len(frame), int(frame["pfn"].sum())) == (truth.reports, truth.pfn_sum)
    assert (scan.lines, scan.size) == (truth.lines, truth.size)
    assert not scan.reports, "no report of an undamaged log needs the tolerant parser"


@pytest.mark.parametrize("chunk", [3_000, 70_001, 1 << 22])
@pytest.mark.parametrize("engine", ["python", "numba"])
def test_chunks_and_engines_make_no_difference(made: Path, expected: pd.DataFrame, engine: str, chunk: int) -> None:
    found = scan_log(made, engine=engine, chunk=chunk, threads=2).df_bad_pages()
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_streams_and_gzip(
    made: Path, expected: pd.DataFrame, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = made.read_bytes()
    for what in (data, io.BytesIO(data)):
        pd.testing.assert_frame_equal(scan_log(what, engine=engine, chunk=100_000).df_bad_pages(), expected)
    packed = tmp_path / "made.log.gz"
    packed.write_bytes(gzip.compress(data, 1))
    pd.testing.assert_frame_equal(scan_log(packed, engine=engine).df_bad_pages(), expected)
    monkeypatch.setattr("kvmlab.report.scan.AT_ONCE", 1000)
    monkeypatch.setattr("kvmlab.report.scan_text.BLOCK", 90_000)
    pd.testing.assert_frame_equal(scan_log(packed, engine=engine).df_bad_pages(), expected)


def test_many_files_to_parquet(made: Path, expected: pd.DataFrame, tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    second = tmp_path / "second.log.gz"
    second.write_bytes(gzip.compress(made.read_bytes()))
    n = write_parquet(scan_logs([made, second], threads=2), tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet").to_pandas()
    assert n == len(table) == 2 * len(expected)
    assert table["pfn"].dtype == "uint64"
    assert table["source"].nunique() == 2
    assert table["stack"].str.startswith("dump_stack_lvl bad_page ").all()


def test_stacks(made: Path) -> None:
    scan = scan_log(made, engine="python")
    stacks = scan.df_stacks()
    assert int(stacks.drop_duplicates("stack")["reports"].sum()) == len(scan)
    assert set(scan.df_bad_pages()["stack"]) == set(stacks["stack"])


def test_other_texts_go_to_the_tolerant_parser(tmp_path: Path) -> None:
    line = b"BUG: Bad page state in process qemu  pfn:12345\n"
    for text in (line, b"> " + line + b"> " + line, ("\ufeff" + line.decode()).encode("utf-16-le")):
        scan = scan_log(text)
        assert scan.engine == "slow"
        pd.testing.assert_frame_equal(scan.df_reports(), read_log(text).df_reports())
    for name in ("none.log", "."):
        with pytest.raises(UnusableInput):
            scan_log(tmp_path / name)
    (tmp_path / "empty.log").touch()
    with pytest.raises(UnusableInput):
        scan_log(tmp_path / "empty.log")


def test_hostile_text() -> None:
    prefix = b"[    1.000000] "
    texts = [
        prefix + b"x" * 3_000_000 + b"\n", (prefix + b"\n") * 20_000, prefix * 20_000, b"\n" * 100_000,
        prefix + b"BUG: Bad page state in process x  pfn:" + b"f" * 1000 + b"\n",
        (prefix + b"BUG: Bad page state in process x  pfn:12345\n") * 300,
        b"[" + b"9" * 12 + b".000000] BUG: Bad page state in process x  pfn:12345\n",
    ]  # fmt: skip
    for text in texts:
        slow = read_log(text).df_reports()
        for engine in ("python", "numba"):
            pd.testing.assert_frame_equal(scan_log(text, engine=engine, chunk=10_000).df_reports(), slow)


def test_progress_counts_the_bytes(made: Path) -> None:
    with Progress("made", show=False) as progress:
        scan_log(made, engine="python", chunk=100_000, progress=progress)
    assert progress.done == progress.total == made.stat().st_size


@pytest.mark.slow
def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    from benchmarks.scan.__main__ import memory

    used = []
    for size in (60, 240):
        make(tmp_path / "x.log", size * 1_000_000, 0.1, seed=size)
        used.append(memory(tmp_path / "x.log"))
    assert used[1] < max(150, 1.5 * used[0])
