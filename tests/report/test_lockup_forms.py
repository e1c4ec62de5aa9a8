"""Forms of lockups, stalls and hung tasks: whom they name, and which line begins them."""

from __future__ import annotations

import pytest

from kvmlab.inquiry.signatures import signature_of
from kvmlab.report.jsonable import report_json
from kvmlab.report.log import read_log
from kvmlab.report.records import Kind
from tests.report.equal import check
from tests.report.single import functions, one

POWERPC = """\
[   41.000002] {head}
[   41.000003] {beat}
[   41.000004] Modules linked in: kvm_hv
[   41.000005] CPU: 6 PID: 91 Comm: spinner Not tainted 5.8.0 #3
[   41.000006] NIP:  c000000000a1b004 LR: c000000000a1b0fc CTR: 0000000000000000
[   41.000007] REGS: c000000007ffbd80 TRAP: 0900   Not tainted  (5.8.0)
[   41.000008] NIP [c000000000a1b004] {at}+0x24/0x40
[   41.000009] LR [c000000000a1b0fc] spin_more+0x7c/0x90
[   41.000010] Call Trace:
[   41.000011] [c000000023a5f8d0] [c000000000a1b0fc] spin_more+0x7c/0x90 (unreliable)
[   41.000012] [c000000023a5f900] [c0000000000b14f4] system_call_common+0xf4/0x258
[   41.000013] Instruction dump:
[   41.000014] 7d2a4b78 4bffffe4 60000000 60000000 7c210b78 7c421378 81230000 2c290000
"""


@pytest.mark.parametrize(
    ("head", "beat"),
    [
        (
            "watchdog: CPU 6 self-detected hard LOCKUP @ spin_here+0x24/0x40",
            "watchdog: CPU 6 TB:912, last heartbeat TB:2 (9ms ago)",
        ),
        ("watchdog: CPU 6 Hard LOCKUP", "watchdog: CPU 6 TB:912, last heartbeat TB:2 (9ms ago)"),
        ("Watchdog CPU:6 Hard LOCKUP", ""),
    ],
)
def test_hard_lockups_of_powerpc(head: str, beat: str) -> None:
    report = one(POWERPC.format(head=head, beat=beat, at="spin_here"))
    shown = report_json(report)
    assert (report.kind, report.title) == (Kind.SOFT_LOCKUP, head)
    assert (shown["cpu"], shown["pid"], shown["comm"], shown["kernel"]) == (6, 91, "spinner", "5.8.0")
    assert functions(report) == ["spin_more", "system_call_common"]
    assert signature_of(report).interesting == "spin_here"
    assert not report.damage


@pytest.mark.parametrize(
    "head", ["watchdog: CPU 1 detected hard LOCKUP on other CPUs 6", "Watchdog CPU:1 detected Hard LOCKUP other CPUS:6"]
)
def test_a_lockup_that_another_cpu_noticed_is_one_report(head: str) -> None:
    report = one(f"[   41.000001] {head}\n" + POWERPC.format(head="watchdog: CPU 6 Hard LOCKUP", beat="", at="f"))
    assert (report.kind, report.title) == (Kind.SOFT_LOCKUP, head)
    assert report.fields["reporter"] == 1
    assert report_json(report)["cpu"] == 6


def test_a_soft_lockup_prints_its_modules_twice() -> None:
    report = one(
        "[  612.000001] BUG: soft lockup - CPU#3 stuck for 22s! [spinner:91]\n"
        "[  612.000002] Modules linked in: lab(F) kvm [last unloaded: zram]\n[  612.000003] CPU 3 \n"
        "[  612.000004] Modules linked in: lab(F) kvm [last unloaded: zram]\n[  612.000005] \n"
        "[  612.000006] Pid: 91, comm: spinner Tainted: GF            3.4.0 #28\n"
        "[  612.000007] RIP: 0010:[<ffffffff810d5a5c>]  [<ffffffff810d5a5c>] lab_spin+0x8c/0x110 [lab]\n"
        "[  612.000008] Call Trace:\n[  612.000009]  [<ffffffff81077a03>] lab_ioctl+0x93/0xa0 [lab]\n"
        "[  612.000010]  [<ffffffff81689c64>] system_call_fastpath+0x4/0x10\n"
    )
    shown = report_json(report)
    assert shown["modules"] == [{"name": "lab", "flags": "F"}, {"name": "kvm", "flags": ""}]
    # The line with the task names no CPU in these kernels, the title does.
    assert (shown["cpu"], shown["pid"]) == (3, 91)
    assert signature_of(report).interesting == "lab_spin"


