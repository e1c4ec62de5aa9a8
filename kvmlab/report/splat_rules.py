"""What belongs to an open splat: parts by kind and order, repeats, titles that go on with it, silences that end it."""

from __future__ import annotations

import re

from kvmlab.report.details import Detail
from kvmlab.report.lines import PAGE_PARTS, Line, Part
from kvmlab.report.open_splat import TEXT_LIMIT, OpenSplat, is_bottom
from kvmlab.report.records import CpuLine, Kind
from kvmlab.report.titles import Title
from kvmlab.text.record import Record

# A report is printed in one go; a longer silence between two of its records means that they are not of one report.
GAP_NS = 2_000_000_000
# But the kernel waits so long for the CPUs that it asks for a backtrace, when they do not answer.
NMI_NS = 12_000_000_000
NMI_SENT = "Sending NMI "
# Clocks of two CPUs differ a little, more while a machine suspends; a step back beyond that is another boot or log.
BACK_NS = 2_000_000_000
LINES_LIMIT = 4096
# How the name of the prefix of a broadcast begins (`kvmlab.text.prefix_rows`).
WALL = "wall"

# Members that are asked for at every line: Python 3.11 takes longer to look one up than to compare it.
_STACK, _TRACE, _OTHER, _REPEAT = Part.STACK, Part.TRACE, Part.OTHER, Part.REPEAT
_DUMP = PAGE_PARTS | {Part.OWNER}
_STATE = frozenset({Part.REGISTERS, Part.CODE})
_DEAD = _STATE | {Part.DETAIL, _TRACE}
_TAIL = frozenset({Part.MODULES, Part.UNLOADED, Part.END, Part.DETAIL})

# Parts that stand in a report once; a second one belongs to another report.
_ONCE = frozenset(
    {
        Part.CPU, Part.MODULES, Part.HARDWARE, Part.TAINTED, Part.WORKQUEUE, Part.REASON, Part.PAGE, Part.PAGE_TYPE,
        Part.HEAD, Part.BAD_FLAGS,
    }
)  # fmt: skip
_BEHIND_REASON = frozenset({Part.MEMCG, Part.BAD_FLAGS, Part.OWNER})
# Kinds that print more behind their call trace: modules, an end marker, a summary, a panic.
_GOES_ON = frozenset({Kind.OOPS, Kind.BUG, Kind.WARNING, Kind.REFCOUNT, Kind.LIST_CORRUPTION})
_TEXT_FIRST = frozenset({Kind.LIST_CORRUPTION, Kind.REFCOUNT, Kind.OTHER})
# Where refcount_t warns; to 5.8 x86 reported it from where it panics.
_OF_REFCOUNT = re.compile(r"refcount|panic\.c$")
_DIES = frozenset({Kind.OOPS, Kind.BUG, Kind.LIST_CORRUPTION, Kind.KASAN})


def is_apart(splat: OpenSplat, record: Record) -> bool:
    """Whether a record cannot belong to a splat: it is too long already, or the time between them is."""
    if len(splat.lines) >= LINES_LIMIT:
        return True
    if splat.time_ns is None or record.time_ns is None:
        return False
    gap = NMI_NS if splat.last.record.text.lstrip().startswith(NMI_SENT) else GAP_NS
    return not -BACK_NS <= record.time_ns - splat.time_ns <= gap


def belongs(splat: OpenSplat, detail: Detail) -> bool:
    """Whether a line that reads like prose is a report's: dots right behind it, or what names its next trace."""
    if detail.name == "elided":
        return not splat.pending
    return splat.talks and (detail.name == "kasan_object" or (detail.names and splat.last.record.prefix is None))


def is_repeat(splat: OpenSplat, line: Line) -> bool:
    """Whether a line is the one before it once more, as a log has it that two sources wrote."""
    if line.part in PAGE_PARTS and not splat.pending and _is_copied(splat, line.record):
        return True
    last = splat.last
    if last.record.text != line.record.text or splat.pending or last.part is _REPEAT:
        return False
    if last.record.prefix != line.record.prefix and _is_timed(last.record) and _is_timed(line.record):
        # Two carriers wrote one message down, each in its own way.
        return None in (last.record.time_ns, line.record.time_ns) or last.record.time_ns == line.record.time_ns
    if last.record.timestamp != line.record.timestamp or last.record.clock != line.record.clock:
        return False
    if line.part is Part.TITLE:
        # What is broadcast again is another message.
        again = line.record.prefix is not None and line.record.prefix.startswith(WALL)
        return splat.title is not None and not splat.title.single and not again
    # An entry, or a row of zeros, may follow itself; a line that stands in a report once may not.
    return line.part in _ONCE or line.part is _TRACE or _REPEAT in splat.seen


def _is_timed(record: Record) -> bool:
    """Whether a record has a time, which a prefix that was cut has not."""
    return record.time_ns is not None or record.clock is not None


def _is_copied(splat: OpenSplat, record: Record) -> bool:
    """Whether a line of a page dump is there already, at the same time: a paste holds some lines twice.

    Rows of raw words may be the same without that; they count behind another line that stands twice.
    """
    known = PAGE_PARTS if splat.last.part is Part.REPEAT else PAGE_PARTS - {Part.WORDS}
    return record.timestamp is not None and any(
        other.record.timestamp == record.timestamp and other.record.text == record.text
        for other in splat.lines
        if other.part in known
    )


