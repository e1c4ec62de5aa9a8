"""Messages about pages and vectors that stand before a BUG or an oops, or alone: what they say is of a report."""

from __future__ import annotations

import pytest

from kvmlab.report.log import read_log
from kvmlab.report.records import Kind, Report
from kvmlab.text.span import DamageKind
from tests.report.equal import check

TIMES = pytest.mark.parametrize("timed", [False, True])


def reports(text: str, timed: bool) -> tuple[Report, ...]:
    """The reports of a text, which both ways must read alike, alone and one after the other."""
    rows = [f"[   12.{n:06}] {row}" if timed else row for n, row in enumerate(text.splitlines())]
    data = "\n".join([*rows, ""]).encode()
    for engine in ("python", "numba"):
        check(data, engine)
        check(data * 3, engine, 900)
    return read_log(data).reports


BAD_MODE = """\
Bad mode in Error handler detected, code 0xbf000000 -- SError
CPU: 2 PID: 77 Comm: fizz Not tainted 4.4.0 #5
Hardware name: Fizz64 (DT)
task: ffffffc0304e7300 ti: ffffffc0304ec000 task.ti: ffffffc0304ec000
PC is at fizz_poll+0x10/0x40
LR is at sched_clock+0x50/0xd8
pc : [<ffffffc000200000>] lr : [<ffffffc000158788>] pstate: 200001c5
sp : ffffffc0304ef9b0
x29: ffffffc0304ef9b0 x28: 0000000000000002
x27: 0000000000000007 x26: ffffffc000d76988
x1 : dfffff9000000000 x0 : 0000000000200000
Internal error: Oops - bad mode: 0 [#1] PREEMPT SMP
Modules linked in: fizz
CPU: 2 PID: 77 Comm: fizz Not tainted 4.4.0 #5
Hardware name: Fizz64 (DT)
task: ffffffc0304e7300 ti: ffffffc0304ec000 task.ti: ffffffc0304ec000
PC is at fizz_poll+0x10/0x40
LR is at sched_clock+0x50/0xd8
pc : [<ffffffc000200000>] lr : [<ffffffc000158788>] pstate: 200001c5
sp : ffffffc0304ef9b0
x29: ffffffc0304ef9b0 x28: 0000000000000002
x1 : dfffff9000000000 x0 : 0000000000200000
Process fizz (pid: 77, stack limit = 0xffffffc0304ec020)
Call trace:
[<ffffffc000200000>] fizz_poll+0x10/0x40
[<ffffffc000085db0>] ret_from_fork+0x10/0x40
Code: d503201f d503201f 00000000 (00000000)
---[ end trace 92750d3eb1480a4a ]---
"""
BAD_MODE_ARM = """\
Bad mode in prefetch abort handler detected
Internal error: Oops - bad mode: 0 [#4] PREEMPT ARM
Modules linked in: fizz
CPU: 0 PID: 1 Comm: fizz Tainted: G      D W    3.13.5-1 #1
task: de848000 ti: de83a000 task.ti: de83a000
PC is at 0x3edc
LR is at 0xb6e4513c
pc : [<00003edc>]    lr : [<b6e4513c>]    psr: 600001d1
sp : de83bfb0  ip : 00000000  fp : beae2a0c
r10: 000938a4  r9 : 0091e848  r8 : 00000957
r3 : ffffffff  r2 : 00000001  r1 : beae2938  r0 : 00000001
Flags: nZCv  IRQs off  FIQs off  Mode FIQ_32  ISA ARM  Segment user
Process fizz (pid: 1, stack limit = 0xde83a1b8)
Code: bad PC value
---[ end trace 92750d3eb1480a4a ]---
"""
BAD_MODE_PANIC = """\
Bad mode in Error handler detected on CPU2, code 0xbf000000 -- SError
CPU: 2 PID: 77 Comm: fizz Not tainted 4.19.0 #5
Hardware name: Fizz64 (DT)
pstate: 80000085 (Nzcv daIf -PAN -UAO)
pc : fizz_poll+0x10/0x40
lr : sched_clock+0x50/0xd8
sp : ffffffc0304ef9b0
x29: ffffffc0304ef9b0 x28: 0000000000000002
x1 : dfffff9000000000 x0 : 0000000000200000
Kernel panic - not syncing: bad mode
CPU: 2 PID: 77 Comm: fizz Not tainted 4.19.0 #5
Call trace:
 dump_backtrace+0x0/0x160
 panic+0x124/0x2e0
 el1_error_invalid+0x5c/0x68
---[ end Kernel panic - not syncing: bad mode ]---
"""


@TIMES
@pytest.mark.parametrize(("text", "more"), [(BAD_MODE, 1), (BAD_MODE_ARM, 0), (BAD_MODE_PANIC, 0)])
def test_a_bad_mode_and_the_death_of_it_are_one_oops(text: str, more: int, timed: bool) -> None:
    (report,) = reports(text, timed)
    assert (report.kind, report.rule) == (Kind.OOPS, "bad_mode")
    assert report.span.last_line == len(text.splitlines())
    assert report.missing == ()
    assert report.registers is not None
    assert len(report.more_registers) == more


