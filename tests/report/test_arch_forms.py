"""Reports of architectures other than x86 and of embedded systems: one small text each, written for this test."""

from __future__ import annotations

from typing import Any

import pytest

from kvmlab.report.jsonable import report_json
from kvmlab.report.log import read_log
from kvmlab.report.records import Kind, Report
from kvmlab.report.registers import match_registers
from kvmlab.report.splat import find_splats
from tests.report.equal import check


def _one(text: str) -> Report:
    log = read_log(text.encode())
    assert len(log.reports) == 1, [r.title for r in log.reports]
    assert [line.record.text for splat in find_splats(log.text.records) for line in splat.foreign] == []
    check(text.encode(), "python")
    return log.reports[0]


def _json(report: Report, *names: str) -> list[Any]:
    shown = report_json(report)
    return [shown[name] for name in names]


def _frames(report: Report) -> list[tuple[str, str | None]]:
    return [] if report.call_trace is None else [(f.function, f.module) for f in report.call_trace.frames]


NO_SYMBOLS_ARM64 = """\
<1>[  811.100000] Unable to handle kernel paging request at virtual address 0000ffee00c01200
<0>[  811.100001] Internal error: Oops: 0000000096000004 [#1] SMP
<7>[  811.100002] Modules linked in: qmi_wwan(O) pppoe nf_flow_table
<7>[  811.100003] CPU: 1 PID: 0 Comm: swapper/1 Tainted: G           O      5.15.81 #0
<7>[  811.100004] Hardware name: Example Router R1 (DT)
<7>[  811.100005] pc : 0xffffffc0081b2f40
<7>[  811.100006] lr : 0xffffffc000c4112c [qmi_wwan@000000003f1188c2+0x9000]
<7>[  811.100007] sp : ffffffc008fb3010
<7>[  811.100008] Call trace:
<7>[  811.100009]  0xffffffc0081b2f40
<7>[  811.100010]  0xffffffc000c4112c [qmi_wwan@000000003f1188c2+0x9000]
<7>[  811.100011]  0xffffffc00870a17c
<0>[  811.100012] Code: b9402aa2 f9405ea3 8b0202c0 dac00c00 (f8626ac2)
<4>[  811.100013] ---[ end trace 51f0b2b2f2a4d001 ]---
<0>[  811.200000] Kernel panic - not syncing: Oops: Fatal exception
<2>[  811.200001] SMP: stopping secondary CPUs
<0>[  811.200002] CPU features: 0x0,00000000,20000802
<0>[  811.200003] Memory Limit: none
"""


def test_kernels_without_symbols_name_the_module_and_its_place() -> None:
    report = _one(NO_SYMBOLS_ARM64)
    assert _frames(report) == [
        ("0xffffffc0081b2f40", None),
        ("0xffffffc000c4112c", "qmi_wwan"),
        ("0xffffffc00870a17c", None),
    ]
    assert report.registers is not None
    assert report.registers.values["lr"] == 0xFFFFFFC000C4112C
    assert not report.damage


NO_SYMBOLS_MIPS = """\
[   55.300000] CPU 1 Unable to handle kernel paging request at virtual address 0a406000, epc == 801085ac, ra == 8010851c
[   55.300100] Oops[#1]:
[   55.300200] CPU: 1 PID: 233 Comm: kworker/1:2 Not tainted 4.14.99 #0
[   55.300300] $ 0   : 00000000 00000015 00000000 a25b0831
[   55.300400] $28   : 8797a000 8797ba18 00000010 8010851c
[   55.300500] Hi    : 00000665
[   55.300600] Lo    : 14af5487
[   55.300700] epc   : 801085ac 0x801085ac
[   55.300800] ra    : 8010851c 0x8010851c
[   55.300900] Status: 11007c03\tKERNEL EXL IE\x20
[   55.301000] Cause : 40800008 (ExcCode 02)
[   55.301100] BadVA : 0a406000
[   55.301200] PrId  : 0001992f (MIPS 1004Kc)
[   55.301300] Modules linked in: mt7603e mac80211
[   55.301400] Process kworker/1:2 (pid: 233, threadinfo=8797a000, task=878e1360, tls=00000000)
[   55.301500] Stack : 00000001 8797ba18 87c0b948 871b9bac
[   55.301600]         ...
[   55.301700] Call Trace:[<8724eb5c>] 0x8724eb5c [mac80211@8724a000+0x5c9f0]
[   55.301800] [<800a1234>] 0x800a1234
[   55.301900] Code: 8fbf001c  03e00008  27bd0020 <8c420000> 00000000
[   55.302000]\x20
[   55.302100] ---[ end trace 749935782defe001 ]---
"""


