"""Bad pages that two CPUs print into each other, without a column that tells them apart."""

from __future__ import annotations

import random

import pytest

from kvmlab.report.jsonable import report_json
from kvmlab.report.log import read_log
from kvmlab.report.records import Kind
from kvmlab.text.span import DamageKind
from tests.report.test_scan_equal import ENGINES, check


def _report(pfn: int, comm: str, pid: int, flags: int, mapcount: int, reason: str) -> tuple[list[str], list[str]]:
    dump = [
        f"BUG: Bad page state in process {comm}  pfn:{pfn:x}",
        f"page: refcount:0 mapcount:{mapcount} mapping:0000000000000000 index:0x{pid:x} pfn:0x{pfn:x}",
        f"flags: {flags:#x}({'locked|' if flags & 1 else ''}node=0|zone=2|lastcpupid=0x1fffff)",
        f"raw: {flags:016x} dead000000000100 dead000000000122 0000000000000000",
        f"raw: {pid:016x} 0000000000000000 {mapcount:08x}00000000 0000000000000000",
        f"page dumped because: {reason}",
        "Modules linked in: kvm lab",
    ]
    trace = [
        f"CPU: {pid % 8} PID: {pid} Comm: {comm} Not tainted 6.6.0 #1",
        "Call Trace:",
        " <TASK>",
        " bad_page+0x1/0x2",
        f" lab_put_{pid}+0x1/0x2",
        " </TASK>",
    ]
    return dump, trace


ONE = _report(0x1BEC05, "loader", 91, 0x17FFFFC0000000, 1, "nonzero mapcount")
TWO = _report(0x1BEC06, "CPU 0/KVM", 92, 0x17FFFFC0000001, 0, "PAGE_FLAGS_CHECK_AT_FREE flag(s) set")


def _text(lines: list[str]) -> bytes:
    return "".join(f"[ 1000.{i:06d}] {line}\n" for i, line in enumerate(lines)).encode()


def _facts(data: bytes) -> list[tuple[object, ...]]:
    found = []
    for shown in map(report_json, read_log(data).reports):
        page = shown["page"] or {"flags": None, "mapcount": None, "raw": None}
        last = shown["frames"][-1]["function"] if shown["frames"] else None
        found.append((shown["pfn"], shown["pid"], page["flags"], page["mapcount"], shown["reason"], last))
        assert page["raw"] is None or len(page["raw"]) == 8
    return found


WANTED = [
    ("0x1bec05", 91, "0x17ffffc0000000", 1, "nonzero mapcount", "lab_put_91"),
    ("0x1bec06", 92, "0x17ffffc0000001", 0, "PAGE_FLAGS_CHECK_AT_FREE flag(s) set", "lab_put_92"),
]


@pytest.mark.parametrize("first", [0, 1], ids=["its own trace first", "the other's trace first"])
def test_dumps_line_by_line(first: int) -> None:
    dumps = [line for pair in zip(ONE[0], TWO[0], strict=True) for line in pair]
    traces = [ONE[1], TWO[1]]
    data = _text([*dumps, *traces[first], *traces[1 - first]])
    assert _facts(data) == WANTED
    for engine in ENGINES:
        check(data, engine)


def test_a_report_that_breaks_in_behind_the_page_line() -> None:
    a, b = ONE[0], TWO[0]
    data = _text([*a[:2], b[0], a[2], b[1], *a[3:6], *b[2:6], a[6], *ONE[1], b[6], *TWO[1]])
    assert _facts(data) == WANTED


def test_a_cut_report_takes_nothing_from_the_whole_one_behind_it() -> None:
    data = _text(
        [*ONE[0][:2], *TWO[0], *TWO[1], "CPU: 3 PID: 91 Comm: loader Not tainted 6.6.0 #1", "Call Trace:", " f+0x1/0x2"]
    )
    facts = _facts(data)
    assert facts[0] == ("0x1bec05", None, None, 1, None, None)
    assert facts[1] == WANTED[1]
    assert len(facts) == 3
    for engine in ENGINES:
        check(data, engine)


@pytest.mark.parametrize("seed", range(12))
def test_any_order_is_read_the_same_by_both_ways(seed: int) -> None:
    rng = random.Random(seed)
    lines: list[str] = []
    pids = iter(range(91, 200))
    for _ in range(4):
        found = [
            _report(
                0x1BEC00 + 3 * pid,
                rng.choice(["loader", "puller"]),
                pid,
                0x17FFFFC0000000 | rng.choice([0, 1]),
                1,
                "nonzero mapcount",
            )
            for pid in [next(pids) for _ in range(rng.choice([1, 2, 3]))]
        ]
        heads, tails = [list(dump) for dump, _ in found], [list(trace) for _, trace in found]
        if rng.random() < 0.3:
            heads[0], tails[0] = heads[0][: rng.randrange(1, 7)], []
        while any(heads):
            at = rng.choice([i for i, head in enumerate(heads) if head])
            lines.append(heads[at].pop(0))
            if not heads[at]:
                lines += tails[at]
    data = _text(lines)
    assert {report.pfn for report in read_log(data).bad_pages} == {0x1BEC00 + 3 * pid for pid in range(91, next(pids))}
    for engine in ENGINES:
        check(data, engine, rng.choice([1 << 22, 777]))


