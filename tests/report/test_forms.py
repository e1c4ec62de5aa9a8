"""Forms of reports as old, foreign and decoded kernels print them: one small text each, written for this test."""

from __future__ import annotations

import pytest

from kvmlab.report.jsonable import report_json
from kvmlab.report.log import Log, read_log
from kvmlab.report.records import Kind, Report
from kvmlab.text.span import DamageKind
from tests.report.single import functions, one


def _foreign(report: Report) -> list[str]:
    return [d.reason for d in report.damage if d.kind is DamageKind.INTERLEAVED]


WARNED_LATE = """\
[  100.100000] ------------[ cut here ]------------
[  100.100001] WARNING: CPU: 1 PID: 77 at lib/{file}.c:33 {where}
[  100.100002] {text}
[  100.100003] Modules linked in: kvm ttm
[  100.100004] CPU: 1 PID: 77 Comm: loader Not tainted 3.16.1 #1
[  100.100005] task: ffff8800d523cf00 ti: ffff88020211c000 task.ti: ffff88020211c000
[  100.100006] Call Trace:
[  100.100007]  [<ffffffff81656735>] dump_stack+0x19/0x1b
[  100.100008]  [<ffffffff816650ec>] ret_from_fork+0x7c/0xb0
[  100.100009] ---[ end trace 6ba7f2b0dbee5f9a ]---
"""


@pytest.mark.parametrize(
    ("file", "where", "text", "kind"),
    [
        (
            "list_debug",
            "__list_add+0xbe/0xd0()",
            "list_add corruption. prev->next should be next",
            Kind.LIST_CORRUPTION,
        ),
        ("refcount", "refcount_warn_saturate+0x110/0x15c", "refcount_t: underflow; use-after-free.", Kind.REFCOUNT),
        ("bug", "f+0x1/0x2 [kvm]()", "a page that nobody wanted", Kind.WARNING),
    ],
)
def test_text_of_a_warning_behind_its_line(file: str, where: str, text: str, kind: Kind) -> None:
    report = one(WARNED_LATE.format(file=file, where=where, text=text))
    assert report.kind is kind
    assert report.fields["where"] == where.removesuffix("()")
    assert functions(report) == ["dump_stack", "ret_from_fork"]
    assert not report.damage


def test_a_line_of_others_behind_a_cut_warning_is_none_of_its_text() -> None:
    log = read_log(
        b"[    1.000000] WARNING: CPU: 1 PID: 77 at mm/gup.c:33 f+0xbe/0xd0\n[    1.000001] eth0: link up\n"
        b"[    1.000002] eth0: link down\n"
    )
    assert [len(report.records) for report in log.reports] == [1]
    assert len(log.unparsed) == 2


def test_warning_without_a_function() -> None:
    report = one(
        "WARNING: at arch/powerpc/kernel/some.c:390\nModules linked in: ipr(+) dm_mod\n"
        "CPU: 1 PID: 191 Comm: udevd Not tainted 3.10.0 #1\n"
        "NIP: c000000008068dfc LR: c000000008068df8 CTR: 00000000015c6170\n"
        "NIP [c000000008068dfc] .some_check+0x27c/0x390\nPACATMSCRATCH [800000000280f032]\nCall Trace:\n"
        "[c000000010f930b0] [c000000008068df8] .some_check+0x278/0x390 (unreliable)\n"
        "[c000000010f93e30] [c000000008009ed4] syscall_exit+0x0/0x98\nInstruction dump:\n"
        "60000000 7f44d378 7f63db78 486c7eb9 60000000 7fe3fb78 48002d4d 60000000\n"
        "3c62ff84 38635108 486d2951 60000000 38600001 4bfffe00 <60000000> XXXXXXXX\n"
    )
    assert report.kind is Kind.WARNING
    assert (report.fields["line"], "where" in report.fields) == (390, False)
    assert functions(report) == [".some_check", "syscall_exit"]
    assert report.code is not None
    assert report.code.endswith("XXXXXXXX")
    assert not report.damage


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("illegal operation: 0001 [#1] SMP", "illegal operation"),
        ("Unhandled kernel unaligned access[#3]:", "Unhandled kernel unaligned access"),
        ("bad frame format: 00000000", "bad frame format"),
        ("Oops: 00000000", "Oops"),
    ],
)
def test_die_lines(line: str, what: str) -> None:
    report = one(
        f"{line}\nModules linked in: kvm\nProcess loader (pid: 77, threadinfo=87960000, task=879600c8)\nCall Trace:\n"
        "[<80018b70>] do_page_fault+0x5c/0x3c8\n[<80004820>] ret_from_exception+0x0/0x10\n"
    )
    assert (report.kind, report.fields["what"]) == (Kind.OOPS, what)
    shown = report_json(report)
    assert (shown["comm"], shown["pid"]) == ("loader", 77)
    assert len(functions(report)) == 2
    assert not report.damage