def test_mips_without_symbols() -> None:
    report = _one(NO_SYMBOLS_MIPS)
    assert _frames(report) == [("0x8724eb5c", "mac80211"), ("0x800a1234", None)]
    assert report.registers is not None
    names = ("epc", "ra", "Status", "BadVA", "$31")
    assert [report.registers.values[n] for n in names] == [0x801085AC, 0x8010851C, 0x11007C03, 0xA406000, 0x8010851C]


MIPS_3 = """\
[   77.100000] Data bus error, epc == 80109120, ra == 80109104
[   77.100001] Oops[#1]:
[   77.100002] Cpu 0
[   77.100003] $ 0   : 00000000 00000031 00000000 80460000
[   77.100004] Hi    : 00000001
[   77.100005] Lo    : 00000002
[   77.100006] epc   : 80109120 ioread32+0x8/0x10
[   77.100007]     Tainted: G           O
[   77.100008] ra    : 80109104 ag71xx_poll+0x40/0x60
[   77.100009] Status: 1000fc03    KERNEL EXL IE\x20
[   77.100010] Cause : 0080801c
[   77.100011] PrId  : 00019374 (MIPS 24Kc)
[   77.100012] Modules linked in: ath9k(O)
[   77.100013] Process ifconfig (pid: 612, threadinfo=81c3c000, task=81c2e8b8, tls=77e3f440)
[   77.100014] Call Trace:
[   77.100015] [<80109120>] ioread32+0x8/0x10
[   77.100016] [<80071a04>] handle_sys+0x124/0x148
[   77.100017] ---[ end trace 139ce121c98e9001 ]---
"""


def test_mips_to_3_x_parts_its_registers_by_the_taint() -> None:
    report = _one(MIPS_3)
    assert report.kind is Kind.OOPS
    assert _json(report, "title", "cpu", "pid", "comm") == [
        "Data bus error, epc == 80109120, ra == 80109104", 0, 612, "ifconfig",
    ]  # fmt: skip
    assert report.registers is not None
    assert {"$0", "Lo", "epc", "ra", "Status", "Cause", "PrId"} <= report.registers.values.keys()


ARM_2_6 = """\
[    9.000000] Unable to handle kernel NULL pointer dereference at virtual address 00000014
[    9.000001] pgd = c7808000
[    9.000002] Internal error: Oops: 17 [#1] PREEMPT
[    9.000003] Modules linked in: dhd(P)
[    9.000004] CPU: 0    Tainted: P            (2.6.35.9-perf #4)
[    9.000005] PC is at mmc_rescan+0x28/0x2d0
[    9.000006] LR is at worker_thread+0x17c/0x21c
[    9.000007] pc : [<c02a1238>]    lr : [<c0071234>]    psr: 60000013
[    9.000008] sp : c7823f78  ip : c7823f98  fp : c7823f94
[    9.000009] Process kmmcd (pid: 46, stack limit = 0xc7822270)
[    9.000010] Backtrace:\x20
[    9.000011] [<c02a1210>] (mmc_rescan+0x0/0x2d0) from [<c0071234>] (worker_thread+0x17c/0x21c)
[    9.000012] Code: e1a05000 e5904000 e3540000 0a000012 (e5943004)\x20
[    9.000013] ---[ end trace 1b75b31a27190001 ]---
"""


def test_arm_to_3_0_names_the_task_elsewhere() -> None:
    report = _one(ARM_2_6)
    assert _json(report, "cpu", "pid", "comm", "kernel", "taint") == [0, 46, "kmmcd", "2.6.35.9-perf", "P"]


