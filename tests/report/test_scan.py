"""The scan from outside: sources, chunks, compressed files, many files, Parquet, progress, memory, what it refuses."""

from __future__ import annotations

import gzip
import importlib
import io
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.scan.logs import make
from kvmlab.errors import UnusableInput
from kvmlab.report.fast_chunk import Chunk, Found
from kvmlab.report.fast_compiled import CompiledEngine
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.log import read_log
from kvmlab.report.scan import scan_log, scan_logs
from kvmlab.report.scan_many import gathered
from kvmlab.report.scan_open import engine_of, is_plain
from kvmlab.report.scan_parquet import write_parquet
from kvmlab.report.scan_progress import Progress, Step
from kvmlab.report.scan_ring import Ring, joined
from kvmlab.report.scan_text import FileText
from kvmlab.report.scan_unpack import reading
from tests.report.generator import log


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
    monkeypatch.setattr("kvmlab.report.scan.PIECE", 90_000)
    pd.testing.assert_frame_equal(scan_log(packed, engine=engine).df_bad_pages(), expected)


@pytest.mark.parametrize("kind", ["gzip", "bz2", "lzma", "zstd"])
def test_compressed_files_are_read_by_blocks_and_as_far_as_they_go(
    kind: str, made: Path, expected: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kvmlab.report.scan.PIECE", 90_000)
    library = pytest.importorskip("backports.zstd") if kind == "zstd" else importlib.import_module(kind)
    data = made.read_bytes()
    packed = library.compress(data)
    path = tmp_path / "made.log.packed"
    path.write_bytes(packed)
    scan = scan_log(path, engine="python")
    assert scan.engine == "python"
    pd.testing.assert_frame_equal(scan.df_bad_pages(), expected)
    # Of a bzip2 file nothing can be read before its first block of 900 kB is whole.
    path.write_bytes(packed[: len(packed) * 2 // 3] if kind != "bz2" else packed + b"rest")
    pd.testing.assert_frame_equal(scan_log(path, engine="python").df_reports(), read_log(path).df_reports())
    path.write_bytes(library.compress(b"From: someone@example.org\nSubject: a splat\n\n" + data[:100_000]))
    assert scan_log(path, engine="python").engine == "slow"


def test_gzip_is_read_without_the_reader_that_has_no_public_name(
    made: Path, expected: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isal_zlib = pytest.importorskip("isal.isal_zlib")
    monkeypatch.delattr(isal_zlib, "_GzipReader")
    packed = tmp_path / "x.log.gz"
    packed.write_bytes(gzip.compress(made.read_bytes()))
    found = scan_log(packed, engine="python")
    assert found.engine == "python"
    pd.testing.assert_frame_equal(found.df_bad_pages()[list(expected.columns)], expected)


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_streams_forget_nothing_that_is_needed_again(
    engine: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("RESERVE", 4_000), ("KEPT", 100_000)):
        monkeypatch.setattr(f"kvmlab.report.scan_ring.{name}", size)
    monkeypatch.setattr("kvmlab.report.scan.PIECE", 90_000)
    data = made.read_bytes()
    at = data.index(b"BUG: Bad page state", 1000)
    start, stop = data.rindex(b"\n", 0, at) + 1, data.index(b"</TASK>", at) + 8
    prefix = data[start:at]
    other = prefix + b"BUG: Bad rss-counter state mm:ffff8881 type:MM_ANONPAGES val:-1\n"
    # Another kind of report far from all others, and a report that stands at both ends.
    text = data[:start] + other + data[start:] + data[start:stop]
    wanted = read_log(text).df_reports()
    assert wanted["repeats"].max() == 1
    packed = tmp_path / "x.log.gz"
    packed.write_bytes(gzip.compress(text))
    for what in (text, packed, io.BytesIO(text)):
        scan = scan_log(what, engine=engine)
        pd.testing.assert_frame_equal(scan.df_reports(), wanted)
        assert len(scan.reports) == 1


def test_ring_reads_what_it_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(range(256)) * 2_000
    rooms: list[object] = []
    for again in (None, lambda: reading(io.BytesIO(data))):
        ring = Ring(reading(io.BytesIO(data)), rooms, 50_000, again)
        piece = ring.next()
        while not piece.at_end:
            assert piece.data[piece.begin : piece.stop].tobytes() == data[piece.offset : piece.offset + piece.size]
            following = ring.next()
            # What is left of a piece, more than there is room for, stands before the next one.
            whole = joined(piece, piece.stop - (30_000 if again else 200_000) % piece.size, following)
            assert whole.data[whole.begin : whole.stop].tobytes() == data[whole.offset : ring.size]
            piece = following
        assert ring.size == len(data)
        assert ring.read(len(data) - 70_000, len(data)) == data[-70_000:]
        ring.close()
    monkeypatch.setattr("kvmlab.report.scan_ring.KEPT", 1_500)
    ring = Ring(reading(io.BytesIO(data)), [], 1_000, lambda: reading(io.BytesIO(data)))
    for _ in range(20):
        ring.next()
    for start, stop in ((5, 700), (3_000, 9_000), (100, 200), (19_000, 40_000)):
        assert ring.read(start, stop) == data[start : min(stop, 20_000)]


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_many_logs_are_one_frame(engine: str, made: Path, tmp_path: Path) -> None:
    make(tmp_path / "b.log", 60_000, 0.9, style="syslog", seed=2)
    (tmp_path / "c.log").write_bytes(b"BUG: Bad page state in process x  pfn:77\n")
    (tmp_path / "d.log").write_bytes((tmp_path / "b.log").read_bytes()[:-30] + b"\n")
    (tmp_path / "d.log.gz").write_bytes(gzip.compress((tmp_path / "d.log").read_bytes()))
    paths = [made, *(tmp_path / name for name in ("b.log", "c.log", "d.log", "d.log.gz"))]
    whole = gathered(scan_logs(paths, engine=engine, threads=2))
    for found, name in ((whole.df_bad_pages(), "df_bad_pages"), (whole.df_reports(), "df_reports")):
        assert found["source"].unique().tolist() == [str(path) for path in paths]
        for path in paths:
            own = getattr(scan_log(path, engine=engine), name)()
            part = found[found["source"] == str(path)].drop(columns="source").reset_index(drop=True)
            names = [column for column in own.columns if column != "stack"]
            pd.testing.assert_frame_equal(part[names], own[names])
    stacks = whole.df_stacks()
    assert int(stacks.drop_duplicates("stack")["reports"].sum()) == int((whole.df_bad_pages()["frames"] > 0).sum())
    with pytest.raises(UnusableInput):
        gathered([scan_log(made, engine=engine), scan_log(made, engine=engine)])
    assert gathered([]).df_bad_pages().empty


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


def test_rows_in_a_file_and_parquet_by_stretches(
    made: Path, expected: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("kvmlab.report.scan_rows.IN_MEMORY", 5_000)
    monkeypatch.setattr("kvmlab.report.scan_rows.AT_ONCE", 7)
    # A report that the tolerant parser reads, another kind of report, and a whole report for the second time.
    data = made.read_bytes()
    at = data.index(b"BUG: Bad page state", len(data) // 2)
    start, stop = data.rindex(b"\n", 0, at) + 1, data.index(b"</TASK>", at) + 8
    prefix = data[start:at]
    damaged = (
        prefix + b"BUG: Bad page state in process x  pfn:77\n" + prefix + b"BUG: Bad page state in process y  pfn:88\n"
    )
    other = prefix + b"BUG: Bad rss-counter state mm:ffff8881 type:MM_ANONPAGES val:-1\n"
    text = data[:start] + other + damaged + data[start:] + data[start:stop]
    scan = scan_log(text, engine="python", chunk=50_000, parquet=tmp_path / "x.parquet")
    assert type(scan.rows).__name__ == "memmap"
    assert 1 in scan.repeats.values()
    frame = scan.df_bad_pages()
    assert len(frame) == len(expected) + 2
    pd.testing.assert_frame_equal(scan.df_reports(), read_log(text).df_reports())
    table = pq.read_table(tmp_path / "x.parquet").to_pandas()
    names = scan.df_stacks().groupby("stack")["function"].agg(" ".join)
    for name in frame.columns:
        wanted = frame["stack"].map(names) if name == "stack" else frame[name]
        held, given = (x.astype(object).where(x.notna(), None).tolist() for x in (table[name], wanted))
        assert held == given, name
    assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups > 3


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_what_one_file_teaches_is_known_to_others(engine: str, tmp_path: Path) -> None:
    paths = []
    for i, style in enumerate(("dmesg", "syslog", "caller", "dmesg", "short", "syslog")):
        make(tmp_path / f"{i}.log", 60_000, 0.7, style=style, seed=i)
        data = (tmp_path / f"{i}.log").read_bytes().replace(b"labhost", f"host{i}".encode())
        (tmp_path / f"{i}.log").write_bytes(data)
        paths.append(tmp_path / f"{i}.log")
    for path, found in zip(paths, scan_logs(paths, engine=engine, threads=2), strict=True):
        assert not found.reports, "an undamaged report went to the tolerant parser"
        pd.testing.assert_frame_equal(found.df_bad_pages(), scan_log(path, engine=engine).df_bad_pages())


def test_threads_that_learn_the_same_lose_nothing(made: Path, expected: pd.DataFrame) -> None:
    for _ in range(5):
        scan = scan_log(made, engine="numba", chunk=20_000, threads=8)
        assert not scan.reports
        pd.testing.assert_frame_equal(scan.df_bad_pages(), expected)


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


@pytest.mark.parametrize("style", ["dmesg", "caller", "syslog", "iso", "short"])
def test_what_is_plain_is_judged_alike_with_and_without_a_glance(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join([*log(4, style, 0.3, 9_000), ""]).encode()
    prefix = text[: text.index(b"BUG: ")]
    heads = {
        "all alike": (text, True),
        "a mail": (b"From: someone@example.org\nSubject: a splat\n\n" + text, None),
        "quoted": (b"> " + text.replace(b"\n", b"\n> "), None),
        "another carrier below": (text + b"Jul  3 10:00:01 otherhost systemd[1]: Started.\n" * 3, None),
        "one line": (prefix + b"x\n", True),
    }
    for name, (head, wanted) in heads.items():
        glance = is_plain(head)
        with monkeypatch.context() as patched:
            patched.setattr("kvmlab.report.scan_open._of_one_carrier", lambda head: False)
            assert is_plain(head) == glance, name
        assert wanted in (None, glance), name


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


def test_progress_told_to_a_function(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvmlab.report.scan_progress.EVERY", 0)
    steps: list[Step] = []
    scan_log(made, engine="python", chunk=100_000, progress=steps.append)
    size = made.stat().st_size
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert (steps[-1].done, steps[-1].total, steps[-1].left) == (size, size, 0)
    half = Step(50, 200, 10.0)
    assert (half.rate, half.left) == (5.0, 30.0)


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_what_is_held_does_not_grow_with_the_log(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kvmlab.report.scan_rows.IN_MEMORY", 20_000)
    teacher = engine_of(engine, 0, Lexicon())
    peaks = []
    for size in (1_000_000, 4_000_000):
        make(tmp_path / "x.log", size, 0.3, seed=3, kernel=1)
        if not peaks:
            scan_log(tmp_path / "x.log", engine=teacher, chunk=100_000)
        tracemalloc.start()
        scan = scan_log(tmp_path / "x.log", engine=teacher.sibling(), threads=1, chunk=100_000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(scan.rows) > size / 30_000
    assert peaks[1] < 1.3 * peaks[0], peaks


@pytest.mark.slow
def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    from benchmarks.scan.__main__ import memory

    used = []
    for size in (60, 240):
        make(tmp_path / "x.log", size * 1_000_000, 0.1, seed=size)
        used.append(memory(tmp_path / "x.log"))
    assert used[1] < max(150, 1.5 * used[0])


@pytest.mark.parametrize("where", ["a line outside", "a line of a report"])
def test_long_lines_in_a_file_that_is_read_by_pieces(made: Path, tmp_path: Path, where: str) -> None:
    lines = made.read_bytes().splitlines(keepends=True)
    mark = b" amdgpu 0000:" if where == "a line outside" else b"] Modules linked in:"
    i = next(i for i, line in enumerate(lines[1500:], 1500) if mark in line)
    lines[i] = lines[i][:-1] + b" longword" * 60_000 + b"\n"
    path = tmp_path / "long.log"
    path.write_bytes(b"".join(lines))
    found, slow = scan_log(path, engine="numba", threads=1), read_log(path)
    pd.testing.assert_frame_equal(found.df_reports(), slow.df_reports())
    assert found.lines == slow.text.n_lines


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_a_file_that_becomes_shorter(
    made: Path, expected: pd.DataFrame, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = FileText.__init__

    def grown(self: FileText, path: str) -> None:
        begin(self, path)
        self.size += 700_000

    monkeypatch.setattr(FileText, "__init__", grown)
    found = scan_log(made, engine=engine, chunk=300_000, threads=1)
    pd.testing.assert_frame_equal(found.df_bad_pages(), expected)


def test_a_file_that_compiled_code_cannot_read(
    made: Path, expected: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, asked = CompiledEngine.read, []

    def failing(self: CompiledEngine, chunk: Chunk) -> Found:
        asked.append(chunk.have < chunk.stop)
        return read(self, replace(chunk, fd=-1))

    monkeypatch.setattr(CompiledEngine, "read", failing)
    pd.testing.assert_frame_equal(scan_log(made, engine="numba", threads=1).df_bad_pages(), expected)
    assert any(asked)
    assert not all(asked)