def test_task_of_powerpc_2_6() -> None:
    report = one(
        "Unable to handle kernel paging request for data at address 0x00000000\n"
        "Oops: Kernel access of bad area, sig: 11 [#1]\nLE SMP NR_CPUS=2048 NUMA PowerNV\n"
        "NIP: d107c0c8 LR: c0072834 CTR: 0fe368a4\nDEAR: 00000000, ESR: 00800000\n"
        "TASK = cfa5d000[950] 'sh' THREAD: cf9ce000\nNIP [d107c0c8] bad_write+0x8/0x10 [bad]\nCall Trace:\n"
        "[cf9cfef0] [c0072804] vfs_write+0x9c/0x16c (unreliable)\n[cf9cff40] [c000cf20] ret_from_syscall+0x0/0x3c\n"
    )
    assert (report.fields["comm"], report.fields["pid"]) == ("sh", 950)
    assert report.registers is not None
    assert report.registers.values["ESR"] == 0x800000
    assert not report.damage


@pytest.mark.parametrize(
    ("line", "letters", "release"),
    [
        ("Tainted: GF          O--------------   3.10.0-54.el7 #1", "GF          O", "3.10.0-54.el7"),
        (
            "Tainted: G        W IOE    --------- -  - 4.18.0-240.el8.x86_64 #1",
            "G        W IOE",
            "4.18.0-240.el8.x86_64",
        ),
        ("Not tainted --------- -  - 4.18.0-240.el8.x86_64 #1", None, "4.18.0-240.el8.x86_64"),
    ],
)
def test_taint_columns_of_enterprise_kernels(line: str, letters: str | None, release: str) -> None:
    report = one(f"BUG: Bad page state in process loader  pfn:12345\nCPU: 2 PID: 77 Comm: loader {line}\n")
    assert report.cpu_line is not None
    assert report.cpu_line.release is not None
    assert (report.cpu_line.taint_text, report.cpu_line.release.text) == (letters, release)


@pytest.mark.parametrize("comm", ["CPU 0/KVM", "loader.", "a pte:1"])
def test_level_of_a_bad_page_map(comm: str) -> None:
    report = one(f"BUG: Bad page map in process {comm}  pte:80000001a2b3c867 pmd:10e2b5067\naddr:00007f0000000000 x\n")
    shown = (report.fields["level"], report.fields["entry"], report.fields["pmd"])
    assert (report.process, shown) == (comm, ("pte", "80000001a2b3c867", "10e2b5067"))


def test_old_traces_of_i386() -> None:
    report = one(
        "BUG: unable to handle kernel NULL pointer dereference at virtual address 0000002c\n printing eip:\nded21b09\n"
        "*pde = 00000000\nOops: 0000 [#1]\nPREEMPT \nModules linked in: kvm\nCPU:    0\n"
        "EIP:    0060:[loader_exit+458/1236]    Not tainted VLI\nEFLAGS: 00010286   (2.6.16 #1) \n"
        "EIP is at loader_exit+0x9/0x40 [kvm]\neax: 00000000   ebx: 00000000   ecx: c0396b90   edx: 00000000\n"
        "ds: 007b   es: 007b   ss: 0068   preempt: 00000002\nCall Trace:\n"
        " [show_stack+127/160] show_stack+0x7f/0xa0 (28)\n"
        " <c0261beb> remove_dev+0xbb/0x1a0   <c020b60f> :kvm:driver_unregister+0x5f/0x90\n"
        " <c0102c4f> sysenter_past_esp+0x54/0x75  \n"
    )
    assert functions(report) == ["show_stack", "remove_dev", "driver_unregister", "sysenter_past_esp"]
    assert report.call_trace is not None
    assert [(f.address, f.module) for f in report.call_trace.frames][1:3] == [(0xC0261BEB, None), (0xC020B60F, "kvm")]
    assert not report.damage


def test_i386_does_not_close_the_interrupt_stack() -> None:
    report = one(
        "[   1.000000] BUG: scheduling while atomic: swapper/0/0/0x10000100\n"
        "[   1.000001] CPU: 0 PID: 0 Comm: swapper/0 "
        "Not tainted 3.10.0 #43\n[   1.000002] Call Trace:\n[   1.000003]  [<c15ad3a9>] dump_stack+0x16/0x18\n"
        "[   1.000004]  <IRQ>  [<c1593cc0>] ? dns_query+0x280/0x280\n"
    )
    assert report.complete
    assert not report.missing


