"""The rows of a scan while they come in: in memory, and beyond a bound in a file without a name."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from kvmlab.report import fast_rows as r

# Bytes of rows that are kept in memory, some 200,000 reports.
IN_MEMORY = 64 << 20
_ROW_BYTES = 8 * r.N_COLUMNS
# Rows that are looked at together where they lie in a file.
AT_ONCE = 1 << 16
# Rows for which it does not pay to reserve that memory.
_FEW = 1 << 12


def no_rows() -> Any:
    """The rows of a text without reports that an engine has read."""
    return np.empty((0, r.N_COLUMNS), np.int64)


class Rows:
    """Collects rows, in the order of the text.

    >>> rows = Rows()
    >>> rows.add(np.zeros((2, r.N_COLUMNS), np.int64))
    >>> rows.close().shape == (2, r.N_COLUMNS)
    True
    """

    def __init__(self) -> None:
        self._most = IN_MEMORY // _ROW_BYTES
        self._pieces: list[Any] = []
        # In memory, column by column; pages of it that nothing is written to are not there.
        self._held: Any = None
        self._file: BinaryIO | None = None
        self._n = 0

    def add(self, rows: Any) -> None:
        """Takes rows, which are the collector's from now on."""
        self._pieces.append(rows)
        self._n += len(rows)
        if self._held is None and self._file is None and self._n <= min(_FEW, self._most):
            return
        held = np.concatenate(self._pieces) if len(self._pieces) > 1 else rows
        self._pieces = []
        self._keep(held, self._n - len(held))

    def _keep(self, rows: Any, n: int) -> None:
        """Puts rows behind the `n` that are kept already."""
        if self._file is None and self._n <= self._most:
            if self._held is None:
                room = np.frombuffer(mmap.mmap(-1, self._most * _ROW_BYTES, access=mmap.ACCESS_COPY), np.int64)
                self._held = room.reshape(r.N_COLUMNS, self._most).T
            self._held[n : self._n] = rows
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="kvmlab-rows-")  # noqa: SIM115
            for start, stop in stretches(n):
                self._file.write(np.ascontiguousarray(self._held[start:stop]).data)
            self._held = None
        self._file.write(np.ascontiguousarray(rows).data)

    def close(self) -> Any:
        """All of them as one array: column by column in memory, or row by row in a file that goes with the array."""
        if self._file is not None:
            self._file.flush()
            return np.memmap(self._file, np.int64, "r", shape=(self._n, r.N_COLUMNS))
        if self._held is None:
            return np.asfortranarray(np.concatenate(self._pieces)) if self._pieces else no_rows()
        # Few rows take little room of their own; many are not copied once more.
        return self._held[: self._n].copy(order="F") if 4 * self._n < self._most else self._held[: self._n]


def stretches(n: int) -> Iterator[tuple[int, int]]:
    """From where to where `n` rows are looked at together."""
    for at in range(0, n, AT_ONCE):
        yield at, min(n, at + AT_ONCE)


def without(rows: Any, gone: Any) -> Any:
    """The rows that are not gone.

    Args:
        rows: the rows, in memory or in a file.
        gone: which are gone (numpy bool).
    """
    if not gone.any():
        return rows
    kept = Rows()
    for start, stop in stretches(len(rows)):
        kept.add(rows[start:stop][~gone[start:stop]])
    return kept.close()
