"""The scans of many logs as one: one frame for a fleet instead of one a file, with a column that says which file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kvmlab.errors import UnusableInput
from kvmlab.report import fast_rows as r
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.scan_result import Scan
from kvmlab.report.scan_rows import Rows
from kvmlab.text.span import Span

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ManyScans:
    """The scans of one call of `scan_logs`, as if the logs were one text.

    Args:
        scan: that text: rows, reports and lines of all logs, one behind the other.
        sources: the path of each log.
        lines: how many lines stand before each log.
        reports: how many reports stand before each log.
    """

    scan: Scan
    sources: tuple[str, ...]
    lines: Any
    reports: Any

    def df_bad_pages(self) -> pd.DataFrame:
        """One row a bad page: `source`, then the columns of `Scan.df_bad_pages`, whose stacks count over all logs."""
        return self._by_source(self.scan.df_bad_pages())

    def df_reports(self) -> pd.DataFrame:
        """One row a report: `source`, then the columns of `Scan.df_reports`."""
        return self._by_source(self.scan.df_reports())

    def df_stacks(self) -> pd.DataFrame:
        """One row an entry of each different stack of all logs, as in `Scan.df_stacks`."""
        return self.scan.df_stacks()

    def _by_source(self, frame: pd.DataFrame) -> pd.DataFrame:
        import pandas as pd

        which = np.searchsorted(self.lines, frame["first_line"].to_numpy(), side="left") - 1
        before = self.lines[which] if len(which) else which
        frame["first_line"] -= before
        frame["last_line"] -= before
        frame["report"] -= self.reports[which] if len(which) else which
        frame.insert(0, "source", pd.Series(pd.Categorical.from_codes(which, dtype=_paths(self.sources))))
        return frame


def _paths(sources: tuple[str, ...]) -> pd.CategoricalDtype:
    import pandas as pd

    # A path that was given twice is two logs.
    names = [path if sources.index(path) == i else f"{path} ({i})" for i, path in enumerate(sources)]
    return pd.CategoricalDtype(names)


def gathered(scans: Iterable[Scan]) -> ManyScans:
    """The scans of many logs as one.

    Args:
        scans: what one call of `scan_logs` yields.

    Raises:
        UnusableInput: they are of several calls.

    >>> from kvmlab.report.scan import scan_log
    >>> text = b"[    1.500000] BUG: Bad rss-counter state mm:ffff8881 type:MM_ANONPAGES val:-1\\n"
    >>> gathered([scan_log(text), scan_log(text)]).df_reports()[["report", "kind", "first_line"]].values.tolist()
    [[0, 'bad_rss_counter', 1], [0, 'bad_rss_counter', 1]]
    """
    rows, reports, repeats = Rows(), [], {}
    sources: list[str] = []
    lines, counts = [0], [0]
    size = n_rows = 0
    engine, lexicon = "slow", Lexicon()
    for scan in scans:
        line = lines[-1]
        if len(scan.rows):
            if n_rows and scan.lexicon is not lexicon:
                raise UnusableInput(f"{scan.path}: it was not scanned together with the logs before it")
            engine, lexicon = scan.engine, scan.lexicon
            held = np.array(scan.rows)
            held[:, r.LINE] += line
            rows.add(held)
        repeats.update({n_rows + i: n for i, n in scan.repeats.items()})
        for report in scan.reports:
            span = report.span
            moved = Span(span.start, span.stop, span.first_line + line, span.last_line + line)
            reports.append(replace(report, span=moved))
        sources.append(scan.path)
        n_rows += len(scan.rows)
        size += scan.size
        lines.append(line + scan.lines)
        counts.append(counts[-1] + len(scan))
    whole = Scan(f"{len(sources)} logs", engine, size, lines[-1], rows.close(), lexicon, reports, repeats)
    return ManyScans(whole, tuple(sources), np.array(lines[:-1], np.int64), np.array(counts[:-1], np.int64))
