"""Inputs for the tests of `text`: pieces of kernel logs in every style, damaged and mixed with other bytes."""

from __future__ import annotations

from hypothesis import strategies as st

from kvmlab.text.prefix_rows import ROWS
from kvmlab.text.shape_rows import SHAPES

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

symbols = st.from_regex(r"[a-z_]{3,20}", fullmatch=True)
numbers = st.integers(0, 2**64 - 1)


@st.composite
def splat_lines(draw: st.DrawFn) -> list[str]:
    """The messages of one report, as a kernel prints them."""
    comm = draw(st.sampled_from(["kl", "CPU 0/KVM", "kworker/u8:3", "Web Content", "a b  c"]))
    pfn, flags = draw(st.integers(0, 2**40)), draw(numbers)
    frames = draw(
        st.lists(st.tuples(st.booleans(), symbols, st.sampled_from(["", " [kvm]", " [ttm]"])), min_size=1, max_size=12)
    )
    modules = draw(st.lists(symbols, max_size=12))
    return [
        f"BUG: Bad page state in process {comm}  pfn:{pfn:05x}",
        f"page: refcount:0 mapcount:1 mapping:0000000000000000 index:{draw(numbers):#x} pfn:{pfn:#x}",
        f"flags: {flags:#x}(uptodate|node=0|zone=2)",
        *(f"raw: {' '.join(f'{draw(numbers):016x}' for _ in range(4))}" for _ in range(2)),
        "page dumped because: nonzero mapcount",
        "Modules linked in:" + "".join(f" {m}" for m in modules),
        f"CPU: 8 PID: 1819169 Comm: {comm} Tainted: G    B   W          6.9.12-00008-gfcd4b7efbad0 #17",
        "Call Trace:",
        " <TASK>",
        *(f" {'? ' if unsure else ''}{name}+0x70/0x100{module}" for unsure, name, module in frames),
        " </TASK>",
    ]
