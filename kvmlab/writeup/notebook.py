"""Runs a notebook from top to bottom, with parameters and a time limit, so that two runs of it give the same file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from kvmlab.errors import KvmlabError

if TYPE_CHECKING:
    from nbformat import NotebookNode

CELL_TIMEOUT: Final = 180
# Seconds that a kernel may take to answer; a busy machine needs more than the usual 60.
START_TIMEOUT: Final = 300
_INJECTED: Final = "injected-parameters"
_WIDGET_MIME: Final = "application/vnd.jupyter.widget-view+json"


class NotebookFailed(KvmlabError):
    """A notebook that did not run to its end; the message names the notebook, the cell and the error."""


def run_notebook(
    path: str | Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    cwd: str | Path | None = None,
    timeout: int = CELL_TIMEOUT,
    progress: bool = False,
) -> NotebookNode:
    """Execute a notebook and return it with its outputs, without any time stamp in it.

    Args:
        path: the notebook.
        parameters: values for its `parameters` cell.
        out: where to write the executed notebook; nothing is written if None.
        cwd: folder that it runs in; the notebook's own if None.
        timeout: seconds that one cell may take.
        progress: whether to draw a progress bar on stderr.

    Raises:
        NotebookFailed: it is no notebook, a cell raised or took too long, or its kernel died.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillException, PapermillExecutionError
    from traitlets.config import Config

    place = Path(path)
    if not place.is_file():
        raise NotebookFailed(f"{place} is not a notebook: there is no such file")
    try:
        notebook = cast("Any", nbformat).read(place, as_version=4)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        raise NotebookFailed(f"{place} is not a notebook: {_first_line(error)}") from error
    try:
        with _own_environment() as folder:
            notebook = papermill.execute_notebook(
                notebook,
                None,
                parameters=dict(parameters or {}),
                kernel_name="python3",
                cwd=str(cwd if cwd is not None else place.parent),
                progress_bar=progress,
                start_timeout=START_TIMEOUT,
                request_save_on_cell_execute=False,
                execution_timeout=timeout,
                # Sockets in a folder of this run: their usual place is shared, and two kernels that start at once can
                # take each other's.
                config=Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}}),
                extra_arguments=["--IPKernelApp.log_level=CRITICAL"],
                shutdown_kernel="immediate",
            )
    except PapermillExecutionError as error:
        raise NotebookFailed(
            f"{place.name}, cell {error.exec_count}: {error.ename}: {_first_line(error.evalue)}"
        ) from error
    except CellTimeoutError as error:
        raise NotebookFailed(f"{place.name}: a cell took more than {timeout} s") from error
    except (CellExecutionError, DeadKernelError, PapermillException) as error:
        raise NotebookFailed(f"{place.name}: {_first_line(error)}") from error
    settle(notebook)
    if out is not None:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        text = cast("Any", nbformat).writes(notebook)
        Path(out).write_text(text + "\n", encoding="utf-8", newline="\n")
    return cast("NotebookNode", notebook)


def settle(notebook: NotebookNode) -> NotebookNode:
    """Take out of an executed notebook what differs from run to run: times, random ids, widget state.

    Args:
        notebook: changed in place and returned.
    """
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    taken = {cell.get("id") for cell in notebook.cells}
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if _INJECTED in cell.metadata.get("tags", []) and _INJECTED not in taken:
            cell["id"] = _INJECTED
        for output in cell.get("outputs", []):
            # A view of a widget whose state is not stored shows nothing; its twin and its words stay.
            output.get("data", {}).pop(_WIDGET_MIME, None)
    return notebook


@contextmanager
def _own_environment() -> Iterator[str]:
    """No start-up files of the user's in the kernel, and figures as data rather than as a copy of plotly.js each.

    Yields:
        A folder that lasts as long as the run.
    """
    with tempfile.TemporaryDirectory(prefix="kvmlab-ipython-") as folder:
        wanted = {"IPYTHONDIR": folder, "PLOTLY_RENDERER": "plotly_mimetype", "JUPYTER_PLATFORM_DIRS": "1"}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield folder
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _first_line(error: object) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
