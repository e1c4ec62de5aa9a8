"""One investigation as a folder: the untouched raw file, `case.toml` beside it, the check that nothing has changed."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import kvmlab
from kvmlab.errors import KvmlabError

_KNOWN: Final = frozenset(
    {"schema", "title", "date", "kernel", "report", "question", "unknown", "redacted", "notebook", "source", "file"}
)
_BLOCK: Final = 1 << 20


class CaseError(KvmlabError):
    """A case folder that cannot be used; the message names the folder, the key and what was expected."""


@dataclass(frozen=True, slots=True)
class CaseFile:
    """One file of a case.

    Args:
        path: relative to the case folder.
        sha256: of the file as it is stored, 64 lower-case hex digits.
        size: bytes, None if `case.toml` does not say.
        what: one line on what it is.
    """

    path: str
    sha256: str
    size: int | None
    what: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case as its `case.toml` describes it.

    Args:
        path: the folder.
        title: one line.
        date: when the raw file was made or sent, as written.
        kernel: release text, None if not known.
        report: index of the report in question among those of the raw file, None for the first bad page.
        question: what is to be found out.
        unknown: what is not known, one sentence each.
        redacted: what was taken out of the raw file.
        source: where the raw file comes from, by key, as written.
        files: its files; the first is the raw log.
        notebook: the notebook that investigates it, relative to the folder; None for the usual one.
        extra: keys of `case.toml` that this version does not know.
    """

    path: Path
    title: str
    date: str | None
    kernel: str | None
    report: int | None
    question: str | None
    unknown: tuple[str, ...]
    redacted: tuple[str, ...]
    source: Mapping[str, str]
    files: tuple[CaseFile, ...]
    notebook: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def raw(self) -> Path:
        """The untouched raw log: its first file."""
        return self.path / self.files[0].path


@dataclass(frozen=True, slots=True)
class Finding:
    """What `check_case` found out about one file: whether it is as `case.toml` says, and a sentence."""

    path: str
    holds: bool
    reason: str


def open_case(place: str | Path) -> Case:
    """Open a case folder.

    Args:
        place: the folder, its `case.toml`, or the bare name of a case in the `data/` folder of the checkout.

    Raises:
        CaseError: there is no such case, or its `case.toml` lacks or garbles something.
    """
    toml = _find(Path(place))
    try:
        told = tomllib.loads(toml.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CaseError(f"{toml} is not a TOML file: {error}") from error
    except OSError as error:
        raise CaseError(f"{toml} cannot be read: {error.strerror}") from error
    reader = _Reader(toml, told)
    files = tuple(reader.file(i, entry) for i, entry in enumerate(reader.tables("file")))
    if not files:
        raise CaseError(f"{toml} names no file: a [[file]] table with path and sha256 is expected")
    return Case(
        path=toml.parent,
        title=reader.text("title") or toml.parent.name,
        date=reader.text("date"),
        kernel=reader.text("kernel"),
        report=reader.number("report"),
        question=reader.text("question"),
        unknown=reader.texts("unknown"),
        redacted=reader.texts("redacted"),
        source={str(key): str(value) for key, value in reader.table("source").items()},
        files=files,
        notebook=reader.text("notebook"),
        extra={key: value for key, value in told.items() if key not in _KNOWN},
    )


def check_case(case: Case) -> tuple[Finding, ...]:
    """Compare every file of a case with the length and the sha256 that `case.toml` holds.

    Args:
        case: as `open_case` returned it.
    """
    return tuple(_check(case, file) for file in case.files)


def cases(folder: Path | None = None) -> tuple[Case, ...]:
    """The cases in a folder, by name; without an argument those of the checkout's `data/`."""
    place = _data() if folder is None else folder
    return tuple(open_case(toml.parent) for toml in sorted(place.glob("*/case.toml"))) if place.is_dir() else ()


def _data() -> Path:
    return Path(kvmlab.__file__).resolve().parents[1] / "data"


def _find(place: Path) -> Path:
    if place.is_file():
        return place.absolute()
    candidates = [place / "case.toml"]
    if len(place.parts) == 1:
        candidates.append(_data() / place / "case.toml")
    for candidate in candidates:
        if candidate.is_file():
            return candidate.absolute()
    raise CaseError(f"{place} is not a case: a folder with a case.toml is expected, or the name of one in {_data()}")


def _check(case: Case, file: CaseFile) -> Finding:
    place = case.path / file.path
    if not place.resolve().is_relative_to(case.path.resolve()):
        return Finding(file.path, False, "leads out of the case folder")
    try:
        size, found = place.stat().st_size, _sha256(place)
    except OSError as error:
        return Finding(file.path, False, f"cannot be read: {error.strerror}")
    if found != file.sha256:
        return Finding(file.path, False, f"sha256 is {found}, case.toml says {file.sha256}")
    if file.size is not None and size != file.size:
        return Finding(file.path, False, f"has {size} bytes, case.toml says {file.size}")
    return Finding(file.path, True, f"{size} bytes, sha256 as recorded")


def _sha256(place: Path) -> str:
    digest = hashlib.sha256()
    with place.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


class _Reader:
    """Takes values out of a TOML document and says which key is wrong, and how."""

    def __init__(self, toml: Path, told: Mapping[str, Any]) -> None:
        self.toml, self.told = toml, told

    def wrong(self, key: str, expected: str) -> CaseError:
        return CaseError(f"{self.toml}: {key} should be {expected}")

    def text(self, key: str) -> str | None:
        value = self.told.get(key)
        if isinstance(value, dict | list):
            raise self.wrong(key, "one text")
        return None if value is None else str(value)

    def number(self, key: str) -> int | None:
        value = self.told.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
            raise self.wrong(key, "a number, 0 or more")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.told.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.wrong(key, "a list of texts")
        return tuple(value)

    def table(self, key: str) -> Mapping[str, Any]:
        value = self.told.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return value

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        value = self.told.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.wrong(key, "an array of tables, [[file]]")
        return value

    def file(self, index: int, entry: Mapping[str, Any]) -> CaseFile:
        where = f"[[file]] number {index + 1}"
        path, sha256, size = entry.get("path"), entry.get("sha256"), entry.get("bytes")
        if not isinstance(path, str) or not path:
            raise self.wrong(f"{where}: path", "the file's name")
        if not isinstance(sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise self.wrong(f"{where}: sha256", "64 lower-case hex digits")
        if size is not None and not isinstance(size, int):
            raise self.wrong(f"{where}: bytes", "a number")
        return CaseFile(path, sha256, size, str(entry.get("what", "")))