def test_a_hard_lockup_that_is_the_text_of_a_warning() -> None:
    report = one(
        "[   12.000001] ------------[ cut here ]------------\n"
        "[   12.000002] WARNING: at kernel/watchdog.c:246 watchdog_overflow_callback+0x9a/0xc0()\n"
        "[   12.000003] Hardware name: LAB-1\n[   12.000004] Watchdog detected hard LOCKUP on cpu 5\n"
        "[   12.000005] Modules linked in: kvm\n[   12.000006] Pid: 18, comm: spinner Not tainted 3.6.0 #1\n"
        "[   12.000007] Call Trace:\n[   12.000008]  <NMI>  [<ffffffff81058fef>] warn_slowpath_common+0x7f/0xc0\n"
        "[   12.000009]  [<ffffffff810e2e0a>] watchdog_overflow_callback+0x9a/0xc0\n"
        "[   12.000010]  <<EOE>>  [<ffffffff810c0a86>] lab_spin+0x76/0x130\n"
        "[   12.000011] ---[ end trace 0123456789abcdef ]---\n"
    )
    assert report.kind is Kind.SOFT_LOCKUP
    assert report.title == "Watchdog detected hard LOCKUP on cpu 5"
    shown = report_json(report)
    assert (shown["cpu"], shown["pid"], shown["hardware"]) == (5, 18, "LAB-1")
    assert signature_of(report).interesting == "lab_spin"


@pytest.mark.parametrize(("taint", "letters"), [("Tainted: G        W         ", "GW"), ("Not tainted", "")])
def test_a_hung_task_tells_release_and_taint_and_not_the_watchdogs_cpu(taint: str, letters: str) -> None:
    report = one(
        "[ 1200.000001] INFO: task kworker/u8:3:912 blocked for more than 122 seconds.\n"
        f"[ 1200.000002]       {taint} 6.7.1-lab #37\n"
        '[ 1200.000003] "echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.\n'
        "[ 1200.000004] task:kworker/u8:3    state:D stack:0     pid:912   ppid:2      flags:0x00004000\n"
        "[ 1200.000005] Call Trace:\n[ 1200.000006]  <TASK>\n[ 1200.000007]  __schedule+0x3ed/0xb30\n"
        "[ 1200.000008]  schedule_timeout+0x23/0xa0\n[ 1200.000009]  lab_wait+0x23/0xa0 [lab]\n"
        "[ 1200.000010]  </TASK>\n"
        "[ 1200.000011] NMI backtrace for cpu 1\n"
        "[ 1200.000012] CPU: 1 PID: 33 Comm: khungtaskd Not tainted 6.7.1-lab #37\n"
        "[ 1200.000013] Call Trace:\n[ 1200.000014]  <TASK>\n[ 1200.000015]  watchdog+0x5d9/0x620\n"
        "[ 1200.000016]  </TASK>\n"
    )
    shown = report_json(report)
    assert (shown["cpu"], shown["pid"], shown["comm"]) == (None, 912, "kworker/u8:3")
    assert (shown["kernel"], shown["taint"]) == ("6.7.1-lab", letters)
    assert signature_of(report).interesting == "lab_wait"


