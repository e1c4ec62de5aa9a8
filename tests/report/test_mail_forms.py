"""What mails and their archives do to a report: lines twice, blanks that became letters, rulers at its ends."""

from __future__ import annotations

import pytest

from kvmlab.report.log import read_log
from kvmlab.report.records import Kind
from kvmlab.report.scan import scan_log
from tests.report.equal import check
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


KLOGD = """\
Sep  5 15:04:27 lab kernel: [  556.216711] ------------[ cut here ]------------
Sep  5 15:04:27 lab kernel: [  556.216713] kernel BUG at /build/linux-2.6.24/mm/rmap.c:631!
Sep  5 15:04:27 lab kernel: [  556.216715] invalid opcode: 0000 [1] SMP
Sep  5 15:04:27 lab kernel: [  556.216718] CPU 1
Sep  5 15:04:27 lab kernel: [  556.216728] Pid: 42, comm: kwin Not tainted 2.6.24-19-generic #1
Sep  5 15:04:27 lab kernel: [  556.216730] RIP: 0010:[drop_map+0xf9/0x130]  [drop_map+0xf9/0x130] drop_map+0xf9/0x130
Sep  5 15:04:27 lab kernel: [  556.216738] RSP: 0018:ffff81012c8f7c78  EFLAGS: 00010246
Sep  5 15:04:27 lab kernel: [  556.216770] Call Trace:
Sep  5 15:04:27 lab kernel: [  556.216774]  [unmap_all+0x6c0/0x940] unmap_all+0x6c0/0x940
Sep  5 15:04:27 lab kernel: [  556.216780]  [<ffffffff80253ba0>] wake_up+0x0/0x30
Sep  5 15:04:27 lab kernel: [  556.216785]  [evdev:ev_read+0x19f/0x247] :evdev:ev_read+0x19f/0x247
Sep  5 15:04:27 lab kernel: [  556.216796] Code: 0f 0b eb fe
Sep  5 15:04:27 lab kernel: [  556.216799] RIP  [drop_map+0xf9/0x130] drop_map+0xf9/0x130
"""


def test_places_that_klogd_wrote_in_hex() -> None:
    report = one(KLOGD)
    assert functions(report) == ["unmap_all", "wake_up", "ev_read"]
    assert report.call_trace is not None
    assert report.call_trace.frames[2].module == "evdev"
    assert report.registers is not None
    assert report.registers.symbols["RIP"] == "drop_map+0xf9/0x130"
    assert len(report.records) == len(KLOGD.splitlines())
    assert not report.damage


@pytest.mark.parametrize(
    "line", ["Oops: 0002 [1] SMP", "general protection fault: 0000 [1] SMP", "invalid opcode: 0000 [2] PREEMPT SMP"]
)
def test_deaths_of_x86_64_before_2_6_25_have_no_number_sign(line: str) -> None:
    report = one(f"[  100.000001] {line}\n[  100.000002] Call Trace:\n[  100.000003]  [<ffffffff80253ba0>] f+0x1/0x2\n")
    assert (report.kind, report.title) == (Kind.OOPS, line)


@pytest.mark.parametrize("line", ["Oops, see [1] for what I meant", "Oops: that was [2], sorry", "int3: read [1]"])
def test_references_in_prose_are_no_deaths(line: str) -> None:
    assert read_log(f"[  100.000001] eth0: up\n\n{line}\n[1] https://example.org\n".encode()).reports == ()


def test_a_broadcast_without_a_time() -> None:
    text = (
        "All terminals show this:\n\n"
        "Message from syslogd@lab at Jan  5 11:11:11 ...\n"
        " kernel:NMI watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [kl:12]\n\n"
        "Message from syslogd@lab at Jan  5 11:11:39 ...\n"
        " kernel:watchdog: BUG: soft lockup - CPU#3 stuck for 23s! [kl:12]\n"
    )
    log = read_log(text.encode())
    assert [(r.kind, r.fields["seconds"]) for r in log.reports] == [(Kind.SOFT_LOCKUP, 22), (Kind.SOFT_LOCKUP, 23)]
    assert len(scan_log(text.encode()).df_reports()) == 2


def test_an_old_entry_of_a_page_table_that_a_mailer_wrapped() -> None:
    text = (
        "> Bad pte = 0135c79f, process = linuxrc, vm_flags = 100073, vaddr =\n> 2aaae000\n"
        "> Call Trace:\n> [<80048d70>] dump_stack+0x8/0x34\n> [<8009ebb0>] vm_normal_page+0x68/0x90\n"
    )
    report = one(text)
    assert (report.kind, report.fields["vaddr"]) == (Kind.BAD_PAGE_MAP, "2aaae000")


