"""Wrapped logs: what was one record becomes one again, and nothing else does."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.text.reader import read_text
from kvmlab.text.record import Role
from kvmlab.text.span import DamageKind

NAMES = [f"module_{n:03}" if n % 3 else f"mod{n}" for n in range(150)]
SPLAT = """\
BUG: Bad page state in process qemu-system-x86  pfn:82199518
page:00000000356de4da refcount:-2 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x82199518
flags: 0xbfff80000000000(node=0|zone=2|lastcpupid=0x7fff)
raw: 0bfff80000000000 dead000000000100 dead000000000122 0000000000000000
raw: 0000000000000000 0000000000000000 fffffffeffffffff 0000000000000000
page dumped because: nonzero _refcount
Modules linked in: {names}
CPU: 1 PID: 786 Comm: qemu-system-aar Tainted: G    B      O       6.0.0-rc4+ #1
Hardware name: Dell Inc. PowerEdge R740/0DY2X0, BIOS 2.12.2 07/09/2021
Call Trace:
 <TASK>
 dump_stack_lvl+0x68/0x84
 ? bad_page.constprop.0.isra.0.part.0.cold.a_rather_long_symbol_name_of_a_function+0xf0/0x120 [vfio_iommu_type1]
 do_exit+0x2b8/0x970
RIP: 0033:0x7f504d0ec1d7
Code: 10 e9 67 ff ff ff 0f 1f 44 00 00 48 8b 15 b1 6c 0c 00 f7 d8 64 89 02 48 c7 c0 ff ff ff ff e9 6b ff ff ff b8
RSP: 002b:00007ffe529db138 EFLAGS: 00000206 ORIG_RAX: 000000000000000b
RAX: ffffffffffffffda RBX: 0000564a5eabce70 RCX: 00007f504d0ec1d7
 </TASK>
