"""Captures that belong together: a run of the lab, a folder, or the tar that the capture script wrote."""

from __future__ import annotations

import json
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import kvmlab
from kvmlab.capture.kinds import kind_named
from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.opening import open_capture
from kvmlab.capture.read import Capture, read_capture, recognise
from kvmlab.errors import UnusableInput
from kvmlab.kernel.release import KernelRelease

# What one bundle may unpack to, and how many files it may hold.
MAX_BYTES = 4 << 30
MAX_FILES = 20_000
_PACKED_NAMES = (".gz", ".xz", ".zst", ".bz2")


@dataclass(frozen=True, slots=True)
class CaptureSet:
    """Files that were recorded together on one kernel.

    Args:
        name: path of the folder or tar.
        release: the kernel, `uname -r`; None if nothing says it.
        injected: what was done to the kernel, in words; None if the set says nothing about it (an affected host).
        manifest: the manifest as it stands there, empty without one.
        members: how to get the bytes of each file, by its path inside the set.
    """

    name: str
    release: str | None
    injected: str | None
    manifest: dict[str, Any] = field(repr=False)
    members: dict[str, Callable[[], bytes | Path]] = field(repr=False)
    _seen: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)

    def __contains__(self, path: str) -> bool:
        return self._member(path) is not None

    def read(self, path: str) -> Capture:
        """Read one file of the set; a packed file is found under its plain name too.

        Raises:
            MissingInput: if the set has no such file.
            UnusableInput: if it is no capture.
        """
        member = self._member(path)
        if member is None:
            raise MissingInput(f"{self.name} has no file {path}; it holds {len(self.members)} files.")
        return self._captured(path, self.members[member]())

    def of_kind(self, kind: str) -> Iterator[tuple[str, Capture]]:
        """Every capture of one kind: its path inside the set and what was read."""
        for path, get in self.members.items():
            if self._kind(path) == kind:
                yield path, self._captured(path, get())

    def need(self, kind: str, purpose: str) -> tuple[str, Capture]:
        """The first capture of a kind, for an analysis that cannot do without it.

        Args:
            kind: name of the kind.
            purpose: what needs it, in words.

        Raises:
            MissingInput: if the set has none; the message says how to record it.
        """
        found = next(self.of_kind(kind), None)
        if found is None:
            wanted = kind_named(kind)
            raise MissingInput(f"{purpose} needs {wanted.title}, and {self.name} has none; record it: {wanted.record}.")
        return found

    def kinds(self) -> dict[str, list[str]]:
        """The paths of the set by kind of capture; files of no kind are left out."""
        found: dict[str, list[str]] = {}
        for path in self.members:
            kind = self._kind(path)
            if kind is not None:
                found.setdefault(kind, []).append(path)
        return found

    def _kind(self, path: str) -> str | None:
        # Each file is looked at once; packed ones are long.
        if path not in self._seen:
            try:
                data = open_capture(self.members[path]()).data
                kind = recognise(data) if len(data) else None
            except UnusableInput:
                kind = None
            self._seen[path] = None if kind is None else kind.name
        return self._seen[path]

    def _member(self, path: str) -> str | None:
        return next((p for p in (path, *(path + suffix for suffix in _PACKED_NAMES)) if p in self.members), None)

    def _captured(self, path: str, source: bytes | Path) -> Capture:
        from dataclasses import replace

        from kvmlab.capture.trace import Trace

        capture = read_capture(source)
        value = capture.value
        if isinstance(value, Trace) and value.release is None:
            value = replace(value, release=self.release)
        return replace(capture, name=f"{self.name}/{path}", value=value)


def open_captures(path: str | Path) -> CaptureSet:
    """Open a folder of captures, a run of the lab, or the tar that `kvmlab capture`'s script wrote.

    Args:
        path: the folder or the tar (plain, gzip, xz or bzip2).

    Raises:
        UnusableInput: if it is neither, or holds more than `MAX_FILES` files or `MAX_BYTES` bytes.
    """
    path = Path(path)
    if path.is_dir():
        members: dict[str, Callable[[], bytes | Path]] = {}
        for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink()):
            members[file.relative_to(path).as_posix()] = partial(_as_is, file)
        if len(members) > MAX_FILES:
            raise UnusableInput(f"{path} holds more than {MAX_FILES} files; expected the folder of one capture.")
    elif path.is_file():
        members = _tar_members(path)
    else:
        raise UnusableInput(f"{path} does not exist; expected a folder of captures or a tar.")
    return _set(str(path), members)


