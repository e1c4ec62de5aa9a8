"""What mails and their archives do to a report: lines twice, blanks that became letters, rulers at its ends."""

from __future__ import annotations

import pytest

from kvmlab.report.log import read_log
from kvmlab.report.records import Kind
from kvmlab.report.scan import scan_log
from tests.report.single import functions, one

WRAPPED = """\
Under load this came up.
-------------------------------- start --------------------------------
[ 2170.100001] BUG: Bad page state in process qemu-kvm  pfn:0a1b2
[ 2170.100002] page:ffff7fe0000286c8 count:-1871 mapcount:-1026053375
mapping:          (null) index:0x0
[ 2170.100003] flags: 0x1fffc00000000000()
[ 2170.100004] raw: 1fffc00000000000 0000000000000000 0000000000000000
ffffa1f981470000
[ 2170.100005] raw: dead000000000100 dead000000000200 ffff80c0c001c000
0000000000000000
{again}[ 2170.100006] page dumped because: nonzero _refcount
[ 2170.100007] CPU: 9 PID: 8323 Comm: qemu-kvm Tainted: G W
4.14.9-7.lab.aarch64 #1
[ 2170.100008] Call trace:
[ 2170.100009] [<ffff000008088f00>] dump_backtrace+0x0/0x22c
[ 2170.100010] [<ffff00000820ab50>] bad_page+0xf4/0x154
[ 2170.100011] [<ffff000008216dc4>] __alloc_pages_nodemask+0x3e4/0xffc
-------------------------------- finish --------------------------------
"""
AGAIN = "".join(WRAPPED.splitlines(keepends=True)[3:10])


@pytest.mark.parametrize("again", ["", AGAIN])
def test_a_page_dump_between_rulers_of_which_lines_stand_twice(again: str) -> None:
    report = one(WRAPPED.format(again=again))
    assert report.page is not None
    assert report.page.raw is not None
    assert report.page.raw.words[3:5] == (0xFFFFA1F981470000, 0xDEAD000000000100)
    assert len(report.page.raw.words) == 8
    assert report.page.reason == "nonzero _refcount"
    assert functions(report) == ["dump_backtrace", "bad_page", "__alloc_pages_nodemask"]


def test_equal_rows_of_a_poisoned_page_are_all_its_own() -> None:
    row = "[    2.004000] raw: ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff\n"
    text = (
        "[    2.004000] page:ffffea0000a8c000 is uninitialized and poisoned\n" + row + row
        + "[    2.004000] page dumped because: VM_BUG_ON_PAGE(PagePoisoned(p))\n"
    )  # fmt: skip
    page = one(text).page
    assert page is not None
    assert page.raw is not None
    assert page.raw.words == (0xFFFFFFFFFFFFFFFF,) * 8


@pytest.mark.parametrize("blank", ["A ", "\u00c2 ", "\u00c2\u00a0", "? "])
def test_no_break_blanks_that_an_archive_spelled_out(blank: str) -> None:
    text = (
        "Mar  4 19:22:28 lab kernel: BUG: Bad page map in process httpd  pte:d900000000 pmd:1535b5067\n"
        "Mar  4 19:22:28 lab kernel: Pid: 7512, comm: httpd Not tainted 2.6.32.10 #2\n"
        "Mar  4 19:22:28 lab kernel: Call Trace:\n"
        f"Mar  4 19:22:28 lab kernel: {blank}<IRQ> {blank}[<ffffffff81044551>] ? add_taint+0x32/0x3e\n"
        f"Mar  4 19:22:28 lab kernel: {blank}[<ffffffff810c2ea3>] print_bad_pte+0x210/0x229\n"
        "Mar  4 19:22:29 lab kernel: eth0: link up\n"
    )
    log = read_log(text.encode())
    (report,) = log.reports
    assert report.kind is Kind.BAD_PAGE_MAP
    assert report.call_trace is not None
    assert [(f.function, f.reliable, f.context) for f in report.call_trace.frames] == [
        ("add_taint", False, "IRQ"),
        ("print_bad_pte", True, "IRQ"),
    ]
    assert [record.text for record in log.unparsed] == ["eth0: link up"]
    assert len(scan_log(text.encode()).df_reports()) == 1


def test_entries_that_klogd_wrote_twice_count_once() -> None:
    text = (
        "Jul  2 01:52:35 lab kernel: kernel BUG at mm/page_alloc.c:796!\n"
        "Jul  2 01:52:35 lab kernel: invalid operand: 0000 [#1]\n"
        "Jul  2 01:52:35 lab kernel: Call Trace:\n"
        "Jul  2 01:52:35 lab kernel:  [free_pages+31/45] free_pages+0x1f/0x2d\n"
        "Jul  2 01:52:35 lab kernel:  [<c013c93f>] free_pages+0x1f/0x2d\n"
        "Jul  2 01:52:35 lab kernel:  [walk+16/80] walk+0x10/0x50\n"
        "Jul  2 01:52:35 lab kernel:  [<c0108a66>] walk+0x10/0x50\n"
        "Jul  2 01:52:35 lab kernel:  [<c0108a66>] walk+0x10/0x50\n"
    )
    report = one(text)
    assert functions(report) == ["free_pages", "walk", "walk"]
