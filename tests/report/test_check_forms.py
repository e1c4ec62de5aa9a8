"""Forms of reports by checks in the kernel: text before or behind the line of a warning, lines that name a task."""

from __future__ import annotations

import pytest

from kvmlab.inquiry.signatures import signature_of
from kvmlab.report.jsonable import report_json
from kvmlab.report.log import read_log
from kvmlab.report.records import Kind, Report
from kvmlab.report.scan import scan_log


def _one(text: str) -> Report:
    log = read_log(text.encode())
    assert len(log.reports) == 1, [r.title for r in log.reports]
    assert scan_log(text.encode()).df_reports()["title"].tolist() == [log.reports[0].title]
    return log.reports[0]


def _functions(report: Report) -> list[str]:
    return [] if report.call_trace is None else [frame.function for frame in report.call_trace.frames]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("list_add corruption. next->prev should be prev, but was 6b6b6b6b6b6b6b6b.", Kind.LIST_CORRUPTION),
        ("the lab has no more pages", Kind.WARNING),
    ],
)
def test_the_name_of_the_machine_before_the_text_of_a_warning(text: str, kind: Kind) -> None:
    report = _one(
        "------------[ cut here ]------------\nWARNING: at lib/list_debug.c:30 __list_add+0x8f/0xa0() (Not tainted)\n"
        f"Hardware name: LAB-2\n{text}\nModules linked in: kvm lab\n"
        "Pid: 91, comm: loader Not tainted 2.6.32-7.el6.x86_64 #1\nCall Trace:\n"
        " [<ffffffff81071e27>] ? warn_slowpath_common+0x87/0xc0\n [<ffffffff81286c1f>] ? __list_add+0x8f/0xa0\n"
        " [<ffffffffa0286c1f>] ? lab_add+0x8f/0xa0 [lab]\n---[ end trace 0123456789abcdef ]---\n"
    )
    shown = report_json(report)
    assert (report.kind, report.fields["line"], shown["hardware"]) == (kind, 30, "LAB-2")
    assert [m["name"] for m in shown["modules"]] == ["kvm", "lab"]
    assert (len(_functions(report)), signature_of(report).interesting) == (3, "lab_add")
    assert not report.missing


@pytest.mark.parametrize(
    ("line", "rule", "kind"),
    [
        (
            "unchecked MSR access error: RDMSR from 0x1b0 at rIP: 0xffffffff8107b6c4 (lab_read+0x4/0x30)",
            "unchecked_msr",
            Kind.OTHER,
        ),
        (
            "unchecked MSR access error: WRMSR to 0x4a (tried to write 0x0000000000000002) at rIP: "
            "0xffffffff8107b6c4 (lab_write+0x4/0x20)",
            "unchecked_msr",
            Kind.OTHER,
        ),
        ('irq 19: nobody cared (try booting with the "irqpoll" option)', "nobody_cared", Kind.OTHER),
        ("sysfs: cannot create duplicate filename '/class/misc/lab'", "sysfs_duplicate", Kind.OTHER),
        (
            "kobject: 'lab' (00000000b4c5d6e7): tried to init an initialized object, something is seriously wrong.",
            "kobject",
            Kind.OTHER,
        ),
        (
            "BUG: TASK stack guard page was hit at 00000000b4c5d6e7 (stack is 00000000b4c5d6e8..00000000b4c5d6e9)",
            "stack_guard_page",
            Kind.OOPS,
        ),
        ("Insufficient stack space to handle exception!", "stack_overflow_arm64", Kind.OOPS),
        (
            "smp: csd: Detected non-responsive CSD lock (#1) on CPU#1, waiting 5000000010 ns for "
            "CPU#02 lab_ipi+0x0/0x30(0x0).",
            "csd_lock",
            Kind.OTHER,
        ),
    ],
)
def test_first_lines_of_reports_without_a_word_for_it(line: str, rule: str, kind: Kind) -> None:
    lines = [
        line,
        "CPU: 2 PID: 91 Comm: loader Not tainted 6.1.4 #1",
        "Call Trace:",
        " <TASK>",
        " dump_stack_lvl+0x44/0x5c",
        " lab_init+0x17/0x24 [lab]",
        " </TASK>",
    ]
    timed = "".join(f"[   10.50000{i}] {text}\n" for i, text in enumerate(lines))
    bare = _one("\n".join([*lines, ""]))
    assert (bare.title, bare.rule, bare.span.last_line) == (line, rule, 7)
    report = _one(f"{timed}[   12.600000] usb 1-1: new device\n")
    assert (report.title, report.rule, report.kind) == (line, rule, kind)
    assert _functions(report) == ["dump_stack_lvl", "lab_init"]
    assert report.span.last_line == 7
    assert not report.damage


