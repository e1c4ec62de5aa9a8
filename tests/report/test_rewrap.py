"""Logs that a terminal wrapped and a mailer wrapped again: nothing of a module list is lost."""

from __future__ import annotations

import pytest

from kvmlab.report.log import read_log
from tests.report.equal import check

NAMES = [f"{a}_{b}" for a in ("fizz", "buzz", "nf", "ip", "i2c", "usb") for b in ("core", "hda_codec", "i801", "dev")]
NAMES += [f"snd_fizz{n}" for n in range(30)]
REPORT = [
    "BUG: Bad page state in process fizz  pfn:1a2b3c",
    "page:ffffea00068acf00 refcount:-1 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x1a2b3c",
    "flags: 0x17ffffc0000000(node=0|zone=2|lastcpupid=0x1fffff)",
    "raw: 0017ffffc0000000 dead000000000100 dead000000000122 0000000000000000",
    "raw: 0000000000000000 0000000000000000 ffffffffffffffff 0000000000000000",
    "page dumped because: nonzero _refcount",
    f"Modules linked in: {' '.join(NAMES)} [last unloaded: gone]",
    "CPU: 3 PID: 911 Comm: fizz Tainted: G    B             6.1.0-9-amd64 #1",
    "Call Trace:",
    " <TASK>",
    " bad_page.cold+0x63/0x94",
    " </TASK>",
]
MAIL = "From: a@fizz.example\nSubject: x\nMessage-ID: <x@y>\n\nHello,\n\n%s\n-- \nF\n"


def at_terminal(lines: list[str], width: int) -> list[str]:
    return [line[at : at + width] for line in lines for at in range(0, len(line), width)]


def in_mail(lines: list[str], width: int) -> list[str]:
    rows = []
    for line in lines:
        while len(line) > width and (at := line.rfind(" ", 1, width + 1)) > 0:
            rows.append(line[:at])
            line = line[at + 1 :]
        rows.append(line)
    return rows


@pytest.mark.parametrize("terminal", [80, 94, 100, 120, 132, 173])
@pytest.mark.parametrize("mail", [70, 72, 76, 78])
@pytest.mark.parametrize("form", ["%s", MAIL])
@pytest.mark.parametrize("time", ["", "[ 1234.567890] "])
def test_a_module_list_that_was_wrapped_twice(terminal: int, mail: int, form: str, time: str) -> None:
    rows = in_mail(at_terminal([time + line for line in REPORT], terminal), mail)
    text = form % "".join(f"{row}\n" for row in rows)
    (report,) = read_log(text.encode()).reports
    assert report.modules is not None
    assert "".join(report.modules.names) == "".join(NAMES)
    # Where a row of the terminal ended can be told but for few.
    assert len(set(report.modules.names) ^ set(NAMES)) <= 3
    assert report.modules.last_unloaded == "gone"
    assert report.call_trace is not None
    assert len(report.call_trace.frames) == 1
    check(text.encode(), "python")


def test_prose_below_a_short_row_is_no_module() -> None:
    rows = in_mail([f"[    1.000000] {line}" for line in REPORT[:7]], 72)
    text = MAIL % "".join(f"{row}\n" for row in [*rows, "any ideas", "what that means"])
    (report,) = read_log(text.encode()).reports
    assert report.modules is not None
    assert list(report.modules.names) == NAMES
