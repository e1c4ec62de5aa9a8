"""Logs as services hand them out: in a string of a document, as entries of one line, newest first."""

from __future__ import annotations

import base64
import csv
import gzip
import html
import io
import json
import time
from collections.abc import Callable

import pytest

from kvmlab.report.log import Log, read_log
from kvmlab.report.scan import scan_log
from kvmlab.text.documents import log_in_string
from tests.report.generator import log

LINES = log(3, "dmesg", 1.0, 30_000)
FIRST, END = [n for n, line in enumerate(LINES) if "BUG: Bad page state" in line][:2]
REPORT = LINES[FIRST:END]
CLOCKS = [f"2024-07-31T11:58:14.{n:06}Z" for n in range(len(REPORT))]
BARE = [line.partition("] ")[2] for line in REPORT]


def _table(rows: list[str], separator: str = ",", names: tuple[str, ...] = ("timestamp", "host", "message")) -> str:
    shown = io.StringIO()
    writer = csv.writer(shown, delimiter=separator)
    writer.writerow(names)
    writer.writerows((clock, "h", row) for clock, row in sorted(zip(CLOCKS, rows, strict=True), reverse=True))
    return shown.getvalue()


def _console(encode: Callable[[bytes], str] = bytes.decode) -> str:
    return json.dumps({"id": "i-0", "Output": encode(("\r\n".join(REPORT) + "\r\n").encode()), "at": CLOCKS[0]})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


FORMS = {
    "table, newest first": _table(REPORT),
    "table by tabs": _table(REPORT, "\t"),
    "table without the kernel's times": _table(BARE, names=("Date", "Host", "Message")),
    "console in a string": _console(),
    "console in base64": _console(_base64),
    "console in base64 of gzip": _console(lambda data: _base64(gzip.compress(data))),
    "events of one line": json.dumps({"events": [{"timestamp": n, "message": row} for n, row in enumerate(REPORT)]}),
    "hits, newest first": json.dumps(
        {
            "hits": [
                {"_source": {"@timestamp": c, "message": m}} for c, m in zip(CLOCKS[::-1], REPORT[::-1], strict=True)
            ]
        }
    ),
    "streams, newest first": json.dumps(
        {"result": [{"stream": {}, "values": [[f"{10**18 + n}", row] for n, row in enumerate(REPORT)][::-1]}]}
    ),
    "line breaks written out": "\\n".join(REPORT),
    "line breaks written out behind lines": "".join(line + "\\n\n" for line in REPORT),
    "a piece of a page": "<pre>" + html.escape("\n".join(REPORT)) + "</pre>",
    "a table of a page": "<table>"
    + "".join(f"<tr><td>{n}</td><td>{html.escape(line)}</td></tr>\n" for n, line in enumerate(REPORT, 90))
    + "</table>",
    "list of LAVA": "".join(
        f"- {{dt: {c}, lvl: target, msg: '{line}'}}\n" for c, line in zip(CLOCKS, REPORT, strict=True)
    ),
    "list with a line a field": "".join(
        f"- dt: '{c}'\n  lvl: target\n  msg: {json.dumps(line)}\n" for c, line in zip(CLOCKS, REPORT, strict=True)
    ),
    "list of LAVA with names in quotes": "".join(
        f'- {{"dt": \'{c}\', "lvl": "target", "msg": \'{line}\', "ns": fizz}}\n'
        for c, line in zip(CLOCKS, REPORT, strict=True)
    ),
    "list without quotes": "".join(
        f"- dt: {c}\n  lvl: target\n  msg: {line}\n" for c, line in zip(CLOCKS, REPORT, strict=True)
    ),
    "list with folded lines": "".join(
        f"- {{dt: '{c}', lvl: target, msg: \"{line[:19]}{line[19:].replace(' ', chr(10) + '    ', 1)}\"}}\n"
        for c, line in zip(CLOCKS, REPORT, strict=True)
    ),
    "one entry with a list of lines": "- {dt: 2024-07-31T11:58:14, lvl: target, msg: ["
    + ", ".join(f"'{line}'" for line in REPORT)
    + "]}\n",
    "one entry with a line an item": "- lvl: target\n  msg:\n" + "".join(f"  - '{line}'\n" for line in REPORT),
    "documents of a cloud": "".join(
        f"---\ninsertId: x{n}\nresource:\n  type: fizz\ntextPayload: {json.dumps(line)}\ntimestamp: '{CLOCKS[n]}'\n"
        for n, line in enumerate(REPORT)
    ),
    "pairs": "".join(
        f"time={c} level=warn unit=fizz msg={json.dumps(line)}\n" for c, line in zip(CLOCKS, REPORT, strict=True)
    ),
    "objects behind a time": "".join(
        f"{c}\tkmsg\t{json.dumps({'log': line})}\n" for c, line in zip(CLOCKS, REPORT, strict=True)
    ),
    "objects of Ruby": "".join(
        f'[{n}] kmsg.0: [[{n}.5, {{}}], {{"priority"=>4, "msg"=>{json.dumps(line)}}}]\n'
        for n, line in enumerate(REPORT)
    ),
    "objects below a command": "$ kubectl logs fizz\n" + "".join(f"{json.dumps({'log': line})}\n" for line in REPORT),
    "a list of strings": json.dumps(REPORT),
    "a list of strings in an object": json.dumps({"changed": False, "stdout_lines": REPORT}),
    "newest first": "\n".join([*reversed(REPORT), ""]),
    "newest first behind a carrier": "\n".join(f"Jul 31 11:58:14 h kernel: {line}" for line in reversed(REPORT)) + "\n",
}


