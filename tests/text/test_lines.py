"""Physical lines against a naive twin, in every encoding."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.text.lines import MAX_LINE, Lines
from kvmlab.text.span import Span

texts = st.text(st.sampled_from("ab\n\r\u00e9\u0a0d"), max_size=40)


def naive(text: str) -> list[str]:
    """Lines with their endings, written as a state machine."""
    found, line, at = [], "", 0
    while at < len(text):
        here = text[at]
        line += here
        at += 1
        if here == "\r":
            while text[at : at + 1] == "\r":
                line, at = line + "\r", at + 1
            if text[at : at + 1] == "\n":
                line, at = line + "\n", at + 1
        elif here == "\n":
            if text[at : at + 1] == "\r" and text[at + 1 : at + 2] not in ("\r", "\n"):
                line, at = line + "\r", at + 1
        else:
            continue
        found.append(line)
        line = ""
    return found + [line] * bool(line)


@given(texts)
def test_lines_of_utf8(text):
    lines = Lines(text.encode())
    assert [lines.text(n) for n in range(1, len(lines) + 1)] == [x.rstrip("\r\n") for x in naive(text)]
    spans = [lines.span(n, n) for n in range(1, len(lines) + 1)]
    assert b"".join(text.encode()[s.start : s.stop] for s in spans) == text.encode()


@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
@given(text=st.text(st.sampled_from("ab\n\u00e9\u0a0d\u0d0a"), max_size=40))
def test_lines_of_wide_encodings(name, text):
    data = text.encode(name)
    lines = Lines(data)
    assert [lines.text(n) for n in range(1, len(lines) + 1)][: text.count("\n")] == text.split("\n")[:-1]
    assert lines.starts[-1] == len(data)


@pytest.mark.parametrize(
    ("data", "endings"),
    [(b"a\nb", "lf"), (b"a\r\nb\r\n", "crlf"), (b"a\rb", "cr"), (b"a\r\nb\n", "mixed"), (b"a", "none")],
)
def test_endings(data, endings):
    lines = Lines(data)
    assert (lines.endings, lines.ends_with_newline) == (endings, data[-1:] in b"\r\n")


def test_spans_and_places():
    lines = Lines(b"ab\ncd\r\n\r\nef")
    assert lines.span(2, 3) == Span(3, 9, 2, 3)
    assert [lines.line_at(n) for n in (0, 2, 3, 7, 9, 10, 99)] == [1, 1, 2, 3, 4, 4, 4]


def test_a_long_line_is_cut_between_characters():
    lines = Lines(("x" + "\u00e9" * MAX_LINE).encode())
    assert lines.cut(1)
    assert re.fullmatch("x\u00e9+", lines.text(1))
    assert lines.valid(1, 1)