def may_be_cut_here(splat: OpenSplat) -> bool:
    """Whether `cut here` may follow: behind a page dump of a VM_BUG_ON or VM_WARN_ON, or behind the text of a BUG."""
    if splat.kind is Kind.PAGE_DUMP or (splat.kind is Kind.FRAGMENT and splat.lines and splat.headless):
        return splat.reason.startswith("VM_") and splat.in_title
    return splat.kind in _TEXT_FIRST and splat.in_title


def continues(splat: OpenSplat, row: Title, found: re.Match[str]) -> bool:
    """Whether a title line belongs to the open splat instead of opening one."""
    if splat.title is row and splat.last.part is Part.TITLE and splat.last.record.text.rstrip().endswith("[inline]"):
        # A decoder writes the title once for each function that was inlined.
        return True
    if splat.title is None:
        if row.late:
            return splat.ended and splat.kind in row.after
        if Part.CUT_HERE in splat.seen and splat.in_title:
            return not row.single and row.page != "before"
        if Kind.FRAGMENT in row.after and splat.kind is Kind.FRAGMENT:
            # parisc prints the call trace first, and then what happened.
            return splat.lines[0].part is Part.TRACE and not splat.pending
        return may_be_cut_here(splat) and Kind.PAGE_DUMP in row.after
    if splat.title.dies and row.kind is Kind.OOPS and not row.weak:
        return not splat.had_trace
    follows = splat.kind in row.after or splat.title.name in row.behind
    if not (follows and (row.late or splat.in_title or splat.in_text)):
        return False
    return splat.found is None or _of_one_warning((splat.kind, splat.found), (row.kind, found))


def _of_one_warning(first: tuple[Kind, re.Match[str]], second: tuple[Kind, re.Match[str]]) -> bool:
    """Whether two titles may be text and line of one warning: that of a refcount names its own file."""
    for (kind, _), (other, found) in ((first, second), (second, first)):
        if kind is Kind.REFCOUNT and other is Kind.WARNING:
            file = found.groupdict().get("file")
            return file is None or _OF_REFCOUNT.search(file) is not None
    return True


def may_go_on(splat: OpenSplat) -> bool:
    """Whether more may follow behind the call trace: modules, an end marker, a summary, a panic."""
    if splat.title is not None and splat.title.page == "after":
        return True
    return splat.kind in _DIES or (splat.kind in _GOES_ON and not splat.ended)


def may_follow_rule(splat: OpenSplat, line: Line) -> bool:
    """Whether a line may stand behind the rule below a report: what others print, the taint, a panic about it."""
    if line.part is Part.TITLE:
        return line.data[0].late and continues(splat, *line.data)
    return line.part is _OTHER or (isinstance(line.data, Detail) and line.data.name == "lock_debugging")


def accepts(splat: OpenSplat, line: Line) -> bool:
    """Whether a part can belong to the open splat."""
    part = line.part
    if line.rest:
        return True
    if isinstance(line.data, Detail):
        if line.data.name == "elided":
            # Dots belong to the report only right behind one of its lines.
            return not splat.pending
        if line.data.name == "lock_debugging" and splat.kind not in _DIES:
            return False
    if part is _OTHER:
        if splat.title is None and Part.CUT_HERE in splat.seen and splat.in_title and len(splat.lines) <= TEXT_LIMIT:
            line.part = Part.DETAIL
            return True
        return False
    if part in _DUMP:
        return _accepts_page(splat, line)
    if splat.talks and not splat.ended:
        return True
    if part in _ONCE and part in splat.seen:
        return False
    if part is Part.CPU and _of_another(splat, line.data):
        return False
    if splat.ended:
        return part in _DEAD and splat.kind in _DIES
    if part is _TRACE:
        # 2.6 printed `Backtrace:` and then the header of the call trace.
        return not splat.had_trace or _STACK not in splat.seen
    if part is _STACK:
        return not splat.closed_trace or (not splat.sealed and splat.bottomed and _is_bottom(line))
    if part in _STATE:
        return not splat.sealed or may_go_on(splat)
    if part in _TAIL:
        return not splat.closed_trace or may_go_on(splat)
    return not splat.had_trace or not splat.entries


def _of_another(splat: OpenSplat, line: CpuLine) -> bool:
    """Whether a CPU line is of another CPU and task than the title of a warning names."""
    found = None if splat.found is None or splat.kind is not Kind.WARNING else splat.found.groupdict()
    if not found or None in (found.get("cpu"), found.get("pid"), line.cpu, line.pid):
        return False
    return (int(found["cpu"]), int(found["pid"])) != (line.cpu, line.pid)


def _is_bottom(line: Line) -> bool:
    """Whether a line holds nothing but functions from the bottom of a stack (two of them may follow each other)."""
    entries = line.data.entries
    return bool(entries) and all(is_bottom(entry.function) for entry in entries)


def _accepts_page(splat: OpenSplat, line: Line) -> bool:
    part = line.part
    if splat.kind is Kind.FRAGMENT and splat.title is None:
        return part is not Part.PAGE and splat.in_title
    if splat.kind is not Kind.PAGE_DUMP:
        wants = None if splat.title is None else splat.title.page
        if wants is None or (wants == "before" and splat.had_trace):
            return False
    elif not splat.in_title:
        return False
    if part in _ONCE and part in splat.seen:
        return False
    if Part.REASON in splat.seen:
        return part in _BEHIND_REASON or (part is Part.FLAGS and Part.BAD_FLAGS in splat.seen)
    return True