@pytest.mark.parametrize(
    ("line", "cpu"),
    [
        ("BUG: scheduling while atomic: lab/7:1/91/0x00000002", 2),
        ("BUG: using __this_cpu_add() in preemptible [00000000] code: lab/7:1/91", 2),
        ("BUG: spinlock bad magic on CPU#5, lab/7:1/91", 5),
    ],
)
def test_the_task_that_a_title_names(line: str, cpu: int) -> None:
    head = _one(f"[   10.500001] {line}\n[   10.500003] Call Trace:\n[   10.500005]  lab_ioctl+0x44/0x5c [lab]\n")
    shown = report_json(head)
    assert (head.kind, shown["pid"], shown["comm"]) == (Kind.BUG, 91, "lab/7:1")
    assert shown["cpu"] == (5 if cpu == 5 else None)


def test_where_preemption_was_disabled_is_no_entry_of_the_trace() -> None:
    report = _one(
        "[   10.500001] BUG: scheduling while atomic: loader/91/0x00000002\n[   10.500002] Modules linked in: lab\n"
        "[   10.500003] Preemption disabled at:\n[   10.500004] [<ffffffffc0a1b000>] lab_lock+0x10/0x20 [lab]\n"
        "[   10.500005] CPU: 2 PID: 91 Comm: loader Not tainted 6.1.4 #1\n[   10.500006] Call Trace:\n"
        "[   10.500007]  <TASK>\n"
        "[   10.500008]  __schedule_bug.cold+0x47/0x53\n[   10.500009]  __schedule+0x120c/0x1350\n"
        "[   10.500010]  lab_wait+0x5a/0xd0 [lab]\n[   10.500011]  </TASK>\n"
    )
    assert _functions(report) == ["__schedule_bug.cold", "__schedule", "lab_wait"]
    assert [trace.name for trace in report.traces] == ["Preemption disabled at"]
    assert (report_json(report)["cpu"], signature_of(report).interesting) == (2, "lab_wait")


def test_parisc_prints_the_trace_before_the_title() -> None:
    report = _one(
        "[   33.000001] Backtrace:\n[   33.000002]  [<0000000040a1b2c4>] lab_read+0x24/0x80\n"
        "[   33.000003]  [<0000000040a1b2b4>] sys_lab+0x14/0x80\n[   33.000004] \n"
        "[   33.000005] Kernel Fault: Code=15 (Data TLB miss fault) at addr 0000000000000010\n"
        "[   33.000006] CPU: 2 PID: 91 Comm: loader Not tainted 6.6.1 #1\n"
        "[   33.000007] Hardware name: 9000/785/C8000\n"
        "[   33.000008]  IAOQ[0]: lab_read+0x24/0x80\n[   33.000009] Backtrace:\n"
        "[   33.000010]  [<0000000040a1b2b4>] sys_lab+0x14/0x80\n"
    )
    assert (report.kind, report.span.first_line) == (Kind.OOPS, 1)
    assert _functions(report) == ["lab_read", "sys_lab"]
    assert report_json(report)["pid"] == 91
    assert len(report.traces) == 1


def test_inlined_functions_of_early_symbolizers() -> None:
    report = _one(
        "BUG: Bad page state in process loader  pfn:12345\n"
        "page:ffffea0006390280 count:0 mapcount:1 mapping:          (null) index:0x1\n"
        "CPU: 2 PID: 91 Comm: loader Not tainted 4.2.1 #6\nCall Trace:\n"
        " [<     inlined    >] dump_stack+0x63/0x81 __dump_stack lib/dump_stack.c:15\n"
        " [<ffffffff81ea1167>] dump_stack+0x63/0x81 lib/dump_stack.c:50\n"
        " [<     inline     >] lab_put mm/lab.c:12\n [<ffffffff811d3d11>] lab_free+0x51/0x2b0 mm/lab.c:19\n"
    )
    assert report.call_trace is not None
    shown = [(f.function, f.inlined, f.source) for f in report.call_trace.frames]
    assert shown == [
        ("__dump_stack", True, ("lib/dump_stack.c:15",)),
        ("dump_stack", False, ("lib/dump_stack.c:50",)),
        ("lab_put", True, ("mm/lab.c:12",)),
        ("lab_free", False, ("mm/lab.c:19",)),
    ]
    assert not report.damage


