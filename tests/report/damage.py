"""Ways in which a log is damaged on its way here, and the facts that must come through each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from kvmlab.report.log import Log
from kvmlab.report.records import Report
from kvmlab.text.span import Span

LOGS = Path(__file__).parent / "golden" / "logs"
# Logs whose lines carry timestamps, so that no damage can hide where a record begins.
NAMES = (
    "6.12-lab-storm",
    "7.3-lab-bad-page",
    "6.9-x86_64-compound-words",
    "5.11-arm64-owner",
    "ppc64le-unreliable",
    "3.10-rhel7",
)


def lines_of(name: str) -> list[str]:
    """The lines of a golden log, without their ends."""
    return (LOGS / f"{name}.log").read_text(encoding="utf-8").split("\n")[:-1]


@dataclass(frozen=True)
class Fact:
    """Something that one or more lines of a log say.

    Args:
        lines: the lines that it was read from, from 1.
        value: what they say, without any line number.
    """

    lines: tuple[int, ...]
    value: tuple[object, ...]


def facts_of(log: Log) -> list[Fact]:
    """Everything that the reports of a log say, piece by piece."""
    return [fact for report in log.reports for fact in _facts(report)]


def values_of(log: Log) -> Counter[tuple[object, ...]]:
    """The values of all facts, however often each occurs."""
    return Counter(fact.value for fact in facts_of(log))


def _facts(report: Report) -> Iterator[Fact]:
    if report.title_span is not None:
        # The words of a title may have been collapsed; what they say may not change.
        yield _fact([report.title_span], "title", report.kind, " ".join((report.title or "").split()))
    if (page := report.page) is not None:
        if page.page_line is not None:
            yield _fact(
                [page.page_line], "page", page.pointer, page.refcount, page.mapcount, page.mapping, page.index, page.pfn
            )
        if page.flags is not None:
            yield _fact(
                [page.flags.span], "flags", page.flags.value, page.flags.names, tuple(sorted(page.flags.fields.items()))
            )
        for name, words in (("raw", page.raw), ("head", page.head_raw)):
            if words is not None:
                yield _fact([words.span], name, words.words)
        if page.head is not None:
            yield _fact([page.head.span], "head line", tuple(sorted(page.head.fields.items())))
        if page.page_type is not None:
            yield _fact([page.page_type.span], "page_type", page.page_type.value, page.page_type.names)
        if page.reason_span is not None:
            yield _fact([page.reason_span], "reason", page.reason)
        if page.address_space is not None:
            yield _fact([page.address_space.span], "aops", page.address_space.aops, page.address_space.dentry)
        if page.page_owner is not None:
            owner = page.page_owner
            for frame in (*owner.allocation_stack, *owner.free_stack):
                yield _fact([frame.span], "frame", frame.text)
    if report.modules is not None:
        yield _fact([report.modules.span], "modules", tuple((m.name, m.flags) for m in report.modules.modules))
    if (cpu := report.cpu_line) is not None:
        release = None if cpu.release is None else cpu.release.text
        taint = "".join((cpu.taint_text or "").split())
        tail = " ".join((cpu.version_tail or "").split())
        yield _fact([cpu.span], "cpu", cpu.cpu, cpu.pid, cpu.comm, taint, release, cpu.build, tail)
    if report.hardware is not None:
        yield _fact([report.hardware.span], "hardware", " ".join(report.hardware.text.split()))
    for trace in (report.call_trace, *report.traces):
        for frame in () if trace is None else trace.frames:
            yield _fact([frame.span], "frame", frame.text)
    for block in (report.registers, *report.more_registers):
        if block is not None:
            for register, value in block.values.items():
                yield _fact([block.span], "register", register, value)


def _fact(spans: Iterable[Span], *value: object) -> Fact:
    return Fact(tuple(line for span in spans for line in range(span.first_line, span.last_line + 1)), value)


FOREIGN = (
    "eth0: link is up", "usb 2-1: new full-speed USB device number 3 using uhci_hcd", "audit: type=1400 op=getattr",
    "systemd[1]: Started Session 4 of user root.", "perf: interrupt took too long (2501 > 2500)",
    "CIFS: VFS: No response",
    "random: crng init done", "kl[422]: segfault at 0 ip 000000000043cf7b sp 00007fffa2e19c20 error 4 in kl",
)  # fmt: skip


@st.composite
def foreign_lines(draw: st.DrawFn, lines: list[str]) -> tuple[list[str], frozenset[int]]:
    """Other messages between the lines; no line is damaged."""
    out: list[str] = []
    places = draw(st.sets(st.integers(1, len(lines) - 1), max_size=8))
    for number, line in enumerate(lines):
        if number in places:
            prefix = line[: line.index("]") + 2] if line.startswith("[") else ""
            out.append(prefix + draw(st.sampled_from(FOREIGN)))
        out.append(line)
    return out, frozenset()


@st.composite
def lost_lines(draw: st.DrawFn, lines: list[str]) -> tuple[list[str], frozenset[int]]:
    """Up to a fifth of the lines are gone."""
    gone = draw(st.sets(st.integers(1, len(lines)), max_size=len(lines) // 5))
    return [line for at, line in enumerate(lines, 1) if at not in gone], frozenset(gone)


@st.composite
def cut(draw: st.DrawFn, lines: list[str]) -> tuple[list[str], frozenset[int]]:
    """The beginning or the end is missing, at a line or within one."""
    at = draw(st.integers(4, len(lines) - 4))
    within = draw(st.booleans())
    if draw(st.booleans()):
        kept = lines[at:]
        if within:
            kept[0] = kept[0][draw(st.integers(1, len(kept[0]))) :]
        # An entry alone at the cut, of a stack of which nothing else is left, shows no report; it stays among the rest.
        return kept, frozenset(range(1, at + 2 + within))
    kept = lines[:at]
    if within:
        kept[-1] = kept[-1][: draw(st.integers(0, len(kept[-1]) - 1))]
    return kept, frozenset(range(at + 1 - within, len(lines) + 1))


@st.composite
def dropped_characters(draw: st.DrawFn, lines: list[str]) -> tuple[list[str], frozenset[int]]:
    """A serial line lost characters of some messages."""
    hit = draw(st.sets(st.integers(1, len(lines)), min_size=1, max_size=5))
    out = list(lines)
    for number in hit:
        line = lines[number - 1]
        start = draw(st.integers(line.index("]") + 1 if line.startswith("[") else 0, max(0, len(line) - 1)))
        out[number - 1] = line[:start] + line[start + draw(st.integers(1, 12)) :]
    return out, frozenset(hit)


@st.composite
def quoted(draw: st.DrawFn, lines: list[str]) -> tuple[list[str], frozenset[int]]:
    """The log is quoted in a mail, up to four times."""
    marks = draw(st.sampled_from(["> ", ">> ", "> > ", "> > > ", ">"]))
    return [marks + line for line in lines], frozenset()


@st.composite
def ends(draw: st.DrawFn, lines: list[str]) -> tuple[list[str], frozenset[int]]:
    """Lines end otherwise, with blanks, or with a carriage return."""
    end = draw(st.sampled_from([" ", "  ", "\r", " \r", "\t"]))
    return [line + end for line in lines], frozenset()


@st.composite
def wrapped(draw: st.DrawFn, lines: list[str]) -> tuple[list[str], frozenset[int]]:
    """A terminal broke every line at its width, also within words."""
    width = draw(st.sampled_from([80, 100, 120, 132, 173]))
    return [line[at : at + width] for line in lines for at in range(0, max(1, len(line)), width)], frozenset()


def collapsed(lines: list[str]) -> st.SearchStrategy[tuple[list[str], frozenset[int]]]:
    """An archive made one blank of each run of blanks and dropped those at the start of a message."""
    return st.just(([" ".join(line.split()) for line in lines], frozenset()))


DAMAGE = {
    "foreign": foreign_lines, "lost": lost_lines, "cut": cut, "dropped": dropped_characters, "quoted": quoted,
    "ends": ends,
    "wrapped": wrapped, "collapsed": collapsed,
}  # fmt: skip
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1")
