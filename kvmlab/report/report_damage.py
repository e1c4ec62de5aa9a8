"""What is wrong with one report: cut head or tail, lines of others in it, lines left out, contradictions."""

from __future__ import annotations

from kvmlab.report.details import Detail
from kvmlab.report.lines import PAGE_PARTS, Part
from kvmlab.report.open_splat import Splat
from kvmlab.report.records import CallTrace, Kind, Report
from kvmlab.text.span import Damage, DamageKind, Span, hull


def report_damage(report: Report, splat: Splat) -> tuple[Damage, ...]:
    """What the text shows to be lost or changed of one report.

    Args:
        report: the report, without its damage.
        splat: its lines.
    """
    damage: list[Damage] = []
    first, last = splat.lines[0].record.span, splat.lines[-1].record.span
    if report.kind is Kind.FRAGMENT:
        damage.append(Damage(DamageKind.TRUNCATED_HEAD, first, "the report begins without its title line"))
    elif splat.lines[0].part in PAGE_PARTS - {Part.PAGE}:
        damage.append(Damage(DamageKind.TRUNCATED_HEAD, first, "the page dump begins without its first line"))
    if stacks := open_stacks(splat, report.call_trace):
        open_stack = stacks[-1]
        reason = f"the <{open_stack}> stack is not closed by </{open_stack}>: the end of the report is missing"
        damage.append(Damage(DamageKind.TRUNCATED_TAIL, last, reason))
    elif "call trace" in report.missing:
        reason = "the report ends before its call trace"
        damage.append(Damage(DamageKind.TRUNCATED_TAIL, last, reason))
    if splat.foreign:
        span = splat.foreign[0].record.span | splat.foreign[-1].record.span
        n = len(splat.foreign)
        many = f"{n} lines of others stand" if n > 1 else "1 line of others stands"
        damage.append(Damage(DamageKind.INTERLEAVED, span, f"{many} inside the report and {_are(n)} left out of it"))
    if splat.mixed:
        traced = [line.record.span for line in splat.lines if line.part in (Part.TRACE, Part.STACK)]
        reason = "another CPU printed its call trace at the same time: entries of both may stand in either"
        damage.append(Damage(DamageKind.INTERLEAVED, hull(traced or [first]), reason))
    # lockdep prints dots itself.
    dots = splat.title is None or not splat.title.name.startswith("lockdep")
    left_out = [line for line in splat.lines if dots and isinstance(line.data, Detail) and line.data.name == "elided"]
    if left_out:
        span = left_out[0].record.span | left_out[-1].record.span
        damage.append(Damage(DamageKind.LOST_MESSAGES, span, "dots stand where lines of the report were left out"))
    page = report.page
    if page is not None and None not in (page.pfn, report.pfn) and page.pfn != report.pfn:
        reason = f"the page line says pfn {page.pfn:#x}, the title says {report.pfn:#x}"
        damage.append(Damage(DamageKind.CONTRADICTION, page.page_line or page.span, reason))
    merged: dict[tuple[DamageKind, str], Span] = {}
    for line in splat.lines:
        for found in line.record.damage:
            key = (found.kind, found.reason)
            merged[key] = merged[key] | found.span if key in merged else found.span
    return (*damage, *(Damage(kind, span, reason) for (kind, reason), span in merged.items()))


def open_stacks(splat: Splat, trace: CallTrace | None) -> tuple[str, ...]:
    """The stack markers that something should have closed.

    Args:
        splat: the lines of the report.
        trace: its call trace. On i386 the kernels that print addresses (to 4.9) never print `<EOI>`.
    """
    addresses = () if trace is None else [frame.address for frame in trace.frames if frame.address]
    return () if addresses and max(addresses) < 1 << 32 else splat.open_stacks


def _are(n: int) -> str:
    return "are" if n > 1 else "is"
