"""The table of shapes: how the lines of kernel reports begin, with a sample each that a test runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape: its pattern stands at the start of a line, behind blanks; a test runs the sample."""

    name: str
    pattern: str
    sample: str


_SYM = r"[A-Za-z_.$][\w.$]*"
_HEX = r"[0-9a-f]"

SHAPES: tuple[Shape, ...] = (
    Shape("title", r"BUG: (?!sleeping in the)\S", "BUG: Bad page state in process CPU 0/KVM  pfn:fb1665"),
    Shape(
        "title_old",
        r"Bad page state (?:at|in) ",
        "Bad page state at free_hot_cold_page (in process 'X', page c12b9be0)",
    ),
    Shape(
        "warning",
        r"WARNING: (?:CPU: \d|at \S+:\d|\S+:\d+ at |possible |inconsistent |suspicious |\S+ -> \S+ lock order )",
        "WARNING: CPU: 1 PID: 2 at mm/gup.c:229 f+0x64/0x100",
    ),
    Shape("cut_here", r"-{6,} ?\[ ?cut here ?\]", "------------[ cut here ]------------"),
    Shape("end_trace", r"---\[ end (?:trace|Kernel)", "---[ end trace 0000000000000000 ]---"),
    Shape("rule", r"={40,}$", "=================================================================="),
    Shape("oops", r"(?:Oops|Internal error)(?:[:\[ -]|$)", "Oops: 0000 [#1] PREEMPT SMP NOPTI"),
    Shape("kernel_bug", r"[kK]ernel BUG (?:at |\[#)", "kernel BUG at mm/page_alloc.c:1234!"),
    Shape(
        "die",
        r"(?:[A-Za-z][\w ,.!'-]{2,60}\[#\d{1,6}\]:$|Kernel Fault: Code=|bad frame format: [0-9a-f]{8}$"
        r"|[a-z][\w -]{2,60}: [0-9a-f]{1,8} (?:ilc:\d )?\[#"
        r"|[^\s(]{1,15}\(\d{1,10}\): [A-Z].{1,80} \[#\d)",
        "monitor event: 0040 ilc:2 [#1] SMP",
    ),
    Shape("bracketed", r"\[ ?(?:BUG|INFO): \S", "[ BUG: Invalid wait context ]"),
    Shape("slub", r"BUG \S{1,64} \((?:Not tainted|Tainted)", "BUG kmalloc-64 (Tainted: G    B  ): Poison overwritten"),
    Shape(
        "subsystem",
        r"(?:pagealloc: (?:memory corruption|single bit)|usercopy: Kernel memory |UBSAN: \S.{0,60} in \S+:\d"
        r"|unchecked MSR access error: |irq \d{1,6}: nobody cared |sysfs: cannot create duplicate |kobject: '.{0,99}' "
        r"|cpu 0x[0-9a-f]{1,4}: Vector: |Insufficient stack space to handle |(?:smp: )?csd: Detected non-responsive "
        r"|sysrq: (?:Show |Trigger )|Memory manager not clean|reserved bits set on MMU-present)",
        "pagealloc: memory corruption",
    ),
    Shape(
        "graphics",
        r"(?:\[TTM\] \S|\[drm[]: ]|(?:amdgpu|i915|radeon|nouveau|xe|kvm_\w+|vfio-pci) [0-9a-f]{4}:[0-9a-f]{2}:)",
        "[TTM] Buffer eviction failed",
    ),
    Shape(
        "allocation",
        r"\S.{0,30} (?:invoked oom-killer: |page allocation failure[:.] )|\S.{0,20}: page allocation failure[:.] ",
        "kswapd0: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL)",
    ),
    Shape("mapcount_negative", r"Eeek! page_mapcount", "Eeek! page_mapcount(page) went negative! (-1)"),
    Shape("page_field", r"page(?: pfn|->(?:flags|count|mapping)) = [0-9a-f]", "page->flags = 8001003c"),
    Shape(
        "table_entry",
        r"(?:\S{0,200}/)?[\w-]{1,40}\.[ch]:\d{1,7}: bad (?:pte|pmd|pud|p4d|pgd) [0-9a-f]{8}",
        "mm/memory.c:97: bad pmd ffff810000000000(8000000000000063).",
    ),
    Shape("bad_mode", r"Bad mode in .{1,40} handler detected", "Bad mode in Error handler detected, code 0xbf000002"),
    Shape("pte_old", r"Bad pte = [0-9a-f]", "Bad pte = 3f000067, process = X, vm_flags = 100073, vaddr = b7d0a000"),
    Shape(
        "fault",
        r"(?:general protection fault|invalid opcode: |divide error: |double fault: |stack segment: |int3: )",
        "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP",
    ),
    Shape(
        "unable",
        r"(?:(?:CPU \d{1,5} )?Unable to handle kernel"
        r"|#PF: |PGD [0-9a-f]+ |\*pd[pe]?t? ?= ?[0-9a-f]|Faulting instruction address"
        r"|Unhandled fault)",
        "Unable to handle kernel paging request at virtual address dead000000000100",
    ),
    Shape("panic", r"Kernel panic - not syncing", "Kernel panic - not syncing: Fatal exception"),
    Shape(
        "task",
        r"INFO: (?:task |rcu_|lockdep|trying to register)",
        "INFO: task kl:123 blocked for more than 120 seconds.",
    ),
    Shape("rcu", r"rcu: (?:INFO: |\t|\s*\d+-|rcu\w* kthread )", "rcu: INFO: rcu_sched self-detected stall on CPU"),
    Shape(
        "watchdog",
        r"(?:watchdog: )?(?:BUG: soft lockup|CPU\d+: Watchdog detected|Watchdog detected|NMI watchdog: )"
        r"|[wW]atchdog:? CPU[ :]\d+ (?:self-)?(?:detected )?[hH]ard LOCKUP",
        "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [kl:123]",
    ),
    Shape("refcount", r"refcount_t: ", "refcount_t: underflow; use-after-free."),
    Shape(
        "list",
        r"list_(?:add|del)(?: corruption|_entry| double add)",
        "list_del corruption. prev->next should be ffff, but was dead000000000122",
    ),
    Shape(
        "page_poisoned",
        r"page:\S+ is uninitialized and poisoned",
        "page:ffffea0000a8c000 is uninitialized and poisoned",
    ),
    Shape(
        "page",
        r"page: ?(?:[0-9a-f]{8,16} |\(\w+\) |refcount:|0x|\(_)",
        "page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x7fa8117c3 pfn:0xfb1665",
    ),
    Shape("page_dumped", r"page dumped because: ", "page dumped because: nonzero mapcount"),
    Shape("flags_old", r"flags:0x[0-9a-f]+ mapping:", "flags:0x80000414 mapping:00000000 mapcount:0 count:0"),
    Shape(
        "flags",
        r"(?:anon |ksm |page |bad because of )?flags: ?(?:0x[0-9a-f]+|$)",
        "flags: 0x17ffffc00a000c(referenced|uptodate|node=0|zone=2)",
    ),
    Shape("page_type", r"page_type: (?:0x)?[0-9a-f]+\(", "page_type: 0x0()"),
    Shape("head_69", r"head: order:\d", "head: order:9 mapcount:0 entire_mapcount:0 nr_pages_mapped:0 pincount:0"),
    Shape(
        "head", r"head:[0-9a-f ]\S* ?order:\d", "head:ffffea0000a8c000 order:9 compound_mapcount:0 compound_pincount:0"
    ),
    Shape(
        "raw",
        r"(?:raw|head): ?(?:[0-9a-f]{8,16}|ffff)(?: |$)",
        "raw: 0017ffffc00a000c dead000000000100 dead000000000122 0000000000000000",
    ),
    Shape("memcg", r"(?:pages's )?memcg:[0-9a-f]+$|page->mem_cgroup:", "memcg:ffff888101d64000"),
    Shape("aops", r"(?:mapping->)?a_?ops:\S", "aops:btree_aops ino:1"),
    Shape("not_match", r"page does not match folio", "page does not match folio"),
    Shape(
        "page_owner",
        r"(?:page_owner |page last (?:allocated|free) |page allocated via order |There is not page extension"
        r"|page has been migrated)",
        "page_owner tracks the page as allocated",
    ),
    Shape(
        "vma",
        r"addr:[0-9a-f]{8,16} (?:vm_)?flags:",
        "addr:00007f0000000000 vm_flags:08000071 anon_vma:0000000000000000 mapping:0 index:7f",
    ),
    Shape("modules", r"(?:Modules linked in:|Unloaded tainted modules:)", "Modules linked in: vhost_net vhost"),
    Shape(
        "cpu",
        r"CPU: \d+ (?:UID: \d+ )?(?:PID: \d+ )?(?:Comm:|Not tainted|Tainted:)",
        "CPU: 8 PID: 1819169 Comm: CPU 0/KVM Tainted: G    B   W          6.9.12 #17",
    ),
    Shape("pid", r"(?:Pid|PID): \d+,? ?[cC]omm: ", "Pid: 4221, comm: qemu-kvm Not tainted 2.6.37 #2"),
    Shape("tainted", r"Tainted: \[[A-Z]\]=", "Tainted: [B]=BAD_PAGE, [W]=WARN"),
    Shape("process", r"Process \S+ \((?:pid|PID):? ?\d+", "Process kl (pid: 123, threadinfo ffff8800, task ffff8800)"),
    Shape(
        "hardware",
        r"Hardware name: |Workqueue: |Stopper: |Sched_ext: ",
        "Hardware name: Dell Inc. Precision 3660/0PRR48, BIOS 2.8.1 08/14/2023",
    ),
    Shape(
        "call_trace",
        r"(?:(?:Call [Tt]race|[Bb]acktrace|stack backtrace|Stack|Last Breaking-Event-Address|Instruction dump) ?:"
        r"|Stack from |Exception stack ?\(|Memory state around )",
        "Call Trace:",
    ),
    Shape(
        "marker",
        r"</?(?:TASK|IRQ|SOFTIRQ|NMI|EOI|EOE|ENTRY_TRAMPOLINE|#DF|#DB|#MC|#VC2?|NULL|EXCEPTION|UNKNOWN)>",
        " <TASK>",
    ),
    Shape(
        "frame", rf"(?:\? )?{_SYM}\+0x{_HEX}+/0x{_HEX}+(?: \[|$| \(|\s)", " ? __mem_cgroup_uncharge_folios+0x7a/0xa0"
    ),
    Shape(
        "frame_brackets",
        rf"\(?\[<(?:{_HEX}{{8,16}}|\(ptrval\)|\(null\))>\]",
        " [<ffffffff8100eeec>] do_signal+0x3e/0x629",
    ),
    Shape(
        "frame_braces",
        rf"(?:<{_HEX}{{16}}>\{{[\w.:]+(?:[+-]\d+)?\}}\s*)+",
        "<ffffffff80150d1f>{bad_page+99} <ffffffff801517a0>{free_hot_cold_page+102}",
    ),
    Shape(
        "frame_two",
        rf"\[{_HEX}{{8,16}}\] \[{_HEX}{{8,16}}\]",
        "[c0000009d4adf590] [c000000000e0e0fc] dump_stack+0xb0/0xf4 (unreliable)",
    ),
    Shape("frame_sparc", rf"\[{_HEX}{{8,16}} ?:", "[f00e7ab8 :"),
    Shape("frame_decoded", rf"(?:\? )?{_SYM} \(\S+\.[chSrs]+:\d+", " bad_page (mm/page_alloc.c:672)"),
    Shape("frame_inline", rf"{_SYM} \S+\.[chSrs]+:\d+ \[inline\]", " __dump_stack lib/dump_stack.c:88 [inline]"),
    Shape(
        "frame_inlined",
        rf"(?:\(inlined by\) )?{_SYM} at \S+\.[chSrs]+:\d+",
        "(inlined by) free_pcp_prepare at mm/page_alloc.c:1403",
    ),
    Shape(
        "interrupt", r"--- interrupt: |NMI backtrace for cpu |Sending NMI from CPU", "--- interrupt: 300 at 0x6ffc5eb0"
    ),
    Shape(
        "rip",
        r"(?:RIP|EIP|RSP|IP|PC|epc|NIP|pc|lr|sp|pstate|PSW|Krnl PSW|Krnl GPRS|Krnl Code|REGS|MSR|GPR\d\d|CFAR"
        r"|ORIG_RAX|a[0-7]|ra|era|\$ ?\d+) ?: ?(?:\S|$)",
        "RIP: 0033:0x7f504d0ec1d7",
    ),
    Shape(
        "registers",
        r"(?:[RE][A-D]X|[RE][SD]I|[RE][BS]P|R(?:0\d|1[0-5])|[CDEFGS]S|CR[0-8]|DR[0-7]|PKRU)(?:: {0,2}"
        r"|:)\(?[0-9a-f]{3,16}|(?:x\d{1,2}|r\d{1,2}|fp|ip|gp|tp|t\d|s\d{1,2}) ?: ?[0-9a-f]{8,16}\b",
        "RAX: ffffffffffffffda RBX: 0000560a64915500 RCX: 00007faa23e81c5b",
    ),
    Shape(
        "registers_named",
        rf"(?:[er]?[a-d]x|[er]?[sd]i|[er]?[bs]p|[gildo][0-7]|d[0-7]|r\d\d-\d\d|%[A-Z]|psr|pc|ra|FS|GS|[CE]?FLAGS|CRMD|PRMD"
        rf"|ESTAT|EUEN|ECFG|BADV|PRID|ERA|TSTATE|TPC|IASQ|IAOQ|IIR"
        rf"|ORIG_R28|NIP|[atus]\d|Status|Cause|BadVA|[Cc]ontrol|knlGS|\$ ?\d+) *:? *{_HEX}{{8,16}}\b",
        "eax: 00000000   ebx: c11bb6f4   ecx: 00000001   edx: c11bb6f4",
    ),
    Shape(
        "state",
        r"(?:Flags: [nN][zZ][cC][vV] |Register [a-z]\w{1,2} information: |R:\d T:\d IO:\d|CPU: {2,}\d+ "
        r"|SR: [0-9a-f]{4} |IAOQ\[\d\]: |RP\(r2\): |(?:NIP|LR) \[[0-9a-f]{8}|RSP <"
        r"|last sysfs file: |CPU \d{1,5}\s*$|Frame format=\d|YZrvWESTHLNXBCVM"
        r"|(?:Mem|Data) abort info:|(?:ESR|FAR|ISS) = 0x|(?:user|swapper) pgtable: "
        r"|s?status: [0-9a-f]{8,16} s?badaddr: )",
        "Flags: nZCv  IRQs on  FIQs on  Mode SVC_32  ISA ARM  Segment none",
    ),
    Shape(
        "exception_row",
        rf"{_HEX}{{4}}: +{_HEX}{{8}}(?: {_HEX}{{8}}){{0,7}}$",
        "1d40: e8632de0 be974000 e714b000 40048000",
    ),
    Shape(
        "decoded_code",
        rf"{_HEX}{{1,4}}:\*?\s+(?:{_HEX}{{2}} ){{1,16}}\s*\S|All code$|Code starting with the faulting instruction",
        "2a:*  48 3d 00 f0 ff ff       cmp    $0xfffffffffffff000,%rax         <-- trapping instruction",
    ),
    Shape(
        "oops_summary", r"[RE]IP\s+(?:\[<|[A-Za-z_]\w*\+0x)", "RIP  [<ffffffff811b7cd1>] dequeue_hwpoisoned_huge_page"
    ),
    Shape(
        "object",
        r"(?:INFO: )?(?:Slab|Object|Redzone|Padding|Bytes b4) (?:0x)?[0-9a-f]{8,16}\b",
        "INFO: Slab 0xffffea0001d5e600 objects=21 used=21 fp=0x0000000000000000 flags=0x100000000000200",
    ),
    Shape(
        "s390_code",
        rf"[#>*]?{_HEX}{{16}}: {_HEX}{{4,12}}\s+[a-z]",
        ">000003ff80a6b2c4: e31010000024	stg	%r1,0(%r1)",
    ),
    Shape(
        "task_old",
        r"\S.{0,15}?\s+[RSDTtZXxKWPNI]\s*(?:running(?: task)?\s+|[0-9a-f]{8,16}\s+)?(?:\d{1,10}\s+){2,3}\d{1,10}\s+"
        r"0x[0-9a-f]{8}\s*$|Task dump for CPU \d",
        "logrotate       D    0 17344  17342 0x00000080",
    ),
    Shape("task_state", r"task:.{1,40}state:[A-Z]", "task:qemu-system-x86 state:D stack:0     pid:1034  tgid:1034"),
    Shape(
        "lock",
        rf"#\d{{1,3}}: {_HEX}{{8,16}} \(",
        "#0: ffff888104cf5a48 (&mm->mmap_lock){++++}-{3:3}, at: x+0x1a3/0x6a0",
    ),
    Shape("stall", r"\((?:t=\d+ jiffies|detected by \d+)", "(t=10001 jiffies g=2194533 q=49211)"),
    Shape("code", r"Code: (?:[0-9a-f<(]|Bad |Unable )", "Code: 10 e9 67 ff ff ff <48> 3d 01"),
    Shape(
        "lock_debugging",
        r"Disabling lock debugging due to kernel taint",
        "Disabling lock debugging due to kernel taint",
    ),
    Shape(
        "fixup",
        r"Trying to fix it up, but a reboot is needed|Fixing recursive fault|note: .{1,20}\[\d+\] exited",
        "Trying to fix it up, but a reboot is needed",
    ),
    Shape(
        "kasan",
        r"(?:(?:Read|Write) of size \d+ at addr|(?:Allocated|Freed) by task|The buggy address|Kernel Offset:"
        r"|>?[0-9a-f]{8,16}: [0-9a-f]{2} [0-9a-f]{2} )",
        "Read of size 8 at addr ffff801d6c8fea38 by task qemu-kvm/23268",
    ),
    Shape(
        "stack_row",
        rf"(?:{_HEX}{{8}} ){{4,}}{_HEX}{{8}}|(?:{_HEX}{{16}} ){{2,}}{_HEX}{{16}}",
        "404c9ebc 4029ab28 4029ab28 40088470 41fe0ca0",
    ),
    Shape(
        "dropped",
        r"\*\* ?\d+ printk messages dropped ?\*\*|\S+: \d+ callbacks suppressed",
        "** 23 printk messages dropped **",
    ),
    Shape("suppressed", r"Bad page (?:state|map): \d+ messages suppressed", "Bad page state: 12 messages suppressed"),
    Shape("linux_version", r"Linux version \d+\.\d+", "Linux version 6.1.0-rc1 (kbuild@8878e37023cc)"),
    Shape("kvm_spte", r"(?:kvm \[\d+\]: |------ spte = |SPTE [0-9a-f]+)", "kvm [1234]: vcpu0, guest rIP: 0xffffffff"),
)
