"""The rows of a scan as pandas frames, with the very columns and types of the frames of a `Log`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kvmlab.report import fast_rows as r
from kvmlab.report import frames
from kvmlab.report.frames import REPORT_COLUMNS
from kvmlab.report.records import Report
from kvmlab.report.scan_result import EXTRA_COLUMNS, positions_of, titles_of

if TYPE_CHECKING:
    from kvmlab.report.scan_result import Scan


def df_reports(scan: Scan, reports: Sequence[Report]) -> pd.DataFrame:
    """One row a report.

    Args:
        scan: the scan.
        reports: those of the tolerant parser that count.
    """
    return _merged(scan, reports, REPORT_COLUMNS, frames.df_reports, False)


def df_bad_pages(scan: Scan, reports: Sequence[Report]) -> pd.DataFrame:
    """One row a bad page with a known pfn.

    Args:
        scan: the scan.
        reports: the bad pages of the tolerant parser.
    """
    columns = REPORT_COLUMNS | {"pfn": "uint64"} | EXTRA_COLUMNS
    return _merged(scan, reports, columns, frames.df_bad_pages, True)


def df_stacks(scan: Scan, reports: Sequence[Report]) -> pd.DataFrame:
    """One row an entry of each different stack, innermost first; `reports`: how many reports have it."""
    of_rows, of_reports, stacks = scan.stack_numbers(reports)
    counts = np.bincount(np.concatenate([of_rows, np.array(of_reports, np.int64)]), minlength=len(stacks))
    rows = [(s, i, *entry, int(counts[s])) for s, stack in enumerate(stacks) for i, entry in enumerate(stack)]
    kinds = {
        "stack": "int64", "frame": "int64", "function": "str", "module": "str", "context": "str", "confirmed": "bool",
        "reports": "int64",
    }  # fmt: skip
    names = list(kinds)
    data = {name: pd.Series([row[k] for row in rows], dtype=kinds[name]) for k, name in enumerate(names)}
    return pd.DataFrame(data, columns=names)


def _merged(
    scan: Scan, reports: Sequence[Report], columns: dict[str, str], slow: Callable[..., pd.DataFrame], extra: bool
) -> pd.DataFrame:
    own = _from_rows(scan, columns)
    ranks = positions_of(scan)
    own["report"] = ranks[: len(scan.rows)]
    of_rows, of_reports, _ = scan.stack_numbers(reports) if extra else (None, [], None)
    if extra:
        own["stack"] = of_rows
    frame = pd.DataFrame(own, columns=list(columns), copy=False)
    if not reports:
        return frame
    others = slow(reports)
    place = {id(report): i for i, report in enumerate(scan.reports)}
    others["report"] = ranks[len(scan.rows) :][[place[id(report)] for report in reports]]
    if extra:
        for name, values in _extras(reports, of_reports).items():
            others[name] = values
    frame = pd.concat([frame, others[list(columns)]]) if len(frame) else others[list(columns)]
    frame = frame.sort_values("report", kind="stable")
    return frame.reset_index(drop=True).astype({"report": "int64"})


def _from_rows(scan: Scan, columns: dict[str, str]) -> dict[str, Any]:
    rows, lexicon = scan.rows, scan.lexicon
    n = len(rows)
    tasks = lexicon.tasks
    types = np.array([value for value, _ in lexicon.types] or [0], np.uint64)
    repeats = np.zeros(n, np.int64)
    for i, count in scan.repeats.items():
        repeats[i] = count
    type_ids, words = rows[:, r.TYPE_ID], rows[:, r.N_WORDS]
    made: dict[str, Callable[[], Any]] = {
        "kind": lambda: _texts(["bad_page"], np.zeros(n, np.int64)),
        "title": lambda: _joined(*titles_of(scan)),
        "time_ns": lambda: _integers(rows[:, r.TIME_US] * 1000, rows[:, r.TIME_US] < 0),
        "cpu": lambda: _integers(rows[:, r.CPU_NUMBER].copy(), rows[:, r.CPU_NUMBER] < 0),
        "pid": lambda: _integers(rows[:, r.PID].copy()),
        "comm": lambda: _texts([task.comm for task in tasks], rows[:, r.TASK_ID]),
        "pfn": lambda: _pfn(rows[:, r.PFN].view(np.uint64).copy(), columns["pfn"]),
        "refcount": lambda: _integers(rows[:, r.REFCOUNT].copy()),
        "mapcount": lambda: _integers(rows[:, r.MAPCOUNT].copy()),
        "index": lambda: _integers(rows[:, r.INDEX].view(np.uint64).copy()),
        "flags": lambda: _integers(rows[:, r.FLAGS_WORD].view(np.uint64).copy()),
        "reason": lambda: _texts(lexicon.texts, rows[:, r.REASON_ID]),
        "order": lambda: _integers(rows[:, r.ORDER].copy(), rows[:, r.ORDER] < 0),
        "node": lambda: _integers(rows[:, r.NODE].copy(), rows[:, r.NODE] < 0),
        "zone": lambda: _integers(rows[:, r.ZONE].copy(), rows[:, r.ZONE] < 0),
        "kernel": lambda: _texts([task.kernel for task in tasks], rows[:, r.TASK_ID]),
        "taint": lambda: _texts([task.taint for task in tasks], rows[:, r.TASK_ID]),
        "hardware": lambda: _texts(lexicon.texts, rows[:, r.HARDWARE_ID]),
        "first_line": lambda: rows[:, r.LINE] + 1,
        "last_line": lambda: rows[:, r.LINE] + rows[:, r.LINES],
        "complete": lambda: np.ones(n, bool),
        "frames": lambda: rows[:, r.FRAMES].copy(),
        "repeats": lambda: repeats,
        "mapping": lambda: _integers(rows[:, r.MAPPING].view(np.uint64).copy()),
        "page_type": lambda: _integers(types[np.maximum(type_ids, 0)], type_ids < 0),
        **{
            f"raw{i}": lambda i=i: _integers(rows[:, r.WORD_0 + i].view(np.uint64).copy(), words <= i)  # type: ignore[misc]
            for i in range(r.MAX_WORDS)
        },
    }  # fmt: skip
    return {name: make() for name, make in made.items() if name in columns}


def _integers(values: Any, missing: Any = None) -> Any:
    return pd.arrays.IntegerArray(values, np.zeros(len(values), bool) if missing is None else missing)


def _pfn(values: Any, kind: str) -> Any:
    return values if kind == "uint64" else _integers(values)


def _texts(texts: Sequence[str | None], which: Any) -> Any:
    """A column of texts by number; a negative number is a missing text."""
    return pd.array([*texts, None], dtype="str").take(np.where(which < 0, len(texts), which))


def _joined(data: Any, offsets: Any) -> Any:
    """A column of texts from their bytes, without an object for each where pyarrow is installed."""
    try:
        import pyarrow as pa
    except ImportError:
        shown = data.tobytes().decode("ascii")
        at = offsets.tolist()
        return pd.array([shown[a:b] for a, b in pairwise(at)], dtype="str")
    made = pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))
    return pd.array(made, dtype="str")


def _extras(reports: Sequence[Report], stacks: Sequence[int]) -> dict[str, Any]:
    def words(report: Report) -> tuple[int, ...]:
        return () if report.page is None or report.page.raw is None else report.page.raw.words

    made = {
        "mapping": frames.unsigned([None if x.page is None else x.page.mapping for x in reports]),
        "page_type": frames.unsigned(
            [None if x.page is None or x.page.page_type is None else x.page.page_type.value for x in reports]
        ),
    }
    for i in range(r.MAX_WORDS):
        made[f"raw{i}"] = frames.unsigned([w[i] if len(w) > i else None for w in map(words, reports)])
    return {**made, "stack": np.array(stacks, np.int64)}
