"""Where mails stand in a text: single ones, mboxes, pages of list archives; headers apart from bodies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kvmlab.text.archive import archive_page, lore_messages
from kvmlab.text.headers import HEADER, Headers, read_headers
from kvmlab.text.lines import Lines

_KNOWN = frozenset(
    [
        "from",
        "to",
        "cc",
        "bcc",
        "subject",
        "date",
        "message-id",
        "received",
        "return-path",
        "mime-version",
        "content-type",
        "delivered-to",
        "x-mailer",
        "in-reply-to",
        "references",
        "reply-to",
        "sender",
        "list-id",
        "user-agent",
        "dkim-signature",
        "content-transfer-encoding",
    ]
)
_FROM_LINE = re.compile(r"From \S+ .{0,40}\b(?:19|20)\d\d\b")
_EMPTY = 20


@dataclass(frozen=True, slots=True)
class Section:
    """One mail by line numbers: header lines, then body lines (none if `body` > `last`).

    Args:
        form: `rfc822`, `mbox`, `hypermail`, `lore` or `archive`.
        first: its first line.
        body: first line of its body.
        last: its last line.
        headers: its headers.
    """

    form: str
    first: int
    body: int
    last: int
    headers: Headers

    @property
    def archived(self) -> bool:
        """Whether it is a page of an archive, not the mail itself."""
        return self.form not in ("rfc822", "mbox")


def mails_in(lines: Lines, *, pages_only: bool = False) -> tuple[Section, ...]:
    """The mails that a text consists of; none if it is no mail.

    Args:
        lines: its rows.
        pages_only: look only for the forms that pages of list archives have.
    """
    last = len(lines)
    first = next((n for n in range(1, min(last, _EMPTY) + 1) if lines.text(n).strip()), 1)
    if not last:
        return ()
    if not pages_only and _FROM_LINE.match(lines.text(first)) and _rfc822(lines, first, last, "mbox", 1):
        return tuple(_mbox(lines, first))
    section = _rfc822(lines, first, last, "rfc822", 2) if not pages_only else None
    return (section,) if section else _archived(lines)


def _mbox(lines: Lines, first: int) -> Iterator[Section]:
    starts = [first]
    starts.extend(
        n
        for n in range(first + 1, len(lines))
        if lines.data.startswith(b"From ", lines.starts[n - 1])
        and _FROM_LINE.match(lines.text(n))
        and not lines.text(n - 1).strip()
        and HEADER.match(lines.text(n + 1))
    )
    for start, stop in zip(starts, [*starts[1:], len(lines) + 1], strict=True):
        section = _rfc822(lines, start, stop - 1, "mbox", 1)
        yield section or Section("mbox", start, start + 1, stop - 1, Headers())


def _rfc822(lines: Lines, first: int, last: int, form: str, needed: int) -> Section | None:
    headers = read_headers(lines, first, last)
    if headers is None or sum(name in _KNOWN for name in headers.values) < needed:
        return None
    return Section(form, first, headers.after, last, headers)


def _archived(lines: Lines) -> tuple[Section, ...]:
    if found := [Section("lore", *where) for where in lore_messages(lines)]:
        return tuple(found)
    if page := archive_page(lines):
        form, first, body, headers = page
        return (Section(form, first, body, len(lines), headers),)
    return ()
