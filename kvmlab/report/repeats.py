"""Reports that stand in a text more than once (a copied title, a block from two logs): counted once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kvmlab.report.records import Kind, Report
from kvmlab.text.span import Span

# Kinds that a kernel prints again and again with the same words; only an equal time shows a copy.
RECURS = frozenset(
    {Kind.SUPPRESSED, Kind.BAD_RSS_COUNTER, Kind.SOFT_LOCKUP, Kind.HUNG_TASK, Kind.RCU_STALL, Kind.FRAGMENT, Kind.OTHER}
)

# With how many earlier reports of one title a report is compared.
_LOOK_BACK = 8


def fold_repeats(reports: Sequence[Report]) -> list[Report]:
    """Puts the copies of a report together with it; what remains is numbered anew.

    A copy is a report with the same title, the same time (or none), and nothing that contradicts the other one.
    A report without a time is a copy only if it is the bare title of a fuller report, or word for word the same;
    of what a kernel says again and again, only the bare title of a lockup beside a lockup with a time.

    Args:
        reports: the reports of one source, in the order of the text.
    """
    return [
        replace(reports[place], index=n, repeats=repeats) for n, (place, repeats) in enumerate(kept_reports(reports))
    ]


def kept_reports(reports: Sequence[Report]) -> list[tuple[int, tuple[Span, ...]]]:
    """Which reports `fold_repeats` keeps: their positions, in order, and the places of the copies of each.

    Args:
        reports: the reports of one source, in the order of the text.
    """
    kept: list[Report] = []
    places: list[int] = []
    copies: dict[int, list[Span]] = {}
    by_title: dict[str, list[int]] = {}
    for place, report in enumerate(reports):
        # Blanks that an archive collapsed do not make another title.
        key = f"{report.kind.value} {' '.join((report.title or '').split())}"
        held = by_title.setdefault(key, [])
        at = None if report.title is None else next((i for i in held[-_LOOK_BACK:] if _same(kept[i], report)), None)
        if at is None:
            held.append(len(kept))
            kept.append(report)
            places.append(place)
        elif _weight(kept[at]) >= _weight(report):
            copies.setdefault(at, []).extend((report.span, *report.repeats))
        else:
            copies.setdefault(at, []).extend((kept[at].span, *kept[at].repeats))
            kept[at], places[at] = report, place
    order = sorted(range(len(kept)), key=places.__getitem__)
    return [(places[i], tuple(sorted({*kept[i].repeats, *copies.get(i, ())}))) for i in order]


def _weight(report: Report) -> int:
    """How many records the report holds: a bare title is the lightest."""
    return len(report.records)


def _same(a: Report, b: Report) -> bool:
    if a.caller is not None and b.caller is not None and a.caller != b.caller:
        return False
    if a.timestamp is not None and b.timestamp is not None:
        return a.timestamp == b.timestamp and _agree(a, b)
    if a.kind in RECURS:
        # syslogd broadcasts the title of a lockup to all terminals, without the time that the log has.
        bare = a if a.timestamp is None else b
        return a.kind is Kind.SOFT_LOCKUP and a.timestamp != b.timestamp and _weight(bare) == 1
    if min(_weight(a), _weight(b)) == 1:
        return max(_weight(a), _weight(b)) > 1
    return a.timestamp is None and b.timestamp is None and facts_of(a) == facts_of(b)


def _agree(a: Report, b: Report) -> bool:
    """Whether two reports of one time say nothing different where both say something."""
    pairs = ((a.pfn, b.pfn), (_raw(a), _raw(b)), (_pid(a), _pid(b)))
    return all(x is None or y is None or x == y for x, y in pairs)


def _raw(report: Report) -> tuple[int, ...] | None:
    return None if report.page is None or report.page.raw is None else report.page.raw.words


def _pid(report: Report) -> int | None:
    return None if report.cpu_line is None else report.cpu_line.pid


def facts_of(report: Report) -> tuple[object, ...]:
    """What two word for word equal blocks share, places left out."""
    dump = report.page
    page = (
        None if dump is None else (dump.refcount, dump.mapcount, dump.mapping, dump.index, dump.pointer, _raw(report))
    )
    frames = (
        () if report.call_trace is None else tuple((f.function, f.offset, f.source) for f in report.call_trace.frames)
    )
    return (report.pfn, page, _pid(report), frames, None if report.registers is None else report.registers.values)
