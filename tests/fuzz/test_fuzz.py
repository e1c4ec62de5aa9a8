"""The fuzz targets: on every file of their corpus, and for a fixed time where atheris is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.both_ways import both_ways
from tests.fuzz.promises import check
from tests.report.containers import STYLES
from tests.report.test_containers import messages

SECONDS = 15
CORPUS = Path(__file__).parent / "corpus"


def seeds(root: Path) -> list[Path]:
    """What the search starts from: the shipped case, the golden logs and what earlier searches found."""
    return [
        root / "data" / "2024-07-31-kvm-bad-page-state" / "raw.txt",
        *sorted((root / "tests" / "report" / "golden").glob("**/*.log")),
        *sorted(CORPUS.glob("*")),
    ]


def test_every_seed_holds_the_promises(root: Path) -> None:
    paths = seeds(root)
    assert len(paths) > 20
    for path in paths:
        check(path.read_bytes())


def test_every_seed_is_read_alike_both_ways(root: Path) -> None:
    for path in seeds(root):
        both_ways(path.read_bytes())


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: pip install -e '.[fuzz]'"
)
def test_search_for_a_fixed_time(root: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, path in enumerate(seeds(root)):
        (corpus / f"{number:03}").write_bytes(path.read_bytes())
    for style, render in STYLES.items():
        text = render(list(messages("5.11-arm64-owner")))
        (corpus / style).write_bytes(text.encode() if isinstance(text, str) else text)
    command = [sys.executable, "-m", "tests.fuzz.fuzz_read_log", str(corpus), f"-max_total_time={SECONDS}"]
    command += ["-max_len=16384", f"-artifact_prefix={tmp_path}/", "-seed=1", "-timeout=20", "-rss_limit_mb=4096"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=SECONDS + 300, check=False)
    found = [path.read_bytes() for path in tmp_path.glob("*-*") if path.is_file()]
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{found!r}"
    assert "Done" in done.stderr, "the search ended before its time"