def test_where_an_object_was_allocated_is_a_trace_of_its_own() -> None:
    report = one(
        "[  119.900001] BUG kmalloc-512 (Not tainted): Redzone overwritten\n"
        "[  119.900002] INFO: Allocated in dev_alloc+0x34/0x78 age=11951 cpu=0 pid=1\n"
        "[  119.900003] \t__kmalloc+0x240/0x274\n"
        "[  119.900004] \tdev_alloc+0x34/0x78\n"
        "[  119.900005] CPU: 0 PID: 5 Comm: kl Tainted: G    B           4.9.28 #9\n"
        "[  119.900006] [<8010fa48>] (unwind_it) from [<8010c058>] (show_it+0x20/0x24)\n"
    )
    assert functions(report) == ["unwind_it", "show_it"]
    assert [[f.function for f in trace.frames] for trace in report.traces] == [["__kmalloc", "dev_alloc"]]


def test_a_word_that_was_cut_in_two() -> None:
    text = (
        "[    1.738965] BUG: Bad page state in process kl  pfn:103003\n"
        "[    1.740459] page:00000000c3b5c591 refcount:0 mapcount:0 mapping:0000000 000000000 index:0x3 pfn:0x103003\n"
        "[    1.740468] flags: 0x2fffc000010000(head|node=0|zone=2|lastcpupid=0x3fff)\n"
        "[    1.740473] raw: 002fffc000000000 fffff139840c0001 fffff139840c00c8 00a 00000000000b0\n"
        "[    1.740475] raw: 0000000000000000 0000000000000000 00000000ffffffff 000 0000000000000\n"
        "[    1.740480] page dumped because: corrupted mapping in tail page\n"
    )
    page = one(text).page
    assert page is not None
    assert page.raw is not None
    assert (len(page.raw.words), page.raw.words[3]) == (8, 0x00A00000000000B0)
    check(text.encode(), "python")


WRAPPED_BETWEEN_TESTS = """\
fizz seen while running the fizz tests, see below for what the board said then and
what it did after that, which was not much.

<1>[  203.100001] Unable to handle kernel unknown 43 at virtual
address 0001ffff9e2e7d70
<1>[  203.100002] Mem abort info:
<1>[  203.100003]   ESR = 0x000000009793002b
<1>[  203.100004]   EC = 0x25: DABT (current EL), IL = 32 bits
fizz_map01    1  TPASS  :  fizz_map: retval = -1
fizz_map02.c:52: TINFO: what is written into the middle of it
<1>[  203.100005] Data abort info:
<1>[  203.100006]   Access size = 4 byte(s)
<1>[  203.100007]   SSE = 0, SRT = 19
<1>[  203.100008]   SF = 0, AR = 0
<0>[  203.100009] Internal error: Oops: 000000009793002b [#1] PREEMPT SMP
<4>[  203.100010] Modules linked in: btrfs blake2b_generic libcrc32c
xor xor_neon raid6_pq zstd_compress crct10dif_ce sm3_ce sm3 sha3_ce
<4>[  203.100011] CPU: 1 PID: 653 Comm: fizz_map01 Not tainted
6.6.0-rc7-next-20231026 #1
<4>[  203.100012] pstate: 83400009 (Nzcv daif +PAN -UAO +TCO +DIT
-SSBS BTYPE=--)
<4>[  203.100013] pc : fizz_map_with_a_long_name (mm/fizz.c:61
(discriminator 6))
<4>[  203.100014] lr : fizz_map_with_a_long_name
(arch/arm64/include/asm/fizz.h:46 (discriminator 1)
mm/fizz.c:61 (discriminator 1))
<4>[  203.100015] Call trace:
<4>[  203.100016] fizz_map (mm/fizz.c:61 (discriminator 6))
<0>[  203.100017] Code: d2800013 d2800014 9248f842 d503201f (b8400842)
All code
========
   0:\t13 00                \tadc    (%rax),%eax

Code starting with the faulting instruction
===========================================
   0:\t42 08                \trex.X or %al,(%rdx)
<4>[  203.100018] ---[ end trace 0000000000000000 ]---
"""


def test_a_wrapped_report_with_lines_of_tests_and_of_a_decoder() -> None:
    report = one(WRAPPED_BETWEEN_TESTS)
    assert (report.rule, report.fields["what"]) == ("unable_to_handle", "unknown 43")
    assert report.registers is not None
    assert report.registers.symbols["lr"].endswith("(discriminator 1) mm/fizz.c:61 (discriminator 1))")
    assert report.code == "d2800013 d2800014 9248f842 d503201f (b8400842)"
    rows = [record.text.strip() for record in read_log(WRAPPED_BETWEEN_TESTS.encode()).text.records]
    for row in (
        "EC = 0x25: DABT (current EL), IL = 32 bits",
        "All code",
        "Code starting with the faulting instruction",
    ):
        assert row in rows
    assert [record.text for record in read_log(WRAPPED_BETWEEN_TESTS.encode()).unparsed] == []


