"""Recorded reference counts: every change of a page's count while a guest used it, with KVM's events between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kvmlab.capture.shelf import ShippedRun

if TYPE_CHECKING:
    import pandas as pd

    from kvmlab.capture.trace import Trace

TRACE = "kvm/ftrace_page_ref.txt"
COLUMNS = ("t", "event", "pfn", "count", "val", "ret", "detail", "case", "page", "kernel", "injected")
_EVENTS = ("kvm_page_fault", "kvm_mmu_spte_requested", "kvm_userspace_exit")
# The guest's code lies at this frame; its pages are of no interest.
_CODE_GFN = 1
# `kl` writes these into the trace, so that the events of one page are found again.
_CASE = re.compile(r"kl: case (\S+) page (-?[0-9]+) pfn (0x[0-9a-f]+|0)$")


@dataclass(frozen=True)
class References:
    """A trace with page_ref events of a run of the lab, read once.

    Args:
        run: the run.
        trace: its trace.
    """

    run: ShippedRun
    trace: Trace

    @cached_property
    def spans(self) -> dict[tuple[str, int], tuple[int, int, int]]:
        """First and last line of each case and page, and the page's pfn (0 if it was not there yet)."""
        marks = self.trace.df_event("tracing_mark_write", "print")
        texts = zip(marks["line"], marks["text"], strict=True)
        found = [(int(line), m) for line, text in texts if (m := _CASE.search(str(text)))]
        ends = [line for line, _ in found[1:]] + [(found[-1][0] if found else 0) + len(self.trace.table)]
        spans: dict[tuple[str, int], tuple[int, int, int]] = {}
        for (line, m), end in zip(found, ends, strict=True):
            spans.setdefault((m[1], int(m[2])), (line, end, int(m[3], 16)))
        return spans

    @cached_property
    def _counts(self) -> pd.DataFrame:
        return self.trace.df_page_ref()

    @cached_property
    def _kvm(self) -> pd.DataFrame:
        events = self.trace.df_event(*_EVENTS)
        gfn = (events["address"] // 4096).fillna(events["gfn"])
        return events[gfn.isna() | (gfn != _CODE_GFN)]

    def df_page(self, case: str, page: int, *, head: bool = False) -> pd.DataFrame:
        """What happened to one page, event by event (`df_page_references`).

        Args:
            case: name of the case in the matrix.
            page: number of the page in it.
            head: whether the events of the first page of its block are wanted too.
        """
        import pandas as pd

        span = self.spans.get((case, page))
        if span is None:
            return pd.DataFrame(columns=list(COLUMNS))
        begin, end, pfn = span
        kvm = self._kvm[(self._kvm["line"] > begin) & (self._kvm["line"] < end)]
        pages = {pfn, *([pfn - page] if head else []), *kvm["pfn"].dropna().tolist()}
        refs = self._counts
        refs = refs[(refs["line"] > begin) & (refs["line"] < end) & refs["pfn"].isin(pages)].assign(detail="")
        kvm = kvm.assign(detail=[_detail(row) for row in kvm.to_dict("records")])
        both = pd.concat([refs, kvm], ignore_index=True).sort_values("line")
        begun = int(both["t"].iloc[0]) if len(both) else 0
        told: dict[str, Any] = {"case": case, "page": page, "kernel": self.run.release, "injected": self.run.injected}
        both = both.assign(t=both["t"] - begun, event=both["event"].astype("str"), **told)
        return both.reindex(columns=list(COLUMNS)).reset_index(drop=True)


def read_references(run: ShippedRun, *, file: str = TRACE) -> References:
    """Read the page_ref events of a run.

    Args:
        run: the run.
        file: the trace.

    Raises:
        MissingInput: if the run has no such trace.
    """
    return References(run, run.open().read(file).value)


def df_page_references(run: ShippedRun, case: str, page: int, *, file: str = TRACE) -> pd.DataFrame:
    """What happened to one page's reference count while a guest read and wrote it, event by event.

    Needs a kernel with CONFIG_DEBUG_PAGE_REF (events page_ref:*); the lab's own kernels have it.

    Args:
        run: the run.
        case: name of the case in the matrix, `noncompound/order3/vmf_insert_pfn`.
        page: number of the page in it.
        file: the trace.

    Returns:
        t int64 (ns since the first event), event, pfn UInt64, count (as printed, after the change), val, ret Int64,
        detail (of KVM's events), case, page, kernel, injected. The pages are that of the case and those that KVM put in
        its place (a copy of the zero page).

    Raises:
        MissingInput: if the run has no such trace.
    """
    return read_references(run, file=file).df_page(case, page)


def _detail(row: dict[Any, Any]) -> str:
    if row["event"] == "kvm_page_fault":
        return f"gfn {int(row['address']) >> 12:#x}"
    if row["event"] == "kvm_mmu_spte_requested":
        return f"gfn {int(row['gfn']):#x} to pfn {int(row['pfn']):#x}"
    return f"{row.get('reason')} ({row.get('code')})"
