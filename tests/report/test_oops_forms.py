"""Forms of oopses by architecture, age and decoder."""

from __future__ import annotations

import pytest

from kvmlab.inquiry.signatures import signature_of
from kvmlab.report.jsonable import report_json
from kvmlab.report.log import read_log
from kvmlab.report.records import Kind
from tests.report.equal import check
from tests.report.single import functions, one


def test_parisc_prints_the_trace_before_the_title() -> None:
    report = one(
        "[   33.000001] Backtrace:\n[   33.000002]  [<0000000040a1b2c4>] lab_read+0x24/0x80\n"
        "[   33.000003]  [<0000000040a1b2b4>] sys_lab+0x14/0x80\n[   33.000004] \n"
        "[   33.000005] Kernel Fault: Code=15 (Data TLB miss fault) at addr 0000000000000010\n"
        "[   33.000006] CPU: 2 PID: 91 Comm: loader Not tainted 6.6.1 #1\n"
        "[   33.000007] Hardware name: 9000/785/C8000\n"
        "[   33.000008]  IAOQ[0]: lab_read+0x24/0x80\n[   33.000009] Backtrace:\n"
        "[   33.000010]  [<0000000040a1b2b4>] sys_lab+0x14/0x80\n"
    )
    assert (report.kind, report.span.first_line) == (Kind.OOPS, 1)
    assert functions(report) == ["lab_read", "sys_lab"]
    assert report_json(report)["pid"] == 91
    assert len(report.traces) == 1


def test_inlined_functions_of_early_symbolizers() -> None:
    report = one(
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


def test_the_debugger_of_powerpc() -> None:
    report = one(
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
    assert functions(report) == ["lab_softirq", "irq_exit"]
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
    report = one(
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
    report = one(
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
    report = one(
        "Unable to handle kernel NULL pointer dereference at virtual address 00000014\nOops: 0000 [#1]\n"
        f"CPU: 2 PID: 91 Comm: loader Not tainted 6.6.0 #1\n{place}\nCall Trace:\n lab_ioctl+0x1/0x2 [lab]\n"
    )
    assert signature_of(report).functions == ("lab_read", "lab_ioctl")


@pytest.mark.parametrize("empty", ["[]", "[<>]", "[< >]"])
def test_addresses_that_a_page_took_for_tags(empty: str) -> None:
    rows = [
        "BUG: unable to handle kernel paging request at 0000000100000018", f"IP: {empty} fizz_map+0x5a/0x170", "PGD 0",
        "Oops: 0000 [#1] SMP", "CPU: 3 PID: 1523 Comm: kl Not tainted 3.10.0 #1",
        "RIP: 0010:[] [] fizz_map+0x5a/0x170", "RSP: 0018:ffff880fcb5a9d60  EFLAGS: 00010282", "Call Trace:",
        f" {empty} ? buzz_get+0x4f/0x1a0", f" {empty} buzz_get+0x4f/0x1a0 [buzz]", f" {empty} kl_fastpath+0x16/0x1b",
        "Code: dc 00 00 49", "RIP [] fizz_map+0x5a/0x170", "---[ end trace 2a3a6b0e5d8a5a1e ]---",
    ]  # fmt: skip
    for prefix in ("", "[   12.000001] "):
        text = "".join(f"{prefix}{row}\n" for row in rows)
        report = one(text)
        assert functions(report) == ["buzz_get", "buzz_get", "kl_fastpath"]
        assert report.registers is not None
        assert report.registers.symbols["RIP"] == "fizz_map+0x5a/0x170"
        assert (len(report.records), report.damage) == (len(rows), ())
        check(text.encode(), "python")


def test_an_old_mips_names_the_taint_behind_a_register() -> None:
    rows = [
        "CPU 0 Unable to handle kernel paging request at virtual address 00000090, epc == 80150d00, ra == 8015101c",
        "Oops[#1]:", "Cpu 0", "$ 0   : 00000000 7faa867c 00000028 00000020",
        "epc   : 80150d00 fizz_out+0x28c/0x105c     {taint}", "ra    : 8015101c fizz_out+0x5a8/0x105c", "Call Trace:",
        " [<80151aec>] buzz_flow+0x1c/0x78",
    ]  # fmt: skip
    for taint, tainted in (("Tainted: P", True), ("Not tainted", False)):
        text = "".join(row.format(taint=taint) + "\n" for row in rows)
        report = one(text)
        assert report.registers is not None
        assert report.registers.values["epc"] == 0x80150D00
        assert report.registers.symbols["epc"] == "fizz_out+0x28c/0x105c"
        assert report.cpu_line is not None
        assert report.cpu_line.tainted is tainted
        assert (len(report.records), report.damage) == (len(rows), ())


def test_what_4_15_sums_up_is_not_of_the_registers_of_the_program() -> None:
    rows = [
        "general protection fault: 0000 [#1] SMP PTI", "CPU: 1 PID: 1094 Comm: kl Not tainted 4.15.16 #1",
        "RIP: 0010:fizz_load+0x7d/0x170", "RSP: 0018:ffffbe26c1707e70 EFLAGS: 00010046", "Call Trace:",
        " buzz_get+0x2f/0x4d0", "RIP: 0033:0x7f1d2b6b7b99", "R10: 0000000000000000 R11: 0000000000000246",
        "Code: 00 48 09 d7 <0f> 22 df", "RIP: fizz_load+0x7d/0x170 RSP: ffffbe26c1707e70",
        "---[ end trace 07b30e4a812918a3 ]---",
    ]  # fmt: skip
    report = one("".join(f"[   73.{n:06}] {row}\n" for n, row in enumerate(rows)))
    assert report.registers is not None
    program, summary = report.more_registers
    assert (program.mode, program.symbols, "RSP" in program.values) == ("user", {}, False)
    assert (summary.symbols, summary.values) == ({"RIP": "fizz_load+0x7d/0x170"}, {"RSP": 0xFFFFBE26C1707E70})


@pytest.mark.parametrize(
    "title",
    [
        "Oops: general protection fault, probably for non-canonical address",
        "BUG: unable to handle page fault for address:",
    ],
)
def test_a_fault_of_which_somebody_put_the_address_below(title: str) -> None:
    rows = [
        f"kernel: {title}", "        0xfdff8e2e2cffe130: 0000 [#1] SMP NOPTI",
        "kernel: CPU: 2 UID: 62 PID: 4230 Comm: kl Tainted: G  O  6.18.34 #1", "kernel: RIP: 0010:fizz_map+0x55/0xd0",
        "kernel: Call Trace:", "kernel:  buzz_get+0x42/0x220",
    ]  # fmt: skip
    report = one("Look:\n\n```\n" + "".join(f"{row}\n" for row in rows) + "```\n")
    assert (report.kind, report.rule, report.title) == (Kind.OOPS, "fault_cut", title)
    assert functions(report) == ["buzz_get"]
    assert read_log(f"I saw\n{title}\nonce.\n".encode()).reports == ()