def test_a_text_and_the_bug_behind_it_are_one_bug() -> None:
    report = _one(
        "[   21.000001] usercopy: Kernel memory overwrite attempt detected to SLUB object 'lab' (offset 0, size 65)!\n"
        "[   21.000002] ------------[ cut here ]------------\n[   21.000003] kernel BUG at mm/usercopy.c:102!\n"
        "[   21.000004] invalid opcode: 0000 [#1] PREEMPT SMP NOPTI\n"
        "[   21.000005] CPU: 2 PID: 91 Comm: loader Not tainted 6.6.0 #1\n[   21.000006] Call Trace:\n"
        "[   21.000007]  <TASK>\n"
        "[   21.000008]  __check_object_size+0x16f/0x1c0\n[   21.000009]  lab_copy+0x16f/0x1c0 [lab]\n"
        "[   21.000010]  </TASK>\n[   21.000011] ---[ end trace 0000000000000000 ]---\n"
    )
    assert (report.kind, report.rule, report.span.last_line) == (Kind.BUG, "usercopy", 11)
    assert signature_of(report).interesting == "lab_copy"


def test_undefined_behaviour_of_old_kernels() -> None:
    rule = "=" * 80
    report = _one(
        f"{rule}\nUBSAN: Undefined behaviour in mm/lab.c:123:45\nindex 11 is out of range for type 'int [11]'\n"
        "CPU: 1 PID: 91 Comm: loader Not tainted 4.19.12 #1\nCall Trace:\n dump_stack+0x44/0x5c\n"
        f" ubsan_epilogue+0xcf/0x630\n lab_get+0x2f/0x40 [lab]\n{rule}\n"
    )
    assert (report.rule, report.fields["line"], report.span.last_line) == ("ubsan", 123, 9)
    assert signature_of(report).interesting == "lab_get"


def test_second_lines_of_one_record_without_a_time_belong_to_the_report() -> None:
    report = _one(
        "[   21.000002] BUG: KASAN: slab-use-after-free in lab_get+0x2f/0x40 [lab]\n"
        "[   21.000003] Read of size 8 at addr ffff88810a0ca0c0 by task loader/91\n[   21.000004] Call Trace:\n"
        "[   21.000005]  lab_get+0x2f/0x40 [lab]\n"
        "[   21.000006] The buggy address belongs to the object at ffff88810a0ca0c0\n"
        " which belongs to the cache kmalloc-64 of size 64\n"
        "[   21.000007] The buggy address is located 0 bytes inside of\n"
        " freed 64-byte region [ffff88810a0ca0c0, ffff88810a0ca100)\n"
        "[   21.000008] Memory state around the buggy address:\n"
    )
    assert not report.damage
    assert report.span.last_line == 9


def test_file_names_with_quotes() -> None:
    report = _one(
        "BUG: Bad page state in process loader  pfn:12345\n"
        "page: refcount:0 mapcount:0 mapping:ffff88003da1ac20 index:0x5 pfn:0x12345\n"
        'aops:ext4_da_aops ino:20a1 dentry name:"a "b" c"\npage dumped because: non-NULL mapping\n'
    )
    page = report_json(report)["page"]
    assert (page["aops"], page["ino"], page["dentry"]) == ("ext4_da_aops", "0x20a1", 'a "b" c')


def test_the_debugger_of_powerpc() -> None:
    report = _one(
        "cpu 0x1c: Vector: 300 (Data Access) at [c000001ff74d36d0]\n    pc: c00000000047d72c: lab_irq+0xd4/0x2b0\n"
        "    lr: c00000000047d8ac: lab_softirq+0x254/0x2b0\n    sp: c000001ff74d3960\n   msr: 9000000000009033\n"
        "   dar: 1ffdbc0004\n dsisr: 42000000\n  current = 0xc000001ff73cca80\n"
        "  paca    = 0xc000001ffffde600     irqmask: 0x03        irq_happened: 0x01\n"
        "    pid   = 91, comm = swapper/28\n"
        "[c000001ff74d3a50] c00000000047d8ac lab_softirq+0x254/0x2b0\n"
        "[c000001ff74d3b40] c0000000000a1234 irq_exit+0x10c/0x110\n"
    )
    shown = report_json(report)
    assert (report.kind, shown["cpu"], shown["pid"], shown["comm"]) == (Kind.OOPS, 28, 91, "swapper/28")
    assert _functions(report) == ["lab_softirq", "irq_exit"]
    assert signature_of(report).interesting == "lab_irq"


