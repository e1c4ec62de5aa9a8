"""The CPU line and the name of the machine, broken at every place by a mail or a terminal, with and without times."""

from __future__ import annotations

import pytest

from kvmlab.report.jsonable import report_json
from kvmlab.report.log import read_log

CPU = "CPU: 12 PID: 181916 Comm: loader Tainted: G    B   W  OE      6.9.12-lab-00008-gfcd4b7ef #17"
HARDWARE = "Hardware name: LAB Inc. Bench 3660/0PRR48, BIOS 2.8.1 08/14/2023"
EXPECTED = (
    12,
    181916,
    "loader",
    "6.9.12-lab-00008-gfcd4b7ef",
    "GBWOE",
    "LAB Inc. Bench 3660/0PRR48, BIOS 2.8.1 08/14/2023",
)


def _shown(cpu: str, hardware: str, times: bool) -> tuple[object, ...]:
    lines = [
        "BUG: Bad page state in process loader  pfn:12345",
        "page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x1 pfn:0x12345",
        "page dumped because: nonzero mapcount",
        cpu,
        hardware,
        "Call Trace:",
        " <TASK>",
        " bad_page+0x71/0x100",
        " </TASK>",
    ]
    text = "\n".join(f"[   10.50000{i}] {line}" if times else line for i, line in enumerate(lines))
    log = read_log(f"{text}\n".encode())
    assert len(log.reports) == 1
    shown = report_json(log.reports[0])
    assert [frame["function"] for frame in shown["frames"]] == ["bad_page"]
    return tuple(shown[key] for key in ("cpu", "pid", "comm", "kernel", "taint", "hardware"))


@pytest.mark.parametrize("times", [True, False])
@pytest.mark.parametrize("blank", [True, False], ids=["at blanks", "in words"])
def test_a_broken_cpu_line(times: bool, blank: bool) -> None:
    places = [i for i in range(len("CPU: 1"), len(CPU) - 1) if (CPU[i] == " ") is blank and CPU[i - 1] != " "]
    for i in places:
        assert _shown(f"{CPU[:i]}\n{CPU[i:].lstrip()}", HARDWARE, times) == EXPECTED, CPU[:i]


@pytest.mark.parametrize("times", [True, False])
@pytest.mark.parametrize("blank", [True, False], ids=["at blanks", "in words"])
def test_a_broken_name_of_the_machine(times: bool, blank: bool) -> None:
    places = [i for i in range(len("Hardware name: L"), len(HARDWARE)) if (HARDWARE[i] == " ") is blank]
    # Nothing tells a break between two capitals, or between a blank and a word, from one at a blank.
    places = [i for i in places if blank or (HARDWARE[i - 1] != " " and not HARDWARE[i - 1 : i + 1].isupper())]
    for i in places:
        assert _shown(CPU, f"{HARDWARE[:i]}\n{HARDWARE[i:].lstrip()}", times) == EXPECTED, HARDWARE[:i]


def test_a_whole_line_takes_nothing_in() -> None:
    assert _shown(f"{CPU}\nissue #17 of the lab", HARDWARE, False)[:5] == EXPECTED[:5]
