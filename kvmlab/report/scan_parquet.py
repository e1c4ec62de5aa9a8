"""Bad pages of any number of scans to one Parquet file, a row group a scan, so that memory stays flat."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kvmlab.errors import KvmlabError

if TYPE_CHECKING:
    from kvmlab.report.scan_result import Scan


class MissingLibrary(KvmlabError):
    """A library that is not installed with the rest; the message names it and how to install it."""


def write_parquet(scans: Iterable[Scan], path: str | os.PathLike[str]) -> int:
    """Writes one row a bad page: `source` (path of the log), then the columns of `Scan.df_bad_pages`; how many rows.

    A stack is written as its functions, innermost first, joined by blanks, since its number counts within one scan.

    Args:
        scans: what logs hold, in any number; one at a time is in memory.
        path: the file.

    Raises:
        MissingLibrary: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingLibrary("Parquet files need pyarrow: install it with `pip install kvmlab[fleet]`") from None
    writer: Any = None
    n = 0
    try:
        for scan in scans:
            frame = scan.df_bad_pages()
            stacks = scan.df_stacks()
            names = stacks.groupby("stack")["function"].agg(" ".join)
            frame["stack"] = frame["stack"].map(names).astype("str")
            frame.insert(0, "source", scan.path)
            table = pa.Table.from_pandas(frame.astype({"source": "str"}), preserve_index=False)
            if writer is None:
                writer = pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table.cast(writer.schema))
            n += len(frame)
    finally:
        if writer is not None:
            writer.close()
    return n
