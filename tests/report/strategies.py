"""Hypothesis strategies of this room: records of any kind, and pieces that real reports are made of."""

from __future__ import annotations

from hypothesis import strategies as st

from kvmlab.report.details import detail_rows
from kvmlab.report.register_table import REGISTER_ROWS
from kvmlab.report.titles import titles
from kvmlab.text.record import Record, Role
from kvmlab.text.span import Span

# One line of every shape that the parsers know, so that random sequences reach their inner states.
PIECES = (
    *(row.sample for row in titles()),
    *(row.sample for row in detail_rows()),
    *(row.sample for row in REGISTER_ROWS),
    "------------[ cut here ]------------",
    "=" * 66,
    "page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x7fa8117c3 pfn:0xfb1665",
    "page:ffffea00059a9000 count:0 mapcount:0 mapping:          (null) index:0x20a00",
    "page:(____ptrval____) refcount:0 mapcount:-128 mapping:0000000000000000 index:0x0 pfn:0x108002",
    "flags:0x80000400 mapping:00000000 mapcount:0 count:0",
    "head: order:3 entire_mapcount:0 nr_pages_mapped:1 pincount:0",
    "flags: 0x17ffffc00a000c(referenced|uptodate|mappedtodisk|swapbacked|node=0|zone=2|lastcpupid=0x1fffff)",
    "flags:",
    "0x14(referenced|dirty)",
    "bad because of flags: 0x14(referenced|dirty)",
    "bad because of flags:",
    "page_type: f0(buddy)",
    "page_type: 0xffffff7f(buddy)",
    "raw: 0017ffffc00a000c dead000000000100 dead000000000122 0000000000000000",
    "00000000 00000100 00000122",
    "memcg:ffff8f7b8fb82000",
    'aops:cifs_addr_ops [cifs] ino:98d4b153c17e2164 dentry name:"BASEMACH.DOC"',
    "page dumped because: nonzero mapcount",
    "page dumped because: VM_BUG_ON_PAGE(page_ref_count(page) == 0)",
    "page_owner tracks the page as allocated",
    "page last allocated via order 0, migratetype Unmovable, gfp_mask 0x40c40(GFP_NOFS|__GFP_COMP), pid 5096, "
    "tgid 5096 (syz-executor209), ts 64771645974, free_ts 55604629154",
    "page last free pid 5083 tgid 5083 stack trace:",
    "Modules linked in: klab(OE) kvm_amd kvm [last unloaded: klab(OE)]",
    " pinctrl_alderlake",
    "CPU: 8 PID: 1819169 Comm: CPU 0/KVM Tainted: G    B   W          6.9.12-ajb-00008-gfcd4b7efbad0 #17",
    "CPU: 18 PID: 141351 Comm: kworker/u261:13 Tainted: G        W",
    "6.9.0-07381-g3860ca371740 #60",
    "Pid: 410, comm: systemd-readahe Tainted: G    B       3.0.0-4.1.fc16.i686.PAE #1",
    "Tainted: [B]=BAD_PAGE, [W]=WARN",
    "Hardware name: Dell Inc. Precision 3660/0PRR48, BIOS 2.8.1 08/14/2023",
    "Workqueue: btrfs-delayed-meta btrfs_work_helper",
    "Call Trace:",
    " <TASK>",
    " </TASK>",
    " <IRQ>",
    " </IRQ>",
    " dump_stack_lvl+0x60/0x80",
    " ? kvm_vcpu_ioctl+0x29e/0x6f0 [kvm]",
    " entry_SYSCALL_64_after_hwframe+0x76/0x7e",
    " [<c0151421>] bad_page+0x81/0xc0",
    "[<c040e860>] (dump_backtrace) from [<c040ebd4>] (show_stack+0x20/0x24)",
    "[f00e7ab8 :",
    "bad_page+0xa8/0x108 ]",
    "free_unref_page",
    "RIP: 0033:0x7f8367f4eaca",
    "Code: d8 64 89 02 <48> 3d 00",
    "RSP: 002b:00007fff63decb58 EFLAGS: 00000246 ORIG_RAX: 0000000000000113",
    "---[ end trace 0000000000000000 ]---",
    "Disabling lock debugging due to kernel taint",
    "#816",
    "unwind_backtrace",
    "00000000010d6ca0 0000000000000000 000003e000000000 0000000000000001",
    "00000000 00000000 e9625ea0 c15ec49b f3461a00 e9625eb8 c15ea119 c17cbf18",
    "BIOS 2611 04/07/2024",
    "mapping:0000000000000000 index:0x2c9 pfn:0x220bb5",
    "pfn:0x605811",
    "",
)
_LETTERS = st.characters(codec="utf-8", exclude_categories=("Cs",))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """The text of a record: a known line, a known line with something done to it, or anything."""
    how = draw(st.integers(0, 3))
    piece = draw(st.sampled_from(PIECES))
    if how == 0:
        return draw(st.text(_LETTERS, max_size=80))
    if how == 1:
        cut = draw(st.integers(0, len(piece)))
        return piece[:cut]
    if how == 2:
        at = draw(st.integers(0, len(piece)))
        return piece[:at] + draw(st.text(_LETTERS, max_size=12)) + piece[at:]
    return piece


@st.composite
def record_lists(draw: st.DrawFn, max_size: int = 60) -> list[Record]:
    """Any sequence of records: known and unknown lines of any role, with times that jump and callers that alternate."""
    lines = draw(st.lists(texts(), max_size=max_size))
    if draw(st.booleans()):
        # Two sources wrote one log: some lines stand in it twice.
        lines = [again for line in lines for again in [line] * draw(st.sampled_from([1, 2]))]
    callers = draw(st.sampled_from([(None,), ("T1", "C0"), (None, "T1")]))
    records = []
    at = 0
    for number, text in enumerate(lines, 1):
        stop = at + len(text.encode("utf-8", "surrogatepass")) + 1
        role = draw(st.sampled_from([Role.LOG] * 8 + list(Role)))
        time = draw(st.none() | st.integers(0, 1 << 62))
        shown = None if time is None else f"{time // 10**9}.{time % 10**9 // 1000:06d}"
        caller = draw(st.sampled_from(callers))
        records.append(Record(Span(at, stop, number, number), role, text, shown, time, caller=caller))
        at = stop
    return records
