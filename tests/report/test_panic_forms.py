"""Forms around a panic and a stall: the other CPUs, long waits for them, decoded traces of arm, old module lists."""

from __future__ import annotations

import pytest

from kvmlab.report.log import read_log
from kvmlab.report.records import Kind
from kvmlab.report.scan import scan_log
from tests.report.equal import check
from tests.report.single import functions, one

PANIC_OF_ARM = """\
[   61.000001] Internal error: Oops - undefined instruction: 0 [#1] SMP ARM
[   61.000002] Modules linked in: cam
[   61.000003] CPU: 1 PID: 77 Comm: grabber Not tainted 3.14.22 #5
[   61.000004] PC is at cam_take+0x10/0x30
[   61.000005] LR is at cam_loop+0x20/0x40
[   61.000006] [<bf001010>] (cam_take) from [<bf002020>] (cam_loop+0x20/0x40)
[   61.000007] Code: e1a0f00e e92d4010 e24dd008 e1a04000 (e7f001f2)
[   61.000008] ---[ end trace 51f0b2b2f2a4d002 ]---
[   61.000009] Kernel panic - not syncing: Fatal exception in interrupt
[   61.000010] CPU0: stopping
[   61.000011] CPU: 0 PID: 0 Comm: swapper/0 Tainted: G      D       3.14.22 #5
[   61.000012] [<c0011010>] (unwind_it) from [<c0012020>] (show_it+0x10/0x20)
[   61.000013] [<c0012020>] (show_it) from [<c0013030>] (handle_stop+0x80/0x90)
[   61.000014] CPU3: stopping
[   61.000015] CPU: 3 PID: 0 Comm: swapper/3 Tainted: G      D       3.14.22 #5
[   61.000016] [<c0011010>] (unwind_it) from [<c0012020>] (show_it+0x10/0x20)
[   61.000017] [<c0012020>] (show_it) from [<c0014040>] (other_stop+0x80/0x90)
[   61.000018] SMP: failed to stop secondary CPUs
"""


def test_cpus_that_a_panic_stops_are_of_its_report() -> None:
    report = one(PANIC_OF_ARM)
    assert functions(report) == ["cam_take", "cam_loop"]
    assert report.cpu_line is not None
    assert (report.cpu_line.cpu, report.cpu_line.comm) == (1, "grabber")
    assert [(t.name, t.frames[-1].function) for t in report.traces] == [
        ("CPU0: stopping", "handle_stop"),
        ("CPU3: stopping", "other_stop"),
    ]
    assert len(report.records) == len(PANIC_OF_ARM.splitlines())
    assert not report.damage


STALL = """\
[   20.000001] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
[   20.000002] rcu: \t2-...0: (3 ticks this GP) idle=04cc/1/0x4000000000000000 softirq=38/44 fqs=2579
[   20.000003] rcu: \t(detected by 1, t=5252 jiffies, g=-1139, q=146 ncpus=4)
[   20.000004] Sending NMI from CPU 1 to CPUs 2:
[   30.100001] rcu: rcu_preempt kthread starved for 2503 jiffies! g-1139 f0x0 RCU_GP_WAIT_FQS(5) ->state=0x402 ->cpu=1
[   30.100002] rcu: RCU grace-period kthread stack dump:
[   30.100003] task:rcu_preempt     state:I stack:0     pid:15    tgid:15    ppid:2      flags:0x00000008
[   30.100004] Call trace:
[   30.100005]  __switch_to+0xe0/0x120
[   30.100006]  rcu_gp_kthread+0x40/0x90
"""


def test_cpus_that_do_not_answer_do_not_cut_a_stall() -> None:
    report = one(STALL)
    assert report.kind is Kind.RCU_STALL
    assert functions(report) == ["__switch_to", "rcu_gp_kthread"]
    for engine in ("python", "numba"):
        check(("[    1.000001] a: up\n" * 300 + STALL + "[   31.000001] a: up\n" * 300).encode(), engine)


def test_another_silence_still_ends_a_report() -> None:
    text = STALL.replace("[   20.000004] Sending NMI from CPU 1 to CPUs 2:\n", "")
    assert [len(r.records) for r in read_log(text.encode()).reports] == [3, 6]
    assert len(scan_log(text.encode()).df_reports()) == 2


DECODED_ARM = """\
[   70.000001] 8<--- cut here ---
[   70.000002] Unable to handle kernel NULL pointer dereference at virtual address 00000010 when read
[   70.000003] Internal error: Oops: 5 [#1] SMP ARM
[   70.000004] CPU: 0 PID: 91 Comm: grabber Not tainted 6.1.9 #2
[   70.000005] Call trace:
[   70.000006]  cam_take from cam_loop (drivers/media/cam.c:91 drivers/media/cam.c:120) cam
[   70.000007]  cam_loop from kthread (kernel/kthread.c:376)
[   70.000008]  kthread from ret_from_fork+0x14/0x28
[   70.000009] ---[ end trace 0000000000000000 ]---
"""


