"""What stands around each line of a log is taken off, and only where it stands around most."""

from __future__ import annotations

import json
import re
import time

import pytest

from kvmlab.report.scan_open import is_plain
from kvmlab.text.lines import Lines
from kvmlab.text.reader import read_text
from kvmlab.text.wrappers import WRAPPERS, is_wrapped, unwrapped

MESSAGES = [
    "BUG: Bad page state in process fizz  pfn:12345",
    "page:ffffea0000a1b2c0 refcount:0 mapcount:0 mapping:0000000000000000 index:0x1",
    "flags: 0x17ffffc0000004(referenced|node=0|zone=2)",
    'CPU: 2 PID: 77 Comm: "zz" Not tainted 5.10.0 #1',
    "Hardware name: Fizz & Sons",
    "Call Trace:",
    " <TASK>",
    " bad_page+0x1/0x2",
    " ? fizz_map+0x1/0x20 [fizz]",
    " </TASK>",
]
STAMPED = [f"[  100.00{n:04}] {message}" for n, message in enumerate(MESSAGES)]


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.name)
def test_each_wrapper_has_a_sample(wrapper):
    match = re.match(wrapper.pattern, wrapper.sample.rstrip())
    assert match
    assert wrapper.undo(match[1]) == wrapper.message


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def backslashed(text):
    return re.sub(r"([\[\]_<>|])", r"\\\1", text)


