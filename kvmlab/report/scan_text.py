"""Where a big log is read from: a file or memory, by stretches, in any order, from any thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from kvmlab.errors import UnusableInput
from kvmlab.text.inflate import compression_of

# What to do with a pipe that the fast way cannot read, and that cannot be read again.
SAVE_IT = "standard input: it must be judged as a whole (a mail, or lines without prefixes): save it to a file"
# Reads into a buffer; how many bytes, 0 at the end.
Fill = Callable[[memoryview], int]


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
        self.fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.size = os.fstat(self.fd).st_size

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`."""
        out = bytearray(max(0, stop - start))
        return bytes(out[: self.fill(memoryview(out), start)])

    def fill(self, buffer: memoryview, start: int) -> int:
        """Reads into a buffer from `start` on; how many bytes, fewer than it has room for at the end of the file."""
        done = 0
        while done < len(buffer):
            n = _read_at(self.fd, buffer[done:], start + done)
            if n == 0:
                break
            done += n
        return done

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self.fd)


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
        self.fd = -1

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


def filled(fill: Fill, room: memoryview) -> int:
    """Fills a buffer as far as there is something to be read; how many bytes.

    Args:
        fill: reads some of it, 0 at the end.
        room: the buffer.
    """
    done = 0
    while done < len(room) and (n := fill(room[done:])):
        done += n
    return done


def behind(head: bytes, fill: Fill) -> Fill:
    """What reads bytes that have been read already, and then the rest.

    Args:
        head: the bytes.
        fill: reads the rest.
    """
    left = memoryview(head)

    def both(room: memoryview) -> int:
        nonlocal left
        n = min(len(room), len(left))
        room[:n], left = left[:n], left[n:]
        return n or fill(room)

    return both


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
