"""Rows that need nothing done to them are read straight from their bytes, and say what the long way says."""

from __future__ import annotations

import pytest

from kvmlab.text.reader import read_text

ROWS = [
    "[    1.000000] Linux version 6.12.9 (fizz@draig) #1 SMP",
    "[    1.000001]  ? fizz_map+0x1/0x20 [fizz] ",
    "[    1.000002][ T77] BUG: Bad page state in process fizz  pfn:12345",
    "[    1.000003][    C0] flags: 0x17ffffc0000004(referenced|node=0|zone=2)",
    "[    1.000004] ",
    "*[    1.000005] Call Trace:*",
    " *[    1.000006]  bad_page+0x1/0x2*",
    "**[    1.000007]  fizz_map+0x1/0x2**",
    "[    1.000008] one[    1.000009] two",
    "Jul 31 11:58:14 draig kernel: [    1.000010] Code: 00 00 <00> 00",
    "[    1.000011] " + "x" * 9000,
    "",
    "my words",
]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n"])
@pytest.mark.parametrize("further", ["caf\u00e9", "\x1b[1mfizz\x1b[0m", "fizz ^[[1m"])
def test_straight_rows_are_as_others(end, further):
    log = end.join([*ROWS, ""])
    straight, other = (list(read_text(data.encode()).records) for data in (log, f"{log}{further}{end}"))
    assert straight == other[: len(straight)]