def test_a_fault_of_arm64_without_a_name() -> None:
    rows = [
        "Unhandled fault at 0xffffffc000010000",
        "Mem abort info:",
        "  ESR = 0x96000010",
        "Call trace:",
        " a+0x1/0x2",
    ]
    report = one("".join(f"[   21.{n:06}] {row}\n" for n, row in enumerate(rows)))
    assert (report.rule, report.fields["address"], len(report.records)) == (
        "unhandled_fault", "0xffffffc000010000", len(rows)
    )  # fmt: skip


def test_a_reason_and_a_list_of_modules_on_one_line() -> None:
    rows = [
        "BUG: Bad page state in process kl  pfn:2ffc53",
        "page:fffffc000ecf14c0 refcount:0 mapcount:1 mapping:0000000000000000 index:0x0", "flags: 0x0()",
        "page dumped because: nonzero mapcount  Modules linked in: fizz buzz",
        "CPU: 0 PID: 0 Comm: kl Not tainted 5.7.0 #26", "Call Trace:", " bad_page+0x168/0x1b0",
    ]  # fmt: skip
    report = one("".join(f"[   21.{n:06}] {row}\n" for n, row in enumerate(rows)))
    assert report.page is not None
    assert report.page.reason == "nonzero mapcount"
    assert report.modules is not None
    assert report.modules.names == ("fizz", "buzz")
    check("".join(f"[   21.{n:06}] {row}\n" for n, row in enumerate(rows)).encode(), "python")


def test_a_name_of_a_module_that_a_terminal_cut_before_its_line() -> None:
    names = [
        "Modules linked in: fizz_bm nf_log_ipv4 xt_string nf_log_ipv6 nf_log_common xt_LOG sunrpc vfat brcmutil dell",
        "_wmi x86_pkg_temp_thermal crct10dif_pclmul dell_laptop crc32_pclmul crc32c_intel dell_smbios dell_hwmon bcma",
        "mei_wdt dell_smo8800 dell_rbtn sch_fq tcp_bbr",
    ]
    rows = [
        "[  315.100001] BUG: Bad page state in process kl  pfn:2ffc53",
        "[  315.100002] page:fffffc000ecf14c0 count:-1 mapcount:0 mapping:          (null) index:0x1",
        "[  315.100003] page dumped because: nonzero _count", f"[  315.100004] {names[0]}", *names[1:],
        "[  315.100005] CPU: 3 PID: 6684 Comm: kl Not tainted 4.12.0 #506", "[  315.100006] Call Trace:",
        "[  315.100007]  bad_page+0x10c/0x1b0",
    ]  # fmt: skip
    (report,) = read_log("".join(f">> {row}\n" for row in rows).encode()).reports
    assert report.modules is not None
    assert report.modules.names[9:11] == ("dell_wmi", "x86_pkg_temp_thermal")
    assert report.modules.names[-6:-4] == ("bcma", "mei_wdt")


_SHOWN = [
    "BUG: Bad page state in process fizz  pfn:1a2b3c",
    "page:ffffea00068acf00 refcount:-1 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x1a2b3c",
    "flags: 0x17ffffc0000000(node=0|zone=2|lastcpupid=0x1fffff)",
    "raw: 0017ffffc0000000 dead000000000100 dead000000000122 0000000000000000",
    "page dumped because: nonzero _refcount",
    "Modules linked in: fizz buzz",
    "CPU: 3 PID: 911 Comm: fizz Tainted: G    B             6.1.0-9-amd64 #1",
    "Hardware name: FIZZ Buzz 900, BIOS 1.2 01/02/2023",
    "Call Trace:",
    " bad_page.cold+0x63/0x94 [fizz]",
]


@pytest.mark.parametrize("at", range(len(_SHOWN)))
@pytest.mark.parametrize("time", ["", "[   12.000001] "])
def test_the_mark_of_a_copy_mode_hides_no_line(at: int, time: str) -> None:
    rows = [time + row for row in _SHOWN]
    plain = read_log("\n".join([*rows, ""]).encode())
    rows[at] = f"{rows[at]:<100} [215/9091]"
    text = "\n".join([*rows, ""]).encode()
    shown = read_log(text)
    assert [record.text for record in shown.text.records] == [record.text for record in plain.text.records]
    assert shown.reports[0].page is not None
    assert shown.reports[0].page.reason == "nonzero _refcount"
    for engine in ("python", "numba"):
        check(text * 2, engine)


def test_what_only_looks_like_a_copy_mode_stays() -> None:
    texts = ["md0: 123 blocks [2/2]", "fizz: page [30/20]"]
    log = read_log("".join(f"[    1.000000] {text}\n" for text in texts).encode())
    assert [record.text for record in log.text.records] == texts
