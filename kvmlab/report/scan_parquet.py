"""Bad pages of any number of scans to one Parquet file, a stretch of rows at a time, so that memory stays flat."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from kvmlab.errors import KvmlabError
from kvmlab.report import fast_rows as r
from kvmlab.report.scan_rows import stretches

if TYPE_CHECKING:
    from kvmlab.report.scan_result import Scan


class MissingLibrary(KvmlabError):
    """A library that is not installed with the rest; the message names it and how to install it."""


class ParquetFile:
    """A Parquet file that scans are written to, one after the other; one row a bad page.

    Columns are `source` (path of the log) and those of `Scan.df_bad_pages`, except that a stack is written as its
    functions, innermost first, joined by blanks, since its number counts within one scan.

    Args:
        path: the file; it is complete when it has been closed.

    Raises:
        MissingLibrary: pyarrow is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingLibrary("Parquet files need pyarrow: install it with `pip install kvmlab[fleet]`") from None
        self._pq: Any = pq
        self._path = path
        self._writer: Any = None
        self.rows = 0

    def write(self, scan: Scan) -> None:
        """Writes the bad pages of a scan."""
        import pyarrow as pa

        before = 0
        for part in parts_of(scan):
            frame = part.df_bad_pages()
            frame["report"] += before
            before += len(part)
            names = part.df_stacks().groupby("stack")["function"].agg(" ".join)
            frame["stack"] = frame["stack"].map(names).astype("str")
            frame.insert(0, "source", scan.path)
            table = pa.Table.from_pandas(frame.astype({"source": "str"}), preserve_index=False)
            if self._writer is None:
                self._writer = self._pq.ParquetWriter(self._path, table.schema, compression="zstd")
            self._writer.write_table(table.cast(self._writer.schema))
            self.rows += len(frame)

    def close(self) -> None:
        """Finishes the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_parquet(scans: Iterable[Scan], path: str | os.PathLike[str]) -> int:
    """Writes the bad pages of scans to a `ParquetFile`; how many rows.

    Args:
        scans: what logs hold, in any number; one at a time is in memory.
        path: the file.

    Raises:
        MissingLibrary: pyarrow is not installed.
    """
    with ParquetFile(path) as file:
        for scan in scans:
            file.write(scan)
    return file.rows


def parts_of(scan: Scan) -> Iterator[Scan]:
    """The scan in parts, each with a stretch of its rows and the reports between them; one part if there are none.

    Args:
        scan: the scan.
    """
    lines = np.array([report.span.first_line - 1 for report in scan.reports], np.int64)
    done = 0
    for start, stop in stretches(len(scan.rows)) if len(scan.rows) else [(0, 0)]:
        last = stop == len(scan.rows)
        upto = len(lines) if last else int(np.searchsorted(lines, scan.rows[stop, r.LINE], side="right"))
        repeats = {i - start: n for i, n in scan.repeats.items() if start <= i < stop}
        rows = np.asfortranarray(scan.rows[start:stop])
        yield replace(scan, rows=rows, reports=scan.reports[done:upto], repeats=repeats)
        done = upto
