"""Compressed files taken apart by magic number, in bounded memory: gzip, xz, zstd, bzip2 and zip."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from kvmlab.text.unzip import Overflow, unzip

# A file inside a file inside a file is fine; a file that unpacks to itself is not.
MAX_DEPTH = 8
# Output is taken in pieces of this size, so that a bomb is noticed after one piece too many.
_PIECE = 1 << 20
# Input goes in by chunks that grow from the first to the second, so that many small members stay cheap.
_CHUNK, _CHUNK_MAX = 1 << 9, 1 << 18
# A broken member of at most this many stored bytes is read again byte by byte, to keep all that can be kept.
_RETRY = 1 << 20

_MAGIC = (
    ("gzip", re.compile(rb"\x1f\x8b\x08")),
    ("xz", re.compile(rb"\xfd7zXZ\x00")),
    ("bzip2", re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")),
    ("zip", re.compile(rb"PK\x03\x04")),
    ("zstd", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")),
)


class TooLarge(Exception):
    """The output would pass the limit."""


class NoDecompressor(Exception):
    """The library that could read this is not installed; the message says what to do."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the other three."""

    def __init__(self) -> None:
        self._z = zlib.decompressobj(wbits=31)
        self._tail = b""

    @property
    def eof(self) -> bool:
        return self._z.eof

    @property
    def unused_data(self) -> bytes:
        return self._z.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        out = self._z.decompress(self._tail + data, max_length)
        self._tail = self._z.unconsumed_tail
        return out


def _zstd_library() -> Any:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise NoDecompressor("zstd data needs the package backports-zstd; or unpack it with zstd -d first") from None
    return zstd


def _zstd() -> _Decompressor:
    made: _Decompressor = _zstd_library().ZstdDecompressor()
    return made


def _maker(name: str) -> Callable[[], _Decompressor]:
    makers: dict[str, Callable[[], _Decompressor]] = {
        "gzip": _Gzip,
        "xz": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ),
        "bzip2": bz2.BZ2Decompressor,
        "zstd": _zstd,
    }
    return makers[name]


def _errors(name: str) -> tuple[type[Exception], ...]:
    if name == "zstd":
        return (_zstd_library().ZstdError, OSError, ValueError, EOFError)
    return (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError)


def compression_of(data: bytes) -> str | None:
    """Name of the compression that the first bytes show, None for anything else.

    >>> compression_of(b"\\x1f\\x8b\\x08\\x00") is None, compression_of(b"[    0.000000] Linux")
    (False, None)
    """
    for name, magic in _MAGIC:
        if magic.match(data):
            return name
    return None


def inflate(data: bytes, name: str, limit: int) -> tuple[bytes, str | None]:
    """Decompress all members of `data`.

    Args:
        data: the stored bytes.
        name: a name that `compression_of` gave.
        limit: most bytes that may come out.

    Returns:
        The bytes that could be read, and what is wrong with the container (None if nothing is).

    Raises:
        TooLarge: more than `limit` bytes would come out.
    """
    if name == "zip":
        try:
            return unzip(data, limit, _inner)
        except Overflow:
            raise TooLarge from None
    out = io.BytesIO()
    make, errors = _maker(name), _errors(name)
    view = memoryview(data)
    at = 0
    while at < len(data):
        start, before, member = at, out.tell(), make()
        try:
            at = _member(member, view, at, out, limit)
        except errors as error:
            if at - start <= _RETRY:
                out.truncate(before)
                out.seek(before)
                _bytewise(make(), view, start, out, limit, errors)
            return out.getvalue(), f"the {name} data is broken ({error}); {out.tell()} bytes could be read"
        if at < 0:
            return out.getvalue(), f"the {name} data ends early; {out.tell()} bytes could be read"
        # Padding between and after members is allowed; anything else is not ours.
        padding = re.compile(rb"\x00*").match(data, at)
        at = padding.end() if padding else at
        if at < len(data) and compression_of(data[at : at + 16]) != name:
            return out.getvalue(), f"{len(data) - at} bytes after the end of the {name} data were left out"
    return out.getvalue(), None


def _inner(data: bytes, limit: int) -> bytes:
    """A file of an archive, its own compression undone; an archive in an archive is left as it is."""
    kind = compression_of(data[:16])
    return data if kind in (None, "zip") else inflate(data, kind, limit)[0]


def _member(member: _Decompressor, view: memoryview, at: int, out: io.BytesIO, limit: int) -> int:
    """Write one member to `out`; where the next one starts, -1 if the data ends inside this one."""
    chunk = _CHUNK
    while True:
        piece = bytes(view[at : at + chunk])
        at += len(piece)
        chunk = min(chunk * 2, _CHUNK_MAX)
        ended = not piece
        while True:
            got = member.decompress(piece, _PIECE)
            if out.tell() + len(got) > limit:
                raise TooLarge
            out.write(got)
            if member.eof:
                return at - len(member.unused_data)
            piece = b""
            if len(got) < _PIECE:
                break
        if ended:
            return -1


def _bytewise(
    member: _Decompressor, view: memoryview, at: int, out: io.BytesIO, limit: int, errors: tuple[type[Exception], ...]
) -> None:
    try:
        while at < len(view):
            piece = bytes(view[at : at + 1])
            at += 1
            while True:
                got = member.decompress(piece, _PIECE)
                if out.tell() + len(got) > limit:
                    raise TooLarge
                out.write(got)
                piece = b""
                if len(got) < _PIECE:
                    break
    except errors:
        return
