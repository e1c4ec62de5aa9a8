"""Forms of reports by checks in the kernel: text before or behind the line of a warning, lines that name a task."""

from __future__ import annotations

import pytest

from kvmlab.inquiry.signatures import signature_of
from kvmlab.report.jsonable import report_json
from kvmlab.report.log import read_log
from kvmlab.report.records import Kind
from tests.report.equal import check
from tests.report.single import functions, one


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("list_add corruption. next->prev should be prev, but was 6b6b6b6b6b6b6b6b.", Kind.LIST_CORRUPTION),
        ("the lab has no more pages", Kind.WARNING),
    ],
)
def test_the_name_of_the_machine_before_the_text_of_a_warning(text: str, kind: Kind) -> None:
    report = one(
        "------------[ cut here ]------------\nWARNING: at lib/list_debug.c:30 __list_add+0x8f/0xa0() (Not tainted)\n"
        f"Hardware name: LAB-2\n{text}\nModules linked in: kvm lab\n"
        "Pid: 91, comm: loader Not tainted 2.6.32-7.el6.x86_64 #1\nCall Trace:\n"
        " [<ffffffff81071e27>] ? warn_slowpath_common+0x87/0xc0\n [<ffffffff81286c1f>] ? __list_add+0x8f/0xa0\n"
        " [<ffffffffa0286c1f>] ? lab_add+0x8f/0xa0 [lab]\n---[ end trace 0123456789abcdef ]---\n"
    )
    shown = report_json(report)
    assert (report.kind, report.fields["line"], shown["hardware"]) == (kind, 30, "LAB-2")
    assert [m["name"] for m in shown["modules"]] == ["kvm", "lab"]
    assert (len(functions(report)), signature_of(report).interesting) == (3, "lab_add")
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
    bare = one("\n".join([*lines, ""]))
    assert (bare.title, bare.rule, bare.span.last_line) == (line, rule, 7)
    report = one(f"{timed}[   12.600000] usb 1-1: new device\n")
    assert (report.title, report.rule, report.kind) == (line, rule, kind)
    assert functions(report) == ["dump_stack_lvl", "lab_init"]
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
    head = one(f"[   10.500001] {line}\n[   10.500003] Call Trace:\n[   10.500005]  lab_ioctl+0x44/0x5c [lab]\n")
    shown = report_json(head)
    assert (head.kind, shown["pid"], shown["comm"]) == (Kind.BUG, 91, "lab/7:1")
    assert shown["cpu"] == (5 if cpu == 5 else None)


def test_where_preemption_was_disabled_is_no_entry_of_the_trace() -> None:
    report = one(
        "[   10.500001] BUG: scheduling while atomic: loader/91/0x00000002\n[   10.500002] Modules linked in: lab\n"
        "[   10.500003] Preemption disabled at:\n[   10.500004] [<ffffffffc0a1b000>] lab_lock+0x10/0x20 [lab]\n"
        "[   10.500005] CPU: 2 PID: 91 Comm: loader Not tainted 6.1.4 #1\n[   10.500006] Call Trace:\n"
        "[   10.500007]  <TASK>\n"
        "[   10.500008]  __schedule_bug.cold+0x47/0x53\n[   10.500009]  __schedule+0x120c/0x1350\n"
        "[   10.500010]  lab_wait+0x5a/0xd0 [lab]\n[   10.500011]  </TASK>\n"
    )
    assert functions(report) == ["__schedule_bug.cold", "__schedule", "lab_wait"]
    assert [trace.name for trace in report.traces] == ["Preemption disabled at"]
    assert (report_json(report)["cpu"], signature_of(report).interesting) == (2, "lab_wait")