def test_traces_of_old_arm() -> None:
    report = one(
        "[  139.859072] BUG: scheduling while atomic: loader/800/0x00000002\n[  139.870116] Modules linked in: kvm\n"
        "[  139.888419] [<c00151e8>](unwind_backtrace+0x0/0xf8) from [<c03f9acc>](dump_stack+0x1c/0x20)\n"
        "[  139.905623] [<c03f9acc>](dump_stack+0x1c/0x20) from [<bf0221b8>](bad_open+0x6c/0x78 [bad])\n"
        "[  139.905624] Function entered at [<c00256e0>] from [<c019dca0>]\n"
    )
    assert functions(report)[:3] == ["unwind_backtrace", "dump_stack", "bad_open"]
    assert functions(report)[3:] == ["0xc00256e0", "0xc019dca0"]
    assert report.call_trace is not None
    assert report.call_trace.frames[2].module == "bad"


def test_memory_dumps_of_arm64_are_no_lines_of_others() -> None:
    rows = "".join(
        f"[  867.1491{n:02}] {n:02x}40: ffffffc00a4ffc50 ffffff8008082fc0 0000000000000000\n" for n in range(60)
    )
    report = one(
        "[  867.140514] Unable to handle kernel NULL pointer dereference at virtual address 00000000\n"
        "[  867.141279] pgd = ffffffc0f0a65000\n[  867.142164] Internal error: Oops: 96000045 [#1] SMP\n"
        "[  867.143006] CPU: 4 PID: 77 Comm: loader Not tainted 4.4.1 #7\n"
        "[  867.144236] task: ffffffc0cdc44380 task.stack: ffffffc00a4fc000\n"
        "[  867.145732] pc : [<ffffff8000ef0024>] lr : [<ffffff8000ef0018>] pstate: 40000145\n"
        "[  867.147536] SP: 0xffffff8000eeffa4:\n[  867.147550] ffa4  ******** ******** ******** ********\n"
        "[  867.147561] ffc4  08137674 ffffff80 0a4ffc40 ffffffc0\n"
        "[  867.149100] Stack: (0xffffffc00a4ffc40 to 0xffffffc00a500000)\n" + rows + "[  867.150000] Call trace:\n"
        "[  867.150100] Exception stack(0xffffffc00a4ffa80 to 0xffffffc00a4ffbb0)\n"
        "[  867.150200] fa80: ffffff8000ef0000 0000008000000000 0000000008000000 ffffff8000ef0024\n"
        "[  867.150300] [<ffffff8000ef0024>] bad_init+0x24/0x38 [bad]\n"
        "[  867.150500] [<ffffff8008082ef0>] el0_svc_naked+0x24/0x28\n"
        "[  867.150700] ---[ end trace 0b5bc0fa0f1b8ee5 ]---\n"
    )
    assert functions(report) == ["bad_init", "el0_svc_naked"]
    assert not report.damage


def test_registers_of_a_program_explain_the_missing_trace() -> None:
    report = one(
        "[53021.381908] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [cc1plus:77]\n"
        "[53021.392281] CPU: 1 PID: 77 Comm: cc1plus Not tainted 5.12.0 #2\n"
        "[53021.404064] epc : 0000000000cc9d6e ra : 0000000000d80428 sp : 0000003fffe6f8a0\n"
        "[53021.481885] status: 0000000200004020 badaddr: 0000000000000000 cause: 8000000000000005\n"
    )
    assert report.registers is not None
    assert report.registers.mode == "user"
    assert report.complete
    assert not report.missing


KCSAN = """\
[ 10.000000] ==================================================================
[ 10.000001] BUG: KCSAN: data-race in mark_page / scan_page
[ 10.000002]
[ 10.000003] write to 0xffff80000f00bfb8 of 8 bytes by task 93 on cpu 0:
[ 10.000004]  mark_page+0x2f8/0x340
[ 10.000005]  ret_from_fork+0x10/0x20
[ 10.000006]
[ 10.000007] read (marked) to 0xffff80000f00bfb8 of 8 bytes by interrupt on cpu 1:
[ 10.000008]  scan_page+0x568/0xa40
[ 10.000009]
[ 10.000010] value changed: 0x0000000060000000 -> 0x0000000060001000
[ 10.000011]
[ 10.000012] Reported by Kernel Concurrency Sanitizer on:
[ 10.000013] CPU: 0 PID: 132 Comm: udevadm Not tainted 6.1.0 #2
[ 10.000014] ==================================================================
"""


