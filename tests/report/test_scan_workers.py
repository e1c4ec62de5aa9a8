"""Processes that read one file together: the same records as one alone, and what happens if they fail."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.scan.logs import make
from kvmlab.report import scan_workers
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.scan import scan_log
from kvmlab.report.scan_progress import Progress
from kvmlab.report.scan_stacks import StackEntry
from tests.report.generator import damaged


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("kvmlab.report.scan_workers.WORKERS_FROM", 1)
    make(tmp_path / "x.log", 500_000, 0.6, style="syslog", seed=7)
    path = tmp_path / "log"
    data = (tmp_path / "x.log").read_bytes()
    path.write_bytes(data[:250_000] + damaged(5, "dmesg", ["cut", "interleave"], size=9_000) + data[250_000:])
    return path


def test_processes_make_no_difference(logs: Path) -> None:
    with Progress("x", show=False) as progress:
        together = scan_log(logs, engine="python", threads=2, chunk=60_000, progress=progress)
    alone = scan_log(logs, engine="python", threads=1, chunk=60_000)
    assert progress.done == logs.stat().st_size
    assert len(together.rows) > 20
    for name in ("df_reports", "df_bad_pages", "df_stacks"):
        pd.testing.assert_frame_equal(getattr(together, name)(), getattr(alone, name)())


def _no_pool(n: int) -> None:
    raise OSError("no processes here")


@pytest.mark.parametrize("failure", ["none start", "one dies"])
def test_one_process_goes_on_alone(failure: str, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if failure == "none start":
        monkeypatch.setattr("loky.get_reusable_executor", _no_pool)
    else:
        monkeypatch.setattr("kvmlab.report.scan_workers.read_chunk_of", lambda *asked: os._exit(1))
    expected = scan_log(logs, engine="python", threads=1).df_bad_pages()
    with Progress("x", show=False) as progress, pytest.warns(UserWarning, match="reads it alone") as said:
        found = scan_log(logs, engine="python", threads=2, chunk=60_000, progress=progress)
    assert len(said) == 1
    assert progress.done == logs.stat().st_size
    pd.testing.assert_frame_equal(found.df_bad_pages(), expected)


def test_processes_stay_for_the_next_log(logs: Path, tmp_path: Path) -> None:
    # What a process has learned from one log must not be taken for that of another.
    make(tmp_path / "other.log", 400_000, 0.6, style="iso", seed=8)
    for path in (logs, tmp_path / "other.log", logs):
        together = scan_log(path, engine="python", threads=2, chunk=60_000)
        alone = scan_log(path, engine="python", threads=1, chunk=60_000)
        pd.testing.assert_frame_equal(together.df_bad_pages(), alone.df_bad_pages())
        pd.testing.assert_frame_equal(together.df_stacks(), alone.df_stacks())


def test_a_text_that_is_none_for_an_engine_ends_them(logs: Path) -> None:
    logs.write_bytes(logs.read_bytes().replace(b"usb", b"u\rsb", 3))
    assert scan_log(logs, engine="python", threads=2, chunk=60_000).engine == "slow"


def test_stacks_of_one_hash_are_kept_apart(tmp_path: Path) -> None:
    lexicon = Lexicon()
    workers = scan_workers.Workers(str(tmp_path / "x"), 1, 1, lexicon, lambda lo, hi: pytest.fail("none are read"))
    one, other = ((StackEntry("f", None, name, True),) for name in ("IRQ", "NMI"))
    values = [workers._value(5, one), workers._value(5, other), workers._value(9, one), workers._value(-1, other)]
    assert values == [5, values[1], 5, values[1]]
    assert values[1] != 5
    assert lexicon.traces == {5: one, values[1]: other}
