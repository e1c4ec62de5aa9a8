"""Where reports begin and end: titles that belong together, cut reports, other CPUs in between, copies."""

from __future__ import annotations

from kvmlab.report.log import read_log
from kvmlab.report.records import Kind, Report
from kvmlab.report.scan import scan_log
from tests.report.logs import records, reports

BAD = """
BUG: Bad page state in process kl  pfn:02d3a
page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x7f0f4a5e5 pfn:0x2d3a
flags: 0xfffffc0020808(uptodate|owner_2|swapbacked|node=0|zone=1|lastcpupid=0x1fffff)
raw: 000fffffc0020808 dead000000000100 dead000000000122 0000000000000000
raw: 00000007f0f4a5e5 0000000000000000 0000000000000000 0000000000000000
page dumped because: nonzero mapcount
Modules linked in: klab(OE) kvm_amd ccp kvm irqbypass klttm(OE) ttm drm virtio_blk [last unloaded: klab(OE)]
CPU: 1 UID: 0 PID: 422 Comm: kl Tainted: G    B   W  OE      6.12.117+deb12-amd64 #1  Debian 6.12.117-1~deb12u1
Tainted: [B]=BAD_PAGE, [W]=WARN, [O]=OOT_MODULE, [E]=UNSIGNED_MODULE
Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
Call Trace:
 <TASK>
 dump_stack_lvl+0x64/0x80
 bad_page+0x70/0x110
 free_unref_folios+0x4fa/0x7e0
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
RIP: 0033:0x43cf7b
Code: 00 48 89 44 24 18 31 c0 <89> c2 3d 00
RSP: 002b:00007fffa2e19c20 EFLAGS: 00000246 ORIG_RAX: 0000000000000010
RAX: ffffffffffffffda RBX: 00007fffa2e19d20 RCX: 000000000043cf7b
 </TASK>
""".strip("\n").split("\n")


def kinds(found: list[Report]) -> list[str]:
    return [report.kind.value for report in found]


def test_a_whole_report() -> None:
    (report,) = reports(BAD)
    assert report.complete
    assert report.missing == ()
    assert report.damage == ()
    assert report.cpu_line is not None
    assert (report.cpu_line.uid, report.cpu_line.package_id) == (0, "Debian 6.12.117-1~deb12u1")
    assert report.taint_verbose == BAD[8]
    assert report.registers is not None
    assert (report.registers.mode, report.registers.values["ORIG_RAX"]) == ("user", 16)
    assert report.code == "00 48 89 44 24 18 31 c0 <89> c2 3d 00"
    assert report.modules is not None
    assert report.modules.last_unloaded == "klab"
    assert [m.name for m in report.modules.modules if m.flags] == ["klab", "klttm"]


def test_cut_at_every_line_the_head_is_a_fragment_or_nothing() -> None:
    for cut in range(1, len(BAD)):
        found = reports(BAD[cut:])
        assert all(report.kind in (Kind.FRAGMENT, Kind.PAGE_DUMP, Kind.OTHER) for report in found)
        assert len(found) <= 1
        if cut < len(BAD) - 3:
            assert len(found) == 1
    # With its dump but without its title it is still no page dump of another cause: the trace names bad_page.
    (report,) = reports(BAD[1:])
    assert report.kind is Kind.FRAGMENT
    assert [d.kind.value for d in report.damage] == ["truncated_head"]


def test_cut_at_every_line_the_tail_keeps_what_is_there() -> None:
    for cut in range(1, len(BAD)):
        (report,) = reports(BAD[:cut])
        assert report.kind is Kind.BAD_PAGE
        assert report.pfn == 0x2D3A
        assert [d.kind.value for d in report.damage] == ["truncated_tail"]
        assert not report.complete


def test_foreign_lines_are_left_out_and_said() -> None:
    (report,) = reports([*BAD[:4], "eth0: link is up", *BAD[4:13], "usb 1-1: new device", "audit: x", *BAD[13:]])
    assert report.kind is Kind.BAD_PAGE
    assert [d.kind.value for d in report.damage] == ["interleaved"]
    assert report.damage[0].reason.startswith("3 lines")
    assert report.page is not None
    assert report.page.raw is not None
    assert len(report.page.raw.words) == 8
    assert len(report.records) == len(BAD)


