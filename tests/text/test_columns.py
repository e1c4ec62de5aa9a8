"""Tables that log viewers export, and pages, fields and mails in UTF-16."""

from __future__ import annotations

import csv
import io
import json

import pytest

from kvmlab.text.reader import read_text
from tests.text.test_carried import TEXTS

MESSAGES = [
    "BUG: Bad page state in process fizz  pfn:12345",
    "page:ffffea0000a1b2c0 refcount:0 mapcount:0 mapping:0000000000000000 index:0x1",
    'CPU: 2 PID: 77 Comm: "fi, zz" Not tainted 5.10.0 #1',
    "Call Trace:",
    " bad_page+0x1/0x2",
    " ? fizz_map+0x1/0x20 [fizz]",
]


def table(names, row, **style):
    out = io.StringIO()
    writer = csv.writer(out, **style)
    writer.writerow(names)
    writer.writerows(row(n, message) for n, message in enumerate(MESSAGES))
    return out.getvalue().encode()


TABLES = {
    "elastic": table(
        ["@timestamp", "host.name", "message", "log.level"],
        lambda n, m: [f"Jul 31, 2024 @ 11:48:{n:02}.000", "lab7", f"[  100.{n:06}] {m}", "warn"],
        quoting=csv.QUOTE_ALL,
    ),
    "no times in the messages": table(
        ["@timestamp", "host.name", "message"], lambda n, m: [f"2024-07-31T11:48:{n:02}.000Z", "lab7", m]
    ),
    "splunk": table(
        ["_raw", "_time", "host", "source"],
        lambda n, m: [f"Jul 31 11:48:{n:02} lab7 kernel: [  100.{n:06}] {m}", f"2024-07-31T11:48:{n:02}", "lab7", "/x"],
        quoting=csv.QUOTE_ALL,
    ),
    "loki": table(
        ["Time", "Line", "tsNs", "id"], lambda n, m: [str(1722426094 + n), f"[  100.{n:06}] {m}", f"{n}", f"17_{n}"]
    ),
    "semicolons": table(
        ["Date", "Host", "Message"], lambda n, m: ["2024-07-31 11:48", "lab7", f"[  100.{n:06}] {m}"], delimiter=";"
    ),
    "tabs": table(
        ["timestamp", "hostname", "facility", "msg"],
        lambda n, m: ["2024-07-31 11:48", "lab7", "kern", f"kernel: [  100.{n:06}] {m}"],
        delimiter="\t",
    ),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_log_viewers(name, encoding):
    text = read_text(TABLES[name].decode().encode(encoding))
    assert text.kind == "csv"
    assert [record.text for record in text.logs()] == MESSAGES


def test_an_entry_of_many_lines():
    out = io.StringIO()
    csv.writer(out).writerows([["time", "message"], ["1", "\n".join(MESSAGES)], ["2", "[    1.000000] fine"]])
    assert [record.text for record in read_text(out.getvalue().encode()).logs()] == [*MESSAGES, "fine"]


@pytest.mark.parametrize("head", ["time,host\n", "BUG: x, message\n", "message\n", "time;text,x\n", '"time,message\n'])
def test_other_texts_are_no_tables(head):
    text = read_text(head.encode() + b"".join(f"[  100.00000{n}] {m}\n".encode() for n, m in enumerate(MESSAGES)))
    assert text.kind != "csv"
    assert [record.text for record in text.logs()][-6:] == MESSAGES


def test_lines_of_syslog_within_fields():
    lines = [{"log": f"Jul 31 11:48:{n:02} lab7 kernel: [  100.{n:06}] {m}"} for n, m in enumerate(MESSAGES)]
    text = read_text("".join(json.dumps(line) + "\n" for line in lines).encode())
    assert [record.text for record in text.logs()] == MESSAGES
    assert next(iter(text.logs())).timestamp == "100.000000"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("carried", [*TEXTS, "json"])
def test_two_and_four_bytes_a_character(carried, encoding):
    lines = [f"[  100.{n:06}] {m}\n" for n, m in enumerate(MESSAGES)]
    if carried == "json":
        made = "".join(json.dumps({"MESSAGE": m, "_TRANSPORT": "kernel"}) + "\n" for m in MESSAGES)
    else:
        made = TEXTS[carried]("".join(lines))
    text = read_text(made.encode(encoding))
    assert [record.text for part in text.walk() for record in part.logs()] == MESSAGES
