"""Where a big log is read from: a file by stretches, in any order, from any thread, or a stream from front to back."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

from kvmlab.errors import UnusableInput
from kvmlab.text.inflate import compression_of

# How much of a stream that has been read is kept, for reports that the tolerant parser must see once more.
KEPT = 1 << 24
BLOCK = 1 << 22


class NotPlain(Exception):
    """The text has to be judged as a whole: a mail, quoted lines, line endings of several kinds, damage."""


class Stretches(Protocol):
    """A text of which stretches can be read again."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`, fewer at the end of the text."""


class FileText:
    """A file; nothing of it is kept in memory.

    Args:
        path: where it is.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.size = os.fstat(self._fd).st_size

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`."""
        out = bytearray(max(0, stop - start))
        return bytes(out[: self.fill(memoryview(out), start)])

    def fill(self, buffer: memoryview, start: int) -> int:
        """Reads into a buffer from `start` on; how many bytes, fewer than it has room for at the end of the file."""
        done = 0
        while done < len(buffer):
            n = _read_at(self._fd, buffer[done:], start + done)
            if n == 0:
                break
            done += n
        return done

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._fd)


def _read_at(fd: int, buffer: memoryview, start: int) -> int:
    if hasattr(os, "preadv"):
        return os.preadv(fd, [buffer], start)
    os.lseek(fd, start, os.SEEK_SET)
    data = os.read(fd, len(buffer))
    buffer[: len(data)] = data
    return len(data)


class MemoryText:
    """Bytes that are in memory.

    Args:
        data: the bytes.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`."""
        return bytes(self.data[start:stop])

    def fill(self, buffer: memoryview, start: int) -> int:
        """Copies into a buffer from `start` on; the number of bytes."""
        piece = memoryview(self.data)[start : start + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """There is nothing to let go of."""


class StreamText:
    """A stream, read block by block; the last of it are kept.

    Args:
        blocks: its blocks.
    """

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._kept: deque[tuple[int, bytes]] = deque()
        self.size = 0

    def next(self) -> bytes:
        """The next block, empty at the end."""
        block = next(self._blocks, b"")
        if block:
            self._kept.append((self.size, block))
            self.size += len(block)
            while self.size - self._kept[0][0] - len(self._kept[0][1]) > KEPT:
                self._kept.popleft()
        return block

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`, as far as they are kept."""
        out = [block[max(0, start - at) : max(0, stop - at)] for at, block in self._kept]
        return b"".join(out)


def compression(path: str) -> str | None:
    """What a file is compressed with, by its magic number.

    Raises:
        UnusableInput: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return compression_of(file.read(64))
    except IsADirectoryError:
        raise UnusableInput(f"{path}: it is a directory, a file was expected") from None
    except FileNotFoundError:
        raise UnusableInput(f"{path}: there is no such file") from None
    except PermissionError:
        raise UnusableInput(f"{path}: it may not be read (permission denied)") from None
    except (OSError, ValueError) as error:
        raise UnusableInput(f"{path!r}: it cannot be opened ({getattr(error, 'strerror', None) or error})") from None


def gunzipped(path: str, limit: int) -> bytes | None:
    """A small gzip file at once, with isal where it is installed; None if it is not one whole member within `limit`."""
    try:
        from isal import isal_zlib as found
    except ImportError:
        import zlib as found  # type: ignore[no-redef]
    engine: Any = found
    size = os.path.getsize(path)
    if size < 18 or size > limit:
        return None
    with open(path, "rb") as file:
        stored = file.read()
    length = int.from_bytes(stored[-4:], "little")
    # A member does not grow beyond 1032 times its size; where the trailer says more, it is not what it seems.
    if not 0 < length <= min(limit, 1032 * size):
        return None
    try:
        # With room to spare, the buffer is not made anew to see whether more follows.
        data: bytes = engine.decompress(stored, wbits=31, bufsize=length + 64)
    except engine.error:
        return None
    return data if len(data) == length else None


def unpacked_blocks(file: BinaryIO, kind: str) -> Iterator[bytes]:
    """A compressed stream block by block; gzip with isal where it is installed.

    Args:
        file: the compressed bytes.
        kind: as `compression_of` names it.

    Raises:
        NotPlain: it is damaged, or cannot be unpacked block by block: the tolerant parser reads what there is of it.
    """
    import lzma
    import zlib

    opened = _OPENERS.get(kind)
    if opened is None:
        raise NotPlain
    try:
        with opened(file) as stream:
            while block := stream.read(BLOCK):
                yield block
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
            return next(unpacked_blocks(file, kind), b"")[:n]
        except NotPlain:
            return b""


def _gzip(file: BinaryIO) -> Any:
    try:
        from isal import igzip as found
    except ImportError:
        import gzip as found  # type: ignore[no-redef]
    engine: Any = found
    return engine.open(file, "rb")


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
