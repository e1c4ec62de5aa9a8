"""The benchmark of this room runs, and its made-up captures are read whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.capture.inputs import kmem_trace, page_owner
from kvmlab.capture.page_owner import parse_page_owner
from kvmlab.capture.trace import trace_of


def test_made_up_captures_have_no_malformed_line() -> None:
    trace = trace_of(kmem_trace(500), engine="tolerant")
    assert len(trace) == 500
    assert not trace.malformed
    assert kmem_trace(50) == kmem_trace(50)
    owner = parse_page_owner(page_owner(20))
    assert len(owner) == 20
    assert not owner.malformed


def test_the_benchmark_prints_its_figures(root: Path) -> None:
    words = ["--lines", "2000", "--gib", "1", "--records", "20", "--rounds", "1", "--json"]
    got = subprocess.run(
        [sys.executable, "-m", "benchmarks.capture", *words], cwd=root, capture_output=True, text=True, check=True
    )
    found = json.loads(got.stdout)
    assert found["trace_fast_lines_per_s"] > 0
    assert found["kpageflags_runs_gb_per_s"] > 0