MAPS = """\
BUG: Bad page map in process fizz  pte:0a1b2a8d pmd:86149000
BUG: Bad page map in process buzz  pte:0c3d4b8f pmd:8604d000
page:d1553dd9 refcount:0 mapcount:-1 mapping:00000000 index:0x1 pfn:0xa1b2
page:b2031e65 refcount:0 mapcount:-1 mapping:00000000 index:0x1 pfn:0xc3d4
flags: 0xa(referenced|dirty)
raw: 0000000a 80ab7564 80aba504 00000000 00000001 00000000 fffffffe 00000000
page dumped because: bad pte
flags: 0xb(referenced|dirty)
addr:00636000 vm_flags:00100077 anon_vma:83777f90 mapping:00000000 index:636
file:(null) fault:0x0 mmap:0x0 readpage:0x0
raw: 0000000b 80ab7564 80aba504 00000000 00000001 00000000 fffffffe 00000000
page dumped because: bad pte
addr:00637000 vm_flags:00100077 anon_vma:83777f90 mapping:00000000 index:636
file:(null) fault:0x0 mmap:0x0 readpage:0x0
CPU: 2 PID: 28149 Comm: fizz Tainted: G    B   W         5.10.138 #0
CPU: 3 PID: 2814 Comm: buzz Tainted: G    B   W         5.10.138 #0
Call Trace:
Call Trace:
[<8000b68c>] show_stack+0x30/0x100
[<8000b68c>] show_stack+0x30/0x100
[<8000b68c>] print_bad_pte+0x130/0x200
[<8000b68c>] print_bad_pte+0x130/0x200
[<8000b68c>] first_only+0x130/0x200
[<8000b68c>] second_only+0x130/0x200
"""
WARNINGS = """\
------------[ cut here ]------------
------------[ cut here ]------------
refcount_t: underflow; use-after-free.
WARNING: CPU: 3 PID: 400 at kernel/fizz.c:17 fizz_run+0x40/0x90
WARNING: CPU: 1 PID: 300 at lib/refcount.c:28 refcount_warn_saturate+0xba/0x110
Modules linked in: fizz buzz
Modules linked in: fizz buzz
CPU: 1 PID: 300 Comm: one Not tainted 6.1.0 #1
CPU: 3 PID: 400 Comm: two Not tainted 6.1.0 #1
Hardware name: FIZZ Two
Hardware name: FIZZ Two
RIP: 0010:fizz_run+0x40/0x90
RIP: 0010:refcount_warn_saturate+0xba/0x110
Code: 01 e8 ba 5c 8d 00 0f 0b c3 cc
Code: 02 e8 ba 5c 8d 00 0f 0b c3 cc
RSP: 0018:ffffa1c3c0d3fd88 EFLAGS: 00010286
RSP: 0018:ffffa1c3c0d3fe88 EFLAGS: 00010286
RAX: 0000000000000000 RBX: ffff888101d64000 RCX: 0000000000000000
RAX: 0000000000000001 RBX: ffff888101d64000 RCX: 0000000000000000
Call Trace:
Call Trace:
 <TASK>
 <TASK>
 first_a+0x1/0x20
 second_a+0x1/0x20
 first_b+0x1/0x20
 first_c+0x1/0x20
 second_b+0x1/0x20
 </TASK>
 second_c+0x1/0x20
 </TASK>
---[ end trace 0000000000000000 ]---
---[ end trace 0000000000000000 ]---
"""


@pytest.mark.parametrize("timed", [False, True])
def test_bad_page_maps_line_by_line(timed: bool) -> None:
    rows = MAPS.splitlines()
    data = _text(rows) if timed else MAPS.encode()
    reports = read_log(data).reports
    facts = [
        (r.fields["process"], r.pfn, r.page and r.page.flags and r.page.flags.value, r.cpu_line and r.cpu_line.pid)
        for r in reports
    ]
    assert facts == [("fizz", 0xA1B2, 0xA, 28149), ("buzz", 0xC3D4, 0xB, 2814)]
    # Whose entry is whose nothing tells, and that is said.
    assert all(DamageKind.INTERLEAVED in [damage.kind for damage in report.damage] for report in reports)
    for engine in ENGINES:
        check(data, engine)


@pytest.mark.parametrize("timed", [False, True])
def test_the_text_of_a_refcount_is_of_no_other_warning(timed: bool) -> None:
    data = _text(WARNINGS.splitlines()) if timed else WARNINGS.encode()
    reports = read_log(data).reports
    told = [(r.kind, r.fields.get("what"), r.fields.get("file")) for r in reports if r.rule is not None]
    assert told == [
        (Kind.REFCOUNT, "underflow; use-after-free", None),
        (Kind.WARNING, None, "kernel/fizz.c"),
        (Kind.WARNING, None, "lib/refcount.c"),
    ]
    assert all(r.call_trace is None for r in reports if r.kind in (Kind.REFCOUNT, Kind.WARNING))
    for engine in ENGINES:
        check(data, engine)


@pytest.mark.parametrize("late", [False, True])
def test_the_text_of_a_refcount_is_of_its_own_warning(late: bool) -> None:
    text, line = "refcount_t: underflow; use-after-free.", "WARNING: CPU: 1 PID: 3 at lib/refcount.c:28 f+0x1/0x2"
    rows = [
        "------------[ cut here ]------------",
        *([line, text] if late else [text, line]),
        "Call Trace:",
        " f+0x1/0x2",
    ]
    (report,) = read_log(_text(rows)).reports
    assert (report.kind, report.fields["file"]) == (Kind.REFCOUNT, "lib/refcount.c")
