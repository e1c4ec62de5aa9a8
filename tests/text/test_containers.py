"""Logs inside other formats: journals, /dev/kmsg, netconsole, pstore, consoles; nothing of the input is lost."""

from __future__ import annotations

import json

import pytest

from kvmlab.text.reader import read_text
from kvmlab.text.record import Role
from kvmlab.text.span import DamageKind
from kvmlab.text.text import Text

LOG = """\
[  252.141632] BUG: Bad page state in process CPU 0/KVM  pfn:fb1665
[  252.141633] page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x7fa8117c3 pfn:0xfb1665
[  252.141688] Call Trace:
[  252.141688]  <TASK>
[  252.141688]  dump_stack_lvl+0x60/0x80
"""
MESSAGES = [line[15:] for line in LOG.splitlines()]


def check(raw: bytes) -> Text:
    text = read_text(raw)
    for one in text.walk():
        assert b"".join(one.source.data[r.span.start : r.span.stop] for r in one.records) == one.source.data
    return text


def messages(text: Text) -> list[str]:
    return [r.text for one in text.walk() for r in one.logs()]


def entry(message: object, **more: str) -> dict[str, object]:
    return {
        "_TRANSPORT": "kernel",
        "PRIORITY": "1",
        "SYSLOG_IDENTIFIER": "kernel",
        "__REALTIME_TIMESTAMP": "1722426094141632",
        "_SOURCE_MONOTONIC_TIMESTAMP": "252080141632",
        "_HOSTNAME": "draig",
        "MESSAGE": message,
    } | more


def test_journal_json():
    entries = [entry(message) for message in MESSAGES]
    entries.insert(1, entry("Accepted password", _TRANSPORT="syslog", SYSLOG_IDENTIFIER="sshd"))
    text = check("".join(json.dumps(e) + "\n" for e in entries).encode())
    assert text.kind == "journal-json"
    assert messages(text) == MESSAGES
    record = next(text.logs())
    assert (record.timestamp, record.time_ns, record.level) == ("252080.141632", 252080141632000, 1)
    assert (record.clock, record.host, record.prefix) == ("1722426094141632", "draig", "fields")
    other = text.records[1]
    assert (other.role, other.text) == (Role.OTHER, "Accepted password")


def test_messages_of_several_lines_bytes_and_none():
    entries = [entry("one\n two\nthree"), entry(list(b"\x1b[1mbin \xff")), entry(None), entry("last")]
    text = check("".join(json.dumps(e) + "\n" for e in entries).encode())
    assert messages(text) == ["one", " two", "three", "bin \\xff", "", "last"]
    assert [r.span.first_line for r in text.logs()] == [1, 1, 1, 2, 3, 4]


def test_pretty_json_and_a_cut_line():
    raw = "".join(json.dumps(entry(message), indent=4) + "\n" for message in MESSAGES)
    assert messages(check(raw.encode())) == MESSAGES
    lines = "".join(json.dumps(entry(message)) + "\n" for message in MESSAGES)
    assert messages(check(lines[:-20].encode()))[:-1] == MESSAGES[:-1]


def test_json_of_other_collectors():
    raw = "".join(
        json.dumps({"log": line + "\n", "stream": "stdout", "time": "2024-07-31T11:41:34Z"}) + "\n"
        for line in LOG.splitlines()
    )
    text = check(raw.encode())
    assert (messages(text), text.kind) == (MESSAGES, "json")
    assert next(text.logs()).timestamp == "252.141632"


def test_dmesg_json():
    body = "},{".join(
        f'\n         "pri":1,\n         "time":    252.141632,\n         "msg":{json.dumps(m)}\n      '
        for m in MESSAGES
    )
    text = check(f'{{\n   "dmesg": [\n      {{{body}}}\n   ]\n}}\n'.encode())
    assert (messages(text), text.kind) == (MESSAGES, "dmesg")
    assert next(text.logs()).time_ns == 252141632000


def test_journal_export_and_verbose():
    head = b"__CURSOR=s=1\n_SOURCE_MONOTONIC_TIMESTAMP=252080141632\n_TRANSPORT=kernel\nPRIORITY=1\n_HOSTNAME=draig\n"
    entries = [b"MESSAGE=" + m.encode() + b"\n" for m in MESSAGES]
    entries.append(b"MESSAGE\n" + (10).to_bytes(8, "little") + b"bin\n\nary\xff\n\n")
    text = check(b"".join(head + e + b"\n" for e in entries))
    assert text.kind == "journal-export"
    assert messages(text) == [*MESSAGES, "bin", "", "ary\\xff"]
    verbose = "".join(
        f"Wed 2024-07-31 11:41:34.141632 UTC [s=1;i=2;b=3]\n    PRIORITY=1\n    _TRANSPORT=kernel\n    MESSAGE={m}\n"
        for m in MESSAGES
    )
    assert messages(check(verbose.encode())) == MESSAGES


def test_kmsg_and_its_gaps():
    raw = b"".join(b"1,%d,25214163%d,-,caller=T8;%s\n" % (n, n, m.encode()) for n, m in enumerate(MESSAGES))
    raw += b" SUBSYSTEM=pci\n DEVICE=+pci:0000\n4,9,252141639,-;tab\\x09 \\xc3\\xa9\n"
    text = check(raw)
    assert (text.kind, messages(text)) == ("kmsg", [*MESSAGES, "tab\t \u00e9"])
    assert next(text.logs()).caller == "T8"
    (lost,) = text.damage
    assert (lost.kind, lost.span.first_line) == (DamageKind.LOST_MESSAGES, 8)
    assert "4 are missing" in lost.reason