SERROR = """\
[   10.000000] {title}
[   10.000001] CPU: 2 PID: 141 Comm: kworker/2:1 Not tainted 6.1.43 #1
[   10.000002] Hardware name: Example SBC (DT)
[   10.000003] Workqueue: events deferred_probe_work_func
[   10.000004] pstate: 60400009 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)
[   10.000005] pc : regmap_mmio_read32le+0x8/0x20
[   10.000006] sp : ffffffc00a9cb960
[   10.000007] Kernel panic - not syncing: Asynchronous SError Interrupt
[   10.000008] CPU: 2 PID: 141 Comm: kworker/2:1 Not tainted 6.1.43 #1
[   10.000009] Hardware name: Example SBC (DT)
[   10.000010] Workqueue: events deferred_probe_work_func
[   10.000011] Call trace:
[   10.000012]  dump_backtrace+0xdc/0x130
[   10.000013]  ret_from_fork+0x10/0x20
[   10.000014] SMP: stopping secondary CPUs
[   10.000015] ---[ end Kernel panic - not syncing: Asynchronous SError Interrupt ]---
"""


@pytest.mark.parametrize(
    "title",
    [
        "SError Interrupt on CPU2, code 0x00000000bf000002 -- SError",
        "Bad mode in Error handler detected on CPU2, code 0xbf000000 -- SError",
        "Insufficient stack space to handle exception!",
    ],
)
def test_what_arm64_prints_before_the_panic_is_of_the_same_report(title: str) -> None:
    report = _one(SERROR.format(title=title))
    assert (report.kind, report.title) == (Kind.OOPS, title)
    assert _json(report, "cpu", "pid", "timestamp") == [2, 141, "10.000000"]
    assert _frames(report)[0] == ("dump_backtrace", None)


def test_an_abort_and_the_die_line_behind_it() -> None:
    title = "Unhandled fault: synchronous external abort (0x96000210) at 0xffffff8008a01018"
    rest = """
Internal error: : 96000210 [#1] PREEMPT SMP
CPU: 0 PID: 7 Comm: init Not tainted 4.4.189 #12
Call trace:
 [<ffffff80085c1234>] vop_read+0x18/0x20
 [<ffffff8008082e80>] ret_from_fork+0x10/0x50
---[ end trace 44f1bc10d6f9c001 ]---
"""
    report = _one(title + rest)
    assert (report.title, len(_frames(report))) == (title, 2)
    assert read_log(f"{title}\neth0: link up\n".encode()).reports == ()


IA64 = """\
[  101.000000] Unable to handle kernel NULL pointer dereference (address 0000000000000018)
[  101.000001] insmod[1533]: Oops 8813272891392 [1]
[  101.000002] Modules linked in: foo(+)
[  101.000003] Pid: 1533, CPU 1, comm:               insmod
[  101.000004] psr : 00001010085a6010 ifs : 8000000000000308 ip  : [<a000000200ab0270>]    Not tainted (2.6.32-5)
[  101.000005] ip is at foo_init+0x90/0x100 [foo]
[  101.000006] b0  : a000000200ab0240 b6  : a0000001000354c0 b7  : a000000100010020
[  101.000007] r1  : a000000200ac0000 r2  : 0000000000000008 r3  : e0000001fb2a8d94
[  101.000008] Call Trace:
[  101.000009]  [<a000000100015960>] show_stack+0x40/0xa0
[  101.000010]                                 sp=e0000001fb2af810 bsp=e0000001fb2a9210
[  101.000011]  [<a00000010000bce0>] ia64_ret_from_syscall+0x0/0x20
[  101.000012]                                 sp=e0000001fb2afe30 bsp=e0000001fb2a9030
"""
ALPHA = """\
[   70.000000] Unable to handle kernel paging request at virtual address 0000000000000014
[   70.000001] swapper/0(1): Oops 0
[   70.000002] pc = [<fffffc0000312345>]  ra = [<fffffc0000345678>]  ps = 0000    Not tainted
[   70.000003] pc is at kmem_cache_alloc+0x38/0x150
[   70.000004] ra is at alloc_inode+0x40/0xf0
[   70.000005] v0 = 0000000000000007  t0 = 0000000000000001  t1 = fffffc0000900000
[   70.000006] Trace:
[   70.000007] [<fffffc0000345678>] alloc_inode+0x40/0xf0
[   70.000008] [<fffffc0000310f98>] ret_from_kernel_thread+0x18/0x20
"""
S390_OLD = """\
[ 2113.872311] Unknown program exception: 0028 [#1] SMP\x20
[ 2113.872312] CPU: 1 PID: 3323 Comm: Thread-44 Not tainted 3.10.0-7.s390x #1
[ 2113.872313] Krnl PSW : 0704f00180000000 00000000001067ae (cpu_relax+0x1e/0x20)
[ 2113.872314] Call Trace:
[ 2113.872315] ([<000003ff8030d952>] iucv_wait+0x12/0x20 [iucv])
[ 2113.872316]  [<000000000061d6f2>] system_call+0xd6/0x258
[ 2113.872317] ---[ end trace 2c1d5b2d3e4f5001 ]---
"""