def test_two_cpus_are_taken_apart_by_caller() -> None:
    other = [line.replace("02d3a", "02a4a").replace("0x2d3a", "0x2a4a") for line in BAD]
    mixed = [x for a, b in zip(BAD, other, strict=True) for x in (f"T422|{a}", f"T423|{b}")]
    found = reports(mixed)
    assert kinds(found) == ["bad_page", "bad_page"]
    assert [report.pfn for report in found] == [0x2D3A, 0x2A4A]
    assert [report.caller for report in found] == ["T422", "T423"]
    assert all(report.complete and report.damage == () for report in found)
    assert all(report.call_trace is not None and len(report.call_trace.frames) == 4 for report in found)


def test_an_interrupt_in_between_is_another_caller() -> None:
    found = reports([*(f"T1|{line}" for line in BAD[:6]), "C1|eth0: link is up", *(f"T1|{line}" for line in BAD[6:])])
    assert len(found) == 1
    assert found[0].damage == ()


def test_silence_ends_a_report() -> None:
    head, tail = records(BAD[:12]), records(BAD[12:])
    from dataclasses import replace

    from kvmlab.report.log import find_reports

    late = [replace(r, time_ns=(r.time_ns or 0) + 3 * 10**9) for r in tail]
    found, _ = find_reports(head + late)
    assert kinds(found) == ["bad_page", "fragment"]


def test_a_new_title_ends_a_report() -> None:
    found = reports([*BAD[:3], *BAD])
    assert kinds(found) == ["bad_page", "bad_page"]
    assert [report.complete for report in found] == [False, True]


def test_a_page_dump_by_itself_is_no_bad_page() -> None:
    found = reports(
        [BAD[1], *BAD[2:5], "page dumped because: unmovable page", BAD[1], *BAD[2:5], "page dumped because: x"]
    )
    assert kinds(found) == ["page_dump", "page_dump"]


def test_a_vm_bug_on_is_one_report() -> None:
    (report,) = reports(
        [
            BAD[1],
            *BAD[2:5],
            "page dumped because: VM_BUG_ON_PAGE(page_ref_count(page) == 0)",
            "------------[ cut here ]------------",
            "kernel BUG at include/linux/mm.h:1029!",
            "invalid opcode: 0000 [#1] PREEMPT SMP NOPTI",
            BAD[7],
            "RIP: 0010:put_page+0x1/0x2",
            "Call Trace:",
            " <TASK>",
            " x+0x1/0x2",
            " </TASK>",
            "Modules linked in: a b",
            "---[ end trace 0000000000000000 ]---",
        ]
    )
    assert report.kind is Kind.BUG
    assert report.title == "kernel BUG at include/linux/mm.h:1029!"
    assert report.page is not None
    assert report.page.reason == "VM_BUG_ON_PAGE(page_ref_count(page) == 0)"
    assert report.fields["line"] == 1029
    assert report.modules is not None


def test_warning_with_its_text_is_one_report() -> None:
    found = reports(
        [
            "------------[ cut here ]------------",
            "refcount_t: underflow; use-after-free.",
            "WARNING: CPU: 3 PID: 77 at lib/refcount.c:28 refcount_warn_saturate+0xf2/0x150",
            "Modules linked in: ttm",
            BAD[7],
            "RIP: 0010:refcount_warn_saturate+0xf2/0x150",
            "Call Trace:",
            " <TASK>",
            " f+0x1/0x2",
            " </TASK>",
            "---[ end trace 0000000000000000 ]---",
            "usb 1-1: new device",
            "------------[ cut here ]------------",
            "something said first",
            "WARNING: CPU: 3 PID: 77 at a/b.c:28 g+0xf2/0x150",
            "Call Trace:",
            " f+0x1/0x2",
            "---[ end trace 0000000000000000 ]---",
        ]
    )
    assert kinds(found) == ["refcount", "warning"]
    assert found[0].title == "refcount_t: underflow; use-after-free."
    assert found[0].fields["file"] == "lib/refcount.c"
    assert found[0].end_trace == "0000000000000000"
    assert found[1].title == "WARNING: CPU: 3 PID: 77 at a/b.c:28 g+0xf2/0x150"