def test_decoded_callers_of_arm() -> None:
    report = one(DECODED_ARM)
    assert functions(report) == ["cam_take", "cam_loop", "kthread", "ret_from_fork"]
    assert report.call_trace is not None
    caller = report.call_trace.frames[1]
    assert (caller.module, caller.source) == ("cam", ("drivers/media/cam.c:91", "drivers/media/cam.c:120"))
    assert not report.damage


@pytest.mark.parametrize(
    ("shown", "flags"), [("klab(P)(U)", "PU"), ("klab(U)", "U"), ("klab(POE+)", "POE+"), ("klab", "")]
)
def test_taint_letters_of_a_module_each_in_brackets(shown: str, flags: str) -> None:
    text = (
        "[   80.000001] BUG: Bad page state in process klabd  pfn:00123\n"
        f"[   80.000002] Modules linked in: sg {shown} dm_mod [last unloaded: {shown}]\n"
        "[   80.000003] Pid: 12, comm: klabd Tainted: P           ---------------- 2.6.32-99.el6.x86_64 #1\n"
        "[   80.000004] Call Trace:\n"
        "[   80.000005]  [<ffffffff8110aaaa>] ? bad_page+0xaa/0x160\n"
    )
    modules = one(text).modules
    assert modules is not None
    assert [(m.name, m.flags) for m in modules.modules] == [("sg", ""), ("klab", flags), ("dm_mod", "")]
    assert (modules.last_unloaded, modules.unparsed) == ("klab", ())


def test_suspending_clocks_and_lists_that_a_pager_cut() -> None:
    text = (
        "[ 6691.578735] WARNING: CPU: 7 PID: 462 at drivers/gpu/drm/ttm/ttm_tt.c:51 ttm_tt_create+0xb6/0xe0 [ttm]\n"
        "[ 6692.795234] Modules linked in: qxl(E) drm_ttm_helper(E) ttm(E) snd_hda_in>\n"
        "[ 6692.795235]  snd_timer(E) drm(E) joydev(E) i2c_pi>\n"
        "[ 6691.578781] CPU: 7 PID: 462 Comm: kworker/7:1 Tainted: G            E     5.8.0+ #82\n"
        "[ 6691.578828] Call Trace:\n"
        "[ 6691.578843]  ttm_bo_kmap+0x14b/0x220 [ttm]\n"
        "[ 6691.578862] ---[ end trace 8ae8ba0e8e2e0d1f ]---\n"
    )
    report = one(text)
    assert functions(report) == ["ttm_bo_kmap"]
    assert report.modules is not None
    assert report.modules.names == ("qxl", "drm_ttm_helper", "ttm", "snd_timer", "drm", "joydev")
    assert report.modules.unparsed == ("snd_hda_in>", "i2c_pi>")
    assert not report.damage


@pytest.mark.parametrize(
    "title",
    [
        "Page fault: no context: Code=15 (Data TLB miss fault) at addr 0000000000000008",
        "Bad Address (null pointer deref?): Code=15 regs=000000004e1b1f30 (Addr=0000000000000008)",
        "Kernel Fault: Code=26 (Data memory access rights trap) at addr 0000000000000010",
    ],
)
def test_faults_of_parisc(title: str) -> None:
    report = one(
        "[   78.100001] eth0: up\n"
        f"[   78.100002] {title}\n"
        "[   78.100003] CPU: 1 PID: 99 Comm: sshd Tainted: G    B             5.15.0-64bit #1\n"
        "[   78.100007]      YZrvWESTHLNXBCVMcbcbcbcbOGFRQPDI\n"
        "[   78.100008] PSW: 00001000000001001111111100001111 Tainted: G    B\n"
        "[   78.100009] Backtrace:\n"
        "[   78.100010]  [<0000000040451bd4>] free_pgtables+0x10c/0x188\n"
        "[   78.100011] Kernel panic - not syncing: Page fault\n"
    )
    assert (report.kind, report.title, len(report.records)) == (Kind.OOPS, title, 7)


OLD_X86_64 = """\
[ 1127.842645] Unable to handle kernel NULL pointer dereference at 0000000000000040 RIP:{end}
[ 1127.848117] {place}
[ 1127.855474] PGD 5e38a067 PUD 5e39d067 PMD 0
[ 1127.859770] Oops: 0002 [1] SMP
[ 1127.862931] CPU 1
[ 1127.864957] Modules linked in: unix
[ 1127.896622] Pid: 0, comm: swapper Not tainted 2.6.17 #1
[ 1127.909589] RSP: 0018:ffff81000245bd70  EFLAGS: 00010002
[ 1127.915098] Call Trace: <IRQ> <ffffffff80131da4>{{try_wake+58}}
[ 1127.915099]        <ffffffff80132cba>{{tick_it+122}} <EOI>
[ 1127.915102] Code: f0 ff 0f 0f 88 ae 01 00 00 c3
[ 1127.915103] RIP <ffffffff803a1ae8>{{take_it+0}} RSP <ffff81000245bd70>
[ 1127.915104] CR2: 0000000000000040
[ 1127.915105]  <0>Kernel panic - not syncing: Aiee, killing interrupt handler!
"""


