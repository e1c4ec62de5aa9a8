"""What stands at the edges of lines: blanks at all ends, fields that a terminal cut, bytes, rests below a bottom."""

from __future__ import annotations

import pytest

from kvmlab.report.log import read_log
from kvmlab.report.records import Report
from tests.report.equal import check

ROWS = [
    "fizz: removing CPU 3",
    "BUG: Bad page state in process fizz/u768:3  pfn:1a2b3",
    "fizz: ready",
    "page:ffffea00068acf00 refcount:0 mapcount:-128 mapping:0000000000000000 index:0x7fa81 pfn:0x1a2b3",
    "flags: 0x17ffffc0000000(node=0|zone=2|lastcpupid=0x1fffff)",
    "raw: 0017ffffc0000000 dead000000000100 dead000000000122 0000000000000000",
    "raw: 000000000007fa81 0000000000000000 ffffff7f00000000 0000000000000000",
    "page dumped because: nonzero mapcount",
    "Modules linked in: fizz buzz",
    "CPU: 3 PID: 911 Comm: fizz/u768:3 Tainted: G    B             6.1.0-9-amd64 #1",
    "Call Trace:",
    " bad_page.cold+0x63/0x94",
    " start_kernel+0x20/0x110",
    " x86_64_start_reservations+0x24/0x2a",
    " x86_64_start_kernel+0x8d/0x95",
]
CODE = "Code: 10 e9 67 ff ff ff 0f 1f 44 00 00 48 8b 15 b1 6c 0c 00 f7 d8 64 89 02 48 c7 c0 ff ff ff ff <48> 3d 00 f0"
TIMES = pytest.mark.parametrize("timed", [False, True])


def read(rows: list[str]) -> Report:
    """The only report, which both ways must read alike."""
    text = "\n".join([*rows, ""]).encode()
    for engine in ("python", "numba"):
        check(text, engine)
    (report,) = read_log(text).reports
    return report


def stamped(rows: list[str], timed: bool) -> list[str]:
    return [f"[   12.{n:06}] {row}" if timed else row for n, row in enumerate(rows)]


@TIMES
def test_blanks_at_the_end_of_all_lines_are_no_soft_breaks(timed: bool) -> None:
    report = read([f"{row}  " for row in stamped(ROWS, timed)])
    assert (report.pfn, report.process) == (0x1A2B3, "fizz/u768:3")
    assert report.page is not None
    assert report.page.raw is not None
    assert len(report.page.raw.words) == 8


@TIMES
@pytest.mark.parametrize("cut", range(62, 96))
def test_a_page_line_that_was_cut_anywhere(cut: int, timed: bool) -> None:
    rows = stamped(ROWS, timed)
    cut += len(rows[0]) - len(ROWS[0])
    report = read([*rows[:3], rows[3][:cut], rows[3][cut:], *rows[4:]])
    assert report.page is not None
    assert (report.page.mapping, report.page.index, report.page.pfn) == (0, 0x7FA81, 0x1A2B3)


@TIMES
def test_what_is_below_the_bottom_of_a_stack(timed: bool) -> None:
    rows = stamped(ROWS, timed)
    report = read([*rows[:-2], "Mar  3 12:00:02 host fizzd[3]: hello", *rows[-2:]])
    assert report.call_trace is not None
    assert [frame.function for frame in report.call_trace.frames][-2:] == [
        "x86_64_start_reservations", "x86_64_start_kernel",
    ]  # fmt: skip


def in_mail(row: str, width: int) -> list[str]:
    rows = []
    while len(row) > width and (at := row.rfind(" ", 1, width + 1)) > 0:
        rows.append(row[:at])
        row = row[at + 1 :]
    return [*rows, row]


@pytest.mark.parametrize("width", range(70, 90))
def test_a_mailers_wrap_of_which_some_lines_are_full(width: int) -> None:
    names = " ".join(f"fizz_{n}" if n % 3 else f"buzz{n}" for n in range(90))
    rows = [*ROWS[:8], f"Modules linked in: {names}", *ROWS[9:12], "RIP: 0033:0x7f504d0ec1d7", CODE]
    report = read([piece for row in rows for piece in in_mail(row, width)])
    assert report.modules is not None
    assert " ".join(report.modules.names) == names
    assert report.code == CODE.removeprefix("Code: ")


def test_the_title_of_2_6_15_is_wrapped() -> None:
    title = "Bad page state at free_hot_cold_page (in process 'fizz', page c12b9be0)"
    rest = ["flags:0x80000414 mapping:00000000 mapcount:0 count:0", "Backtrace:", " [<c0100000>] bad_page+0x10/0x20"]
    whole = read([title, *rest])
    for at, letter in enumerate(title):
        if letter == " " and at > 20:
            report = read([title[:at], title[at + 1 :], *rest])
            assert report.fields == whole.fields
