"""The table of halves that belong together: how a line ends that cannot end so, and how the one below it begins.

These joins need no width; they hold in any mail. Each row has a sample of two lines that a test runs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    """Two halves of one line.

    Args:
        name: for the reason of the join.
        record: how the record begins (searched from its start, blanks skipped); None for any.
        tail: how the upper line ends.
        head: how the lower line begins.
        sample: upper and lower line.
    """

    name: str
    record: str | None
    tail: str
    head: str
    sample: tuple[str, str]


_HEX = r"[0-9a-f]"
_MODULE = r"[\w-]+(?:\([A-Z]+[+-]?\))?"
_RELEASE = r"\d+\.\d+(?:\S*(?: .*)?#\d|\.\d+\S*\s*$)"
_OWNER = r"page(?:_owner|(?: last| allocated| free)?(?: |$))"

PAIRS: tuple[Pair, ...] = (
    Pair(
        "page line",
        r"page: ?\S*",
        r"(?:refcount|count|mapcount|mapping|index|flags)\S* *\S*$",
        r"(?:mapcount:|mapping:|index:|pfn:0x|compound_mapcount|\((?:null|ptrval|____ptrval____)\)"
        r"|[0-9a-f]{8,16} index:)",
        ("page:ffffea0002f914c0 refcount:0 mapcount:0", "mapping:0000000000000000 index:0x0 pfn:0xbe453"),
    ),
    Pair(
        "entry of a page table",
        r"Bad pte = [0-9a-f]",
        r"(?:=|,|vm_flags)$",
        r"(?:= ?[0-9a-f]{1,16}\b|vm_flags =|vaddr =|[0-9a-f]{6,16}\s*$)",
        ("Bad pte = 4800000010ba1842, process = addon, vm_flags = 100073, vaddr =", "2b1ced112ea0"),
    ),
    Pair(
        "head line",
        r"head: ?\S* ?order:",
        r"(?:order|mapcount|nr_pages_mapped|pincount):-?\d+$",
        r"(?:compound_|entire_mapcount|subpages_|nr_pages_mapped|pincount|mapcount)",
        ("head:0000000032101bf5 order:9 compound_mapcount:1", "compound_pincount:0"),
    ),
    Pair(
        "words of struct page",
        rf"(?:raw|head): {_HEX}{{8}}",
        # Four words of 16 digits fill a line.
        rf"^(?!.*(?:raw|head):(?: {_HEX}{{16}}){{4}}$).*{_HEX}{{8,16}}$",
        rf"{_HEX}{{4,16}}(?: {_HEX}{{8,16}})*\s*$",
        ("raw: 0017ffffc0040001 dead000000000100 dead000000000122", "0000000000000000"),
    ),
    Pair(
        "page_owner",
        _OWNER,
        r"[\w,(|)]$",
        r"(?:(?:tracks the |the page |page |as )*(?:allocated|freed)$|(?:last |allocated |via )*order \d"
        r"|\d{1,2}, migratetype|migratetype \w|\w{1,20}, gfp_mask|gfp_mask 0x|0x[0-9a-f]{1,16}\([A-Z_|]*"
        r"|[A-Z_|][A-Z0-9_|]*\)(?:,|$)|,? ?pid \d|tgid \d|\(.{1,20}\)(?:,|$)|[\w./:-]{1,19}\),|(?:free_)?ts \d"
        r"|(?:last )?free pid|\d{1,20},? (?:tgid|ts|free_ts|pid|\(|stack)|(?:stack )?trace:$)",
        ("page last allocated via order 0, migratetype Movable, gfp_mask", "0x1100cca(GFP_HIGHUSER_MOVABLE), pid 7"),
    ),
    Pair(
        "page_owner",
        _OWNER,
        r"(?:order|migratetype|pid|tgid|ts|free_ts|via|last)$",
        r"(?:\d{1,20},?|\w{1,20},?)$",
        ("page last allocated via order 0, migratetype Movable, gfp_mask 0x0(), pid 1, ts", "54871263000"),
    ),
    Pair(
        "flags",
        r"(?:anon |ksm |page |bad because of )?flags:",
        r"flags:$",
        r"0x[0-9a-f]+\(",
        ("flags:", "0x17ffffc0040001(locked|reclaim|node=0)"),
    ),
    Pair(
        "flag names",
        r"(?:anon |ksm |page )?flags:",
        r"\([^)]*$",
        r"[\w|=]+\)",
        ("flags: 0x17ffffc0040001(locked|", "reclaim|node=0)"),
    ),
    Pair(
        "title",
        r"(?:BUG: )?Bad page (?:state|map|cache) in process",
        r"process (?:(?!pfn:|pte:).)+$",
        r"(?:pfn|pte):[0-9a-f]+",
        ("BUG: Bad page state in process modprobe", "pfn:be453"),
    ),
    Pair(
        "title of a page map",
        r"BUG: Bad page map in process",
        r"\bpte:[0-9a-f]{1,16}$",
        r"pmd:[0-9a-f]{1,16}\s*$",
        ("BUG: Bad page map in process fizz  pte:06e7703e", "pmd:0583f067"),
    ),
    Pair(
        "oom-killer",
        r"\S.{0,30} invoked oom-killer:",
        r"(?:,|killer:)$",
        r"(?:gfp_mask|nodemask|order|oom_score_adj|oom_adj)=",
        ("fizz invoked oom-killer: gfp_mask=0x140cca(GFP_KERNEL), order=0,", "oom_score_adj=0"),
    ),
    Pair(
        "title of 2.6.15",
        r"Bad page state at ",
        r"\(in process '[^)]*$|\(in(?: process)?$|[\w.]$",
        r"(?:(?:\(in )?process )?(?:.{0,20}', )?(?:page )?[0-9a-f]{8,16}\)\s*$",
        ("Bad page state at free_hot_cold_page (in process 'X', page", "c12b9be0)"),
    ),
    Pair(
        "release",
        r"(?:CPU|Pid|PID): \d+",
        r"(?:Tainted: [A-Z ]+|Not tainted)$",
        rf"[A-Z ]*{_RELEASE}",
        ("CPU: 10 PID: 4860 Comm: Xorg Tainted: G                T", "5.3.0-rc2-64-00013-g03f05a670a3d #69"),
    ),
    Pair(
        "taint",
        r"(?:CPU|Pid|PID): \d+",
        r"[cC]omm: [^#]*$",
        r"(?:[cC]omm: .*)?(?:Tainted:|Not tainted|Kdump: loaded)",
        ("CPU: 2 PID: 204 Comm: modprobe", "Not tainted 5.11.0-3dbd5e3 #66"),
    ),
    Pair(
        "comm",
        r"CPU: \d+",
        r"(?:PID: \d+|Comm:)$",
        r"(?:Comm: )?\S.*(?:Tainted:|Not tainted)",
        ("CPU: 2 PID: 204", "Comm: modprobe Not tainted 5.11.0 #66"),
    ),
    Pair(
        "hardware",
        r"Hardware name: ",
        r"\S$",
        r"(?:BIOS \S|\S{1,24} \d\d/\d\d/\d{4}|\d\d/\d\d/\d{4})",
        ("Hardware name: QEMU Standard PC (i440FX + PIIX, 1996),", "BIOS 0.0.0 02/06/2015"),
    ),
    Pair(
        "module names",
        r"Modules linked in:",
        r"(?:in:|[\w)-])$",
        # A number or `CPU` alone is what a cut row has left.
        rf" *(?!(?:\d+|[0-9a-f]{{5,}}|[A-Z]{{1,3}})\s*$){_MODULE}(?: {_MODULE})*(?: \[[a-z][^\]]*\]?)?\s*$",
        ("Modules linked in: firewire_ohci firewire_core crc_itu_t i915", "drm i2c_algo_bit i2c_core video"),
    ),
    Pair(
        "last unloaded",
        r"Modules linked in:",
        r" \[[a-z][^\]]{0,80}$",
        r"(?:[\w():+ -]{1,80}\]|[a-z_][\w-]{0,40})\s*$",
        ("Modules linked in: wmi [last unl", "oaded: scsi_debug]"),
    ),
    Pair(
        "arm frame",
        r"\[<",
        r"from \[<[^>]*>\]$",
        r"\(",
        ("[<c040e860>] (dump_backtrace) from [<c040ebd4>]", "(show_stack+0x20/0x24)"),
    ),
    Pair(
        "arm frame",
        r"\[<",
        r"\(\S+\)$",
        r"from \[<",
        ("[<c040e860>] (dump_backtrace)", "from [<c040ebd4>] (show_stack+0x20/0x24)"),
    ),
    Pair(
        "arm frame",
        r"\[<",
        r" from$",
        r"\[<[^>]*>\] \(",
        ("[<c040e860>] (dump_backtrace) from", "[<c040ebd4>] (show_stack+0x20/0x24)"),
    ),
    Pair(
        "frame",
        rf"(?:<\w+> )?\[<?{_HEX}{{8,16}}",
        rf"\[<?{_HEX}{{8,16}}>?\]$",
        r"(?:\? )?(?::\w+:)?[A-Za-z_][\w.$]*\+0x",
        ("[f61eddf0] [c0146470]", "alloc_zeroed_user_highpage_movable.constprop.0+0x18/0x48"),
    ),
    Pair(
        "sparc frame",
        rf"\[{_HEX}{{8,16}} ?:$",
        r":$",
        r"\S+(?:\+0x[0-9a-f]+/0x[0-9a-f]+)? \]",
        ("[f00e7ab8 :", "bad_page+0xa8/0x108 ]"),
    ),
    Pair("frame", r"\?$", r"\?$", r"[A-Za-z_][\w.$]*\+0x", (" ?", "kvm_arch_vcpu_put+0x126/0x160")),
    Pair(
        "module of frame",
        r"(?:\? )?[A-Za-z_][\w.$]*\+0x|\[<",
        rf"\+0x{_HEX}+/0x{_HEX}+$",
        r"\[[\w-]+\]\s*$",
        ("? kvm_arch_vcpu_put+0x126/0x160", "[kvm]"),
    ),
    Pair(
        "registers",
        None,
        r"\b(?:[A-Z][A-Z0-9_]{1,8}|x\d\d?|sp|pc|lr|fp) ?:$",
        rf"{_HEX}{{4,16}}\b",
        ("RAX: ffffffffffffffda RBX: 0000564a5eabce70 RCX:", "00007f504d0ec1d7"),
    ),
    Pair(
        "registers",
        r"\s*r\d+:",
        rf"r\d+:{_HEX}{{8}}$",
        rf"r\d+:{_HEX}{{8}}",
        ("r10:00000000 r9:0030f231 r8:0000001f r7:c19eb22c", "r6:eebaec70 r5:c2003d00"),
    ),
    Pair(
        "code",
        r"Code: ",
        rf"(?:{_HEX}{{2}}>?|\({_HEX}{{4,8}}\)|{_HEX}{{8}})$",
        rf"(?:[<(]?{_HEX}{{2}}[>)]?(?: |$)){{2,}}|(?:\(?{_HEX}{{8}}\)?(?: |$)){{1,}}",
        ("Code: 10 e9 67 ff ff ff 0f 1f 44 00 00 48 8b 15 b1 6c 0c 00 f7", "d8 64 89 02 48 c7 c0 ff"),
    ),
    Pair(
        "stack words",
        r"(?:Stack ?:|[0-9a-f]{4}:|(?:[0-9a-f]{8} ){2})",
        rf"(?:^|\] )\s*(?:(?:Stack ?:|{_HEX}{{4}}:)?\s*(?:{_HEX}{{8}} ){{0,6}}{_HEX}{{8}}|{_HEX}{{4}}:)$",
        rf"(?:{_HEX}{{8}} ?){{1,8}}$",
        ("Stack : 00000000 10008400 8040dd2c 87c1b974 8044af63 8040dd2c", "00000001 804a3490"),
    ),
    Pair(
        "warning",
        r"WARNING: ",
        r" at \S+:\d+$",
        r"[A-Za-z_][\w.$]*\+0x",
        ("WARNING: CPU: 19 PID: 11696 at mm/gup.c:229", "try_grab_page+0x64/0x100"),
    ),
    Pair(
        "place",
        r"(?:BUG: KASAN|RIP|pc|lr|EIP|NIP|LR)",
        r"(?: in| at|: ?\w{4}:|:)$",
        r"[A-Za-z_][\w.$]*\+0x",
        ("BUG: KASAN: slab-out-of-bounds in", "kvm_pmu_get_canonical_pmc+0x48/0x78"),
    ),
    Pair(
        "task",
        r"(?:Read|Write) of size",
        r" task$",
        r"\S+/\d+\s*$",
        ("Read of size 8 at addr ffff801d6c8fea38 by task", "qemu-kvm/23268"),
    ),
)