def test_list_corruption_and_the_bug_behind_it() -> None:
    (report,) = reports(
        [
            "list_del corruption. prev->next should be ffff888104cf5a48, but was dead000000000122",
            "------------[ cut here ]------------",
            "kernel BUG at lib/list_debug.c:64!",
            "Oops: invalid opcode: 0000 [#1] SMP",
            BAD[7],
            "Call Trace:",
            " f+0x1/0x2",
        ]
    )
    assert report.kind is Kind.LIST_CORRUPTION
    assert report.fields["file"] == "lib/list_debug.c"


def test_oops_with_its_summary_and_panic() -> None:
    (report,) = reports(
        [
            "BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "#PF: supervisor read access in kernel mode",
            "#PF: error_code(0x0000) - not-present page",
            "PGD 0 P4D 0",
            "Oops: 0000 [#1] PREEMPT SMP NOPTI",
            BAD[7],
            BAD[9],
            "RIP: 0010:ttm_pool_free+0x12/0x40 [ttm]",
            "Code: 00 <48> 00",
            "RSP: 0018:ffffd2148011fde8 EFLAGS: 00000246",
            "RAX: 0000000000000006 RBX: ffff8b683eb32780 RCX: 0000000000000000",
            "Call Trace:",
            " <TASK>",
            " f+0x1/0x2",
            " </TASK>",
            "Modules linked in: ttm",
            "CR2: 0000000000000008",
            "---[ end trace 0000000000000000 ]---",
            "RIP: 0010:ttm_pool_free+0x12/0x40 [ttm]",
            "Code: 00 <48> 00",
            "RSP: 0018:ffffd2148011fde8 EFLAGS: 00000246",
            "Kernel panic - not syncing: Fatal exception",
        ]
    )
    assert report.kind is Kind.OOPS
    assert report.fields["address"] == "0000000000000008"
    assert report.registers is not None
    assert report.registers.mode == "kernel"
    assert report.registers.symbols["RIP"] == "ttm_pool_free+0x12/0x40 [ttm]"
    assert report.complete


def test_a_title_is_needed_for_a_trace_in_prose() -> None:
    assert reports(["the function", "foo_bar", "and then", "baz"]) == []


def test_copies_count_once() -> None:
    title = BAD[0]
    text = "\n".join(
        [f"[   21.{594394 + i}] {line}" for i, line in enumerate(BAD)]
        + ["[   21.700000] eth0: up"]
        + [f"[   21.{594394 + i}] {line}" for i, line in enumerate(BAD)]
    )
    log = read_log((text + "\n").encode())
    assert kinds(list(log.reports)) == ["bad_page"]
    assert len(log.reports[0].repeats) == 1
    summary = read_log(
        (title + "\n\n" + "\n".join(f"[   21.{594394 + i}] {line}" for i, line in enumerate(BAD))).encode()
    )
    assert kinds(list(summary.reports)) == ["bad_page"]
    assert len(summary.reports[0].repeats) == 1
    assert summary.reports[0].complete


def test_the_same_page_at_another_time_counts_again() -> None:
    text = "\n".join(f"[   {20 + second}.000000] {BAD[0]}" for second in (1, 9))
    assert len(read_log((text + "\n").encode()).reports) == 2


def test_single_lines() -> None:
    found = reports(
        [
            "BUG: Bad page state: 81 messages suppressed",
            "BUG: Bad rss-counter state mm:000000007355ed50 type:MM_SHMEMPAGES val:-100",
            "BUG: Bad rss-counter state mm:000000007355ed50 type:MM_SHMEMPAGES val:-1 Comm:CPU 0/KVM Pid:7",
        ]
    )
    assert kinds(found) == ["suppressed", "bad_rss_counter", "bad_rss_counter"]
    assert [found[0].fields["messages"], found[1].fields["val"], found[2].fields["comm"]] == [81, -100, "CPU 0/KVM"]
    assert all(report.complete for report in found)