def test_a_hung_task_of_kernels_that_do_not_tell_keeps_its_name() -> None:
    report = one(
        "[ 1200.000001] INFO: task loader:912 blocked for more than 120 seconds.\n"
        "[ 1200.000004] loader        D ffff88023fc92fc0     0   912      1 0x00000000\n"
        "[ 1200.000005] Call Trace:\n[ 1200.000006]  [<ffffffff8150e0c5>] lab_wait+0x95/0x1d0\n"
        "[ 1200.000011] Kernel panic - not syncing: hung_task: blocked tasks\n"
        "[ 1200.000012] Pid: 33, comm: khungtaskd Not tainted 3.2.0 #37\n"
        "[ 1200.000013] Call Trace:\n[ 1200.000015]  [<ffffffff8150cfc8>] panic+0xa7/0x16f\n"
    )
    shown = report_json(report)
    assert (shown["cpu"], shown["pid"], shown["comm"], shown["kernel"]) == (None, 912, "loader", "3.2.0")


STALLED = """\
[  210.000001] INFO: rcu_sched self-detected stall on CPU
[  210.000004] NMI backtrace for cpu 3
[  210.000005] CPU: 3 PID: 91 Comm: spinner Not tainted {kernel} #17
[  210.000007] Call {trace}:
"""


def test_what_a_stalled_cpu_was_at_names_the_family() -> None:
    x86 = STALLED.format(kernel="4.14.0", trace="Trace") + (
        "[  210.000008]  <IRQ>\n[  210.000009]  dump_stack+0x63/0x85\n[  210.000010]  nmi_cpu_backtrace+0xbf/0xd0\n"
        "[  210.000011]  rcu_dump_cpu_stacks+0xa3/0xd5\n[  210.000012]  rcu_check_callbacks+0x721/0x8e0\n"
        "[  210.000013]  timer_of_somebody+0x2f/0x60\n[  210.000014]  </IRQ>\n"
        "[  210.000015]  lab_spin+0x1c/0x40 [lab]\n"
        "[  210.000016]  entry_SYSCALL_64_fastpath+0x1e/0xa9\n"
    )
    arm64 = STALLED.format(kernel="5.10.0", trace="trace") + (
        "[  210.000009]  dump_backtrace+0x0/0x1a0\n[  210.000010]  rcu_dump_cpu_stacks+0xbf/0xd0\n"
        "[  210.000011]  rcu_sched_clock_irq+0xa3/0xd5\n[  210.000012]  chip_handle_irq+0x721/0x8e0\n"
        "[  210.000013]  el1_irq+0xc0/0x180\n[  210.000015]  lab_spin+0x1c/0x40 [lab]\n"
        "[  210.000016]  el0_svc+0x18/0x28\n"
    )
    signatures = [signature_of(one(text)) for text in (x86, arm64)]
    assert [(s.functions, s.interesting) for s in signatures] == [(("lab_spin",), "lab_spin")] * 2


def test_the_title_of_a_soft_lockup_says_which_cpu_is_stuck() -> None:
    log = read_log(
        b"[  300.000001] watchdog: BUG: soft lockup - CPU#6 stuck for 26s! [kworker/6:1:912]\n"
        b"[  300.000002] watchdog: BUG: soft lockup - CPU#7 stuck for 26s! [kworker/7:1:913]\n"
        b"[  300.000003] Modules linked in: lab\n"
        b"[  300.000004] CPU: 6 PID: 912 Comm: kworker/6:1 Not tainted 6.1.7 #1\n"
        b"[  300.000005] Call trace:\n[  300.000006]  lab_a+0x64/0x3c0\n"
    )
    shown = [report_json(report) for report in log.reports]
    assert [(s["cpu"], s["pid"], s["comm"]) for s in shown] == [(6, 912, "kworker/6:1"), (7, 913, "kworker/7:1")]
    more = read_log(
        b"[  300.000002] watchdog: BUG: soft lockup - CPU#7 stuck for 26s! [kworker/7:1:913]\n"
        b"[  300.000004] CPU: 6 PID: 912 Comm: kworker/6:1 Not tainted 6.1.7 #1\n"
        b"[  300.000005] CPU: 7 PID: 913 Comm: kworker/7:1 Tainted: G        W          6.1.7 #1\n"
    )
    assert report_json(more.reports[0])["taint"] == "GW"


