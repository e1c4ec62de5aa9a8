"""Inputs for the tests of `text`: pieces of kernel logs in every style, damaged and mixed with other bytes."""

from __future__ import annotations

from hypothesis import strategies as st

from kvmlab.text.prefix_rows import ROWS
from kvmlab.text.shapes import SHAPES

samples = st.sampled_from([row.sample for row in ROWS] + [shape.sample for shape in SHAPES])
endings = st.sampled_from(["\n", "\r\n", "\r", "\n\n", "\r\r\n", "\n\r", ""])
heads = st.sampled_from(
    [
        "",
        "From: A <a@example.org>\nSubject: x\nDate: y\n\n",
        "From a@b Thu Jan  1 00:00:00 1970\nFrom: a\nTo: b\n\n",
        "Re: x\n\nFrom: N\nDate: Wed Jul 31 2024 - 07:41:40 EST\n\n",
    ]
)
marks = st.sampled_from(["", "> ", ">> ", "> > ", "  ", "\u00a0", "\x1b[1m", "** "])


@st.composite
def log_lines(draw: st.DrawFn) -> str:
    """Lines of several styles, some quoted, some with odd endings."""
    lines = draw(st.lists(st.tuples(marks, samples | st.text(max_size=30), endings), max_size=30))
    return draw(heads) + "".join(mark + line + end for mark, line, end in lines)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A log as bytes in some encoding, with a few bytes cut out, put in or turned."""
    raw = draw(log_lines()).encode(
        draw(st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-32", "latin-1"])), "replace"
    )
    for at, kind, byte in draw(
        st.lists(st.tuples(st.integers(0, 4000), st.sampled_from("cit"), st.integers(0, 255)), max_size=6)
    ):
        at %= len(raw) + 1
        piece = b"" if kind == "c" else bytes([byte])
        raw = raw[:at] + piece + raw[at + (kind != "i") :]
    return raw


anything = st.binary(max_size=400) | damaged() | log_lines().map(str.encode)