@pytest.mark.parametrize(
    ("text", "told", "functions", "register"),
    [
        (IA64, [1, 1533, "insmod"], ["show_stack", "ia64_ret_from_syscall"], ("ip", 0xA000000200AB0270)),
        (ALPHA, [None, 1, "swapper/0"], ["alloc_inode", "ret_from_kernel_thread"], ("t1", 0xFFFFFC0000900000)),
        (S390_OLD, [1, 3323, "Thread-44"], ["iucv_wait", "system_call"], ("Krnl PSW", 0x0704F00180000000)),
    ],
)
def test_oopses_of_rare_machines(
    text: str, told: list[object], functions: list[str], register: tuple[str, int]
) -> None:
    report = _one(text)
    assert report.kind is Kind.OOPS
    assert report.title == text.splitlines()[0].partition("] ")[2].strip()
    assert _json(report, "cpu", "pid", "comm") == told
    assert [name for name, _ in _frames(report)] == functions
    assert report.registers is not None
    assert report.registers.values[register[0]] == register[1]


def test_sparc_keeps_its_state_and_callers_that_are_null() -> None:
    report = _one("""\
[    1.927780] swapper/0(1): Kernel bad sw trap 5 [#1]
[    1.928531] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 4.15.1 #1
[    1.929241] TSTATE: 0000004480001605 TPC: 0000000000561c18 TNPC: 0000000000561c1c Y: 0000242f Not tainted
[    1.930302] TPC: <apply_to_page_range+0x358/0x420>
[    1.937463] Call Trace:
[    1.938121]  [00000000005705e0] vmap_page_range_noflush+0x40/0x80
[    1.939000] Caller[00000000005705e0]: vmap_page_range_noflush+0x40/0x80
[    1.939100] Caller[0000000000000000]:           (null)
[    1.939200] Instruction DUMP: 90102218  7ffb6d2a  90122088 <91d02005> 80a0a000
""")
    assert report.registers is not None
    assert report.registers.values["TSTATE"] == 0x4480001605


ARC_BAD_PAGE = """\
[   20.000000] BUG: Bad page state in process sh  pfn:40021
[   20.000001] page:9fe00420 refcount:0 mapcount:0 mapping:00000000 index:0x0 pfn:0x40021
[   20.000002] flags: 0x4(uptodate|zone=0)
[   20.000003] raw: 00000004 00000100 00000122 00000000 00000000 00000000 ffffffff 00000000
[   20.000004] page dumped because: PAGE_FLAGS_CHECK_AT_PREP flag(s) set
[   20.000005] Modules linked in:
[   20.000006] CPU: 0 PID: 111 Comm: sh Not tainted 5.15.0 #3
[   20.000007] Hardware name: Example ARC (DT)
[   20.000008]\x20
[   20.000009] Stack Trace:
[   20.000010]   arc_unwind_core+0xe8/0x11c
[   20.000011]   bad_page+0xc0/0xf4
[   20.000012]   ret_from_exception+0x0/0x8
"""


def test_the_trace_of_arc() -> None:
    report = _one(ARC_BAD_PAGE)
    assert (report.kind, report.pfn, report.missing) == (Kind.BAD_PAGE, 0x40021, ())
    assert [name for name, _ in _frames(report)] == ["arc_unwind_core", "bad_page", "ret_from_exception"]


def test_arm_without_symbols() -> None:
    report = _one("""\
[   40.000000] watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [kworker/3:1:78]
[   40.000001] Modules linked in: ath10k_pci
[   40.000002] CPU: 3 PID: 78 Comm: kworker/3:1 Not tainted 5.4.143 #0
[   40.000003] Hardware name: Generic DT based system
[   40.000004] PC is at 0xc0315f24
[   40.000005] LR is at 0xc0315eec
[   40.000006] pc : [<c0315f24>]    lr : [<c0315eec>]    psr: 200f0013
[   40.000007] [<c030f3c8>] (unwind_backtrace) from [<c030b424>] (show_stack+0x14/0x20)
[   40.000008] [<c030b424>] (show_stack) from [<bf1c5a44>] (0xbf1c5a44 [ath10k_core@bf1a0000+0x5d000])
[   40.000009] [<c0301a8c>] (__irq_svc) from [<c0315f24>] (0xc0315f24)
""")
    assert ("0xbf1c5a44", "ath10k_core") in _frames(report)


