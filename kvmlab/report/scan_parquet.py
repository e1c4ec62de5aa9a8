"""Bad pages of any number of scans to one Parquet file, a stretch of rows at a time, so that memory stays flat."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from kvmlab.errors import KvmlabError

if TYPE_CHECKING:
    import pandas as pd

    from kvmlab.report.scan_result import Scan

    Wanted: TypeAlias = Callable[[pd.DataFrame, pd.DataFrame], Any]


class MissingLibrary(KvmlabError):
    """A library that is not installed with the rest; the message names it and how to install it."""


class ParquetFile:
    """A Parquet file that scans are written to, one after the other; one row a bad page.

    Columns are `source` (path of the log) and those of `Scan.df_bad_pages`, except that a stack is written as its
    functions, innermost first, joined by blanks, since its number counts within one scan.

    Args:
        path: the file; it is complete when it has been closed.
        wanted: which bad pages are written, by their frame and that of their stacks (numpy bool); None for all.

    Raises:
        MissingLibrary: pyarrow is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], wanted: Wanted | None = None) -> None:
        try:
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingLibrary("Parquet files need pyarrow: install it with `pip install kvmlab[fleet]`") from None
        self._pq: Any = pq
        self._path = path
        self._wanted = wanted
        self._writer: Any = None
        self.rows = 0

    def write(self, scan: Scan) -> None:
        """Writes the bad pages of a scan."""
        import pyarrow as pa

        before = 0
        for part in scan.parts():
            frame = part.df_bad_pages()
            stacks = part.df_stacks()
            if self._wanted is not None:
                frame = frame[self._wanted(frame, stacks)]
            names = stacks.groupby("stack")["function"].agg(" ".join)
            frame["stack"] = frame["stack"].map(names).astype("str")
            frame["report"] += before
            before += len(part)
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


def write_parquet(scans: Iterable[Scan], path: str | os.PathLike[str], wanted: Wanted | None = None) -> int:
    """Writes the bad pages of scans to a `ParquetFile`; how many rows.

    Args:
        scans: what logs hold, in any number; one at a time is in memory.
        path: the file.
        wanted: see `ParquetFile`.

    Raises:
        MissingLibrary: pyarrow is not installed.
    """
    with ParquetFile(path, wanted) as file:
        for scan in scans:
            file.write(scan)
    return file.rows
