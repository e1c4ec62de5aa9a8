"""`read_capture`: one call for every kind of capture; the content of the file says which it is."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from kvmlab.capture.kinds import HEAD_BYTES, KINDS, CaptureKind, binary_kind, is_kernel_log, kind_named, text_kind
from kvmlab.capture.malformed import Malformed
from kvmlab.capture.opening import open_capture
from kvmlab.errors import UnusableInput

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Capture:
    """One recorded file.

    Args:
        name: path or `-`, as given.
        kind: what it is.
        value: what its reader gave: `Trace`, `PageOwner`, `Buddyinfo`, `PageWords`, ...
        sha256: hash of the unpacked bytes.
        damage: what the unpacking found, one sentence each.
    """

    name: str
    kind: CaptureKind
    value: Any
    sha256: str
    damage: tuple[str, ...] = ()

    @property
    def malformed(self) -> tuple[Malformed, ...]:
        """The lines that could not be read; empty for binary files."""
        found: tuple[Malformed, ...] = getattr(self.value, "malformed", ())
        return found

    def df(self) -> pd.DataFrame:
        """The main frame of this kind; its columns are those of the method that `kind.frame` names."""
        frame: pd.DataFrame = getattr(self.value, self.kind.frame)()
        return frame

    def __str__(self) -> str:
        lines = f", {len(self.malformed)} lines not read" if self.malformed else ""
        return f"{self.name}: {self.kind.title}{lines}"


def read_capture(source: str | Path | bytes | BinaryIO, *, kind: str | None = None) -> Capture:
    """Read a recorded file whatever it is.

    Args:
        source: path, `-`, bytes or file object; gzip, xz, zstd and bzip2 are unpacked, plain binary files are mapped.
        kind: name of a kind, to overrule what the content shows.

    Raises:
        UnusableInput: if it cannot be read, is empty, is a kernel log, or is of no known kind.

    >>> capture = read_capture(b"Node 0, zone   Normal    188    420 \\n")
    >>> capture.kind.name, capture.value.rows[0].nr_free
    ('buddyinfo', (188, 420))
    """
    opened = open_capture(source)
    if not len(opened.data):
        raise UnusableInput(f"{opened.name} is empty; expected a capture.")
    found = _named(kind) if kind is not None else recognise(opened.data)
    if found is None:
        head = bytes(opened.data[:HEAD_BYTES]).decode("latin-1")
        if opened.data[257:262] == b"ustar":
            raise UnusableInput(f"{opened.name} is a tar of captures; open it with open_captures.")
        if is_kernel_log(head):
            raise UnusableInput(f"{opened.name} is a kernel log; read it with read_log or `kvmlab triage`.")
        known = ", ".join(k.name for k in KINDS)
        raise UnusableInput(f"{opened.name} is no capture of a known kind; known are {known}, kpageflags and pagemap.")
    value = found.read(opened.data, opened.name)
    return Capture(opened.name, found, value, hashlib.sha256(opened.data).hexdigest(), opened.damage)


def recognise(data: bytes | mmap.mmap) -> CaptureKind | None:
    """The kind of a file by its content, None if it shows none."""
    head = bytes(data[:HEAD_BYTES])
    if _is_text(head):
        found = text_kind(head.decode("latin-1"))
        # A long listing may push the JSON lines behind it out of the head.
        mixed = found is not None and found.name == "ttm_run" and data.find(b'\n{"case"') >= 0
        return kind_named("lab_records") if mixed else found
    return binary_kind(data)


def _is_text(head: bytes) -> bool:
    return b"\0" not in head


def _named(name: str) -> CaptureKind:
    try:
        return kind_named(name)
    except KeyError:
        known = ", ".join(k.name for k in KINDS)
        raise UnusableInput(f"there is no kind {name!r} of captures; known are {known}.") from None