def test_netconsole_fragments():
    text = check(b"6,1,5,-,ncfrag=0/33;the first chunk,\n6,1,5,-,ncfrag=16/33;the 2nd chunk.\n6,2,6,-;next\n")
    assert messages(text) == ["the first chunk,the 2nd chunk.", "next"]


def test_pstore():
    raw = b"Oops#1 Part1\n of a line that began in the part before\n" + b"".join(
        b"<1>" + line.encode() + b"\n" for line in LOG.splitlines()
    )
    text = check(raw)
    assert (text.kind, messages(text)) == ("pstore", MESSAGES)


def test_records_glued_on_one_line():
    text = check(
        b"login: [    1.000000] a\n[    1.000001] b [    1.000002] c\n"
        b"** 23 printk messages dropped ** [    1.000003] d\n"
    )
    assert messages(text) == ["a", "b ", "c", "** 23 printk messages dropped ** ", "d"]
    assert [r.span.first_line for r in text.logs()] == [1, 2, 2, 3, 3]
    assert [len(r.damage) for r in text.logs()] == [1, 0, 1, 0, 1]
    (lost,) = text.damage
    assert (lost.kind, "23" in lost.reason) == (DamageKind.LOST_MESSAGES, True)


def test_a_repeat_count_is_not_taken_apart():
    line = "Jul 31 11:41:34 h kernel: message repeated 2 times: [ [  123.456000] foo]"
    assert len(messages(check(f"{line}\n".encode()))) == 1


@pytest.mark.parametrize("carrier", ["lab-7|12:0{}|console|", "{:03} ttyS0> ", "console.host{} out: "])
def test_carriers_that_no_table_knows(carrier):
    raw = "".join(carrier.format(n) + line + "\n" for n, line in enumerate(LOG.splitlines()))
    text = check(raw.encode())
    assert (text.kind, messages(text)) == ("console", MESSAGES)
    assert next(text.logs()).prefix == "unknown_carrier+dmesg_seconds"


def test_a_serial_console():
    raw = "\x1b[2J\x1b[32m" + LOG.replace("\n", "\x1b[0m\r\r\n").replace("Call", "C\x00all")
    text = check(raw.encode())
    assert (messages(text), text.kind, text.n_lines) == (MESSAGES, "console", 5)


def test_rsyslog_escapes():
    text = check(b"Jul 31 11:41:34 h kernel: a#011b #033[31mred#033[0m\n")
    assert messages(text) == ["a\tb red"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_pages(end):
    from html import escape

    pre = "<!DOCTYPE html><html><head><title>x</title><script>if (a < b) { '[    1.000000] no' }</script></head>"
    pre += f"<body>{end}<!-- [    2.000000] no -->{end}<pre id=t>"
    page = pre + escape(LOG).replace("\n", end) + "</pre></body></html>"
    text = check(page.encode())
    assert (messages(text), text.kind) == (MESSAGES, "html")
    assert [r.span.first_line for r in text.logs()] == [3, 4, 5, 6, 7]
    breaks = (
        pre.replace("<pre id=t>", "<div>")
        + escape(LOG).replace("  ", "&nbsp; ").replace("\n", f"<br />{end}")
        + "</div></body></html>"
    )
    assert messages(check(breaks.encode())) == MESSAGES
    one_line = pre.replace("<pre id=t>", "<p>") + escape(LOG).replace("\n", "<br>") + "</p></body></html>"
    assert messages(check(one_line.encode())) == MESSAGES


def test_a_bare_log_in_a_page_of_prose():
    bare = "".join(m + "\n" for m in MESSAGES)
    page = "Comment 1 A. User 2024-07-31 11:41:34 UTC\n\nIt happens at each start, see below.\n\n"
    page += f"{bare}\nI hope that this helps.\n\n{bare}"
    text = check(page.encode())
    assert messages(text) == MESSAGES * 2
    assert len(text.log_blocks) == 2


def test_blockquotes_of_a_page_are_quoting() -> None:
    log = "[    1.000001] BUG: Bad page state in process kl  pfn:12345\n[    1.000002] flags: 0x0()\n"
    mail = (
        "From: A <a@example.org>\nDate: Wed, 31 Jul 2024 12:41:34 +0100\nSubject: x\nMIME-Version: 1.0\n"
        "Content-Type: text/html\n\n<html><body><p>My words</p><blockquote type=cite>His words<blockquote><pre>"
        f"{log}</pre></blockquote>again his</blockquote><p>mine</p></body></html>\n"
    )
    (part,) = read_text(mail.encode()).parts
    (block,) = part.text.log_blocks
    assert block.quote_depth == 2
    depths = {record.text: record.quote_depth for record in part.text.records if record.text.strip()}
    assert depths["My words"] == depths["mine"] == 0
    assert depths["His words"] == depths["again his"] == 1
    assert depths["flags: 0x0()"] == 2


@pytest.mark.parametrize("deep", [10_000])
def test_blockquotes_without_end(deep: int) -> None:
    page = "<html><body>" + "<blockquote>" * deep + "<pre>[    1.000001] BUG: Bad page state</pre>" + "</body></html>"
    assert [r.text for r in read_text(page.encode()).logs()] == ["BUG: Bad page state"]