@pytest.mark.parametrize(
    ("task", "cpu", "release", "hardware"),
    [
        (
            "CPU 3 \nPid: 10, comm: loader Tainted: P  2.6.38-8 #42-Ubuntu LAB Inc. Bench/0F0X",
            3,
            "2.6.38-8",
            "LAB Inc. Bench/0F0X",
        ),
        ("CPU:    3\nPid: 10, comm: loader Tainted: P        (2.6.28.3 #2) Bench 755", 3, "2.6.28.3", "Bench 755"),
        ("Pid: 10, comm: loader Tainted: P            3.4.0 #2", None, "3.4.0", None),
    ],
)
def test_cpu_and_machine_of_old_oopses(task: str, cpu: int | None, release: str, hardware: str | None) -> None:
    report = _one(
        "BUG: unable to handle kernel NULL pointer dereference at 0000000000000010\nOops: 0000 [#1] SMP\n"
        f"{task}\nRIP: 0010:[<ffffffffa014a000>]  [<ffffffffa014a000>] lab_x+0x180/0x1a0 [lab]\nCall Trace:\n"
        " [<ffffffff81085e3a>] lab_work+0x11a/0x480\n"
    )
    shown = report_json(report)
    assert (shown["cpu"], shown["pid"], shown["kernel"], shown["hardware"]) == (cpu, 10, release, hardware)


def test_a_cpu_line_of_another_task_is_none_of_a_warning() -> None:
    log = read_log(
        b"[   10.500001] WARNING: CPU: 2 PID: 91 at mm/lab.c:1 lab_a+0x1/0x2\n[   10.500002] Modules linked in: lab\n"
        b"[   10.500003] CPU: 1 PID: 92 Comm: puller Not tainted 6.1.0 #1\n[   10.500004] Call Trace:\n"
        b"[   10.500005]  lab_b+0x1/0x2\n"
    )
    shown = [report_json(report) for report in log.reports]
    assert [(s["kind"], s["cpu"], s["pid"], s["comm"]) for s in shown] == [
        ("warning", 2, 91, None),
        ("other", 1, 92, "puller"),
    ]


def test_traces_of_klogd_on_one_line() -> None:
    report = _one(
        "Unable to handle kernel NULL pointer dereference at virtual address 00000014\nOops: 0000\nCPU:    0\n"
        "EFLAGS: 00010282\neax: 00000000   ebx: c1a2b3c4   ecx: 00000001   edx: 00000002\n"
        "Process loader (pid: 91, stackpage=c15f1000)\nStack: c1a2b3c4 c1a2b3c4 f7c0e000 f7c0e0a0 \n"
        "Call Trace:    [lab_scan+672/880] [:lab:lab_shrink+88/96] [kernel_thread+43/56]\nCode: 8b 50 14 \n"
    )
    assert report.call_trace is not None
    shown = [(f.function, f.offset, f.size, f.module) for f in report.call_trace.frames]
    assert shown == [
        ("lab_scan", 672, 880, None),
        ("lab_shrink", 88, 96, "lab"),
        ("kernel_thread", 43, 56, None),
    ]


@pytest.mark.parametrize(
    "place",
    [
        "RIP: 0010:lab_read (mm/lab.c:123 (discriminator 3)) lab",
        "RIP: 0010:lab_read+0x10/0x20 [lab]",
        "TPC: <lab_read+0x10/0x20 [lab]>",
    ],
)
def test_the_function_that_a_trap_struck_names_the_family(place: str) -> None:
    report = _one(
        "Unable to handle kernel NULL pointer dereference at virtual address 00000014\nOops: 0000 [#1]\n"
        f"CPU: 2 PID: 91 Comm: loader Not tainted 6.6.0 #1\n{place}\nCall Trace:\n lab_ioctl+0x1/0x2 [lab]\n"
    )
    assert signature_of(report).functions == ("lab_read", "lab_ioctl")
