"""A case published: the executed notebook, the offline page and the plain text, in one folder that can be sent on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import kvmlab
from kvmlab.writeup.case import Case, CaseError, check_case, open_case

DEFAULT_OUT: Final = Path("build") / "writeups"
_USUAL_NOTEBOOK: Final = "01-replay-the-reported-trace.ipynb"


@dataclass(frozen=True, slots=True)
class Published:
    """Where a case's write-up lies.

    Args:
        case: the case.
        folder: the folder that holds everything.
        html: the page; needs no network.
        text: the plain text, for a mailing list.
        notebook: the executed notebook.
    """

    case: Case
    folder: Path
    html: Path
    text: Path
    notebook: Path

    def lines(self) -> tuple[str, ...]:
        """One line a file: what it is, and its path."""
        named = (("page (offline)", self.html), ("plain text", self.text), ("executed notebook", self.notebook))
        return tuple(f"{what:18} {path}" for what, path in named)


def publish(case_dir: str | Path, out_dir: str | Path = DEFAULT_OUT, *, progress: bool = False) -> Published:
    """Execute a case's notebook and write page, text and notebook to `out_dir/<case>/`.

    Args:
        case_dir: as for `open_case`.
        out_dir: folder that gets a folder for the case.
        progress: whether to draw a progress bar on stderr while the notebook runs.

    Raises:
        CaseError: the case is not what its `case.toml` says, or has no notebook.
        NotebookFailed: the notebook did not run to its end.
    """
    from kvmlab.writeup.html import write_html
    from kvmlab.writeup.notebook import run_notebook
    from kvmlab.writeup.text import write_text

    case = open_case(case_dir)
    for finding in check_case(case):
        if not finding.holds:
            raise CaseError(f"{case.path / finding.path} {finding.reason}")
    notebook = notebook_of(case)
    folder = Path(out_dir) / case.name
    folder.mkdir(parents=True, exist_ok=True)
    executed = folder / notebook.name
    # The parameter is the bare name and the notebook runs beside the case, so that no path of this machine is written.
    done = run_notebook(
        notebook, parameters={"case_name": case.name}, out=executed, cwd=case.path.parent, progress=progress
    )
    text = write_text(case, folder / "report.txt")
    html = write_html(done, folder / "report.html", title=case.title, facts=_facts(case))
    return Published(case, folder, html, text, executed)


def notebook_of(case: Case) -> Path:
    """The notebook that investigates a case: the one its `case.toml` names, one beside it, or the usual one.

    Args:
        case: the case.

    Raises:
        CaseError: there is none.
    """
    if case.notebook is not None:
        named = Path(os.path.normpath(case.path / case.notebook))
        if named.is_file():
            return named
        raise CaseError(f"{case.path / 'case.toml'} names the notebook {case.notebook}, which is not there")
    beside = sorted(case.path.glob("*.ipynb"))
    usual = Path(kvmlab.__file__).resolve().parents[1] / "notebooks" / _USUAL_NOTEBOOK
    for place in (*beside, usual):
        if place.is_file():
            return place
    raise CaseError(f"{case.path} holds no notebook, and the usual one ({_USUAL_NOTEBOOK}) is not installed")


def _facts(case: Case) -> Mapping[str, str]:
    """What the foot of the page says about where its statements come from."""
    raw = case.files[0]
    facts = {
        "Case": case.name,
        "Raw file": f"{raw.path}, sha256 {raw.sha256}",
        **{key.replace("_", " ").capitalize(): value for key, value in case.source.items()},
        "Not known": "; ".join(case.unknown),
        "Made by": f"kvmlab {kvmlab.__version__}; observed, inferred and assumed statements are kept apart",
    }
    return {name: value for name, value in facts.items() if value}
