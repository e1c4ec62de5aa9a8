"""The tail of page_owner, wrapped by a mailer or by hand: the same fields come out wherever a line was broken."""

from __future__ import annotations

import re
import textwrap

import pytest

from kvmlab.report.log import read_log
from kvmlab.report.records import PageOwner, Report
from tests.report.equal import check

ABOVE = [
    "BUG: Bad page state in process fizz  pfn:1a2b3c",
    "page:ffffea00068acf00 refcount:-1 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x1a2b3c",
    "flags: 0x17ffffc0000000(node=0|zone=2|lastcpupid=0x1fffff)",
    "raw: 0017ffffc0000000 dead000000000100 dead000000000122 0000000000000000",
    "page dumped because: nonzero _refcount",
]
TRACKS = "page_owner tracks the page as allocated"
ALLOCATED = (
    "page last allocated via order 0, migratetype Movable, gfp_mask 0x1100cca(GFP_HIGHUSER_MOVABLE|__GFP_ACCOUNT), "
    "pid 5083, tgid 5083 (fizz), ts 54871263000, free_ts 54871200000"
)
FREED = "page last free pid 5080 tgid 5080 stack trace:"
BELOW = [
    "Modules linked in: fizz buzz",
    "CPU: 3 PID: 911 Comm: fizz Tainted: G    B             6.1.0-9-amd64 #1",
    "Call Trace:",
    " bad_page.cold+0x63/0x94",
]
MAIL = "From: a@fizz.example\nSubject: x\nMessage-ID: <x@y>\n\nHello\n\n%s\n-- \nF\n"
FORMS = pytest.mark.parametrize("form", ["%s", MAIL])
TIMES = pytest.mark.parametrize("timed", [False, True])


def report(tail: list[list[str]], form: str, timed: bool) -> Report:
    """The report with a tail of lines in pieces; both ways must read it alike."""
    lines = [*([row] for row in ABOVE), *tail, *([row] for row in BELOW)]
    rows = []
    for n, pieces in enumerate(lines):
        rows += [f"[   12.{n:06}] {pieces[0]}" if timed else pieces[0], *pieces[1:]]
    text = (form % "\n".join([*rows, ""])).encode()
    check(text, "python")
    (found,) = read_log(text).reports
    return found


def said(owner: PageOwner | None) -> list[object]:
    """What a tail says, places left out."""
    assert owner is not None
    names = ("tracked_as", "order", "migratetype", "gfp_mask", "gfp_names", "pid", "tgid", "comm", "ts", "free_ts")
    stacks = [[frame.function for frame in stack] for stack in (owner.allocation_stack, owner.free_stack)]
    return [*(getattr(owner, name) for name in names), owner.free_pid, owner.free_tgid, *stacks]


def tail(lines: list[list[str]]) -> list[list[str]]:
    return [lines[0], lines[1], [" fizz_alloc+0x2d0/0x350"], lines[2], [" fizz_free+0x20/0x110"]]


@FORMS
@TIMES
def test_a_tail_that_was_broken_once(form: str, timed: bool) -> None:
    lines = (TRACKS, ALLOCATED, FREED)
    whole = report(tail([[line] for line in lines]), form, timed)
    assert whole.page is not None
    for n, line in enumerate(lines):
        for seam in re.finditer(r" |\|", line):
            pieces = [line[: seam.end()].rstrip(), line[seam.end() :]]
            broken = report(tail([pieces if k == n else [other] for k, other in enumerate(lines)]), form, timed)
            assert broken.page is not None
            assert said(broken.page.page_owner) == said(whole.page.page_owner), pieces
            assert broken.call_trace is not None
            assert [frame.function for frame in broken.call_trace.frames] == ["bad_page.cold"]


@FORMS
@TIMES
@pytest.mark.parametrize("width", [40, 50, 60, 66, 72, 76, 80, 100])
def test_a_tail_of_any_width(form: str, timed: bool, width: int) -> None:
    lines = [textwrap.wrap(line, width, break_long_words=False) for line in (TRACKS, ALLOCATED, FREED)]
    found = report(tail(lines), form, timed)
    whole = report(tail([[TRACKS], [ALLOCATED], [FREED]]), form, timed)
    assert found.page is not None
    assert whole.page is not None
    assert said(found.page.page_owner) == said(whole.page.page_owner)
