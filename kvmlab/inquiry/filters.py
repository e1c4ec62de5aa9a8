"""Which reports are wanted: by kind, time, pfn and function."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from kvmlab.errors import KvmlabError
from kvmlab.report.log import Log
from kvmlab.report.records import Kind, Report

if TYPE_CHECKING:
    import pandas as pd

_LONGEST_NUMBER = 40


class FilterError(KvmlabError):
    """A filter that cannot be understood; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class ReportFilter:
    """Conditions that a report must fulfil, all of them; an empty one is no condition.

    Args:
        kinds: kinds that are wanted.
        since: earliest time, seconds since boot; reports without a time are left out.
        pfns: ranges of page frame numbers, both ends inclusive; reports without a pfn are left out.
        functions: shell patterns of function names, one of which must match a confirmed entry of the call trace (any
            entry of a trace without confirmed ones), or an entry of the further traces of the report.
    """

    kinds: tuple[Kind, ...] = ()
    since: Decimal | None = None
    pfns: tuple[tuple[int, int], ...] = ()
    functions: tuple[str, ...] = ()

    def keeps(self, report: Report) -> bool:
        """Whether a report fulfils every condition."""
        if self.kinds and report.kind not in self.kinds:
            return False
        if self.since is not None and (report.timestamp is None or Decimal(report.timestamp) < self.since):
            return False
        if self.pfns and (report.pfn is None or not any(a <= report.pfn <= b for a, b in self.pfns)):
            return False
        return self.keeps_functions(report)

    def keeps_functions(self, report: Report) -> bool:
        """Whether a report has a function that is wanted."""
        return not self.functions or any(map(self._names, _functions(report)))

    def mask(self, frame: pd.DataFrame) -> Any:
        """Which rows of `df_reports` fulfil every condition but that on functions (numpy bool).

        Args:
            frame: the reports.
        """
        import numpy as np

        kept = np.ones(len(frame), bool)
        if self.kinds:
            kept &= frame["kind"].isin([kind.value for kind in self.kinds]).to_numpy()
        if self.since is not None:
            # Times are whole microseconds: the first that counts is the least one not before.
            least = int((self.since * 10**9).to_integral_value(ROUND_CEILING))
            kept &= frame["time_ns"].to_numpy("int64", na_value=-1) >= max(0, min(least, (1 << 63) - 1))
        if self.pfns:
            pfns, known = frame["pfn"].to_numpy("uint64", na_value=0), frame["pfn"].notna().to_numpy()
            inside = np.zeros(len(frame), bool)
            for first, last in self.pfns:
                if first < 1 << 64:
                    inside |= (pfns >= np.uint64(first)) & (pfns <= np.uint64(min(last, (1 << 64) - 1)))
            kept &= inside & known
        return kept

    def mask_bad_pages(self, frame: pd.DataFrame, stacks: pd.DataFrame) -> Any:
        """Which rows of `Scan.df_bad_pages` fulfil every condition (numpy bool).

        Args:
            frame: the bad pages.
            stacks: their stacks, as `Scan.df_stacks` gives them.
        """
        kept = self.mask(frame)
        if self.functions:
            named = [name for name in stacks["function"].unique() if self._names(name)]
            kept &= frame["stack"].isin(stacks["stack"][stacks["function"].isin(named)]).to_numpy()
        return kept

    def _names(self, function: str) -> bool:
        return any(fnmatch.fnmatchcase(function, pattern) for pattern in self.functions)

    def apply(self, log: Log) -> Log:
        """The log with the wanted reports only; they keep their index."""
        return log if self == ReportFilter() else replace(log, reports=tuple(filter(self.keeps, log.reports)))


def _functions(report: Report) -> Iterator[str]:
    if report.call_trace is not None:
        yield from (frame.function for frame in report.call_trace.reliable or report.call_trace.frames)
    for trace in report.traces:
        yield from (frame.function for frame in trace.frames)


def make_filter(
    kinds: list[str] | None = None,
    since: str | None = None,
    pfns: list[str] | None = None,
    functions: list[str] | None = None,
) -> ReportFilter:
    """Build a filter from words.

    Args:
        kinds: names of kinds, as the JSON contract spells them.
        since: seconds since boot, such as `252080.14`.
        pfns: hex numbers or ranges, such as `fb1665`, `0xfb1000-0xfb1fff`.
        functions: function names or shell patterns, such as `folio_batch_*`.

    Raises:
        FilterError: a word cannot be understood.

    >>> make_filter(["bad_page"], "1.5", ["fb1000-fb1fff"]).pfns == ((0xFB1000, 0xFB1FFF),)
    True
    """
    known = {kind.value: kind for kind in Kind}
    for name in kinds or []:
        if name not in known:
            raise FilterError(f"{name!r} is no kind of report; the kinds are {', '.join(known)}")
    return ReportFilter(
        tuple(known[name] for name in kinds or []),
        None if since is None else _seconds(since),
        tuple(_range(text) for text in pfns or []),
        tuple(functions or []),
    )


def _seconds(text: str) -> Decimal:
    try:
        number = Decimal(text) if len(text) <= _LONGEST_NUMBER else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise FilterError(f"{text[:_LONGEST_NUMBER]!r} is no time: expected seconds since boot, such as 252080.14")
    return number


def _range(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    try:
        if len(text) > _LONGEST_NUMBER:
            raise ValueError(text)
        begin = int(first, 16)
        end = int(last, 16) if dash else begin
    except ValueError:
        shown = text[:_LONGEST_NUMBER]
        raise FilterError(f"{shown!r} is no pfn: expected a hex number or a range such as fb1000-fb1fff") from None
    if end < begin or begin < 0:
        raise FilterError(f"the pfn range {text!r} ends before it begins")
    return begin, end
