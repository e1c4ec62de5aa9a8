"""The page_owner tail of a page dump: who allocated the page, who freed it last, and where."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from kvmlab.report.numbers import decimal_number, hex_number


class Section(StrEnum):
    """Which stack the entries behind a page_owner line belong to."""

    ALLOCATION = "allocation"
    FREE = "free"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class OwnerLine:
    """One line of the tail.

    Args:
        section: the stack that follows it.
        fields: what it says, by the field names of `PageOwner`.
        note: the line itself, where it says that something is not there.
    """

    section: Section
    fields: dict[str, str | int | tuple[str, ...]] = field(default_factory=dict)
    note: str | None = None


_TRACKS = re.compile(r"page_owner tracks the page as (?P<tracked_as>allocated|freed)")
_ALLOCATED = re.compile(
    r"page (?:last )?allocated via order (?P<order>\d{1,3}), migratetype (?P<migratetype>[\w()]+), "
    r"gfp_mask (?P<gfp_mask>0x[0-9a-f]{1,16})\((?P<gfp_names>[^)]*)\)"
    r"(?:, pid (?P<pid>-?\d{1,10}))?(?:, tgid (?P<tgid>-?\d{1,10}) \((?P<comm>.*)\))?"
    r"(?:, ts (?P<ts>\d{1,20}))?(?:, free_ts (?P<free_ts>\d{1,20}))?.*"
)
_FREED = re.compile(r"page last free (?:pid (?P<free_pid>-?\d{1,10}) tgid (?P<free_tgid>-?\d{1,10}) )?stack trace:")
_MIGRATED = re.compile(r"[pP]age has been migrated, last migrate reason: (?P<migrate_reason>.*)")
_NOTE = re.compile(
    r"page_owner info is not (?:active \(free page\?\)|present \(never set\?\))|page owner info is not .*|"
    r"There is not page extension available\.?|page_owner (?:allocation|free) stack trace missing"
)
_NUMBERS = frozenset({"order", "pid", "tgid", "ts", "free_ts", "free_pid", "free_tgid"})


def match_owner_line(text: str) -> OwnerLine | None:
    """One line of a page_owner tail, of any era from 4.4 to 6.19; None if it is another line.

    Args:
        text: the message, blanks around it removed.

    >>> match_owner_line("page last free pid 5083 tgid 5083 stack trace:").fields
    {'free_pid': 5083, 'free_tgid': 5083}
    """
    if not text.startswith(("page", "Page", "There is not page")):
        return None
    if found := _ALLOCATED.fullmatch(text):
        return OwnerLine(Section.ALLOCATION, _fields(found))
    if found := _FREED.fullmatch(text):
        return OwnerLine(Section.FREE, _fields(found))
    if found := _TRACKS.fullmatch(text) or _MIGRATED.fullmatch(text):
        return OwnerLine(Section.NONE, _fields(found))
    return OwnerLine(Section.NONE, note=text) if _NOTE.fullmatch(text) else None


def _fields(found: re.Match[str]) -> dict[str, str | int | tuple[str, ...]]:
    fields: dict[str, str | int | tuple[str, ...]] = {}
    for key, shown in found.groupdict().items():
        if shown is None:
            continue
        value: str | int | tuple[str, ...] | None = shown
        if key in _NUMBERS:
            value = decimal_number(shown)
        elif key == "gfp_mask":
            value = hex_number(shown)
        elif key == "gfp_names":
            value = tuple(name.strip() for name in shown.split("|") if name)
        if value is not None:
            fields[key] = value
    return fields