def test_arm_ends_at_a_program() -> None:
    report = _one("""\
[   50.000000] BUG: Bad page state in process kswapd0  pfn:6a2c1
[   50.000001] page:d2a5c62c refcount:0 mapcount:0 mapping:00000000 index:0x1 pfn:0x6a2c1
[   50.000002] flags: 0x40000000(zone=1)
[   50.000003] raw: 40000000 00000100 00000122 00000000 00000001 00000000 ffffffff 00000000
[   50.000004] raw: 00000001
[   50.000005] page dumped because: page still charged to cgroup
[   50.000006] Modules linked in: sun4i_drm
[   50.000007] CPU: 2 PID: 41 Comm: kswapd0 Not tainted 6.1.9 #23.02
[   50.000008] Hardware name: Example sun8i Family
[   50.000009]  bad_page from free_pcp_prepare+0xd0/0x1a8
[   50.000010]  sys_munmap from ret_fast_syscall+0x0/0x54
[   50.000011]  ret_fast_syscall from 0xb6f01fa8
[   50.000012] Exception stack(0xe0949fa8 to 0xe0949ff0)
[   50.000013] 9fa0:                   00000000 00000000 00000000 00000000 00000000 00000000
""")
    assert report.page is not None
    assert report.page.raw is not None
    assert len(report.page.raw.words) == 9
    assert _frames(report)[-1] == ("0xb6f01fa8", None)


def test_a_sentence_with_an_address_is_no_entry() -> None:
    assert read_log(b"[    1.000000] read from 0x10000000\n[    1.000001] fetched from 0x20000000\n").reports == ()


LOONGARCH = """\
[   11.482625] CPU 0 Unable to handle kernel paging request at virtual address 00000000100d0228, era == 80000000fe0f12e0
[   11.495277] Oops[#1]:
[   11.497529] CPU: 0 PID: 61 Comm: kworker/u8:2 Not tainted 6.1.0 #4
[   11.522266] $ 0   : 0000000000000000 80000000fe0f126c 90000001040a4000 90000001040a7d50
[   11.585927] era   : 80000000fe0f12e0 0x80000000fe0f12e0
[   11.591117] ra    : 80000000fe0f126c 0x80000000fe0f126c
[   11.596305] CSR crmd: 000000b0\t
[   11.596309] CSR estat: 00010000\t
[   11.596310] ExcCode : 1 (SubCode 0)
[   11.596311] BadVA : 00000000100d0228
[   11.596312] PrId  : 0014c011 (Loongson-64bit)
[   11.596313] Modules linked in: amdgpu(+)
[   11.596317] Call Trace:
[   11.596318]\x20
[   11.596320] Code: 0015018c  2880018c  38600180 (2600018d)
[   11.596321] ---[ end trace 0000000000000000 ]---
"""
RISCV_5_10 = """\
[   38.087918] Unable to handle kernel paging request at virtual address 00000061fed09582
[   38.096079] Oops [#1]
[   38.098421] Modules linked in: nft_fib_inet
[   38.140298] CPU: 0 PID: 1842 Comm: kworker/0:1H Tainted: G        W         5.10.6+ #26
[   38.148550] Workqueue:  0x0 (mmc_complete)
[   38.152768] epc: ffffffe00022affe ra : ffffffe00022afea sp : ffffffe086d3fe30
[   38.197000] status: 0000000200000100 badaddr: 00000061fed09582 cause: 000000000000000d
[   38.198000] ---[ end trace 1f3e3a4f5f6b7001 ]---
"""


@pytest.mark.parametrize("text", [LOONGARCH, RISCV_5_10])
def test_a_whole_oops_without_entries_is_whole(text: str) -> None:
    report = _one(text)
    assert (report.complete, report.damage) == (True, ())
    kept = "".join(line + "\n" for line in text.splitlines() if "end trace" not in line)
    assert not read_log(kept.encode()).reports[0].complete


