"""What a scan of a log gives: its reports as frames with the columns of a `Log`, the stacks by number, Parquet."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from kvmlab.report import fast_rows as r
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.records import Kind, Report
from kvmlab.report.scan_packed import Packed
from kvmlab.report.scan_rows import stretches
from kvmlab.report.scan_stacks import Stack, numbered

if TYPE_CHECKING:
    import pandas as pd

    from kvmlab.report.log import Log
    from kvmlab.report.scan_groups import Group

_TITLE = "BUG: Bad page state in process "
# Reports of the tolerant parser in a part of a scan.
_REPORTS = 4096
# Columns that follow those of `Log.df_bad_pages`.
EXTRA_COLUMNS = {
    "mapping": "UInt64", "page_type": "UInt64", **{f"raw{i}": "UInt64" for i in range(r.MAX_WORDS)}, "stack": "int64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scan:
    """The reports of one log, as numbers.

    Args:
        path: of the log.
        engine: what read it: `numba`, `python` or `slow`.
        size: bytes of text, decompressed.
        lines: physical lines.
        rows: the reports that the engine understood, one row each, columns as in `fast_rows`.
        lexicon: what the numbers of the rows stand for.
        reports: all other reports, read by the tolerant parser.
        repeats: how often the report of a row stands in the log once more, by row.
        log: the whole log, if only the tolerant parser could read it.
    """

    path: str
    engine: str
    size: int
    lines: int
    rows: Any = field(repr=False)
    lexicon: Lexicon = field(repr=False)
    reports: Sequence[Report] = field(repr=False)
    repeats: dict[int, int] = field(default_factory=dict, repr=False)
    log: Log | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.rows) + len(self.reports)

    def df_reports(self) -> pd.DataFrame:
        """One row a report, the columns of `Log.df_reports`."""
        from kvmlab.report.scan_frames import df_reports

        if isinstance(self.reports, list):
            return df_reports(self, self.reports)
        return _joined(self.parts())

    def df_bad_pages(self) -> pd.DataFrame:
        """One row a bad page: columns of `Log.df_bad_pages`, then `mapping`, `page_type`, `raw0` to `raw7`, `stack`.

        `stack` is the number of the stack in `df_stacks`; two reports have the same one if functions, modules and stack
        names of their confirmed entries are the same.
        """
        from kvmlab.report.scan_frames import df_bad_pages

        return df_bad_pages(*self._with_bad_pages())

    def df_stacks(self) -> pd.DataFrame:
        """One row an entry of each different stack.

        Columns `stack`, `frame` (from 0, innermost first), `function`, `module`, `context` (`TASK`, `IRQ`, ...),
        `confirmed`, `reports` (how many have it). Unconfirmed entries stand only in stacks that have no others.
        """
        from kvmlab.report.scan_frames import df_stacks

        return df_stacks(*self._with_bad_pages())

    def groups(self) -> list[Group]:
        """The reports that stand in the rows, by stack and reason: one light report for all that are alike."""
        from kvmlab.report.scan_groups import groups_of

        return groups_of(self)

    def parts(self) -> Iterator[Scan]:
        """The scan in parts, each with a stretch of its rows and the reports between them, so that memory stays flat.

        Positions count within a part: those of the parts before it have to be added.
        """
        n, lines = len(self.rows), first_lines(self.reports)
        starts = [start for start, _ in stretches(n)][1:]
        cuts = {(start, int(np.searchsorted(lines, self.rows[start, r.LINE] + 1, side="right"))) for start in starts}
        if len(lines) > _REPORTS:
            held = self.rows[:, r.LINE] + 1
            cuts |= {(int(np.searchsorted(held, lines[k])), k) for k in range(_REPORTS, len(lines), _REPORTS)}
        repeated = sorted(self.repeats)
        for (start, first), (stop, end) in pairwise([(0, 0), *sorted(cuts), (n, len(lines))]):
            own = repeated[bisect_left(repeated, start) : bisect_left(repeated, stop)]
            repeats = {i - start: self.repeats[i] for i in own}
            rows = np.asfortranarray(self.rows[start:stop])
            yield replace(self, rows=rows, reports=list(self.reports[first:end]), repeats=repeats)

    @property
    def positions(self) -> Any:
        """Position of each of `reports` among the rows of `df_reports` (numpy int64)."""
        return positions_of(self)[len(self.rows) :]

    def stack_numbers(self, reports: Sequence[Report]) -> tuple[Any, list[int], list[Stack]]:
        """Stack numbers of the rows and of reports, and the stacks; see `scan_stacks.numbered`."""
        return numbered(self.rows, self.lexicon, reports)

    def _with_bad_pages(self) -> tuple[Scan, list[Report]]:
        """The scan with its reports in a list, and the bad pages with a pfn among them."""
        scan = self if isinstance(self.reports, list) else replace(self, reports=list(self.reports))
        return scan, [x for x in scan.reports if x.kind is Kind.BAD_PAGE and x.pfn is not None]


def first_lines(reports: Sequence[Report]) -> Any:
    """The lines on which reports begin (numpy int64)."""
    if isinstance(reports, Packed):
        return reports.first_lines
    return np.array([x.span.first_line for x in reports], np.int64)


def _joined(parts: Iterable[Scan]) -> pd.DataFrame:
    import pandas as pd

    frames = []
    before = 0
    for part in parts:
        frame = part.df_reports()
        frame["report"] += before
        before += len(part)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def positions_of(scan: Scan) -> Any:
    """Position of every row, then of every report, among all of the log."""
    if not scan.reports or not len(scan.rows):
        # What the tolerant parser has read alone stands in its order: that of printing, whatever that of the lines is.
        return np.arange(len(scan))
    order = np.argsort(np.concatenate([scan.rows[:, r.LINE] + 1, first_lines(scan.reports)]), kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def title_of(scan: Scan, i: int) -> str:
    """The title line of row `i`, as it stands in the log."""
    row = scan.rows[i]
    pfn, digits = int(row[r.PFN]) & ((1 << 64) - 1), int(row[r.PFN_DIGITS])
    return f"{_TITLE}{scan.lexicon.texts[row[r.COMM]]}{' ' * int(row[r.GAP])}pfn:{pfn:0{digits}x}"


def titles_of(scan: Scan) -> Any:
    """The title lines of all rows: their bytes one behind the other (numpy uint8), and where each begins (one more)."""
    rows = scan.rows
    digits, pfns = rows[:, r.PFN_DIGITS], rows[:, r.PFN].view(np.uint64)
    gaps = int(rows[:, r.GAP].max(initial=0)) + 1
    key = rows[:, r.COMM] * gaps + rows[:, r.GAP]
    kinds, which = _numbered(key)
    heads = [f"{_TITLE}{scan.lexicon.texts[kind // gaps]}{' ' * (kind % gaps)}pfn:".encode() for kind in kinds]
    ends = np.cumsum([0, *map(len, heads)])
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum((ends[1:] - ends[:-1])[which] + digits, out=offsets[1:])
    data = np.empty(int(offsets[-1]), np.uint8)
    held = np.frombuffer(b"".join(heads), np.uint8)
    if scan.engine == "numba":
        from kvmlab.report.fast_titles import write_titles

        write_titles(held, ends, which, pfns, digits, offsets, data)
        return data, offsets
    letters = np.frombuffer(b"0123456789abcdef", np.uint8)
    groups, of_row = _numbered(which * 17 + digits)
    for at, value in enumerate(groups):
        chosen = np.flatnonzero(of_row == at)
        head, width = held[ends[value // 17] : ends[value // 17 + 1]], value % 17
        text = np.empty((len(chosen), len(head) + width), np.uint8)
        text[:, : len(head)] = head
        shifts = np.arange(4 * (width - 1), -1, -4, dtype=np.uint64)
        text[:, len(head) :] = letters[((pfns[chosen][:, None] >> shifts) & np.uint64(15)).astype(np.int64)]
        data[offsets[chosen][:, None] + np.arange(text.shape[1])] = text
    return data, offsets


def _numbered(keys: Any) -> tuple[list[int], Any]:
    """The different values of small numbers, and for each number the place of its value among them."""
    seen = np.zeros(int(keys.max(initial=0)) + 1, bool)
    seen[keys] = True
    return np.flatnonzero(seen).tolist(), (np.cumsum(seen) - 1)[keys]
