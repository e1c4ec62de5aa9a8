"""Whole texts of /proc inside of a listing of the lab's program: where they begin and end, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kvmlab.capture.counters import Counters, parse_vmstat
from kvmlab.capture.malformed import Malformed
from kvmlab.capture.pagetypeinfo import Pagetypeinfo, parse_pagetypeinfo
from kvmlab.capture.zoneinfo import Zoneinfo, parse_zoneinfo

_HEADS: Final = {f"## /proc/{name}": name for name in ("pagetypeinfo", "zoneinfo", "vmstat")}
_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "pagetypeinfo": parse_pagetypeinfo,
    "zoneinfo": parse_zoneinfo,
    "vmstat": parse_vmstat,
}


def starts_text(line: str) -> str | None:
    """Which of these texts begins behind a line, None if none does.

    >>> starts_text("## /proc/zoneinfo"), starts_text("## /proc/buddyinfo")
    ('zoneinfo', None)
    """
    return _HEADS.get(line)


@dataclass(slots=True)
class _Text:
    """One text: what it is, buffers before it, number of its first line."""

    what: str
    buffers: int
    first: int = 0
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Texts:
    """The texts of a listing while it is being read; each with the number of buffers that were allocated before it."""

    pagetypeinfo: tuple[tuple[int, Pagetypeinfo], ...] = ()
    zoneinfo: tuple[tuple[int, Zoneinfo], ...] = ()
    vmstat: tuple[tuple[int, Counters], ...] = ()
    malformed: list[Malformed] = field(default_factory=list)
    _found: list[_Text] = field(default_factory=list)
    _open: bool = False

    def begin(self, what: str, buffers: int) -> None:
        """A text begins on the next line."""
        self._found.append(_Text(what, buffers))
        self._open = True

    def takes(self, number: int, line: str) -> bool:
        """Whether a line belongs to the text that is open; the first line of the listing's own ends it."""
        if self._open and line.startswith("#"):
            self._open = False
        if self._open:
            text = self._found[-1]
            text.first = text.first or number
            text.lines.append(line)
        return self._open

    def close(self) -> None:
        """Read what was found."""
        read: dict[str, list[tuple[int, Any]]] = {name: [] for name in _READERS}
        for text in self._found:
            value = _READERS[text.what]("\n".join(text.lines))
            self.malformed += [replace(m, line=m.line + text.first - 1) for m in value.malformed]
            read[text.what].append((text.buffers, value))
        self.pagetypeinfo, self.zoneinfo, self.vmstat = (tuple(read[name]) for name in _READERS)
