"""Mails as the web pages of list archives show them: the headers that are left, each archive in its own style."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kvmlab.text.headers import Headers
from kvmlab.text.lines import Lines

# "Subject: x", as most pages have it, or "Subject<tab>x".
_HEADER = re.compile(
    r"\s{0,12}(List|Subject|From|Date|Sent|To|Cc|CC|Message-I[Dd]|In-reply-to|References|User-agent)(?::|\t)\s*(.*)$"
)
# hypermail (lkml.iu.edu): labels summer time as standard time.
_HYPERMAIL_DATE = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:[A-Z][a-z]{2} \d{1,2}|\d{1,2} [A-Z][a-z]{2}) \d{4} - \d\d:\d\d:\d\d"
)
_LORE_FROM = re.compile(r"From: (.{1,200}?) @ (\d{4}-\d\d-\d\d +\d{1,2}:\d\d) UTC \(permalink / raw\)")
_LORE_SUBJECT = re.compile(r"\* (?=\S)(.*)$")
# How far down a page its headers may begin, and how many lines they may take.
_TOP, _RUN = 60, 40


def archive_page(lines: Lines) -> tuple[str, int, int, Headers] | None:
    """Form, first header line, first body line and headers of a page that shows one mail; None if it does not.

    Args:
        lines: the rows of the page.
    """
    for first in range(1, min(len(lines), _TOP) + 1):
        if _HEADER.match(lines.text(first)[:400]) and (found := _header_run(lines, first)):
            return found
    return None


def _header_run(lines: Lines, first: int) -> tuple[str, int, int, Headers] | None:
    headers = Headers()
    number = first
    while number <= min(len(lines), first + _RUN):
        text = lines.text(number)[:4000]
        if match := _HEADER.match(text):
            headers.values.setdefault(match[1].lower(), (match[2].strip(), lines.line(number)))
        elif text.strip():
            if not (text[0] in " \t" and headers.values):
                break
        elif "from" in headers.values and ("date" in headers.values or number > first + 6):
            break
        number += 1
    date = headers.values.get("date") or headers.values.get("sent")
    if "from" not in headers.values or date is None:
        return None
    headers.values["date"] = date
    form = "hypermail" if _HYPERMAIL_DATE.match(date[0]) else "archive"
    if form == "archive" and "subject" not in headers.values and "list" not in headers.values:
        return None
    # The subject stands above, as the title of the page.
    top = next((n for n in range(1, first) if lines.text(n).strip()), None)
    if "subject" not in headers.values and top is not None:
        headers.values["subject"] = (lines.text(top).strip()[:1000], lines.line(top))
    return form, top or first, number, headers


def lore_messages(lines: Lines) -> Iterator[tuple[int, int, int, Headers]]:
    """First line, first body line, last line and headers of each mail on a page of public-inbox."""
    starts = [n for n in range(1, len(lines) + 1) if _LORE_FROM.match(lines.text(n)[:300])]
    if not starts:
        return
    top = range(1, min(starts[0], 2000))
    subject = next(((m[1], lines.line(n)) for n in top if (m := _LORE_SUBJECT.match(lines.text(n)[:1000]))), None)
    for first, stop in zip(starts, [*starts[1:], len(lines) + 1], strict=True):
        match = _LORE_FROM.match(lines.text(first)[:300])
        assert match is not None
        headers = Headers({"from": (match[1], lines.line(first)), "date": (match[2] + " UTC", lines.line(first))})
        if subject is not None:
            headers.values["subject"] = subject
        body = first + 1
        while body < stop and lines.text(body).strip():
            body += 1
        yield first, body, stop - 1, headers
