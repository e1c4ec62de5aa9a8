"""What a mail says about itself: writer, date, patch, who is quoted, the words around the log, the signature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr

from kvmlab.text.headers import Headers
from kvmlab.text.quotes import attribution_of
from kvmlab.text.record import Role
from kvmlab.text.span import Span
from kvmlab.text.text import Attribution, Mail

_BRACKETS = re.compile(r"\[([^\[\]]{1,200})\]")
_TAG_VERSION, _TAG_NUMBER = re.compile(r"v(\d{1,4})$"), re.compile(r"(\d{1,5})/(\d{1,5})$")
_REPLY = re.compile(r"(?:(?:re|aw|sv|antw)(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,400})>")
# What the pages of public-inbox put behind a date.
_OVERVIEW = re.compile(r"\s*\[thread overview\].*$")
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a mail's body: its number, role and quote depth, its characters with and without quote marks."""

    line: int
    role: Role
    depth: int
    whole: str
    content: str


def patch_tag(subject: str) -> tuple[int | None, int | None, int | None]:
    """Version, index and total of a subject's patch tag.

    >>> patch_tag("Re: [PATCH v11 0/8] KVM: x"), patch_tag("[RFC PATCH net-next] y"), patch_tag("[bug] z")
    ((11, 0, 8), (None, None, None), (None, None, None))
    """
    for inside in _BRACKETS.findall(subject):
        words = inside.split()
        if not any(word.startswith("PATCH") or word == "RFC" for word in words):
            continue
        version = next((int(m[1]) for word in words if (m := _TAG_VERSION.search(word))), None)
        number = next((m for word in words if (m := _TAG_NUMBER.match(word))), None)
        return version, int(number[1]) if number else None, int(number[2]) if number else None
    return None, None, None


def describe(form: str, span: Span, headers: Headers, entries: Sequence[Entry], signature: int | None) -> Mail:
    """The facts of one mail.

    Args:
        form: `rfc822`, `mbox` or `hypermail`.
        span: where it stands.
        headers: its headers.
        entries: the lines of its body that are read.
        signature: line of the signature separator.
    """
    subject = headers.get("subject")
    reply = _REPLY.match(subject) if subject else None
    version, index, total = patch_tag(subject or "")
    sender = headers.get("from") or ""
    name, address = parseaddr(sender)
    if form not in ("rfc822", "mbox") and "@" not in address:
        # Archives take the address away, or write it as "ann () example ! org".
        name, address = sender.partition(" <")[0], ""
    attributions: list[Attribution] = []
    prose: dict[int, Entry] = {}
    for entry in entries:
        if entry.role not in (Role.PROSE, Role.QUOTE):
            continue
        if len(attributions) < _MOST and (found := attribution_of(entry.line, entry.whole)):
            attributions.append(found)
        elif entry.role is Role.PROSE:
            prose[entry.line] = entry
    before, after = _around_log(entries, prose)
    date = headers.get("date")
    message_id = _MESSAGE_ID.search(headers.get("message-id") or "")
    return Mail(
        form=form,
        span=span,
        subject=subject,
        subject_line=headers.values["subject"][1] if "subject" in headers.values else None,
        in_reply_to_subject=subject[reply.end() :] if subject and reply else None,
        patch_version=version,
        patch_index=index,
        patch_total=total,
        from_name=name or None,
        from_address=address or None,
        date_raw=_OVERVIEW.sub("", date) if date else None,
        date_zone_trustworthy=form != "hypermail",
        message_id=message_id[1] if message_id else None,
        attributions=tuple(attributions),
        max_quote_depth=max((e.depth for e in entries if e.role in (Role.PROSE, Role.QUOTE, Role.BLANK)), default=0),
        body_unquoted_first_line=next(iter(prose), None),
        signature_line=signature,
        signature=tuple(e.content for e in entries if e.role is Role.SIGNATURE and e.line != signature),
        prose_before=before,
        prose_after=after,
    )


def _around_log(
    entries: Sequence[Entry], prose: dict[int, Entry]
) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """The writer's own words right before the first log line and right after the last."""
    logs = [k for k, entry in enumerate(entries) if entry.role in (Role.LOG, Role.PROMPT)]
    if not logs:
        return None, None

    def stretch(order: Sequence[Entry]) -> tuple[int, int] | None:
        # The nearest stretch of own words, blank lines between its paragraphs included.
        found: list[int] = []
        for entry in order:
            if entry.line in prose:
                found.append(entry.line)
            elif entry.role is not Role.BLANK:
                break
        return (min(found), max(found)) if found else None

    return stretch(entries[: logs[0]][::-1]), stretch(entries[logs[-1] + 1 :])
