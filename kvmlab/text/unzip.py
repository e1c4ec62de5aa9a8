"""Archives of the kind .zip, as trackers and mails hold them: their files one behind the other, in bounded memory."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable

# More files than this in one archive are not logs that somebody attached.
MAX_FILES = 4096
_PIECE = 1 << 20
_ENCRYPTED = 1
_ERRORS = (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError, NotImplementedError, RuntimeError)


class Overflow(Exception):
    """The files hold more than the limit."""


def unzip(data: bytes, limit: int, undo: Callable[[bytes, int], bytes]) -> tuple[bytes, str | None]:
    """The files of an archive, each ending in a line break.

    Args:
        data: the archive.
        limit: most bytes that may come out.
        undo: undoes the compression of a file that is compressed itself, given the bytes that may come out.

    Returns:
        The bytes that could be read, and what is wrong with the archive (None if nothing is).

    Raises:
        Overflow: more than `limit` bytes would come out.

    >>> made = io.BytesIO()
    >>> with zipfile.ZipFile(made, "w") as archive:
    ...     archive.writestr("dmesg.txt", "[    1.000000] hello")
    >>> unzip(made.getvalue(), 1000, lambda data, limit: data)
    (b'[    1.000000] hello\\n', None)
    """
    out = io.BytesIO()
    wrong: list[str] = []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_FILES:
                wrong.append(f"{len(entries) - MAX_FILES} of its files were left out")
            for entry in entries[:MAX_FILES]:
                if entry.flag_bits & _ENCRYPTED:
                    wrong.append(f"{entry.filename[:80]!r} is encrypted")
                    continue
                try:
                    found = undo(_read(archive, entry, limit - out.tell()), limit - out.tell())
                except _ERRORS as error:
                    wrong.append(f"{entry.filename[:80]!r} is broken ({str(error)[:80]})")
                    continue
                out.write(found if found.endswith(b"\n") or not found else found + b"\n")
    except _ERRORS as error:
        wrong.append(f"its list of files is broken ({str(error)[:80]})")
    return out.getvalue(), f"the zip data could not be read whole: {'; '.join(wrong[:3])}" if wrong else None


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, room: int) -> bytes:
    out = io.BytesIO()
    with archive.open(entry) as file:
        while piece := file.read(_PIECE):
            if out.tell() + len(piece) > room:
                raise Overflow
            out.write(piece)
    return out.getvalue()
