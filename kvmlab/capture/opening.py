"""Opening a capture: plain files are memory-mapped, packed ones are unpacked by the text room."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kvmlab.errors import UnusableInput

# First bytes of the containers that the text room unpacks.
_PACKED = (b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"BZh")


@dataclass(frozen=True, slots=True)
class Opened:
    """The bytes of a capture.

    Args:
        name: path or `-`, as given.
        data: the unpacked bytes; a memory map for a plain file.
        compression: `gzip`, `xz`, ... or None.
        damage: what the unpacking found, one sentence each (a container that ends early).
    """

    name: str
    data: bytes | mmap.mmap
    compression: str | None = None
    damage: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the unpacked bytes."""
        return hashlib.sha256(self.data).hexdigest()


def open_capture(source: str | Path | bytes | BinaryIO) -> Opened:
    """Open a capture whatever it is packed with.

    Args:
        source: a path, `-` for standard input, the bytes themselves, or a binary file object.

    Raises:
        UnusableInput: if there is no such file or it cannot be read.

    >>> open_capture(b"abc").data
    b'abc'
    """
    if isinstance(source, str | Path) and str(source) != "-":
        path = Path(source)
        try:
            if not path.is_file():
                kind = (
                    "is a folder" if path.is_dir() else "does not exist" if not path.exists() else "is no regular file"
                )
                raise UnusableInput(f"{path} {kind}; expected a capture file.")
            with path.open("rb") as file:
                head = file.read(6)
                if not head:
                    return Opened(str(source), b"")
                if not head.startswith(_PACKED):
                    return Opened(str(source), mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except OSError as error:
            raise UnusableInput(f"{path} cannot be read: {error.strerror or error}.") from error
    elif isinstance(source, bytes) and not source.startswith(_PACKED):
        return Opened("<bytes>", source)
    from kvmlab.text.source import open_source

    opened = open_source(source)
    return Opened(
        str(opened.path), opened.data, "+".join(opened.compression) or None, tuple(d.reason for d in opened.damage)
    )
