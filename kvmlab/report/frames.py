"""Reports as pandas frames: pfns and addresses are uint64, times int64 nanoseconds, never floats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from kvmlab.report.cpu_line import taint_letters
from kvmlab.report.records import Kind, Report

# Columns that may be empty have pandas' nullable types: a missing number stays missing and is not made a float.
REPORT_COLUMNS = {
    "report": "int64", "kind": "str", "title": "str", "time_ns": "Int64", "cpu": "Int64", "pid": "Int64", "comm": "str",
    "pfn": "UInt64", "refcount": "Int64", "mapcount": "Int64", "index": "UInt64", "flags": "UInt64", "reason": "str",
    "order": "Int64", "node": "Int64", "zone": "Int64", "kernel": "str", "taint": "str", "hardware": "str",
    "first_line": "int64", "last_line": "int64", "complete": "bool", "frames": "int64", "repeats": "int64",
}  # fmt: skip
FRAME_COLUMNS = {
    "report": "int64", "frame": "int64", "function": "str", "offset": "UInt64", "size": "UInt64", "module": "str",
    "reliable": "bool", "context": "str", "line": "int64", "time_ns": "Int64",
}  # fmt: skip
MODULE_COLUMNS = {"report": "int64", "position": "int64", "name": "str", "flags": "str"}
_NS = 1_000_000_000


def timestamp_ns(shown: str | None) -> int | None:
    """Nanoseconds since boot of a timestamp as printed, exactly.

    Args:
        shown: seconds with or without a fraction; None, or anything else, gives None.

    >>> timestamp_ns("252080.141632")
    252080141632000
    """
    if shown is None:
        return None
    seconds, _, fraction = shown.strip().partition(".")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 9) or (fraction and not fraction.isdigit()):
        return None
    return int(seconds) * _NS + int(fraction[:9].ljust(9, "0"))


def df_reports(reports: Iterable[Report]) -> pd.DataFrame:
    """One row a report.

    Args:
        reports: the reports.

    Returns columns `report`, `kind`, `title`, `time_ns` (ns since boot), `cpu`, `pid`, `comm`, `pfn`, `refcount`,
    `mapcount`, `index`, `flags`, `reason`, `order`, `node`, `zone`, `kernel`, `taint`, `hardware`, `first_line`,
    `last_line`, `complete`, `frames`, `repeats`; numbers that a report lacks are `<NA>`.
    """
    return _frame([_report_row(report) for report in reports], REPORT_COLUMNS)


def df_bad_pages(reports: Iterable[Report]) -> pd.DataFrame:
    """One row a bad page with a known pfn; as `df_reports`, with `pfn` a plain uint64.

    Args:
        reports: the reports, of any kind.
    """
    rows = [_report_row(r) for r in reports if r.kind is Kind.BAD_PAGE and r.pfn is not None]
    return _frame(rows, REPORT_COLUMNS | {"pfn": "uint64"})


def df_frames(reports: Iterable[Report]) -> pd.DataFrame:
    """One row an entry of a report's own call trace.

    Args:
        reports: the reports.
    """
    rows = [
        {
            "report": report.index, "frame": i, "function": frame.function, "offset": frame.offset, "size": frame.size,
            "module": frame.module, "reliable": frame.reliable, "context": frame.context,
            "line": frame.span.first_line, "time_ns": timestamp_ns(frame.timestamp),
        }
        for report in reports
        if report.call_trace is not None
        for i, frame in enumerate(report.call_trace.frames)
    ]  # fmt: skip
    return _frame(rows, FRAME_COLUMNS)


def df_modules(reports: Iterable[Report]) -> pd.DataFrame:
    """One row a module of a report's list.

    Args:
        reports: the reports.
    """
    rows = [
        {"report": report.index, "position": i, "name": module.name, "flags": module.flags}
        for report in reports
        if report.modules is not None
        for i, module in enumerate(report.modules.modules)
    ]
    return _frame(rows, MODULE_COLUMNS)


def _report_row(report: Report) -> dict[str, Any]:
    cpu, page = report.cpu_line, report.page
    fields = {} if page is None or page.flags is None else page.flags.fields
    return {
        "report": report.index,
        "kind": report.kind.value,
        "title": report.title,
        "time_ns": timestamp_ns(report.timestamp),
        "cpu": None if cpu is None else cpu.cpu,
        "pid": _pid(report),
        "comm": _comm(report),
        "pfn": report.pfn,
        "refcount": None if page is None else page.refcount,
        "mapcount": None if page is None else page.mapcount,
        "index": None if page is None else page.index,
        "flags": None if page is None or page.flags is None else page.flags.value,
        "reason": None if page is None else page.reason,
        "order": None if page is None else page.order,
        "node": fields.get("node"),
        "zone": fields.get("zone"),
        "kernel": None if cpu is None or cpu.release is None else cpu.release.text,
        "taint": None if cpu is None else "".join(taint_letters(cpu.taint_text)),
        "hardware": None if report.hardware is None else report.hardware.text,
        "first_line": report.span.first_line,
        "last_line": report.span.last_line,
        "complete": report.complete,
        "frames": 0 if report.call_trace is None else len(report.call_trace.frames),
        "repeats": len(report.repeats),
    }


def _pid(report: Report) -> int | None:
    """The task of the CPU line, else of the title or of the line that names it."""
    if report.cpu_line is not None and report.cpu_line.pid is not None:
        return report.cpu_line.pid
    pid = report.fields.get("pid")
    return pid if isinstance(pid, int) else None


def _comm(report: Report) -> str | None:
    if report.cpu_line is not None and report.cpu_line.comm is not None:
        return report.cpu_line.comm
    named = report.process or report.fields.get("comm")
    return None if named is None else str(named)


def unsigned(values: Sequence[int | None]) -> Any:
    """A column of 64-bit numbers, each exactly: pandas takes some lists of them for floats.

    Args:
        values: the numbers, None where one is missing.

    >>> [hex(value) for value in unsigned([0xFFFFFFFF00000000, 0x1FFFFFFFF, 0xFFFFFFFF00000001])]
    ['0xffffffff00000000', '0x1ffffffff', '0xffffffff00000001']
    """
    held = np.array([value or 0 for value in values], np.uint64)
    return pd.arrays.IntegerArray(held, np.array([value is None for value in values], bool))


def _column(values: list[Any], kind: str) -> Any:
    if kind in ("UInt64", "uint64"):
        return pd.Series(unsigned(values), dtype=kind)
    return pd.Series(values, dtype=kind)


def _frame(rows: Sequence[dict[str, Any]], columns: dict[str, str]) -> pd.DataFrame:
    data = {name: _column([row[name] for row in rows], kind) for name, kind in columns.items()}
    return pd.DataFrame(data, columns=list(columns))