NEGATIVE = """\
Eeek! page_mapcount(page) went negative! (-1)
  page pfn = ce9e
  page->flags = 400
  page->count = 1
  page->mapping = 00000000
  vma->vm_ops = fizz_vm_ops+0x0/0x18
  vma->vm_ops->nopage = 0x0
  vma->vm_file->f_op->mmap = fizzfs_file_mmap+0x0/0x47
------------[ cut here ]------------
kernel BUG at mm/rmap.c:648!
invalid opcode: 0000 [#1]
PREEMPT
Modules linked in: fizz buzz
CPU:    0
EIP:    0060:[<c0155555>]    Not tainted VLI
EFLAGS: 00210246   (2.6.21 #1)
EIP is at page_remove_rmap+0xd4/0x101
eax: 00000000   ebx: c1000000   ecx: c0116ea8   edx: 00000000
esi: dfea6000   edi: c1000000   ebp: 00000020   esp: e3a1fe38
ds: 007b   es: 007b   fs: 00d8  gs: 0000  ss: 0068
Process fizz (pid: 4077, ti=e3a1e000 task=e3d2a030 task.ti=e3a1e000)
Stack: c0311111 c0322222 00000000 c1000000 c0133333 e3e6f1d0 00000000 b7d00000
Call Trace:
 [<c0133333>] unmap_vmas+0x22e/0x3fb
 [<c0151e9c>] exit_mmap+0x6d/0xf1
Code: 8b 43 10
EIP: [<c0155555>] page_remove_rmap+0xd4/0x101 SS:ESP 0068:e3a1fe38
"""


@TIMES
def test_a_mapcount_that_went_negative(timed: bool) -> None:
    (report,) = reports(NEGATIVE, timed)
    assert (report.kind, report.pfn, report.fields["mapcount"]) == (Kind.BUG, 0xCE9E, -1)
    assert report.page is not None
    assert (report.page.refcount, report.page.mapping) == (1, 0)
    assert report.page.flags is not None
    assert report.page.flags.value == 0x400
    assert report.call_trace is not None
    assert [frame.function for frame in report.call_trace.frames] == ["unmap_vmas", "exit_mmap"]
    alone = NEGATIVE.partition("-----")[0] + "fizz: link up\n"
    (report,) = reports(alone, timed)
    assert (report.kind, report.pfn, report.span.last_line) == (Kind.OTHER, 0xCE9E, 8)


ENTRIES = """\
mm/pgtable-generic.c:51: bad pmd e7d8e333(8000000433c000c5)
BUG: Bad rss-counter state mm:84638533 type:MM_ANONPAGES val:512
../mm/pgtable-generic.c:33: bad pmd ffff8880a1b2c008(0000000200400fe2)
------------[ cut here ]------------
kernel BUG at ../mm/pgtable-generic.c:35!
invalid opcode: 0000 [#1] SMP
CPU: 1 PID: 77 Comm: fizz Not tainted 4.4.0 #5
Call Trace:
 [<ffffffff81100000>] fizz_range+0x7dd/0x930
arch/arm/mm/fault.c:12: bad pgd 0400051c.
/build/fizz/mm/memory.c:97: bad pud ffff810000000000(8000000000000063).
mm/memory.c:97: bad luck
"""


@TIMES
def test_bad_entries_of_page_tables(timed: bool) -> None:
    found = reports(ENTRIES, timed)
    assert [report.kind.value for report in found] == [
        "other", "bad_rss_counter", "other", "bug", "other", "other",
    ]  # fmt: skip
    said = [
        tuple(report.fields.get(key) for key in ("file", "line", "level", "address", "entry"))
        for report in found
        if report.kind is Kind.OTHER
    ]
    assert said == [
        ("mm/pgtable-generic.c", 51, "pmd", "e7d8e333", "8000000433c000c5"),
        ("../mm/pgtable-generic.c", 33, "pmd", "ffff8880a1b2c008", "0000000200400fe2"),
        ("arch/arm/mm/fault.c", 12, "pgd", None, "0400051c"),
        ("/build/fizz/mm/memory.c", 97, "pud", "ffff810000000000", "8000000000000063"),
    ]


HEADLESS = """\
page:c0de8000 refcount:0 mapcount:0 mapping:00000000 index:0x0 pfn:0x2000
flags: 0x0()
raw: 00000000 00000100 00000122 00000000 00000000 00000000 ffffffff 00000000
page dumped because: VM_BUG_ON_PAGE(page_ref_count(page) == 0)
------------[ cut here ]------------
kernel BUG at include/linux/mm.h:770!
Internal error: Oops - BUG: 0 [#1] SMP ARM
CPU: 0 PID: 1 Comm: fizz Not tainted 5.9.0 #1
PC is at fizz_put+0x10/0x20
pc : [<c0100000>]    lr : [<c0100000>]    psr: 60000013
Process fizz (pid: 1, stack limit = 0x(ptrval))
[<c0100000>] (fizz_put) from [<c0200000>] (fizz_free+0x20/0x30)
---[ end trace 0000000000000000 ]---
"""


@TIMES
@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_a_page_dump_without_its_first_lines_is_of_the_bug_behind_it(lost: int, timed: bool) -> None:
    rows = HEADLESS.splitlines(keepends=True)[lost:]
    (report,) = reports("".join(rows), timed)
    assert (report.kind, report.span.last_line) == (Kind.BUG, len(rows))
    assert report.page is not None
    assert report.page.reason == "VM_BUG_ON_PAGE(page_ref_count(page) == 0)"
    cut = [damage.kind for damage in report.damage]
    assert cut == ([DamageKind.TRUNCATED_HEAD] if lost else [])
