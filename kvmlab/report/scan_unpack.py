"""Compressed logs unpacked on the way into memory: gzip (with isal where it is installed), bzip2, xz, zstd."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from kvmlab.report.scan_text import Fill, NotPlain, compression, filled

# Compressed bytes that are read at a time.
_BUFFER = 128 << 10


def unpacking(file: BinaryIO, kind: str) -> Fill:
    """What reads the text in a compressed file, piece by piece.

    Args:
        file: the compressed bytes.
        kind: as `compression_of` names it.

    Raises:
        NotPlain: it is damaged, or cannot be unpacked piece by piece: the tolerant parser reads what there is of it.
    """
    opened = _OPENERS.get(kind)
    if opened is None:
        raise NotPlain
    with _as_not_plain():
        stream = opened(file)

    def fill(room: memoryview) -> int:
        with _as_not_plain():
            return int(stream.readinto(room))

    return fill


def reading(file: BinaryIO) -> Fill:
    """What reads a binary file piece by piece.

    Args:
        file: the file; one that has `read` alone is enough.
    """
    if hasattr(file, "readinto"):
        return lambda room: file.readinto(room) or 0

    def fill(room: memoryview) -> int:
        data = file.read(len(room))
        room[: len(data)] = data
        return len(data)

    return fill


class Pipe(io.RawIOBase):
    """What a `Fill` reads, as a file for those that want one.

    Args:
        fill: reads the next bytes.
    """

    def __init__(self, fill: Fill) -> None:
        super().__init__()
        self._fill = fill

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, room: Any) -> int:
        """Reads the next bytes; how many."""
        return self._fill(memoryview(room).cast("B"))


@contextmanager
def _as_not_plain() -> Iterator[None]:
    import lzma
    import zlib

    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, ImportError) as error:
        raise NotPlain from error


def beginning(path: str, n: int) -> bytes:
    """The first bytes of a file, unpacked; nothing if it is compressed and damaged at once.

    Args:
        path: the file.
        n: how many bytes at most.

    Raises:
        UnusableInput: it cannot be read.
    """
    kind = compression(path)
    with open(path, "rb") as file:
        if kind is None:
            return file.read(n)
        try:
            room = bytearray(n)
            return bytes(room[: filled(unpacking(file, kind), memoryview(room))])
        except NotPlain:
            return b""


def _gzip(file: BinaryIO) -> Any:
    try:
        from isal import igzip, isal_zlib
    except ImportError:
        import gzip

        return gzip.open(file, "rb")
    # What reads under the hood of its file objects, which would make a copy of all bytes; no public name, so it may go.
    reader: Any = getattr(isal_zlib, "_GzipReader", None)
    opener: Any = igzip
    return opener.open(file, "rb") if reader is None else reader(file, _BUFFER)


def _xz(file: BinaryIO) -> Any:
    import lzma

    return lzma.open(file, "rb")


def _bzip2(file: BinaryIO) -> Any:
    import bz2

    return bz2.open(file, "rb")


def _zstd(file: BinaryIO) -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found]
    except ImportError:
        from backports import zstd
    return zstd.open(file, "rb")


_OPENERS: dict[str, Callable[[BinaryIO], Any]] = {"gzip": _gzip, "xz": _xz, "lzma": _xz, "bzip2": _bzip2, "zstd": _zstd}
