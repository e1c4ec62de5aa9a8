"""The built wheel works alone: installed in an empty environment, away from the checkout, on a log from stdin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("kvmlab-*.whl")
    return built


def test_wheel_holds_the_package_its_tables_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert all(name.startswith(("kvmlab/", "kvmlab-")) for name in names)
    assert "kvmlab/kernel/data/page_flags.csv" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_wheel_triages_a_log_from_stdin_in_an_empty_environment(wheel: Path, tmp_path: Path, case_dir: Path) -> None:
    home = tmp_path / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    # No dependency is installed: triage of a plain log needs the standard library alone.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    triage = subprocess.run(
        [str(home / "bin" / "kvmlab"), "triage", "-", "--json"],
        input=(case_dir / "raw.txt").read_bytes(),
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert triage.returncode == 0, triage.stderr.decode()
    reports = json.loads(triage.stdout)["reports"]
    assert [r["kind"] for r in reports] == ["fragment", "bad_page"]
    assert reports[1]["pfn"] == "0xfb1665"