def _as_is(value: bytes | Path) -> bytes | Path:
    return value


def _set(name: str, members: dict[str, Callable[[], bytes | Path]]) -> CaptureSet:
    manifest = _manifest(members)
    release = manifest.get("release")
    injected = manifest.get("injected")
    return CaptureSet(
        name,
        release if isinstance(release, str) else None,
        injected if isinstance(injected, str) else None,
        manifest,
        members,
    )


def _manifest(members: dict[str, Callable[[], bytes | Path]]) -> dict[str, Any]:
    for path in sorted(members, key=lambda p: (p.count("/"), p)):
        if path.rsplit("/", 1)[-1] not in ("manifest.toml", "manifest.json"):
            continue
        source = members[path]()
        data = source.read_bytes() if isinstance(source, Path) else source
        try:
            text = data.decode("utf-8")
            found = tomllib.loads(text) if path.endswith(".toml") else json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UnusableInput(f"{path} cannot be read as a manifest: {str(error)[:200]}.") from None
        if not isinstance(found, dict):
            raise UnusableInput(f"{path} holds no table; expected a manifest.")
        return found
    return {}


def _tar_members(path: Path) -> dict[str, Callable[[], bytes | Path]]:
    members: dict[str, Callable[[], bytes | Path]] = {}
    total = 0
    try:
        with tarfile.open(path) as tar:
            for entry in tar:
                if not entry.isfile():
                    continue
                total += entry.size
                if total > MAX_BYTES or len(members) >= MAX_FILES:
                    raise UnusableInput(f"{path} unpacks to more than {MAX_BYTES >> 30} GiB or {MAX_FILES} files.")
                file = tar.extractfile(entry)
                data = b"" if file is None else file.read()
                members[entry.name.removeprefix("./")] = partial(_as_is, data)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise UnusableInput(f"{path} is no readable tar: {str(error)[:200]}.") from None
    # The script's tar holds one folder; its name says host and time and is no part of the paths.
    tops = {name.split("/", 1)[0] for name in members if "/" in name}
    if len(tops) == 1 and all("/" in name for name in members):
        members = {name.split("/", 1)[1]: get for name, get in members.items()}
    return members


@dataclass(frozen=True, slots=True)
class ShippedRun:
    """One run of the kernel lab as the project ships it: `folder` and what its manifest says.

    Args:
        folder: where it lies.
        release: the kernel that ran.
        run: name of the run, `machine`, `storm-1vcpu`.
        question: what it was recorded for.
        injected: what was done to the kernel, in words.
        files: path, size and sha256 of each file, as the manifest says.
    """

    folder: Path
    release: str
    run: str
    question: str
    injected: str
    files: tuple[tuple[str, int, str], ...]
    _opened: list[CaptureSet] = field(default_factory=list, repr=False, compare=False)

    def open(self) -> CaptureSet:
        """The run's files; the folder is looked at once."""
        if not self._opened:
            self._opened.append(open_captures(self.folder))
        return self._opened[0]


def shipped_runs(root: str | Path | None = None) -> tuple[ShippedRun, ...]:
    """The runs of the kernel lab below a folder, by release (oldest first) and run.

    Args:
        root: the folder; `data/captures` of the checkout if None.

    Raises:
        UnusableInput: if it is no folder or a manifest cannot be read.
    """
    root = Path(kvmlab.__file__).resolve().parents[1] / "data" / "captures" if root is None else Path(root)
    if not root.is_dir():
        raise UnusableInput(f"{root} is no folder; expected the captures of the kernel lab, such as data/captures.")
    runs = []
    for path in sorted(root.glob("*/*/manifest.toml")):
        try:
            m = tomllib.loads(path.read_text(encoding="utf-8"))
            files = tuple((str(f["path"]), int(f["bytes"]), str(f["sha256"])) for f in m.get("file", []))
            release, run, question, injected = (str(m[key]) for key in ("release", "run", "question", "injected"))
            runs.append(ShippedRun(path.parent, release, run, question, injected, files))
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise UnusableInput(f"{path} is no manifest of a run: {str(error)[:200]}.") from None
    return tuple(sorted(runs, key=lambda r: (KernelRelease.parse(r.release).version or (), r.release, r.run)))
