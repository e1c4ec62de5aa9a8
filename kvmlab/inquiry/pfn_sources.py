"""The pfns that a log or a capture names: the same runs from each, and for each page the line that names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kvmlab.capture.read import Capture
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.pfn_adjacency import Adjacency, adjacency
from kvmlab.inquiry.pfn_ranges import PfnRanges, pfn_ranges
from kvmlab.kernel.kpf import NOPAGE, kpf_rows
from kvmlab.report.log import Log

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, eq=False)
class PfnSource:
    """The pages that one input names.

    Args:
        kind: `log`, or the kind of capture.
        said: which of its pages these are, in a few words.
        ranges: the pages.
        lines: where they are named: `pfn`, `last` (uint64, inside), `line` (int64), `what`; empty for binary files.
        near: neighbours in pfn against neighbours in hva, None where the input holds no hva.
    """

    kind: str
    said: str
    ranges: PfnRanges
    lines: pd.DataFrame
    near: Adjacency | None = None


def pfns_of_log(log: Log, *, source: str | None = None) -> PfnSource:
    """The pfns of a log's reports.

    Args:
        log: the log.
        source: case or file, for captions.
    """
    known = [report for report in log.reports if report.pfn is not None]
    line = next((r.cpu_line for r in known if r.cpu_line is not None), None)
    kernel = None if line is None or line.release is None else line.release.text
    pfns = [r.pfn for r in known if r.pfn is not None]
    places = [(r.title_span or r.span).first_line for r in known]
    what = [f"report {r.index}: {r.title or 'fragment'}" for r in known]
    mapped = {r.pfn: r.page.index for r in known if r.pfn is not None and r.page is not None and r.page.index}
    return PfnSource(
        "log",
        "pages that reports name",
        pfn_ranges(pfns, source=source, kernel=kernel),
        _lines(pfns, pfns, places, what),
        adjacency(list(mapped), list(mapped.values())) if mapped else None,
    )


def pfns_of_capture(capture: Capture, *, only: str | None = None, kernel: str | None = None) -> PfnSource:
    """The pfns that a capture names, all of them or those of one flag, function, event or list.

    Args:
        capture: as `read_capture` gives it.
        only: kpageflags and page-types: name of a flag (`buddy`); page_owner: a function in the stack
            (`ttm_pool_alloc`); trace: an event or a system (`mm_page_alloc`, `page_ref`); free_lists: a migratetype.
        kernel: release text, for captions.

    Raises:
        UnusableInput: this kind of capture names no pfn, or `only` is nothing that it knows.

    >>> from kvmlab.capture import read_capture
    >>> told = pfns_of_capture(read_capture(b" x-1 [000] 1.000000: mm_page_alloc: page=0x1 pfn=0x80 order=3"
    ...     b" migratetype=0 gfp_flags=GFP_KERNEL\\n"))
    >>> told.kind, told.ranges.pages, told.lines["line"].tolist()
    ('trace', 8, [1])
    """
    read = _READERS.get(capture.kind.name)
    if read is None:
        raise UnusableInput(
            f"{capture.name} is {capture.kind.title}, which names no pfn; captures that do are {', '.join(_READERS)}."
        )
    if only is not None and capture.kind.name in _WHOLE:
        raise UnusableInput(f"{capture.name} is {capture.kind.title}, of which no part can be chosen ({only!r}).")
    first, last, lines, what, said, near = read(capture, only)
    ranges = pfn_ranges(first, last=last, source=capture.name, kernel=kernel)
    return PfnSource(capture.kind.name, said, ranges, _lines(first, last, lines, what), near)


def named_at(lines: pd.DataFrame, first: int, last: int) -> pd.DataFrame:
    """The rows of `PfnSource.lines` that name a page between two pfns, both inside, in the order of the text.

    Args:
        lines: of a source.
        first, last: pfns.
    """
    return lines[(lines["pfn"] <= last) & (lines["last"] >= first)].sort_values("line", kind="stable")


_Read = tuple[Any, Any, Any, Any, str, Adjacency | None]


def _kpageflags(capture: Capture, only: str | None) -> _Read:
    mask = NOPAGE if only is None else 1 << _flag(capture, only)
    runs = capture.value.runs(mask, 0 if only is None else mask)
    said = "page frames that exist" if only is None else f"page frames with the flag {only}"
    return runs.first, runs.first + runs.pages - runs.pages.dtype.type(1), (), (), said, None


def _kpagecount(capture: Capture, only: str | None) -> _Read:
    import numpy as np

    pfns = np.flatnonzero(capture.value.words).astype(np.uint64) + np.uint64(capture.value.first_pfn)
    return pfns, pfns, (), (), "page frames that are mapped", None


def _page_types(capture: Capture, only: str | None) -> _Read:
    rows = capture.value.ranges
    if only is not None:
        bit = _flag(capture, only)
        rows = [row for row in rows if row.flags is not None and row.flags >> bit & 1]
    said = "page frames of the listing" if only is None else f"page frames with the flag {only}"
    last = [row.first + row.pages - 1 for row in rows]
    return [r.first for r in rows], last, [r.line for r in rows], [r.letters for r in rows], said, None


def _page_owner(capture: Capture, only: str | None) -> _Read:
    rows = [row for row in capture.value.records if row.pfn is not None]
    if only is not None:
        rows = [row for row in rows if any(entry.split("+")[0] == only for entry in row.stack)]
        if not rows:
            raise UnusableInput(f"{capture.name}: no block was allocated through {only!r}.")
    what = [f"order {r.order} by {r.comm or 'pid ' + str(r.pid)}: {' < '.join(r.stack[:4])}" for r in rows]
    said = "pages of allocated blocks" if only is None else f"pages of blocks that were allocated through {only}"
    first = [row.pfn for row in rows]
    return first, [row.pfn + (1 << row.order) - 1 for row in rows], [row.line for row in rows], what, said, None


def _trace(capture: Capture, only: str | None) -> _Read:
    import numpy as np
    import pandas as pd

    trace = capture.value
    frames = [trace.df_kmem(), trace.df_page_ref(), trace.df_kvm()]
    if only is not None:
        frames = [trace.df_event(only)] if only in trace.events else [trace.df_system(only)]
    frames = [frame for frame in frames if "pfn" in frame and len(frame)]
    if not frames:
        known = ", ".join(trace.events) or "none"
        raise UnusableInput(
            f"{capture.name}: no event{f' of {only}' if only else ''} names a pfn; its events are {known}."
        )
    rows = pd.concat([f[[c for c in ("line", "event", "pfn", "order") if c in f]] for f in frames], ignore_index=True)
    # A failed mm_page_alloc is printed with pfn 0.
    rows = rows[rows["pfn"].notna() & (rows["pfn"] > 0)].sort_values("line", kind="stable")
    first = rows["pfn"].to_numpy(np.uint64)
    order = rows["order"].fillna(0).to_numpy(np.uint64) if "order" in rows else np.zeros(len(rows), np.uint64)
    # An order that no kernel has makes a block that no memory holds, and that is refused.
    last = first + (np.uint64(1) << np.minimum(order, np.uint64(53))) - np.uint64(1)
    said = "pages that events name" if only is None else f"pages that {only} events name"
    return first, last, rows["line"], rows["event"].astype(str), said, None


def _ttm_run(capture: Capture, only: str | None) -> _Read:
    blocks = [(buffer, block) for buffer in capture.value.buffers for block in buffer.blocks]
    what = [f"order {block.order} of a buffer of {buffer.npages} pages" for buffer, block in blocks]
    first = [block.pfn for _, block in blocks]
    last = [block.pfn + block.pages - 1 for _, block in blocks]
    return first, last, [buffer.line for buffer, _ in blocks], what, "pages of the listed buffers", None


def _free_lists(capture: Capture, only: str | None) -> _Read:
    lists = [one for one in capture.value.lists if only is None or one.migratetype == only]
    if only is not None and not lists:
        known = ", ".join(sorted({one.migratetype for one in capture.value.lists}))
        raise UnusableInput(f"{capture.name}: no free list of migratetype {only!r}; it has {known}.")
    rows = [(pfn, one) for one in lists for pfn in one.pfns]
    what = [f"free, order {one.order}, {one.migratetype}" for _, one in rows]
    last = [pfn + (1 << one.order) - 1 for pfn, one in rows]
    said = "pages on free lists" if only is None else f"pages on free lists of {only}"
    return [pfn for pfn, _ in rows], last, [one.line for _, one in rows], what, said, None


def _pagemap(capture: Capture, only: str | None) -> _Read:
    import numpy as np

    if capture.value.hidden:
        raise UnusableInput(f"{capture.name}: every pfn in it is 0; read the pagemap as root.")
    frame = capture.value.df_pagemap()
    known = frame[frame["pfn"].notna()]
    pfns, hvas = known["pfn"].to_numpy(np.uint64), known["va"].to_numpy(np.uint64) >> np.uint64(12)
    return pfns, pfns, (), (), "pages of the process", adjacency(pfns, hvas)


_READERS: Final[dict[str, Callable[[Capture, str | None], _Read]]] = {
    "kpageflags": _kpageflags,
    "kpagecount": _kpagecount,
    "page_types": _page_types,
    "page_owner": _page_owner,
    "trace": _trace,
    "ttm_run": _ttm_run,
    "free_lists": _free_lists,
    "pagemap": _pagemap,
}
_WHOLE: Final = frozenset({"kpagecount", "ttm_run", "pagemap"})


def _flag(capture: Capture, name: str) -> int:
    """The bit of a flag by the name that kpageflags has for it in any release."""
    bits = {row.bit for row in kpf_rows() if row.name == name.lower()}
    if len(bits) != 1:
        known = ", ".join(dict.fromkeys(row.name for row in kpf_rows()))
        raise UnusableInput(f"{capture.name}: there is no page flag {name!r}; known are {known}.")
    return bits.pop()


def _lines(first: Any, last: Any, lines: Any, what: Any) -> pd.DataFrame:
    """`PfnSource.lines`, empty where the input has no lines."""
    import numpy as np
    import pandas as pd

    n = len(lines)
    frame = pd.DataFrame({"pfn": np.asarray(first, np.uint64)[:n], "last": np.asarray(last, np.uint64)[:n]})
    frame["line"] = np.asarray(lines, np.int64)
    frame["what"] = pd.Series(what, dtype="str").to_numpy() if n else pd.Series(dtype="str")
    return frame