@pytest.mark.parametrize(
    "head", ["NMI watchdog: Watchdog detected hard LOCKUP on cpu 13", "Watchdog detected hard LOCKUP on cpu 13"]
)
def test_modules_right_behind_a_hard_lockup(head: str) -> None:
    text = "".join(
        f"[   12.0000{n:02}] {row}\n"
        for n, row in enumerate(
            [
                f"{head}Modules linked in: lab(F) kvm [last unloaded: zram]",
                "CPU: 13 PID: 91 Comm: spinner Not tainted 4.15.0 #28",
                "RIP: 0010:lab_spin+0x8c/0x110 [lab]",
                "Call Trace:",
                " lab_ioctl+0x93/0xa0 [lab]",
            ]
        )
    )
    report = one(text)
    assert (report.title, report.fields["cpu"]) == (head, 13)
    assert report_json(report)["modules"] == [{"name": "lab", "flags": "F"}, {"name": "kvm", "flags": ""}]
    log = read_log(text.encode())
    assert b"".join(text.encode()[r.span.start : r.span.stop] for r in log.text.records) == text.encode()
    # In a mail, too.
    mailed = read_log(f"Subject: x\nFrom: a@example.org\nMessage-ID: <x@y>\n\n{text}".encode()).reports[0]
    assert mailed.title == head


@pytest.mark.parametrize(
    "rows",
    [
        ["rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", "rcu: \t7-...0: (1 GPs behind) idle=5c2/1/0x4"],
        ["INFO: rcu_preempt self-detected stall on CPU", "\t7-O..: (20999 ticks this GP) idle=5c2/1/0"],
        ["INFO: rcu_sched detected stalls on CPUs/tasks: { 7 9} (detected by 0, t=5252 jiffies, g=1234)"],
        ["INFO: rcu_sched self-detected stall on CPU { 7}  (t=21000 jiffies g=1234 c=1233 q=56)"],
        ["rcu: INFO: rcu_sched detected expedited stalls on CPUs/tasks: { 7-...D } 5243 jiffies s: 577 root: 0x4/."],
    ],
)  # fmt: skip
def test_the_cpu_of_a_stall(rows: list[str]) -> None:
    report = one("".join(f"[   12.00000{n}] {row}\n" for n, row in enumerate([*rows, "Call Trace:", " f+0x1/0x20"])))
    assert report.fields["cpu"] == 7
    assert "what" in report.fields


def test_a_stall_of_tasks_names_no_cpu() -> None:
    rows = [
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "rcu: \tTasks blocked on level-0 rcu_node (CPUs 0-3): P7",
    ]
    assert "cpu" not in one("".join(f"[   12.00000{n}] {row}\n" for n, row in enumerate(rows))).fields


_LOCKUP = [
    "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [fizz:911]",
    "Modules linked in: fizz",
    "CPU: 3 PID: 911 Comm: fizz Not tainted 6.1.0 #1",
    "Call Trace:",
    " <TASK>",
    " fizz_spin+0x1/0x2",
    " </TASK>",
]
_BROADCAST = ["", "Message from syslogd@fizz at Mar  3 12:01:07 ...", f" kernel:{_LOCKUP[0]}", ""]


def _at(second: int) -> list[str]:
    return [f"[ {second}.{n:06}] {row}" for n, row in enumerate(_LOCKUP)]


@pytest.mark.parametrize(
    ("rows", "times", "copies"),
    [
        ([*_at(1300), *_BROADCAST], ["1300.000000"], 1),
        ([*_BROADCAST, *_at(1300)], ["1300.000000"], 1),
        ([*_at(1300)[:3], *_BROADCAST, *_at(1300)[3:]], ["1300.000000"], 1),
        ([*_at(1300), *_BROADCAST, *_at(1400), *_BROADCAST], ["1300.000000", "1400.000000"], 2),
        (_BROADCAST, [None], 0),
        ([*_BROADCAST, *_BROADCAST], [None, None], 0),
    ],
)
def test_a_broadcast_beside_its_lockup_is_a_copy(rows: list[str], times: list[str | None], copies: int) -> None:
    data = "\n".join([*rows, ""]).encode()
    reports = read_log(data).reports
    assert [report.timestamp for report in reports] == times
    assert sum(len(report.repeats) for report in reports) == copies
    for engine in ("python", "numba"):
        check(data, engine)