def facts(found: Log) -> list[object]:
    (report,) = found.reports
    assert report.page is not None
    assert report.page.raw is not None
    assert report.call_trace is not None
    assert report.modules is not None
    functions = [frame.function for frame in report.call_trace.frames]
    return [report.title, report.pfn, report.page.raw.words, functions, report.modules.names, report.damage]


@pytest.mark.parametrize("form", FORMS)
def test_the_report_is_the_same(form: str) -> None:
    found = read_log(FORMS[form].encode())
    assert facts(found) == facts(read_log("\n".join([*REPORT, ""]).encode()))
    assert not found.unparsed


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_what_runs_backwards_is_left_to_the_tolerant_parser(engine: str) -> None:
    for form in ("newest first", "newest first behind a carrier"):
        found = scan_log(FORMS[form].encode(), engine=engine)
        assert found.engine == "slow"
        assert found.df_bad_pages()["frames"].tolist() == [len(facts(read_log(FORMS[form].encode()))[3])]  # type: ignore[arg-type]


def test_a_list_of_fields_is_read_as_a_whole() -> None:
    entries = [{"pri": 4, "time": 1000 + n / 1000, "msg": line} for n, line in enumerate(BARE)]
    found = scan_log(json.dumps({"dmesg": entries}, indent=3).encode(), engine="python")
    assert found.engine == "slow"
    assert len(found.df_bad_pages()) == 1


def test_lines_of_an_entry_stay_in_order() -> None:
    entries = [
        {"@timestamp": CLOCKS[n], "message": "\n".join(BARE[at : at + 7])} for n, at in enumerate(range(0, 60, 7))
    ]
    data = "".join(json.dumps(entry) + "\n" for entry in reversed(entries)).encode()
    assert facts(read_log(data))[:4] == facts(read_log("\n".join([*REPORT, ""]).encode()))[:4]


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"{" * 100_000 + b"}",
        b'{"a": "' + b"x" * 900 + b'"}',
        b'{"a": 1' + b"0" * 9999 + b"}",
        b"[1]",
        b"{'a': 1}",
    ],
)
def test_other_documents_hold_no_log(data: bytes) -> None:
    assert log_in_string(data) is None
    read_log(data)


def test_what_the_lab_itself_says_is_not_the_kernels() -> None:
    entries = [f"- {{dt: {c}, lvl: target, msg: '{line}'}}" for c, line in zip(CLOCKS, REPORT, strict=True)]
    entries.insert(-3, f"- {{dt: {CLOCKS[-3]}, lvl: debug, msg: 'case: fizz'}}")
    found = read_log("\n".join([*entries, ""]).encode())
    assert facts(found)[:5] == facts(read_log("\n".join([*REPORT, ""]).encode()))[:5]
    assert [r.role.value for r in found.text.records if r.text == "case: fizz"] == ["other"]


def test_a_long_list_in_one_entry_is_read_to_its_end() -> None:
    rows = [f"[{n:5}.000000] eth{n}: link up and running well" for n in range(3000)]
    text = read_log(f"- {{dt: x, lvl: target, msg: {rows!r}}}\n".encode()).text
    assert [record.text for record in text.logs()] == [row[15:].strip() for row in rows]


@pytest.mark.parametrize(
    "data",
    [
        "- text: see below\n- log:\n\nMy words\n\n" + "\n".join(REPORT) + "\n",
        "---\ntitle: it broke\ntext: x\n---\n\n" + "\n".join(REPORT) + "\n",
        "# Notes\n- one thing\n- another\n" + "\n".join(REPORT) + "\n",
    ],
)
def test_lists_in_prose_are_no_logs(data: str) -> None:
    found = read_log(data.encode())
    assert found.text.kind != "yaml"
    assert facts(found)[:4] == facts(read_log("\n".join([*REPORT, ""]).encode()))[:4]


@pytest.mark.parametrize(
    "piece",
    [
        "- msg: [ '",
        '- {msg: "',
        "- msg: \n\n\n",
        "msg: x, ",
        'msg="',
        "a=b ",
        '{"a": ',
        "- msg:\n  - ",
        "---\nmsg: |\n",
    ],
)
def test_hostile_lists_take_no_time(piece: str) -> None:
    begin = time.perf_counter()
    read_log(f"- msg: x\n{piece * (40_000 // len(piece))}".encode())
    assert time.perf_counter() - begin < 3


def test_two_steps_back_do_not_turn_a_log_round() -> None:
    lines = [f"[{n:5}.000000] BUG: Bad rss-counter state mm:{n:016x} type:MM_ANONPAGES val:-1" for n in range(9)]
    lines += [f"[{n:5}.000000] eth{n}: link up" for n in (3, 1, 2, 4, 5)]
    found = read_log("\n".join([*lines, ""]).encode())
    assert [report.timestamp for report in found.reports] == [f"{n}.000000" for n in range(9)]


@pytest.mark.parametrize("said", ['{"level":"info","msg":"line %d","time":"x"}', 'time="x" level=info msg="line %d"'])
def test_objects_that_programs_say_are_no_kernels(said: str) -> None:
    rows = [f"Jul 31 11:57:{n % 60:02} draig dockerd[12]: {said % n}" for n in range(60)]
    rows += [f"Jul 31 11:58:00 draig kernel: {line}" for line in REPORT]
    found = read_log("\n".join([*rows, ""]).encode())
    assert found.text.kind == "syslog"
    alone = read_log("\n".join([*rows[60:], ""]).encode())
    assert [record.text for record in found.text.logs()] == [record.text for record in alone.text.logs()]