""".format(names=" ".join(NAMES[:40])).splitlines()
STAMPED = [f"[36238.{n:06}] {line}" for n, line in enumerate(SPLAT)]


def at_columns(lines: list[str], width: int) -> str:
    return "".join(line[n : n + width] + "\n" for line in lines for n in range(0, len(line), width))


def at_words(lines: list[str], width: int) -> str:
    wrapped = []
    for line in lines:
        wrapped += textwrap.wrap(
            line, width, drop_whitespace=True, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
        )
    return "\n".join(wrapped) + "\n"


def words(text):
    return [" ".join(r.text.split()) for r in text.logs()]


@settings(max_examples=60, deadline=None)
@given(st.integers(72, 200))
def test_any_terminal_width(width):
    text = read_text(at_columns(STAMPED, width).encode())
    assert [r.text for r in text.logs()] == SPLAT
    if any(len(line) > width for line in STAMPED):
        assert (text.wrap.kind, text.wrap.width) == ("columns", width)


@settings(max_examples=40, deadline=None)
@given(st.integers(66, 100), st.sampled_from(["", "> ", "> > "]))
def test_any_mail_width(width, mark):
    body = "".join(f"{mark}{line}\n" for line in at_words(STAMPED, width).splitlines())
    head = "From: A <a@example.org>\nTo: b@example.org\nSubject: bug\n\nHello,\n\n"
    text = read_text((head + body).encode())
    assert words(text) == [" ".join(line.split()) for line in SPLAT]
    assert {r.quote_depth for r in text.logs()} == {mark.count(">")}


@settings(max_examples=40, deadline=None)
@given(st.integers(66, 100))
def test_mail_width_without_timestamps(width):
    text = read_text(at_words(SPLAT, width).encode())
    assert words(text) == [" ".join(line.split()) for line in SPLAT]


def test_a_log_that_is_not_wrapped_stays_as_it_is():
    for lines in (STAMPED, SPLAT):
        text = read_text("".join(line + "\n" for line in lines).encode())
        assert [r.text for r in text.logs()] == SPLAT
        assert text.wraps == ()
        assert DamageKind.WRAPPED not in {d.kind for d in text.damage}


def test_prose_below_a_log_is_not_joined():
    body = (
        at_words(STAMPED, 72) + "This happens each time that I start a guest, and then everything stops for a while.\n"
    )
    text = read_text(b"From: a@example.org\nTo: b@example.org\n\nHello,\n\n" + body.encode())
    *_, last = text.records
    assert last.role is Role.PROSE
    assert words(text)[-1] == "</TASK>"


def split_like_printk(names: list[str], limit: int = 1024) -> list[str]:
    """The module list as printk makes records of it."""
    records, now = [], "Modules linked in:"
    for name in names:
        if len(now) + 1 + len(name) + 3 > limit:
            records.append(now)
            now = ""
        now += " " + name
    return [*records, now]


@settings(max_examples=40, deadline=None)
@given(st.permutations(NAMES), st.integers(80, 180), st.booleans())
def test_lists_that_printk_split_and_a_terminal_wrapped(names, width, archived):
    records = split_like_printk(names)
    entry = "[    1.000009] ? do_exit+0x2b8/0x970" if archived else "[    1.000009]  ? do_exit+0x2b8/0x970"
    lines = [f"[    1.{n:06}] {r}" for n, r in enumerate(records)]
    raw = at_columns(lines, width) + entry + "\n"
    if archived:
        # As hypermail has it: runs of blanks collapsed, leading blanks dropped.
        raw = "\n".join(" ".join(line.split()) for line in raw.splitlines()) + "\n"
    text = read_text(raw.encode())
    got = [r.text for r in text.logs()][:-1]
    unsure = [j for w in text.wraps for j in w.joins if not j.certain]
    if not archived:
        assert got == records
        return
    # Every blank is back, except where the text cannot tell; there it says so.
    assert len(got) == len(records)
    for mine, real in zip(got, records, strict=True):
        assert mine.replace(" ", "") == real.replace(" ", "")
    assert sum(len(m) != len(r) for m, r in zip(got, records, strict=True)) <= len(unsure)


BROKEN = [
    "BUG: Bad page state in process fizz  pfn:12345",
    "page:ffffea0000a1b2c0 refcount:0 mapcount:1 mapping:0000000000000000 index:0x7f5e2ef3b pfn:0x12345",
    "flags: 0x17ffffc0020004(referenced|swapbacked|mappedtodisk|node=0|zone=2|lastcpupid=0x1fffff)",
    "raw: 0017ffffc0020004 dead000000000100 dead000000000122 0000000000000000",
    "page dumped because: nonzero mapcount",
    "Modules linked in: fizz(OE) buzz nft_masq xt_CHECKSUM vhost_net tun bridge stp llc nf_tables nfnetlink sunrpc",
    "CPU: 2 PID: 77 Comm: fizz Tainted: G    B      OE     5.15.0-27-generic #28~20.04.1-Ubuntu SMP PREEMPT",
    "Hardware name: Fizz and Sons Buzz Standard (i9 + FIZZ, 1996), BIOS 1.16.2-debian-1.16.2-1 04/01/2014",
    "Call Trace:",
    " bad_page+0x1/0x2",
    " fizz_map+0x1/0x20 [fizz]",
]


@pytest.mark.parametrize("width", [72, 75, 78, 80, 90])
@pytest.mark.parametrize("form", ["%s", "Subject: x\nFrom: a@example.org\nMessage-ID: <x@y>\n\n%s\nbye\n"])
def test_lines_without_times_that_a_terminal_broke_anywhere(width, form):
    rows = [line[at : at + width] for line in BROKEN for at in range(0, len(line), width)]
    found = read_text((form % "".join(f"{row}\n" for row in rows)).encode())
    assert [record.text for record in found.logs()] == BROKEN


def test_the_marked_byte_of_broken_code_is_no_level():
    code = "Code: 0f 1f 44 00 00 55 48 89 e5 41 54 53 48 89 fb"
    rows = [
        "RIP: 0010:fizz_map+0x1a/0x90 [fizz]",
        code,
        "<48> 8b 07 48 85 c0 74 22",
        "RSP: 0018:ffffa1c3c0d3fd88 EFLAGS: 1",
    ]
    found = read_text("\n".join([*rows, ""]).encode())
    assert [record.text for record in found.logs()] == [rows[0], f"{code} {rows[2]}", rows[3]]


@pytest.mark.parametrize("width", [79, 81, 100, 110, 120, 132, 150])
@pytest.mark.parametrize("below", ["CPU", "000820", "fffff88", "ll Trace:", "PU: 8 PID: 12 Comm: fizz", "login: "])
def test_a_cut_row_below_a_full_module_list_is_none_of_it(width, below):
    names = " ".join(f"fizz{n:02}" for n in range(30))
    full = f"[    1.000000] Modules linked in: {names}"[: width - 1] + "x"
    rows = [f"[    1.00000{n}] {row}" for n, row in enumerate(["BUG: Bad page state in process fizz  pfn:12345", " f"])]
    data = "\n".join([rows[0], full, below, f"[    1.000001] {BROKEN[6]}", "[    1.000002] Call Trace:", rows[1], ""])
    said = [record.text for record in read_text(data.encode()).records]
    assert full[15:] in said
    assert below in said


def test_a_program_below_a_full_line_is_none_of_it():
    full = "[    0.000008][ T1848] CPU: 8 PID: 1819169 Comm: fizz Tainted: G    B   W          6.9.12-00008-g"
    rows = [full.ljust(119, "f") + "7", "login: ", "[    0.000009][ T1848] Call Trace:", ""]
    assert [record.text for record in read_text("\n".join(rows).encode()).logs()] == [rows[0][23:], "Call Trace:"]