def test_the_two_stacks_of_a_data_race() -> None:
    report = one(KCSAN)
    assert functions(report) == ["mark_page", "ret_from_fork"]
    assert [(t.name, [f.function for f in t.frames]) for t in report.traces] == [
        ("read (marked) to 0xffff80000f00bfb8 of 8 bytes by interrupt on cpu 1", ["scan_page"])
    ]


def test_where_memory_is_from_is_no_entry_of_the_trace() -> None:
    report = one(
        "==================================================================\n"
        "BUG: KASAN: vmalloc-out-of-bounds in bad_read+0x3b4/0x3d8\n"
        "Read of size 1 at addr ffff800083b387f3 by task x/249\n"
        "CPU: 1 PID: 249 Comm: x Not tainted 6.9.9 #1\nCall trace:\n bad_read+0x3b4/0x3d8\n ret_from_fork+0x10/0x20\n\n"
        "The buggy address belongs to the virtual mapping at\n [ffff800083b38000, ffff800083b3a000) created by:\n"
        " bad_alloc+0x98/0x3d8\n==================================================================\n"
    )
    assert functions(report) == ["bad_read", "ret_from_fork"]
    assert [[f.function for f in t.frames] for t in report.traces] == [["bad_alloc"]]


def test_inlined_titles_are_one_report() -> None:
    report = one(
        "=====================================================\n"
        "BUG: KMSAN: uninit-value in name_bytes fs/some/dirent.c:27 [inline]\n"
        "BUG: KMSAN: uninit-value in dirent_validate+0x5ee/0xc30 fs/some/dirent.c:107\n"
        " name_bytes fs/some/dirent.c:27 [inline]\n dirent_validate+0x5ee/0xc30 fs/some/dirent.c:107\n\n"
        "Uninit was created at:\n page_alloc+0x1/0x2 mm/some.c:3\n\nCPU: 1 PID: 5800 Comm: x Not tainted 6.12.0 #0\n"
        "=====================================================\n"
    )
    assert functions(report) == ["name_bytes", "dirent_validate"]
    assert [t.name for t in report.traces] == ["Uninit was created at"]


def test_decoded_registers() -> None:
    report = one(
        "Unable to handle kernel paging request at virtual address ffff00082200ccf8\n"
        "Internal error: Oops: 0000000096000005 [#1] PREEMPT SMP\nCPU: 0 PID: 13 Comm: x Not tainted 6.1.0 #0\n"
        "pstate: 00400005 (nzcv daif +PAN -UAO)\npc : ptr_rcu include/linux/some.h:369 [inline]\n"
        "pc : lookup+0xd4/0x398 include/linux/some.h:688\nlr : caller (kernel/some.c:676)\nsp : ffff80000f333960\n"
        "Call trace:\n ptr_rcu include/linux/some.h:369 [inline]\n lookup+0xd4/0x398 include/linux/some.h:688\n"
    )
    assert report.registers is not None
    assert dict(report.registers.symbols) == {"pc": "lookup+0xd4/0x398", "lr": "caller (kernel/some.c:676)"}
    assert not report.more_registers
    assert not report.damage


LOCKDEP = """\
[ 18.000001] =====================================================
[ 18.000002] WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected
[ 18.000003] 6.7.0 #1 Not tainted
[ 18.000004] -----------------------------------------------------
[ 18.000005] x/131 [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:
[ 18.000006] ffffffffb2dc4578 (some_lock){+.+.}-{2:2}, at: find_node+0x1d/0x80
[ 18.000007] ... which became HARDIRQ-irq-safe at:
[ 18.000008]   lock_acquire+0xbf/0x2b0
[ 18.000009] ...
[ 18.000010] stack backtrace:
[ 18.000011] CPU: 1 PID: 131 Comm: x Not tainted 6.7.0 #1
[ 18.000012] Call Trace:
[ 18.000013]  dump_stack_lvl+0x72/0xa0
[ 18.000014]  ret_from_fork_asm+0x1a/0x30
"""


def test_lock_orders() -> None:
    report = one(LOCKDEP)
    assert (report.kind, report.rule) == (Kind.OTHER, "lockdep")
    assert functions(report) == ["dump_stack_lvl", "ret_from_fork_asm"]
    assert [t.name for t in report.traces] == ["... which became HARDIRQ-irq-safe at"]
    assert not report.damage


