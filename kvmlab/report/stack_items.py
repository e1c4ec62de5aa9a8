"""What the lines of a call trace hold: entries and markers, without their place in the text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a call trace, without its place in the text.

    Args:
        function, offset, size, module, build_id, reliable, address, source, inlined, info: as in `Frame`.
        caller: for entries `f from g`: whether this is the caller `g` (True) or the function `f` (False).
    """

    function: str
    offset: int | None = None
    size: int | None = None
    module: str | None = None
    build_id: str | None = None
    reliable: bool = True
    address: int | None = None
    source: tuple[str, ...] = ()
    inlined: bool = False
    info: str | None = None
    caller: bool | None = None


@dataclass(frozen=True, slots=True)
class Marker:
    """A stack marker: its name and whether it opens (`<TASK>`) or closes (`</TASK>`, `<EOI>`) the stack."""

    stack: str
    opens: bool


@dataclass(frozen=True, slots=True)
class StackLine:
    """What one line of a call trace holds.

    Args:
        items: markers and entries in the order of the text; old kernels put several on a line.
        strict: whether the line can be nothing else than a line of a call trace.
    """

    items: tuple[Marker | Entry, ...]
    strict: bool

    @property
    def markers(self) -> tuple[Marker, ...]:
        """The markers of the line."""
        return tuple(item for item in self.items if isinstance(item, Marker))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries of the line."""
        return tuple(item for item in self.items if isinstance(item, Entry))