def test_a_message_that_two_carriers_wrote_is_one() -> None:
    carrier = "Jul 31 11:58:10 draig kernel: "
    for first, second in (
        ("[  100.{n:06}] ", f"{carrier}[  100.{{n:06}}] "),
        ("[  100.{n:06}] ", carrier),
        ("2024-07-31T11:58:10 draig kernel: ", carrier),
    ):
        text = "".join(f"{first.format(n=n)}{row}\n{second.format(n=n)}{row}\n" for n, row in enumerate(BAD))
        log = read_log(text.encode())
        (report,) = log.reports
        assert report.complete
        assert report.call_trace is not None
        assert [frame.function for frame in report.call_trace.frames] == [
            "dump_stack_lvl", "bad_page", "free_unref_folios", "entry_SYSCALL_64_after_hwframe"
        ]  # fmt: skip
        assert not log.unparsed
        assert len(scan_log(text.encode(), engine="python").df_reports()) == 1


def test_a_line_whose_time_was_cut_is_no_copy() -> None:
    zeros = "raw: 0000000000000000 0000000000000000 0000000000000000 0000000000000000"
    rows = [f"[  100.{n:06}] {zeros if row.startswith('raw: ') else row}" for n, row in enumerate(BAD)]
    at = next(n for n, row in enumerate(rows) if zeros in row)
    (report,) = read_log("\n".join([*rows[: at + 1], rows[at + 1][4:], *rows[at + 2 :]]).encode()).reports
    assert report.page is not None
    assert report.page.raw is not None
    assert len(report.page.raw.words) == 8


def test_entries_of_two_times_are_two() -> None:
    rows = [f"[  100.{n:06}] {row}" for n, row in enumerate(BAD)]
    at = next(n for n, row in enumerate(rows) if "bad_page+" in row)
    rows.insert(at + 1, f"Jul 31 11:58:10 draig kernel: [  100.{at + 1:06}] {BAD[at]}")
    (report,) = read_log("\n".join(rows).encode()).reports
    assert report.call_trace is not None
    assert [frame.function for frame in report.call_trace.frames].count("bad_page") == 2


RULE = "=" * 66
SANITIZED = [
    RULE, "BUG: KASAN: slab-use-after-free in fizz_map+0x1a/0x90 [fizz]",
    "Read of size 8 at addr ffff8881098b2a40 by task kl/422", "", "CPU: 1 PID: 422 Comm: kl Not tainted 6.9.12 #17",
    "Call Trace:", " <TASK>", " kasan_report+0x11/0x20", " fizz_map+0x1a/0x90 [fizz]", " </TASK>", "",
    "The buggy address belongs to the object at ffff8881098b2a00", RULE,
]  # fmt: skip
TAINT = "Disabling lock debugging due to kernel taint"
PANIC = [
    "Kernel panic - not syncing: KASAN: panic_on_warn set ...", "CPU: 1 PID: 422 Comm: kl Tainted: G    B  6.9.12 #17",
    "Call Trace:", " <TASK>", " panic+0x1/0x2", " fizz_map+0x1a/0x90 [fizz]", " </TASK>",
]  # fmt: skip


def test_a_panic_behind_the_rule_is_of_the_report() -> None:
    for between in ([], [TAINT], [TAINT, "eth0: link up"]):
        log = read_log("".join(f"[    1.000000] {row}\n" for row in [*SANITIZED, *between, *PANIC]).encode())
        (report,) = log.reports
        assert report.kind is Kind.KASAN
        assert report.call_trace is not None
        assert [frame.function for frame in report.call_trace.frames] == ["kasan_report", "fizz_map"]
        assert report.span.last_line == len(SANITIZED) + len(between) + len(PANIC)
        assert [record.text for record in log.unparsed] == [row for row in between if row != TAINT]


def test_behind_the_rule_another_report_begins() -> None:
    another = [row.replace("fizz", "buzz") for row in SANITIZED]
    for behind in (another, BAD, ["Call Trace:", " panic+0x1/0x2", " fizz_map+0x1a/0x90 [fizz]"]):
        rows = [*SANITIZED, TAINT, "eth0: link up", *behind]
        log = read_log("".join(f"[    1.000000] {row}\n" for row in rows).encode())
        first, second = log.reports
        assert first.span.last_line == len(SANITIZED) + 1
        assert second.span.first_line == len(SANITIZED) + 3
        assert [record.text for record in log.unparsed] == ["eth0: link up"]
