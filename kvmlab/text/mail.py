"""Mails and pages of list archives: where headers and bodies are, who wrote, who is quoted, where the signature is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.utils import parseaddr

from kvmlab.text.lines import Lines
from kvmlab.text.quotes import attribution_of, peel
from kvmlab.text.text import Attribution, LogBlock, Mail

_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60}):(?: |\t|$)")
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
_HYPERMAIL_DATE = re.compile(r"Date: (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} \d{1,2} \d{4} - \d\d:\d\d:\d\d")
_BRACKETS = re.compile(r"\[([^\[\]]{1,200})\]")
_TAG_VERSION, _TAG_NUMBER = re.compile(r"v(\d{1,4})$"), re.compile(r"(\d{1,5})/(\d{1,5})$")
_REPLY = re.compile(r"(?:(?:re|aw|sv|antw)(?:\[\d+\])?\s*:\s*)+", re.IGNORECASE)
# A header block, and a signature, are at most this many lines.
_HEAD_LINES, _SIGNATURE_LINES = 2000, 25
_HEADER_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Section:
    """One mail by line numbers: header lines, then body lines (none if `body` > `last`).

    Args:
        form: `rfc822`, `mbox` or `hypermail`.
        first: its first line.
        body: first line of its body.
        last: its last line.
        headers: lower-case name to (value, line) of the first header of that name.
    """

    form: str
    first: int
    body: int
    last: int
    headers: dict[str, tuple[str, int]]


def mails_in(lines: Lines) -> tuple[Section, ...]:
    """The mails that a text consists of; none if it is no mail."""
    if not len(lines):
        return ()
    first = next((n for n in range(1, min(len(lines), 20) + 1) if lines.text(n).strip()), 1)
    if _FROM_LINE.match(lines.text(first)) and (rest := _rfc822(lines, first + 1, len(lines), "mbox")):
        return tuple(_mbox(lines, first)) or (rest,)
    if section := _rfc822(lines, first, len(lines), "rfc822"):
        return (section,)
    if section := _hypermail(lines, first):
        return (section,)
    return ()


def _mbox(lines: Lines, first: int) -> Iterator[Section]:
    starts = [first]
    starts.extend(
        n
        for n in range(first + 1, len(lines))
        if lines.data.startswith(b"From ", lines.starts[n - 1])
        and _FROM_LINE.match(lines.text(n))
        and not lines.text(n - 1).strip()
        and _HEADER.match(lines.text(n + 1))
    )
    for start, stop in zip(starts, [*starts[1:], len(lines) + 1], strict=True):
        section = _rfc822(lines, start + 1, stop - 1, "mbox", needed=1)
        yield (
            Section("mbox", start, section.body, section.last, section.headers)
            if section
            else Section("mbox", start, start + 1, stop - 1, {})
        )


def _rfc822(lines: Lines, first: int, last: int, form: str, needed: int = 2) -> Section | None:
    headers: dict[str, tuple[str, int]] = {}
    known, name = 0, ""
    number = first
    while number <= min(last, first + _HEAD_LINES):
        text = lines.text(number)
        if not text.strip():
            break
        if text[0] in " \t" and name:
            value, line = headers[name]
            if len(value) < _HEADER_CHARS:
                headers[name] = (f"{value} {text.strip()[:_HEADER_CHARS]}", line)
        elif match := _HEADER.match(text):
            name = match.group(1).lower()
            known += name in _KNOWN
            headers.setdefault(name, (text[match.end() :].strip()[:_HEADER_CHARS], number))
        elif not (number == first and text.startswith(">From ")):
            return None
        number += 1
    if known < needed or not headers:
        return None
    return Section(form, first, number, last, headers)


def _hypermail(lines: Lines, first: int) -> Section | None:
    # The page as text: the subject, then "From: name" and "Date:" in the archive's own style.
    headers: dict[str, tuple[str, int]] = {}
    for number in range(first, min(len(lines), first + 30) + 1):
        text = lines.text(number)
        if _HYPERMAIL_DATE.match(text):
            headers["date"] = (text[5:].strip(), number)
            if "from" not in headers:
                return None
            headers.setdefault("subject", (lines.text(first).strip()[:_HEADER_CHARS], first))
            return Section("hypermail", first, number + 1, len(lines), headers)
        if match := _HEADER.match(text):
            headers.setdefault(match.group(1).lower(), (text[match.end() :].strip()[:_HEADER_CHARS], number))
    return None


def decoded(value: str) -> str:
    """A header value with its encoded words decoded.

    >>> decoded("=?utf-8?q?Alex_Benn=C3=A9e?=")
    'Alex Bennée'
    """
    try:
        return str(make_header(decode_header(value)))
    except (ValueError, LookupError, UnicodeError):
        return value


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


def describe(
    lines: Lines, section: Section, blocks: tuple[LogBlock, ...], content: Callable[[int], str], signature: int | None
) -> Mail:
    """The facts of one mail.

    Args:
        lines: the physical lines.
        section: where it stands.
        blocks: the log blocks in it.
        content: characters of a line, quote marks kept.
        signature: line of the signature separator.
    """

    def header(name: str) -> str | None:
        return decoded(section.headers[name][0]) if name in section.headers else None

    subject = header("subject")
    reply = _REPLY.match(subject) if subject else None
    version, index, total = patch_tag(subject or "")
    name, address = parseaddr(header("from") or "") if section.form != "hypermail" else (header("from") or "", "")
    in_log = [False] * (section.last + 2 - section.first)
    for block in blocks:
        for n in range(block.first_line, block.last_line + 1):
            in_log[n - section.first] = True
    attributions: list[Attribution] = []
    deepest, unquoted = 0, None
    for number in range(section.body, section.last + 1):
        text = content(number)
        if in_log[number - section.first] or not text.strip():
            continue
        if len(attributions) < 1000 and (found := attribution_of(number, text)):
            attributions.append(found)
            deepest = max(deepest, peel(text)[0])
            continue
        depth = peel(text)[0]
        deepest = max(deepest, depth)
        if depth == 0 and unquoted is None and (signature is None or number < signature):
            unquoted = number
    before, after = _prose(lines, section, blocks, content, signature, {a.line for a in attributions})
    return Mail(
        form=section.form,
        span=lines.span(section.first, section.last),
        subject=subject,
        subject_line=section.headers["subject"][1] if "subject" in section.headers else None,
        in_reply_to_subject=subject[reply.end() :] if subject and reply else None,
        patch_version=version,
        patch_index=index,
        patch_total=total,
        from_name=name or None,
        from_address=address or None,
        date_raw=header("date"),
        date_zone_trustworthy=section.form != "hypermail",
        message_id=(header("message-id") or "").strip("<> ") or None,
        attributions=tuple(attributions),
        max_quote_depth=deepest,
        body_unquoted_first_line=unquoted,
        signature_line=signature,
        signature=tuple(content(n) for n in range(signature + 1, section.last + 1)) if signature else (),
        prose_before=before,
        prose_after=after,
    )


def signature_line(lines: Lines, section: Section) -> int | None:
    """Line of the `-- ` separator (its blank may be lost), if only a signature follows."""
    for number in range(section.last, max(section.body, section.last - _SIGNATURE_LINES) - 1, -1):
        if lines.text(number) in ("--", "-- "):
            return number
    return None


def _prose(
    lines: Lines,
    section: Section,
    blocks: tuple[LogBlock, ...],
    content: Callable[[int], str],
    signature: int | None,
    skip: set[int],
) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """The writer's own words right before the first block and right after the last."""
    if not blocks:
        return None, None

    def own(number: int) -> bool:
        text = content(number)
        return bool(text.strip()) and peel(text)[0] == 0 and number not in skip

    def stretch(start: int, stop: int, step: int) -> tuple[int, int] | None:
        # The nearest stretch of own words, blank lines between its paragraphs included.
        edge = far = None
        for number in range(start, stop, step):
            if own(number):
                edge, far = edge or number, number
            elif content(number).strip():
                break
        return None if edge is None or far is None else (min(edge, far), max(edge, far))

    end = signature or section.last + 1
    return stretch(blocks[0].first_line - 1, section.body - 1, -1), stretch(blocks[-1].last_line + 1, end, 1)
