"""Input made to hurt: work stays in proportion to the input, measured by counting calls and by processor time."""

from __future__ import annotations

import base64
import gzip
import json
import sys
import time

import pytest

from kvmlab.errors import UnusableInput
from kvmlab.text.journal import MAX_MESSAGE_LINES
from kvmlab.text.reader import read_text
from tests.text.test_containers import LOG

HEAD = b"From: a@example.org\nTo: b@example.org\nSubject: x\n"
STAMP = b"[    1.000000] "
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=x\n\n"


def read_all(raw: bytes) -> int:
    """Read a text and its parts and make every record; how many there were."""
    try:
        text = read_text(raw, limit=1 << 24)
    except UnusableInput:
        return 0
    count = 0
    for one in text.walk():
        data = one.source.data
        assert b"".join(data[r.span.start : r.span.stop] for r in one.records) == data
        count += len(one.records)
    return count


def calls_of(raw: bytes) -> int:
    count = 0

    def on(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(on)
    try:
        read_all(raw)
    finally:
        sys.setprofile(None)
    return count


# Texts of many pieces: name to (beginning, piece).
MANY = {
    "plain": (b"", STAMP + b"usb 1-1: new device\n"),
    "no prefix": (b"", b" bad_page+0x70/0x100\n"),
    "wrapped at columns": (b"", STAMP + b"x" * 65 + b"\n" + b"y" * 80 + b"\nz\n"),
    "wrapped at words": (b"", STAMP + b"Modules linked in: aaaa bbbb cccc dddd eeee ffff gggg hhhh\njjjj kkkk\n"),
    "one endless list": (STAMP + b"Modules linked in: a\n", b"a b c d e f g h\n"),
    "raw words": (b"", b"raw: 0017ffffc00a000c\n"),
    "deep quotes": (HEAD + b"\n", b"> " * 40 + STAMP + b"BUG: x\n"),
    "changing quotes": (HEAD + b"\n", b"> " + STAMP + b"a\n>> " + STAMP + b"b\nc\n"),
    "lost quote marks": (HEAD + b"\n", b"> BUG: Bad page state in process a\npfn:1\n"),
    "mails": (b"", b"From a@b Thu Jan  1 00:00:00 1970\nFrom: a\nTo: b\n\nhello\n\n"),
    "parts": (MIXED, b"--x\nContent-Type: text/plain\n\n" + STAMP + b"a\n"),
    "encoded parts": (MIXED, b"--x\nContent-Type: text/x-log\nContent-Transfer-Encoding: base64\n\nYQo=\n"),
    "nested parts": (MIXED, b"--x\nContent-Type: multipart/mixed; boundary=x\n\n"),
    "mails in mails": (MIXED + b"--x\n", b"Content-Type: message/rfc822\n\n"),
    "headers": (HEAD, b"X-Header: y\n"),
    "folded headers": (HEAD, b" and more of it\n"),
    "soft breaks": (HEAD + b"Content-Transfer-Encoding: quoted-printable\n\n", b"abc=\n"),
    "uuencode": (HEAD + b"\n", b"begin 644 x\n#0V%T\n"),
    "flowed": (HEAD + b"Content-Type: text/plain; format=flowed\n\n", b"a \n"),
    "stamps in a line": (b"", STAMP * 20 + b"\n"),
    "prompts": (b"", b"root@host:~# dmesg\n" + STAMP + b"x\n"),
    "blank lines": (b"", b"\n"),
    "returns": (b"x", b"\r"),
    "lists": (b"", STAMP + b"Modules linked in: a\n" + STAMP + b" b\n" + STAMP + b" c\n"),
    "json": (b"", b'{"MESSAGE":"a\\nb","_TRANSPORT":"kernel"}\n'),
    "json lines in a message": (b'{"MESSAGE":"', b"\\n"),
    "json bytes": (b'{"MESSAGE":[1', b",2"),
    "json objects": (b'{\n"dmesg": [\n', b'{\n"pri":6,\n"msg":"a"\n},'),
    "export": (b"", b"__CURSOR=1\nMESSAGE=a\n\n"),
    "export fields": (b"__CURSOR=1\n", b"A=b\n"),
    "kmsg": (b"", b"6,1,1,-;a\n SUBSYSTEM=pci\n"),
    "fragments": (b"6,1,1,-,ncfrag=0/9;a\n", b"6,1,1,-,ncfrag=1/9;b\n"),
    "tags": (b"<html><pre>", b"<b>a</b>"),
    "breaks": (b"<html><body>", b"a<br>\n"),
    "open tags": (b"<html><body>", b"<p <pre "),
    "comments": (b"<html><body>", b"<!-- "),
    "scripts": (b"<html><body>", b"<script>"),
    "lore": (b"", b"From: a @ 2024-07-31 11:41 UTC (permalink / raw)\n\nb\n"),
    "carriers": (b"", b"lab|7|[    1.000000] a\n"),
}


@pytest.mark.parametrize("name", MANY)
def test_work_of_many_pieces(name):
    head, piece = MANY[name]
    small, large = calls_of(head + piece * 300), calls_of(head + piece * 600)
    assert large <= 2.3 * small + 2000


# One piece, made longer and longer.
LONG = {
    "brackets": b"[" * 100_000,
    "marks": b"> " * 50_000 + STAMP,
    "marks of a mail": HEAD + b"\n" + b"> " * 50_000 + STAMP + b"x",
    "escapes": b"\x1b[" * 50_000,
    "operating system commands": b"\x1b]" * 50_000,
    "digits": b"[" + b"1" * 100_000 + b".000000] x",
    "blanks": b" " * 100_000 + b"x",
    "words": b"a " * 50_000,
    "hex": b"raw: " + b"00000000 " * 20_000,
    "names": b"Modules linked in: " + b"a " * 50_000,
    "frame": b"a" * 100_000 + b"+0x1/0x2",
    "colons": b"a:" * 50_000,
    "tags in a subject": HEAD + b"Subject: " + b"[PATCH " * 20_000 + b"\n\nbody\n",
    "attribution": HEAD + b"\nOn " + b", " * 50_000 + b"wrote:\n",
    "addresses": HEAD + b"\n" + b"a@xxx" * 20_000,
    "content type": HEAD + b"Content-Type: multipart/mixed; " + b'a="' * 30_000 + b"\n\nx\n",
    "encoded words": HEAD.replace(b"x\n", b"=?utf-8?q?=?=" * 9_000 + b"\n") + b"\nx\n",
    "soft break": HEAD + b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=" * 100_000,
    "json": b'{"MESSAGE":"' + b"\\" * 100_001,
    "json braces": b'{"MESSAGE":' + b"[" * 100_000,
    "html": b"<html><pre>" + b"<" * 100_000,
    "entities": b"<html><pre>" + b"&amp" * 30_000,
    "prompt": b"a@b:" + b"c" * 100_000 + b"# dmesg",
    "title": b"BUG: Bad page state in process " + b"pfn: " * 20_000,
    "comm": b"CPU: 1 PID: 1 Comm: " + b"Tainted: " * 12_000,
    "file name": b"/" * 100_000 + b"log:",
    "endless list": STAMP + b"Modules linked in: a\n" + b"a b c d e f g h\n" * 10_000,
    "endless wrap": (STAMP + b"x" * 65 + b"\n") * 9 + (b"y" * 80 + b"\n") * 3_000,
    "endless message": b"6,1,1,-,ncfrag=0/9;a\n" + b"6,1,1,-,ncfrag=1/9;bbbbbbbbb\n" * 5_000,
}


@pytest.mark.parametrize("name", LONG)
def test_time_of_one_long_piece(name):
    def seconds(raw: bytes) -> float:
        before = time.process_time()
        read_all(raw)
        return time.process_time() - before

    whole = LONG[name]
    # The steps of a regular expression cannot be counted, so this bound is in processor time. A tenth first: quadratic
    # work would take a hundred times as long for the whole, and minutes; the floor keeps a busy machine from failing.
    tenth = max(seconds(whole[: len(whole) // 10]), 0.25)
    assert seconds(whole) < 30 * tenth


def test_ten_thousand_quote_marks_are_one_depth():
    text = read_text(HEAD + b"\n" + b">" * 10_000 + b" " + STAMP + b"BUG: x\n")
    assert [(r.text, r.quote_depth) for r in text.logs()] == [("BUG: x", 10_000)]


def test_a_million_prefixes():
    text = read_text(STAMP * 100_000 + b"\n")
    assert len(text.records) == 100_000


def test_gigantic_numbers():
    line = (
        b"[" + b"9" * 12 + b".999999] a\n[" + b"9" * 13 + b".000000] b\n6," + b"9" * 20 + b"," + b"9" * 16 + b",-;c\n"
    )
    records = list(read_text(line).records)
    assert [r.time_ns for r in records] == [None, None, None]
    assert records[0].timestamp == "999999999999.999999"
    assert len(records) == 3


def test_bombs_in_parts_stop():
    bomb = base64.encodebytes(gzip.compress(gzip.compress(b"\0" * 50_000_000)))
    part = b"--x\nContent-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n" + bomb
    text = read_text(MIXED + part * 3, limit=1_000_000)
    assert len([d for d in text.damage if "--max-bytes" in d.reason]) == 3


def test_mails_within_encoded_mails_stop():
    inner = LOG.encode()
    for _ in range(12):
        inner = (
            HEAD + b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/x-mail\n"
            b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(inner) + b"\n--x--\n"
        )
    assert len(list(read_text(inner).walk())) <= 6


def test_a_journal_of_one_message_with_many_lines():
    raw = json.dumps({"MESSAGE": "a\n" * 100_000, "_TRANSPORT": "kernel"}).encode()
    text = read_text(raw * 2)
    assert 2 * read_all(raw) == len(text.records) <= 2 * (MAX_MESSAGE_LINES + 2)