def test_states_of_loongarch() -> None:
    values = {
        "CRMD: 000000b0 (PLV0 -IE -DA +PG DACF=CC DACM=CC -WE)": ("CRMD", 0xB0),
        "ESTAT: 00010000 [PIL] (IS= ECode=1 EsubCode=0)": ("ESTAT", 0x10000),
        "CSR estat: 00020000": ("estat", 0x20000),
    }
    for line, (name, value) in values.items():
        found = match_registers(line)
        assert found is not None
        assert found.values == {name: value}


PPC_32 = """\
Unable to handle kernel paging request for data at address 0x00000004
Faulting instruction address: 0xd107c0c8
Oops: Kernel access of bad area, sig: 11 [#1]
Modules linked in: faulty
NIP: d107c0c8 LR: c0072834 CTR: 0fe368a4
REGS: cf9cfe40 TRAP: 0300   Tainted: P             (2.6.25.7-dirty)
MSR: 00029000 <EE,ME>  CR: 48242028  XER: 00000007
DEAR: 00000004, ESR: 00800000
TASK = cfa5d000[951] 'bash' THREAD: cf9ce000
GPR00: d107c0c0 cf9cfef0 cfa5d000 00000000 4801f000 00000004 cf9cff20 00000000\x20
GPR08: 00000000 00000000 00000004 00000000 00000004 100fd4b8 00000000 00000007\x20
NIP [d107c0c8] faulty_write+0x8/0x10 [faulty]
LR [c0072834] vfs_write+0xcc/0x16c
Call Trace:
[cf9cfef0] [c0072804] vfs_write+0x9c/0x16c (unreliable)
[cf9cff40] [c000cf20] ret_from_syscall+0x0/0x3c
---[ end trace 4d8ed6ffb4040001 ]---
"""


def test_powerpc_to_4_9_names_task_and_release_within_its_registers() -> None:
    report = _one(PPC_32)
    assert _json(report, "pid", "comm", "kernel", "taint") == [951, "bash", "2.6.25.7-dirty", "P"]
    assert report.registers is not None
    assert (report.registers.values["DEAR"], report.registers.values["GPR15"]) == (4, 7)
    assert report.more_registers == ()


def test_ia64_names_the_release_behind_a_register() -> None:
    assert _json(_one(IA64), "kernel", "taint") == ["2.6.32-5", ""]


def test_the_taint_behind_a_page_of_2_6_16() -> None:
    report = _one("""\
Bad page state in process 'udhcpc'
page:81012340 flags:0x00000400 mapping:00000000 mapcount:0 count:0 (Tainted: P    B)
Trying to fix it up, but a reboot is needed
Backtrace:
Call Trace:
[<800b3ce8>] bad_page+0x68/0xa8
[<80071a04>] handle_sys+0x124/0x148
""")
    assert _json(report, "taint", "kernel", "comm") == ["PB", None, "udhcpc"]


SOFT_CORES = {
    "nios2": (
        [
            "Unable to handle kernel NULL pointer dereference at virtual address 00000010",
            "ea = c0003b58, ra = c0003b54, cause = 15", "Oops: Oops, sig: 9",
            "CPU: 0 PID: 31 Comm: fizz Not tainted 6.1.0 #1",
            "r1: 00000001 r2: 00000002 r3: 00000003 r4: 00000004",
            "r5: 00000005 r6: 00000006 r7: 00000007 r8: 00000008",
            "r9: 00000009 r10: 0000000a r11: 0000000b r12: 0000000c", "r13: 0000000d r14: 0000000e r15: 0000000f",
            "ra: c0003b54 fp:  c1cd3e20 sp: c1cd3e0c gp: c0a1f000", "ea: c0003b58 estatus: 00000003",
        ],
        {"r4": 4, "r12": 12, "r15": 15, "fp": 0xC1CD3E20, "gp": 0xC0A1F000, "ea": 0xC0003B58, "estatus": 3},
    ),
    "openrisc": (
        [
            "Unable to handle kernel NULL pointer dereference at virtual address 0x00000010",
            "Oops#: 0002", "CPU #: 0",
            "   PC: c0003b54    SR: 0000807f    SP: c0355e20",
            "GPR00: 00000000 GPR01: c0355e20 GPR02: 00000002 GPR03: 00000003",
            "GPR28: 00000001 GPR29: c0355f28 GPR30: 00000000 GPR31: c0355f30", "  RES: 00000005 oGPR11: ffffffff",
        ],
        {"PC": 0xC0003B54, "SP": 0xC0355E20, "GPR29": 0xC0355F28, "RES": 5, "oGPR11": 0xFFFFFFFF},
    ),
    "microblaze": (
        [
            "Oops: kernel access of bad area, sig: 11", " Registers dump: mode=1",
            " r1=C0A1FE20, r2=00000000, r3=FFFFFFF2, r4=C0301C00",
            " r29=00000000, r30=00000000, r31=0000001F, rPC=C0003B54",
            " msr=000002AA, ear=00000010, esr=000002D2, fsr=00000000",
        ],
        {"r1": 0xC0A1FE20, "r4": 0xC0301C00, "r31": 31, "rPC": 0xC0003B54, "msr": 0x2AA, "fsr": 0},
    ),
}  # fmt: skip