FORMS = {
    "a list in a program": [f"        {json.dumps(line)}," for line in STAMPED],
    "without times": [f"{json.dumps(line)}," for line in MESSAGES],
    "strings of C": [json.dumps(line + "\n") for line in STAMPED],
    "bytes of Python": [f"{(line + chr(10)).encode()!r}," for line in STAMPED],
    "backticks": [f"`{line}`  " for line in STAMPED],
    "a table": [f"| 11:48:0{n} | {line} |" for n, line in enumerate(STAMPED)],
    "a table with escapes": [f"| {line} |".replace("(referenced|", "(referenced\\|") for line in STAMPED],
    "colours": [f"{{color:#ff0000}}{line}{{color}}" for line in STAMPED],
    "backslashes": [f"{backslashed(line)}\\" for line in STAMPED],
    "rich text": [f"{line}\\par" for line in STAMPED],
    "line breaks of a page": [f"{escaped(line)}<br>" for line in STAMPED],
    "line breaks on one line": ["<br/>".join(escaped(line) for line in STAMPED)],
    "characters written out": [escaped(line) for line in STAMPED],
    "characters written out, without times": [escaped(line) for line in MESSAGES],
    "marks of code": ["[CODE]" + STAMPED[0], *STAMPED[1:-1], STAMPED[-1] + "[/CODE]"],
    "marks of code behind words": ["Hello,[CODE]" + MESSAGES[0], *MESSAGES[1:-1], MESSAGES[-1] + "[/CODE]"],
    "ticks of code": ["```" + MESSAGES[0], *MESSAGES[1:-1], MESSAGES[-1] + "```"],
    "a list": [f"- {line}" for line in MESSAGES],
    "a comment": [f" * {line}" for line in STAMPED],
    "numbers among words": [
        *("Hello,", "it broke.", "", "", "See:", ""),
        *(f"{n:3} {line}" for n, line in enumerate(MESSAGES, 95)),
        *("", "", "Thank you", "for all", "that you", "have done."),
    ],
    "numbers of grep among words": [
        *("Hello,", "it broke.", "", "See:", ""),
        *(f"{n}{':-'[n % 2]}{line}" for n, line in enumerate(MESSAGES, 995)),
        *("", "Thank you", "for all"),
    ],
    "a title behind words": ["This is what I see: " + MESSAGES[0], *MESSAGES[1:]],
    "tags of code": ["<pre><code>" + STAMPED[0], *STAMPED[1:-1], STAMPED[-1] + "</code></pre>"],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_stands_around_lines_is_taken_off(form, end):
    data = "".join(line + end for line in FORMS[form]).encode()
    text = read_text(data)
    said = [record.text for record in text.logs()]
    at = said.index(MESSAGES[0])
    assert said[at : at + len(MESSAGES)] == MESSAGES
    assert b"".join(data[record.span.start : record.span.stop] for record in text.records) == data
    assert not is_plain(data)


def test_numbers_in_a_mail():
    rows = "".join(f"{n:3}  {line}\n" for n, line in enumerate(MESSAGES, 95))
    text = read_text(f"Subject: x\nFrom: a@example.org\nMessage-ID: <x@y>\n\nHello,\n\n{rows}\n\nBye\n".encode())
    assert [record.text for record in text.logs()] == MESSAGES


def test_other_texts_stay_as_they_are():
    for data in (
        "\n".join(STAMPED).encode(),
        "\n".join(MESSAGES).encode(),
        b'"a", "b"\n' * 9 + "\n".join(STAMPED).encode(),
    ):
        lines = Lines(data)
        assert unwrapped(lines) is lines


@pytest.mark.parametrize("piece", [b"{code", b"<pre ", b"[code", b"- [b", b" ", b"\n", b'"\\', b"'", b"&lt", b"`"])
def test_hostile_texts_take_no_time(piece):
    data = b"BUG: x\n" + piece * (60_000 // len(piece))
    begin = time.perf_counter()
    is_wrapped(data[: 16 << 10])
    unwrapped(Lines(data)).text(2)
    assert time.perf_counter() - begin < 1


def test_a_page_that_does_not_write_out_markers_keeps_them():
    log = [*STAMPED, "[  100.000100]  [<ffffffff81a2b3c4>] fizz_map+0x1/0x20"]
    text = read_text(("<html><body><pre>" + "\n".join(log) + "</pre></body></html>\n").encode())
    assert [record.text for record in text.logs()] == [*MESSAGES, " [<ffffffff81a2b3c4>] fizz_map+0x1/0x20"]


def test_an_indented_title_begins_its_own_line():
    data = "".join(f"      {line}\n" for line in MESSAGES).encode()
    assert next(read_text(data).logs()).span.start == 0


def test_a_title_behind_a_prefix_keeps_it():
    for prefix in (
        "[  100.000000] ",
        "Jul 31 11:58:10 draig kernel: ",
        "Jul 31 11:58:10 draig kernel: [  100.000000] ",
    ):
        first = next(read_text("\n".join([prefix + MESSAGES[0], *MESSAGES[1:], ""]).encode()).logs())
        assert first.text == MESSAGES[0]
        assert first.time_ns or first.clock


ORDINARY = [
    "draig nginx: GET /fizz?a=1&amp;b=&lt;2&gt;",
    "draig fizzd: run `buzz --all`",
    "draig fizzd: wrote '''",
    "draig httpd: <pre>error 1</pre>",
    "draig httpd: error 1<br>",
    "draig httpd: [code]error 1[/code]",
    "draig fizzd: version 3 [pre-alpha]",
    "draig fizzd: a `tick` here and one `there`",
]


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_lines_make_no_page_of_a_log(line):
    row = f"Jul 31 11:58:10 {line}"
    data = "".join(f"Jul 31 11:58:{n:02} draig kernel: {message}\n" for n, message in enumerate(MESSAGES))
    data = "".join(f"Jul 31 11:57:{n:02} {line}\n" for n in range(30)) + f"{data}{row}\n"
    assert line.partition(": ")[2] in [record.text for record in read_text(data.encode()).records]
    assert is_plain(data.encode())


def test_the_beginning_of_a_log_with_prefixes_tells():
    clock = "Jul 31 {:02}:{:02}:{:02} draig ".format
    rows = [f"{clock(11, n // 60, n % 60)}fizzd: line {n} of it" for n in range(800)]
    report = [f"{clock(12, 0, n)}kernel: {message}" for n, message in enumerate(MESSAGES)]
    data = "\n".join([*rows, *report, f"{clock(12, 1, 0)}fizzd: &lt;TASK&gt;", ""]).encode()
    assert is_plain(data[: 16 << 10])
    assert list(read_text(data).records)[-1].text == "&lt;TASK&gt;"


@pytest.mark.parametrize("line", ["| BUG: x", "\\[    1.500000\\] BUG: x", "BUG: x\\par", '"BUG: x"', "{color}BUG: x"])
def test_blanks_at_the_end_of_a_line_take_no_time(line):
    data = (f"{line}{' ' * 60_000}z\n" * 4).encode()
    begin = time.perf_counter()
    read_text(data)
    assert time.perf_counter() - begin < 2