@pytest.mark.parametrize("place", ["<ffffffff803a1ae8>{take_it+0}", " [<ffffffff803a1ae8>] take_it+0x0/0x10"])
@pytest.mark.parametrize("end", ["", " "])
def test_a_fault_of_x86_64_before_2_6_25(place: str, end: str) -> None:
    text = OLD_X86_64.format(place=place, end=end)
    report = one(text)
    assert (report.kind, report.rule, report.fields["at"]) == (Kind.OOPS, "unable_to_handle", "0000000000000040")
    assert functions(report) == ["try_wake", "tick_it"]
    assert [(t.name, [f.function for f in t.frames]) for t in report.traces if t.name == "RIP"] == [
        ("RIP", ["take_it"])
    ]
    assert len(report.records) == len(text.splitlines())
    assert not report.damage
    check(text.encode(), "python")


def test_what_a_cut_leaves_of_a_cpu_line_is_no_module() -> None:
    text = (
        "[   51.120001] BUG: Bad page state in process kl  pfn:81c42\n"
        "[   51.120002] Modules linked in: vfio_pci vfio\n"
        "[   51.120003] C\n"
    )
    modules = one(text).modules
    assert modules is not None
    assert modules.names == ("vfio_pci", "vfio")


PANIC = [
    "Kernel panic - not syncing: {}: panic_on_warn set ...", "CPU: 1 PID: 422 Comm: kl Not tainted 6.9.12 #17",
    "Call Trace:", " <TASK>", " panic+0x1/0x2", " fizz_map+0x1a/0x90 [fizz]", " </TASK>",
]  # fmt: skip
RULE = "=" * 66
SANITIZED = {
    "KMSAN": [
        RULE, "BUG: KMSAN: uninit-value in fizz_map+0x1a/0x90 [fizz]", " fizz_map+0x1a/0x90 [fizz]", "",
        "Uninit was created at:", " buzz_new+0x1/0x2", "", "CPU: 1 PID: 422 Comm: kl Not tainted 6.9.12 #17", RULE,
    ],
    "KCSAN": [
        RULE, "BUG: KCSAN: data-race in fizz_map / fizz_put", "",
        "write to 0xffff80000f00bfb8 of 8 bytes by task 422 on cpu 1:", " fizz_map+0x1a/0x90 [fizz]", "",
        "read to 0xffff80000f00bfb8 of 8 bytes by task 94 on cpu 0:", " fizz_put+0x1a/0x90 [fizz]", "",
        "Reported by Kernel Concurrency Sanitizer on:", "CPU: 1 PID: 422 Comm: kl Not tainted 6.9.12 #17", RULE,
    ],
    "KFENCE": [
        RULE, "BUG: KFENCE: use-after-free read in fizz_map+0x1a/0x90 [fizz]", "",
        "Use-after-free read at 0x00000000b4c5d6e7 (in kfence-#24):", " fizz_map+0x1a/0x90 [fizz]", "",
        "freed by task 48 on cpu 0 at 1.2s:", " fizz_free+0x1a/0x90 [fizz]", "",
        "CPU: 1 PID: 422 Comm: kl Not tainted 6.9.12 #17", RULE,
    ],
    "UBSAN to 5.17": [
        RULE, "UBSAN: shift-out-of-bounds in mm/fizz.c:12:3", "shift exponent 64 is too large for 64-bit type 'u64'",
        "CPU: 1 PID: 422 Comm: kl Not tainted 5.9.12 #17", "Call Trace:", " fizz_map+0x1a/0x90 [fizz]", RULE,
    ],
    "UBSAN": [
        "------------[ cut here ]------------", "UBSAN: shift-out-of-bounds in mm/fizz.c:12:3",
        "shift exponent 64 is too large for 64-bit type 'u64'", "CPU: 1 PID: 422 Comm: kl Not tainted 6.9.12 #17",
        "Call Trace:", " <TASK>", " fizz_map+0x1a/0x90 [fizz]", " </TASK>", "---[ end trace ]---",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SANITIZED)
def test_a_panic_behind_the_end_of_a_sanitizers_report_is_of_it(name: str) -> None:
    rows = [*SANITIZED[name], *(row.format(name.split()[0]) for row in PANIC)]
    text = "".join(f"[   90.{n:06}] {row}\n" for n, row in enumerate(rows))
    report = one(text)
    assert functions(report) == ["fizz_map"]
    assert report.span.last_line == len(rows)
    assert [frame.function for frame in report.traces[-1].frames] == ["panic", "fizz_map"]


def test_a_panic_is_of_no_other_report_without_a_kind() -> None:
    rows = ['irq 16: nobody cared (try booting with the "irqpoll" option)', *PANIC]
    text = "".join(f"[   90.{n:06}] {row}\n" for n, row in enumerate(rows))
    assert [report.span.first_line for report in read_log(text.encode()).reports] == [1, 2]
