"""One log, carried in every way that people send logs, one way inside another: the messages are always the same."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import quopri
from collections.abc import Callable
from html import escape

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kvmlab.text.reader import read_text
from tests.text.strategies import splat_lines

HEAD = "From: Ann <ann@example.org>\nTo: l@example.org\nSubject: bug\nMIME-Version: 1.0\n"

# How each line is written. The message is given as it stands in the kernel's log.
LINES: dict[str, Callable[[int, str], str]] = {
    "dmesg": lambda n, m: f"[{n // 1000:5}.{n % 1000:06}] {m}",
    "console": lambda n, m: f"[{n // 1000:5}.{n % 1000:06}][ T{1848:4}] {m}",
    "raw": lambda n, m: f"<4>[{n // 1000:5}.{n % 1000:06}] {m}",
    "decoded": lambda n, m: f"kern  :warn  : [{n // 1000:5}.{n % 1000:06}] {m}",
    "ctime": lambda n, m: f"[Wed Jul 31 11:{n % 60:02}:34 2024] {m}",
    "iso": lambda n, m: f"2024-07-31T11:{n % 60:02}:34,141632+00:00 {m}",
    "delta": lambda n, m: f"[<    0.{n:06}>] {m}",
    "syslog": lambda n, m: f"Jul 31 11:{n % 60:02}:34 draig kernel: {m}",
    "rsyslog": lambda n, m: (
        f"2024-07-31T11:{n % 60:02}:34.141632+01:00 draig kernel: [{n // 1000:5}.{n % 1000:06}] {m}"
    ),
    "monotonic": lambda n, m: f"[{n // 1000:5}.{n % 1000:06}] draig kernel: {m}",
    "kmsg": lambda n, m: f"4,{n},{n},-,caller=T1848;{m}",
    "json": lambda n, m: json.dumps({"MESSAGE": m, "_TRANSPORT": "kernel", "PRIORITY": "4"}),
    "lab": lambda n, m: f"rack7|{n}|console: [{n // 1000:5}.{n % 1000:06}] {m}",
}
# What is done with the whole text; each takes characters and gives characters.
TEXTS: dict[str, Callable[[str], str]] = {
    "as it is": lambda t: t,
    "crlf": lambda t: t.replace("\n", "\r\n"),
    "coloured": lambda t: "\x1b[0m" + t.replace("[", "\x1b[32m[").replace("\n", "\x1b[0m\n"),
    "mail": lambda t: f"{HEAD}\nHi,\n\n{t}\n--\nAnn\n",
    "quoted": lambda t: f"{HEAD}\nBob <b@example.org> wrote:\n" + "".join(f">> {x}\n" for x in t.split("\n")),
    "printable": lambda t: (
        f"{HEAD}Content-Transfer-Encoding: quoted-printable\n\n" + quopri.encodestring(t.encode()).decode()
    ),
    "attached": lambda t: (
        f"{HEAD}Content-Type: multipart/mixed; boundary=xx\n\n--xx\nContent-Type: text/plain\n\nsee\n--xx\n"
        'Content-Type: application/octet-stream; name="dmesg.xz"\nContent-Transfer-Encoding: base64\n\n'
        + base64.encodebytes(lzma.compress(t.encode())).decode()
        + "\n--xx--\n"
    ),
    "mbox": lambda t: f"From ann@example.org Wed Jul 31 12:41:40 2024\n{HEAD}\n{t}\n",
    "page": lambda t: f"<!DOCTYPE html>\n<html><body><pre>\n{escape(t)}</pre></body></html>\n",
}
BYTES: dict[str, Callable[[str], bytes]] = {
    "utf-8": lambda t: t.encode(),
    "gzip": lambda t: gzip.compress(t.encode(), mtime=0),
    "xz in bzip2": lambda t: bz2.compress(lzma.compress(t.encode())),
    "utf-8 with a mark": lambda t: t.encode("utf-8-sig"),
}
# Colours and fields do not go together: a terminal shows no JSON in colour.
# Shrinking whole logs takes minutes and explains little.
FAST = (Phase.explicit, Phase.reuse, Phase.generate)
APART = {("json", "coloured"), ("kmsg", "coloured")}


@settings(max_examples=150, deadline=None, phases=FAST)
@given(splat_lines(), st.sampled_from(sorted(LINES)), st.sampled_from(sorted(TEXTS)), st.sampled_from(sorted(BYTES)))
def test_a_log_however_it_is_carried(messages, line, text, packing):
    if (line, text) in APART or (line == "json" and text not in ("as it is", "attached")):
        return
    lines = [LINES[line](n + 1, m) for n, m in enumerate(messages)]
    raw = BYTES[packing](TEXTS[text]("".join(f"{x}\n" for x in lines)))
    read = read_text(raw)
    got = [r.text for one in read.walk() for r in one.logs()]
    assert got == messages
    for one in read.walk():
        assert b"".join(one.source.data[r.span.start : r.span.stop] for r in one.records) == one.source.data


@settings(max_examples=60, deadline=None, phases=FAST)
@given(
    splat_lines(), st.sampled_from(["utf-16", "utf-32", "utf-16-le"]), st.sampled_from(["dmesg", "console", "syslog"])
)
def test_wide_encodings(messages, encoding, line):
    raw = "".join(f"{LINES[line](n + 1, m)}\n" for n, m in enumerate(messages)).encode(encoding)
    assert [r.text for r in read_text(raw).logs()] == messages


@settings(max_examples=80, deadline=None, phases=FAST)
@given(splat_lines(), st.integers(0, 10_000), st.integers(0, 200))
def test_what_is_cut_out_takes_nothing_else_with_it(messages, at, length):
    raw = "".join(f"{LINES['dmesg'](n + 1, m)}\n" for n, m in enumerate(messages)).encode()
    at %= len(raw)
    got = [r.text for r in read_text(raw[:at] + raw[at + length :]).logs()] if raw[:at] + raw[at + length :] else []
    before, after = raw[:at].count(b"\n"), raw[at + length :].count(b"\n")
    assert got[:before] == messages[:before]
    assert not after or got[len(got) - after + 1 :] == messages[len(messages) - after + 1 :]


@settings(max_examples=60, deadline=None, phases=FAST)
@given(
    splat_lines(),
    st.lists(
        st.tuples(
            st.integers(0, 60),
            st.sampled_from(["udevd[123]: starting version 1", "", "login: ", "[  OK  ] Started it."]),
        )
    ),
)
def test_foreign_lines_between_change_nothing(messages, foreign):
    lines = [LINES["console"](n + 1, m) for n, m in enumerate(messages)]
    for at, line in foreign:
        lines.insert(at % (len(lines) + 1), line)
    raw = "".join(f"{x}\n" for x in lines).encode()
    assert [r.text for r in read_text(raw).logs()] == messages
