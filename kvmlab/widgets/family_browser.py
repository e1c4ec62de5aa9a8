"""Families of reports: choose one, see its stack beside the others, its members and their lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kvmlab.charts.stack_families import MOST_FAMILIES, df_stack_families, plot_stack_families
from kvmlab.errors import KvmlabError
from kvmlab.inquiry.families import Family, families
from kvmlab.report.log import Log
from kvmlab.widgets.controller import Controller

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


class NoFamilies(KvmlabError):
    """Logs without a report, so that there is no family to browse."""


class FamilyBrowser(Controller):
    """The families of some logs, the largest first.

    Args:
        logs: the logs.
        source: what to call them in the caption.

    Raises:
        NoFamilies: they hold no report.
    """

    def __init__(self, logs: Sequence[Log], *, source: str | None = None) -> None:
        super().__init__()
        self.families: tuple[Family, ...] = tuple(sorted(families(logs), key=lambda f: -f.count))
        if not self.families:
            raise NoFamilies("the logs hold no report, so there is no family")
        self.source = source
        self.chosen = 0

    @property
    def family(self) -> Family:
        """The chosen family."""
        return self.families[self.chosen]

    def labels(self) -> tuple[str, ...]:
        """A line for each family: how many, and what."""
        return tuple(f"{f.count} x {f.title}" for f in self.families)

    def choose(self, number: int) -> None:
        """Choose a family; numbers beyond the ends are the ends."""
        self.chosen = min(max(0, number), len(self.families) - 1)
        self.changed()

    def df_members(self) -> pd.DataFrame:
        """The reports of the chosen family: `log`, `report`, `line`, `time`, `pfn`, `comm`."""
        import pandas as pd

        rows = [
            (
                member.source,
                member.report.index,
                (member.report.title_span or member.report.span).first_line,
                member.report.timestamp,
                member.report.pfn,
                member.report.process,
            )
            for member in self.family.members
        ]
        return pd.DataFrame(rows, columns=["log", "report", "line", "time", "pfn", "comm"]).astype({"pfn": "UInt64"})

    def words(self) -> str:
        """The chosen family in a sentence."""
        family = self.family
        kernels = ", ".join(family.kernels) or "kernel not in the log"
        hidden = f", at least {family.suppressed} more not printed" if family.suppressed else ""
        return f"{family.title}: {family.count} {'report' if family.count == 1 else 'reports'}{hidden}; {kernels}"

    def figure(self) -> go.Figure | None:
        """The stack of the chosen family beside those of the others, None if no family has a stack."""
        order = [self.chosen, *(i for i in range(len(self.families)) if i != self.chosen)]
        stacks = {
            f"{self.families[i].count} x {self.families[i].title}": self.families[i].reports[0]
            for i in order
            if any(r.call_trace is not None and r.call_trace.reliable for r in self.families[i].reports[:1])
        }
        if not stacks:
            return None
        few = dict(list(stacks.items())[:MOST_FAMILIES])
        return plot_stack_families(df_stack_families(few, source=self.source))
