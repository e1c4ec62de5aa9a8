"""A kernel log as typed reports: `read_log` opens, reads and parses it; `Log` holds the result and gives frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

from kvmlab.report.build import build_report
from kvmlab.report.records import Kind, Report
from kvmlab.report.repeats import fold_repeats
from kvmlab.report.splat import find_splats
from kvmlab.text.backwards import newest_first
from kvmlab.text.pstore import order_in_time
from kvmlab.text.reader import read_text
from kvmlab.text.record import Record, Role
from kvmlab.text.source import Source, open_source
from kvmlab.text.span import Damage
from kvmlab.text.text import Text

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Log:
    """A text and the reports in it.

    Args:
        text: the text, with its source.
        reports: its reports, in the order of the text; those of attachments (`Report.part`) follow.
        unparsed: the log records that no report holds, in order: other messages, and lines nobody understands.
    """

    text: Text
    reports: tuple[Report, ...]
    unparsed: tuple[Record, ...]

    @property
    def source(self) -> Source:
        """Where the text comes from."""
        return self.text.source

    @property
    def bad_pages(self) -> tuple[Report, ...]:
        """The reports of kind `bad_page`."""
        return tuple(report for report in self.reports if report.kind is Kind.BAD_PAGE)

    @property
    def damage(self) -> tuple[Damage, ...]:
        """What was lost or changed on the way of the whole text; reports carry their own."""
        return self.text.damage

    def df_reports(self) -> pd.DataFrame:
        """One row a report: see `kvmlab.report.frames.df_reports`."""
        from kvmlab.report.frames import df_reports

        return df_reports(self.reports)

    def df_bad_pages(self) -> pd.DataFrame:
        """One row a bad page with a known pfn: see `kvmlab.report.frames.df_bad_pages`."""
        from kvmlab.report.frames import df_bad_pages

        return df_bad_pages(self.reports)

    def df_frames(self) -> pd.DataFrame:
        """One row an entry of a call trace: see `kvmlab.report.frames.df_frames`."""
        from kvmlab.report.frames import df_frames

        return df_frames(self.reports)

    def df_modules(self) -> pd.DataFrame:
        """One row a module of a report: see `kvmlab.report.frames.df_modules`."""
        from kvmlab.report.frames import df_modules

        return df_modules(self.reports)


def read_log(path: str | os.PathLike[str] | bytes | BinaryIO | Source | Text, *, limit: int | None = None) -> Log:
    """Reads a kernel log, or a mail, journal or archive that holds one, and parses the reports in it.

    Args:
        path: a path, `-` for stdin, the bytes themselves, a binary file, or what `open_source` or `read_text` gave.
        limit: bytes of decompressed text to read at most; None for the default of `open_source`.

    Raises:
        UnusableInput: the source cannot be read at all.

    >>> log = read_log(b"[    1.500000] BUG: Bad rss-counter state mm:ffff8881 type:MM_ANONPAGES val:-1\\n")
    >>> [(r.kind.value, r.fields["val"]) for r in log.reports]
    [('bad_rss_counter', -1)]
    """
    if isinstance(path, Text):
        text = path
    else:
        given = {} if limit is None else {"limit": limit}
        source = path if isinstance(path, Source) else open_source(path, **given)
        text = read_text(source)
    reports: list[Report] = []
    unparsed: list[Record] = []
    for part in text.walk():
        records = tuple(part.records)
        order = order_in_time(records) if part.kind == "pstore" else newest_first(records)
        found, rest = find_reports(records, order)
        name = None if part is text else part.source.path
        reports += found if name is None else [replace(report, part=name) for report in found]
        unparsed += rest
    return Log(text, tuple(fold_repeats(reports)), tuple(unparsed))


def find_reports(records: Iterable[Record], order: Sequence[int] | None = None) -> tuple[list[Report], list[Record]]:
    """The reports among records, and the log records that no report holds; never raises.

    Args:
        records: the records of a text, in order.
        order: positions of those that count, in the order in which the kernel printed them, if that is another one.

    >>> from kvmlab.text.span import Span
    >>> text = "BUG: Bad page state in process CPU 0/KVM  pfn:fb1665"
    >>> reports, unparsed = find_reports([Record(Span(0, 52, 1, 1), Role.LOG, text)])
    >>> hex(reports[0].pfn), reports[0].missing
    ('0xfb1665', ('page dump', 'CPU line', 'call trace'))
    """
    rows = tuple(records)
    splats = sorted(find_splats(rows, order), key=lambda splat: splat.lines[0].index)
    reports = [build_report(splat, index) for index, splat in enumerate(splats)]
    held = {at for report in reports for at in report.records}
    return reports, [row for at, row in enumerate(rows) if row.role is Role.LOG and at not in held and row.text.strip()]
