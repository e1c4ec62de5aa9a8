"""Prefixes that vendors of phones and boards add: the same bad page is read behind each of them."""

from __future__ import annotations

import pytest

from kvmlab.report.log import read_log
from kvmlab.text.prefix import match_prefix
from tests.report.equal import check

PAGE = (
    "binder: 811:2982 ioctl c0306201 76a93fab98 returned -14",
    "BUG: Bad page state in process netd  pfn:1143a",
    "page:ffffffbf2e50d340 count:0 mapcount:0 mapping:          (null) index:0x1",
    "flags: 0x4000000000000004(uptodate)",
    "raw: 4000000000000004 0000000000000000 0000000000000001 00000000ffffffff",
    "raw: dead000000000100 dead000000000200 0000000000000000 0000000000000000",
    "page dumped because: PAGE_FLAGS_CHECK_AT_PREP flag set",
    "Modules linked in:",
    "CPU: 2 PID: 17330 Comm: netd Tainted: G S      W       4.14.156-perf #1",
    "Hardware name: Example Phone (DT)",
    "Call trace:",
    " dump_backtrace+0x0/0x390",
    " bad_page+0x10c/0x160",
    " el0_da+0x20/0x24",
)


@pytest.mark.parametrize(
    "prefix",
    [
        "<1>[{t}] c2 ",
        "[{t}] c2 ",
        "<1>[{t}] c2  17330 ",
        "[{t}]  [c2] ",
        "<1>[{t}] [c2] ",
        "[{t}] (CPU:2-pid:17330:netd) ",
        "<1>[{t} / 06-17 10:11:12.345]",
        "[{t} / 06-17 10:11:12.345][2] ",
        "[{t}@2]- ",
        "[{t}@2]d ",
        "[{t},2] ",
        "<1>[{t},2] ",
        "[{t}] [20250617_10:11:12.345678]@2 ",
        "<1>[{t}][2025:06:17 10:11:12]",
        "[20250617_10:11:12][{t}s][pid:17330,cpu2,netd]",
        "[{t}][T17330@C2] ",
        "[{t}][ T17330@C2] ",
        "[{t}]   WARN: ",
        "[{t}]  ALERT: ",
        "Jul 31 11:41:34 draig kernel: [{t}]    ERR: ",
    ],
)
def test_a_bad_page_behind_the_prefix_of_a_vendor(prefix: str) -> None:
    text = "".join(prefix.format(t=f"  341.65{i:04}") + line + "\n" for i, line in enumerate(PAGE)).encode()
    (report,) = read_log(text).reports
    assert (report.timestamp, report.pfn, report.complete, report.damage) == ("341.650001", 0x1143A, True, ())
    assert report.call_trace is not None
    assert len(report.call_trace.frames) == 3
    for engine in ("python", "numba"):
        check(text, engine)


def test_words_of_a_report_are_no_programs() -> None:
    # What receives the kernel's messages over the network, where kernels print no time.
    text = "".join(f"Jul 31 11:41:{i:02} 10.0.2.15 {line}\n" for i, line in enumerate(PAGE)).encode()
    (report,) = read_log(text).reports
    assert (report.title, report.complete, report.damage) == (PAGE[1], True, ())
    assert report.cpu_line is not None
    assert report.cpu_line.pid == 17330
    for engine in ("python", "numba"):
        check(text, engine)


def test_a_level_as_a_word_without_a_time() -> None:
    words = ["WARN", "CRIT", "WARN"]
    rows = ["Call Trace:", "kernel BUG at mm/fizz.c:12!", " fizz_map+0x14/0x30 [fizz]"]
    found = [match_prefix(f"  {word}: {row}") for word, row in zip(words, rows, strict=True)]
    assert [one and (one.name, one.end) for one in found] == [("level_word_untimed", 8)] * 3
    assert match_prefix("ERR: no such file") is None
    # The kernel's own words stand behind one blank.
    task = match_prefix("[    1.000001] INFO: task kl:12 blocked for more than 122 seconds.")
    assert task is not None
    assert task.end == 15


def test_a_row_of_bytes_is_no_cpu() -> None:
    found = match_prefix("[   12.000001] c0 a8 01 fe 00 00 00 00")
    assert found is not None
    assert found.rows == ("dmesg_seconds",)


@pytest.mark.parametrize(
    "prefix",
    [
        "2024-07-31T11:58:14.123Z cpu12:2097152)",
        "2024-07-31T11:58:14.123Z vmkernel: cpu12:2097152)",
        "2024-07-31T11:58:14.123Z In(182) vmkernel: cpu12:2097152 opID=1a2b3c4d)",
        "2024-07-31T11:58:14.123Z draig vmkernel: cpu12:2097152)",
        "Jul 31 11:58:14 draig vmkernel: 1:02:03:04.567 cpu12:2097152)",
        "vmkernel: cpu12:2097152)",
    ],
)
def test_the_kernel_of_esxi(prefix):
    for message in ("BUG: Bad page state in process fizz  pfn:12345", " <TASK>", " fizz_map+0x1/0x2"):
        found = match_prefix(prefix + message)
        assert found
        assert found.kernel
        assert (prefix + message)[found.end :] == message
