"""`explain`: every value of one report as a statement that says how it is known, and what the log does not hold."""

from __future__ import annotations

from collections.abc import Iterator

from kvmlab.errors import UnusableInput
from kvmlab.inquiry.explain_flags import flag_rows
from kvmlab.inquiry.explain_gaps import gaps
from kvmlab.inquiry.explain_host import host_rows
from kvmlab.inquiry.explain_mail import mail_rows
from kvmlab.inquiry.explain_page import page_rows, reason_rows
from kvmlab.inquiry.explain_stack import stack_rows
from kvmlab.inquiry.explain_words import word_rows
from kvmlab.inquiry.explanation import Explanation, Row
from kvmlab.report.arch import report_arch
from kvmlab.report.log import Log
from kvmlab.report.records import Kind, Report

UNKNOWN_ARCH = "unknown"


def explain(subject: Log | Report, *, index: int | None = None) -> Explanation:
    """Explain one report, value by value.

    Args:
        subject: a log, or one report of it. A log also lends what stands before the report, such as the registers
            of a fragment.
        index: which report of the log; the first bad page when None, or else the first report with a title.

    Raises:
        UnusableInput: the log has no report, or none with that index.

    >>> from kvmlab.report.log import read_log
    >>> explanation = explain(read_log(b"[    1.000000] BUG: Bad page state in process qemu  pfn:fb1665\\n"))
    >>> explanation.find("physical address").value
    '0xfb1665000'
    """
    if isinstance(subject, Report):
        return Explanation(subject, tuple(_rows(subject, None)), tuple(gaps(subject)))
    report, before = choose(subject, index)
    rows = (*_rows(report, before), *mail_rows(subject.text, report))
    return Explanation(report, rows, tuple(gaps(report, before)))


def choose(log: Log, index: int | None = None) -> tuple[Report, Report | None]:
    """One report of a log and the one before it.

    Args:
        log: the log.
        index: which report; the first bad page when None, or else the first that is no fragment.

    Raises:
        UnusableInput: there is none.
    """
    path = log.text.source.path
    if not log.reports:
        raise UnusableInput(f"{path}: no report found in {log.text.n_lines} lines")
    if index is None:
        wanted = [r for r in log.reports if r.kind is Kind.BAD_PAGE] or [
            r for r in log.reports if r.kind is not Kind.FRAGMENT
        ]
        at = log.reports.index((wanted or list(log.reports))[0])
    elif 0 <= index < len(log.reports):
        at = index
    else:
        raise UnusableInput(f"{path}: there is no report {index}; its reports are 0 to {len(log.reports) - 1}")
    return log.reports[at], log.reports[at - 1] if at else None


def _rows(report: Report, before: Report | None) -> Iterator[Row]:
    release = report.cpu_line.release if report.cpu_line else None
    # Without a number no table applies; host_rows still shows the token.
    numbered = release if release is not None and release.version is not None else None
    arch = report_arch(report) or (report_arch(before) if before else None) or UNKNOWN_ARCH
    yield from page_rows(report, numbered, arch)
    yield from reason_rows(report, numbered)
    if report.page is not None:
        yield from flag_rows(report.page, numbered, arch)
        yield from word_rows(report.page, numbered, arch)
    yield from stack_rows(report, before)
    yield from host_rows(report, release)
