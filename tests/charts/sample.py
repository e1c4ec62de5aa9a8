"""Reports made by hand for the tests of the pictures, so that these need neither a parser nor a file."""

from __future__ import annotations

from kvmlab.kernel.release import KernelRelease
from kvmlab.report.records import CallTrace, CpuLine, Frame, Kind, PageDump, PrintedFlags, Report
from kvmlab.text.span import Span

HOSTILE = "<script>alert(1)</script>"
RELEASE = "6.9.12-ajb-00008-gfcd4b7efbad0"


def span(line: int) -> Span:
    """The span of one line, ten bytes long."""
    return Span(line * 10, line * 10 + 9, line, line)


def frame(
    function: str, line: int, *, module: str | None = None, reliable: bool = True, offset: int | None = 0x60
) -> Frame:
    """A call trace entry."""
    size = None if offset is None else 0x80
    return Frame(function, offset, size, module, reliable, "TASK", span(line), "252080.141688")


def report(
    *frames: Frame,
    pfn: int | None = 0xFB1665,
    zone: int | None = 2,
    flags: int = 0x17FFFFC00A000C,
    index: int = 0,
    timestamp: str = "252080.141632",
) -> Report:
    """A bad page report like the reported one, with the given stack."""
    fields = {"node": 0, "zone": zone} if zone is not None else {}
    printed = PrintedFlags(flags, ("referenced", "uptodate"), fields, 0, None, False, span(62))
    page = PageDump(
        "6.9", None, 0, 1, 0, 0x7FA8117C3, pfn, span(61), None, None, None, printed, None, None, None,
        "nonzero mapcount", span(66), None, Span(600, 669, 60, 66),
    )  # fmt: skip
    cpu = CpuLine(
        8, None, 1819169, HOSTILE, False, True, "G B W", KernelRelease.parse(RELEASE), "#17", None, None, None, None,
        span(86),
    )  # fmt: skip
    trace = CallTrace(span(88), frames) if frames else None
    return Report(
        index, Kind.BAD_PAGE, "BUG: Bad page state", Span(600, 1379, 60, 137), timestamp, timestamp,
        title_span=span(60), process=HOSTILE, pfn=pfn, page=page, cpu_line=cpu, call_trace=trace,
    )  # fmt: skip