def test_a_text_and_the_bug_behind_it_are_one_bug() -> None:
    report = one(
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
    report = one(
        f"{rule}\nUBSAN: Undefined behaviour in mm/lab.c:123:45\nindex 11 is out of range for type 'int [11]'\n"
        "CPU: 1 PID: 91 Comm: loader Not tainted 4.19.12 #1\nCall Trace:\n dump_stack+0x44/0x5c\n"
        f" ubsan_epilogue+0xcf/0x630\n lab_get+0x2f/0x40 [lab]\n{rule}\n"
    )
    assert (report.rule, report.fields["line"], report.span.last_line) == ("ubsan", 123, 9)
    assert signature_of(report).interesting == "lab_get"


def test_second_lines_of_one_record_without_a_time_belong_to_the_report() -> None:
    report = one(
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
    report = one(
        "BUG: Bad page state in process loader  pfn:12345\n"
        "page: refcount:0 mapcount:0 mapping:ffff88003da1ac20 index:0x5 pfn:0x12345\n"
        'aops:ext4_da_aops ino:20a1 dentry name:"a "b" c"\npage dumped because: non-NULL mapping\n'
    )
    page = report_json(report)["page"]
    assert (page["aops"], page["ino"], page["dentry"]) == ("ext4_da_aops", "0x20a1", 'a "b" c')


@pytest.mark.parametrize("tail", ["page last free pid 7 tgid 7 stack trace:", "page_owner free stack trace missing"])
def test_both_stacks_of_the_owner_of_a_page_that_is_not_bad(tail: str) -> None:
    report = one(
        "[   10.500001] page: refcount:1 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x18b00e\n"
        "[   10.500002] flags: 0x5ffffe00000000(node=0|zone=2|lastcpupid=0xfffff)\n"
        "[   10.500003] page dumped because: unmovable page\n[   10.500004] page_owner tracks the page as allocated\n"
        "[   10.500005] page last allocated via order 0, migratetype Unmovable, gfp_mask 0xcc0(GFP_KERNEL), pid 1,"
        " tgid 1 (swapper/0), ts 1234567, free_ts 0\n[   10.500006]  post_alloc_hook+0x1/0x2\n"
        f"[   10.500007]  lab_alloc+0x1/0x2 [lab]\n[   10.500008] {tail}\n[   10.500009]  lab_free+0x1/0x2 [lab]\n"
    )
    owner = report_json(report)["page_owner"]
    free = tail.endswith(":")
    assert report.kind is Kind.PAGE_DUMP
    assert [frame["function"] for frame in owner["allocation_stack"]] == ["post_alloc_hook", "lab_alloc"]
    assert [frame["function"] for frame in owner["free_stack"]] == (["lab_free"] if free else [])
    assert (owner["free_pid"], owner["notes"]) == ((7, []) if free else (None, [tail]))


def test_a_bug_behind_the_owner_of_its_page() -> None:
    report = one(
        "[   10.500001] page: refcount:1 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x18b00e\n"
        "[   10.500002] flags: 0x5ffffe00000000(node=0|zone=2|lastcpupid=0xfffff)\n"
        "[   10.500003] page dumped because: VM_BUG_ON_PAGE(PageTail(page))\n"
        "[   10.500004] page_owner tracks the page as freed\n"
        "[   10.500005] page last allocated via order 0, migratetype Unmovable, gfp_mask 0xcc0(GFP_KERNEL), pid 1,"
        " tgid 1 (swapper/0), ts 1234567, free_ts 1234599\n[   10.500006]  lab_alloc+0x1/0x2 [lab]\n"
        "[   10.500007] page last free pid 7 tgid 7 stack trace:\n[   10.500008]  lab_free+0x1/0x2 [lab]\n"
        "[   10.500009] ------------[ cut here ]------------\n[   10.500010] kernel BUG at mm/lab.c:184!\n"
        "[   10.500011] Oops: invalid opcode: 0000 [#1] SMP NOPTI\n"
        "[   10.500012] CPU: 2 UID: 0 PID: 91 Comm: loader Not tainted 6.12.0 #1\n[   10.500013] Call Trace:\n"
        "[   10.500014]  <TASK>\n[   10.500015]  lab_use+0x1/0x2 [lab]\n[   10.500016]  </TASK>\n"
        "[   10.500017] ---[ end trace 0000000000000000 ]---\n"
    )
    assert (report.kind, report.span.first_line, report.span.last_line) == (Kind.BUG, 1, 17)
    assert functions(report) == ["lab_use"]
    assert report_json(report)["page_owner"]["free_pid"] == 7


def test_what_a_module_says_was_to_be_true() -> None:
    stack = [
        "Showing stack for process 741", "CPU: 1 PID: 741 Comm: fizz_thread Tainted: P           OE      6.5.12 #1",
        "Call Trace:", " <TASK>", " dump_stack_lvl+0x47/0x60", " spl_panic+0x100/0x120 [spl]", " </TASK>",
    ]  # fmt: skip
    first = ["VERIFY3(fizz->size + 1 <= size) failed (8192 <= 4096)", "PANIC at fizz.c:528:fizz_grow()", *stack]
    old = ["SPLError: 741:0:(fizz.c:347:fizz_cb()) SPL PANIC", f"SPL: {stack[0]}", *stack[1:]]
    for rows, title in ((first, first[0]), (first[1:], first[1]), (old, old[0])):
        text = "".join(f"[   31.{n:06}] {row}\n" for n, row in enumerate(rows))
        (report,) = read_log(text.encode()).reports
        assert (report.kind, report.rule, report.title, len(report.records)) == (
            Kind.BUG, "spl_panic", title, len(rows)
        )  # fmt: skip
        assert report.fields["file"] == "fizz.c"
        check(text.encode(), "python")
    assert read_log(b"I have seen VERIFY3(a == b) failed\nVERIFY3(a == b) failed\n").reports == ()


def test_what_grsecurity_found_stands_before_the_death() -> None:
    rows = [
        "PAX: RAP hash violation for return address: fizz_map+0x258/0xab0", "invalid opcode: 0000 [#2] SMP NOPTI",
        "CPU: 1 PID: 5556 Comm: ls Tainted: G      D 4.9.74 #1", "Call Trace:", " buzz_get+0x1d/0x20",
    ]  # fmt: skip
    text = "".join(f"[   37.{n:06}] {row}\n" for n, row in enumerate(rows))
    report = one(text)
    assert (report.kind, report.rule, len(report.records)) == (Kind.OOPS, "pax", len(rows))
    check(text.encode(), "python")
    assert read_log(b"[    1.000000] PAX: From 192.0.2.1: execution attempt in: /tmp/a\n").reports == ()
