"""Starting light: the command line of small logs loads none of the heavy libraries; the arrows hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("numpy", "pandas", "numba", "plotly", "IPython", "ipywidgets", "pyarrow")


def loaded_after(code: str, root: Path) -> set[str]:
    probe = f"""
import contextlib, io, sys
with contextlib.redirect_stdout(io.StringIO()):
    try:
        {code}
    except SystemExit:
        pass
print("\\n".join(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=root, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["triage", "--help"]])
def test_help_loads_nothing_heavy(words: list[str], root: Path) -> None:
    loaded = loaded_after(f"from kvmlab.cli import main; main({words!r})", root)
    assert "kvmlab.cli" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_triage_of_a_small_log_loads_nothing_heavy(more: list[str], root: Path, case_dir: Path) -> None:
    words = ["triage", str(case_dir / "raw.txt"), *more]
    loaded = loaded_after(f"from kvmlab.cli import main; main({words!r})", root)
    assert "kvmlab.report.log" in loaded
    assert not loaded & set(HEAVY)


def test_importing_the_package_loads_no_room(root: Path) -> None:
    loaded = loaded_after("import kvmlab", root)
    assert {name for name in loaded if name.startswith("kvmlab")} == {"kvmlab"}


def test_arrows_run_only_downwards(root: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=root,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_name_of_the_face_can_be_had() -> None:
    import kvmlab

    for name in kvmlab.__all__:
        assert getattr(kvmlab, name) is not None
    assert set(kvmlab.__all__) <= set(dir(kvmlab))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        kvmlab.nothing  # noqa: B018