def test_hung_task_of_old_kernels() -> None:
    report = one(
        "[Wed Dec 19 03:36:07 2018] INFO: task rotate:17344 blocked for more than 120 seconds.\n"
        "[Wed Dec 19 03:36:07 2018]       Not tainted 4.16.2 #1\n"
        '[Wed Dec 19 03:36:07 2018] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.\n'
        "[Wed Dec 19 03:36:07 2018] rotate       D    0 17344  17342 0x00000080\n"
        "[Wed Dec 19 03:36:07 2018] Call Trace:\n[Wed Dec 19 03:36:07 2018]  __schedule+0x293/0x8a0\n"
    )
    assert report.call_trace is not None
    assert report.call_trace.name == "rotate"
    shown = report_json(report)
    assert (shown["comm"], shown["pid"]) == ("rotate", 17344)


def test_stalls_of_one_cpu_and_of_null_entries() -> None:
    report = one("[ 3556.510903] INFO: rcu_sched_state detected stall on CPU 0 (t=105060 jiffies)\n")
    assert report.kind is Kind.RCU_STALL
    report = one(
        "INFO: rcu_sched detected stalls on CPUs/tasks:\nTask dump for CPU 0:\n"
        "swapper/0       R  running task        0     0      0 0x00000002\nCall trace:\n"
        "[<ffffffc000086ed4>] __switch_to+0xd4/0xf8\n[<          (null)>]           (null)\n"
    )
    assert functions(report) == ["__switch_to", "(null)"]


def test_workqueues_of_a_lockup() -> None:
    report = one(
        "[    1.000000] BUG: workqueue lockup - pool cpus=0 flags=0x4 nice=0 stuck for 197s!\n"
        "[    1.000001] Showing busy workqueues and worker pools:\n[    1.000002] workqueue events: flags=0x0\n"
        "[    1.000003]   pwq 0: cpus=0 node=0 flags=0x0 nice=0 active=1/256 refcnt=2\n"
        "[    1.000004]     pending: stop_one_cpu_nowait_workfn\n"
    )
    assert len(report.records) == 5


def _walled(time: str) -> Log:
    return read_log(
        (
            "Oct  3 16:38:20 m kernel: [  844.746000] BUG: soft lockup - CPU#5 stuck for 22s! [loader:77]\n"
            "Oct  3 16:38:20 m kernel: [  844.746060] CPU: 5 PID: 77 Comm: loader Not tainted 3.10.0 #1\n"
            "\nMessage from syslogd@m at Oct  3 16:41:12 ...\n"
            f" kernel:[{time}] BUG: soft lockup - CPU#5 stuck for 22s! [loader:77]\n\n"
            "Oct  3 16:38:20 m kernel: [  844.752300] Call Trace:\n"
            "Oct  3 16:38:20 m kernel: [  844.752400]  [<ffffffff81088b1c>] ? call_many+0x1fe/0x212\n"
            "Oct  3 16:38:20 m kernel: [  844.752600]  [<ffffffff81530a29>] system_call_fastpath+0x16/0x1b\n"
        ).encode()
    )


def test_a_broadcast_within_a_report() -> None:
    log = _walled("  844.746000")
    assert len(log.reports) == 1
    assert functions(log.reports[0]) == ["call_many", "system_call_fastpath"]
    assert [s.first_line for s in log.reports[0].repeats] == [5]
    assert [len(functions(r)) for r in _walled(" 1016.841821").reports] == [2, 0]


def test_a_summary_that_names_crashes_is_no_report() -> None:
    text = (
        "Crash flow:\nfork13 run started\nUnable to handle kernel paging request at virtual address\n"
        "run for 800 secs\nBUG: unable to handle kernel paging request in hash_lookup\nfork14 run started\n"
    )
    assert read_log(text.encode()).reports == ()


def test_dots_between_lines_with_times_are_lines_left_out() -> None:
    report = one(
        "Jun 16 17:54:03 h kernel: BUG: unable to handle kernel NULL pointer dereference at           (null)\n"
        "Jun 16 17:54:03 h kernel: IP: [<          (null)>]           (null)\n...\n"
        "Jun 16 17:54:03 h kernel: CPU: 0 PID: 733 Comm: x Not tainted 4.0.5 #1\n...\n"
        "Jun 16 17:54:03 h kernel: Call Trace:\n"
        "Jun 16 17:54:03 h kernel:  [<ffffffffa055cc27>] ? sync+0xe7/0x190 [i915]\n"
    )
    assert {d.kind for d in report.damage} == {DamageKind.LOST_MESSAGES}
    assert not _foreign(report)
