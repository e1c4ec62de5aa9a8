"""Where a text comes from: files, pipes and bytes, opened whatever they are compressed with."""

from __future__ import annotations

import hashlib
import io
import os
import sys
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

from kvmlab.errors import UnusableInput
from kvmlab.text.inflate import MAX_DEPTH, NoDecompressor, TooLarge, compression_of, inflate
from kvmlab.text.span import Damage, DamageKind, Span

# Most bytes of text that are read from one source; `--max-bytes` on the command line.
DEFAULT_LIMIT = 1 << 30
_READ = 1 << 24

Openable: TypeAlias = str | os.PathLike[str] | BinaryIO | bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Source:
    """The bytes of one input and what it is.

    Args:
        path: as it was given, `-` for standard input, `<bytes>` for bytes.
        data: the text, decompressed; spans are offsets into it.
        sha256: of the stored bytes, as hex.
        size: number of stored bytes.
        compression: what was undone, outermost first.
        damage: what is wrong with the container.
    """

    path: str
    data: bytes = field(repr=False)
    sha256: str
    size: int
    compression: tuple[str, ...] = ()
    damage: tuple[Damage, ...] = ()


def open_source(what: Openable, *, limit: int = DEFAULT_LIMIT) -> Source:
    """Read one input whole, undoing gzip, xz, zstd, bzip2 and zip by their magic numbers.

    Args:
        what: a path, `-` for standard input, an open binary file, or the bytes themselves.
        limit: most bytes of text that may come out.

    Raises:
        UnusableInput: it is missing, unreadable, a directory, empty, or larger than `limit`.

    >>> source = open_source(b"[    1.000000] hello\\n")
    >>> source.path, source.size, source.compression
    ('<bytes>', 21, ())
    """
    name, stored = _read(what, limit)
    if not stored:
        raise UnusableInput(f"{name}: it is empty, a kernel log was expected")
    data = stored
    compression: list[str] = []
    damage: list[str] = []
    while kind := compression_of(data):
        if len(compression) == MAX_DEPTH:
            raise UnusableInput(f"{name}: more than {MAX_DEPTH} layers of compression, unpack it by hand")
        try:
            data, wrong = inflate(data, kind, limit)
        except TooLarge:
            raise UnusableInput(
                f"{name}: its {kind} data unpacks to more than {limit} bytes, raise the bound with --max-bytes"
            ) from None
        except NoDecompressor as missing:
            raise UnusableInput(f"{name}: {missing}") from None
        if not data:
            raise UnusableInput(f"{name}: its {kind} data holds nothing that can be read ({wrong or 'empty'})")
        compression.append(kind)
        if wrong:
            damage.append(wrong)
    last = max(1, data.count(b"\n") + (not data.endswith(b"\n"))) if damage else 1
    return Source(
        path=name,
        data=data,
        sha256=hashlib.sha256(stored).hexdigest(),
        size=len(stored),
        compression=tuple(compression),
        damage=tuple(
            Damage(DamageKind.TRUNCATED_CONTAINER, Span(len(data), len(data), last, last), wrong) for wrong in damage
        ),
    )


def _read(what: Openable, limit: int) -> tuple[str, bytes]:
    if isinstance(what, bytes | bytearray | memoryview):
        name, stored = "<bytes>", bytes(what)
    elif not isinstance(what, str | os.PathLike):
        name = str(getattr(what, "name", "<file>"))
        stored = _read_some(what, name, limit)
    elif what == "-":
        name, stored = "-", _read_some(sys.stdin.buffer, "standard input", limit)
    else:
        name = os.fspath(what)
        try:
            with open(name, "rb") as file:
                stored = _read_some(file, name, limit)
        except IsADirectoryError:
            raise UnusableInput(f"{name}: it is a directory, a file was expected") from None
        except FileNotFoundError:
            raise UnusableInput(f"{name}: there is no such file") from None
        except PermissionError:
            raise UnusableInput(f"{name}: it may not be read (permission denied)") from None
        except ValueError:
            raise UnusableInput(f"{name!r}: it is not a file name") from None
        except OSError as error:
            raise UnusableInput(f"{name}: it cannot be opened ({error.strerror or error})") from None
    if len(stored) > limit:
        raise UnusableInput(f"{name}: it is larger than {limit} bytes, raise the bound with --max-bytes")
    return name, stored


def _read_some(file: BinaryIO, name: str, limit: int) -> bytes:
    out = io.BytesIO()
    try:
        while out.tell() <= limit and (piece := file.read(min(_READ, limit + 1 - out.tell()))):
            if not isinstance(piece, bytes):
                raise UnusableInput(f"{name}: it was opened as text, open it in binary mode")
            out.write(piece)
    except (OSError, ValueError) as error:
        raise UnusableInput(f"{name}: it cannot be read ({getattr(error, 'strerror', None) or error})") from None
    return out.getvalue()