@pytest.mark.parametrize("arch", SOFT_CORES)
def test_registers_of_soft_cores(arch: str) -> None:
    head, values = SOFT_CORES[arch]
    rows = [*head, "Call Trace:", "[<c0003b54>] fizz_map+0x14/0x30", "[<c0003b50>] buzz+0x1/0x2"]
    report = _one("".join(f"[   12.{n:06}] {row}\n" for n, row in enumerate(rows)))
    assert report.registers is not None
    assert report.registers.arch == arch
    assert {name: report.registers.values[name] for name in values} == values
    assert report.complete


def test_a_death_of_openrisc_without_a_fault() -> None:
    rows = ["Oops#: 0000", "CPU #: 0", "   PC: c0003b54    SR: 0000807f    SP: c0355e20", "Call trace:"]
    report = _one("".join(f"[   12.{n:06}] {row}\n" for n, row in enumerate(rows)))
    assert (report.kind, report.rule, report.title) == (Kind.OOPS, "die_openrisc", "Oops#: 0000")
    assert report.registers is not None
    assert report.registers.arch == "openrisc"


@pytest.mark.parametrize(
    "line", ["r5=0000ABCD", "r1=C0A1FE20 is bad", "msr=00000001", "r7: 00000000 r8 00000", "r12: 0000abcd"]
)
def test_one_value_is_no_row_of_a_soft_core(line: str) -> None:
    found = match_registers(line)
    assert found is None or found.arch not in SOFT_CORES


OLD_RISCV = """\
[   33.350000] Oops [#1]
[   33.350000] CPU: 3 PID: 73 Comm: kworker/3:1 Tainted: G        W         4.18.0-rc6 #20
[   33.360000] Workqueue: fizz_wq fizz_work
[   33.360000] sepc: ffffffe000866da0 ra : ffffffe0004b8878 sp : ffffffe1f67abca0
[   33.370000]  gp : ffffffe0009f70b8 tp : ffffffe1f6654400 t0 : 0000000000000000
[   33.440000]  t5 : 0000000000000000 t6 : 0000000000000000
[   33.450000] sstatus: 0000000200000120 sbadaddr: 0000000000000008 scause: 000000000000000f
[   33.460000] ---[ end trace 4b1b1d1d5b1c1a1c ]---
"""


def test_registers_of_riscv_whose_names_begin_with_an_s() -> None:
    registers = _one(OLD_RISCV).registers
    assert registers is not None
    assert (registers.arch, registers.mode) == ("riscv", "kernel")
    names = ("sepc", "ra", "t6", "sstatus", "sbadaddr", "scause")
    assert [registers.values[name] for name in names] == [
        0xFFFFFFE000866DA0, 0xFFFFFFE0004B8878, 0, 0x200000120, 8, 15
    ]  # fmt: skip


def test_the_state_of_riscv_behind_a_bar() -> None:
    rows = [
        "kernel BUG at mm/fizz.c:3080!", "Kernel BUG [#1]", "CPU: 1 UID: 0 PID: 514 Comm: kl Not tainted 6.12.0 #2",
        "epc : fizz_map+0xbec/0x1070", "status: 0000000200000120 badaddr: 0000000000000000 cause: 0000000000000003",
        "[<ffffffff80010a68>] fizz_map+0xbec/0x1070", "---[ end trace 0000000000000000 ]---",
    ]  # fmt: skip
    registers = _one("".join(f"  | {row}\n" for row in rows)).registers
    assert registers is not None
    assert (registers.values["status"], registers.values["cause"], registers.mode) == (0x200000120, 3, "kernel")
