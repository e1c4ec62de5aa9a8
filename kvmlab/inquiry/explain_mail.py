"""What the person who sent a log wrote around it: a statement of theirs, kept apart from what the kernel printed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.explanation import Row
from kvmlab.kernel.constants import constant
from kvmlab.report.records import Kind, Report
from kvmlab.text.span import Span
from kvmlab.text.text import Text

TOPIC = "The mail"
_REPEATS = re.compile(
    r"\brepeat(?:s|ed|ing|edly)?\b|\bover and over\b|\bmany (?:more )?of (?:these|them)\b", re.IGNORECASE
)
# A sentence fits; a whole mail does not belong into a table.
_LONGEST = 240


def mail_rows(text: Text, report: Report) -> Iterator[Row]:
    """Statements that the mail around a log makes.

    Args:
        text: the text; without a mail there are none.
        report: the report that is explained.
    """
    mail = text.mail
    if mail is None:
        return
    if mail.subject:
        line = text.line(mail.subject_line) if mail.subject_line else mail.subject
        span = (
            Span(mail.span.start, mail.span.start + len(line), mail.subject_line, mail.subject_line)
            if mail.subject_line
            else None
        )
        yield Row(TOPIC, "subject", mail.subject, "The thread in which the log was sent.", Basis.OBSERVED, span)
    if mail.prose_after is None:
        return
    first, last = mail.prose_after
    said = " ".join(text.line(number).strip() for number in range(first, last + 1))
    shown = said if len(said) <= _LONGEST else said[:_LONGEST] + " ..."
    meaning = "The sender's words behind the log; the log itself does not show it."
    if report.kind is Kind.BAD_PAGE and _REPEATS.search(said):
        limit = constant("BAD_PAGE_LIMIT")
        meaning += (
            f" The kernel prints at most {limit} such reports, then falls silent until a minute after the first of "
            "them, and counts "
            "the rest: what a log holds is a lower bound."
        )
    span = Span(report.span.stop, report.span.stop, *mail.prose_after)
    yield Row(TOPIC, "said by the sender", shown, meaning, Basis.OBSERVED, span)
