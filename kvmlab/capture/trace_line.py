"""One line of a trace as ftrace, trace-cmd report and perf script print it: the grammar, and its tolerant reader.

The text is read as Latin-1, so that a character is a byte and both engines see the same offsets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BLANKS = " \t\r"
# An event line carries its CPU in brackets; nothing before it is longer than a comm, a pid and a thread group id.
_ANCHOR = re.compile(r"\[([0-9]{1,6})\][ \t]")
_HEAD_LIMIT = 128
_FTRACE = re.compile(r"(.{1,32})-([0-9]{1,10})(?:[ \t]{1,32}\([ \t]{0,16}(?:([0-9]{1,10})|-{1,16})\))?")
_PERF = re.compile(r"(.{1,32}?)[ \t]{1,64}([0-9]{1,10})(?:/([0-9]{1,10}))?")
_TAIL = re.compile(r"[ \t]{1,64}(?:([A-Za-z0-9.#*!+]{4,8})[ \t]{1,64})?([0-9]{1,9})\.([0-9]{1,9}):[ \t]{1,64}(.*)")
# perf script prints the period of some events before their name.
_EVENT = re.compile(
    r"(?:[0-9]{1,19}[ \t]{1,64})?(?:([A-Za-z_]\w{0,63}):)?([A-Za-z_][\w.@-]{0,63}):(?:[ \t](.*))?", re.ASCII
)
_STACK = re.compile(r"=>|[0-9a-fA-F]{6,16}[ \t]{1,8}[A-Za-z_\[.]")
_FRAME = re.compile(r"(?:=> )?[ \t]*(?:([0-9a-fA-F]{6,16})[ \t]{1,8})?(\S+)")
_OTHER = re.compile(
    r"#|version = [0-9]|cpus=[0-9]|CPU [0-9]{1,6} is empty|CPU:[0-9]{1,6} \[|Test (?:started|finished)|\[?trace-cmd "
)
_LOST = re.compile(r"\[(?:LOST ([0-9]{1,19}) EVENTS|EVENTS DROPPED)\]|\[LOST EVENTS\]")

NO_TIME = -1
_MARKERS = {"<stack trace>": "kernel_stack", "<user stack trace>": "user_stack"}


@dataclass(frozen=True, slots=True)
class EventLine:
    """The parts of an event line; -1 or None where the line has none.

    Args:
        comm: task name, None if not printed.
        pid: process id of the task (`pid` in ftrace, the thread in perf).
        tgid: thread group id.
        cpu: CPU number.
        latency: the flags behind the CPU, `d..1.`.
        t: time in nanoseconds of the trace clock, -1 if not printed.
        system: trace system, if printed (perf does).
        event: event name.
        body: text behind the name, blanks at its ends removed.
        body_at: offset of `body` in the line.
    """

    comm: str | None
    pid: int
    tgid: int
    cpu: int
    latency: str | None
    t: int
    system: str | None
    event: str
    body: str
    body_at: int


def nanoseconds(seconds: str, fraction: str) -> int:
    """A printed time in nanoseconds; the fraction has 6 digits, or 9 with `trace-cmd -t`.

    >>> nanoseconds("252080", "141632")
    252080141632000
    """
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))


def read_line(line: str, *, bare_events: frozenset[str] = frozenset()) -> EventLine | None:
    """The parts of one event line, None if it is no event line.

    Args:
        line: the line, as Latin-1, without its newline.
        bare_events: events that are accepted without task, CPU and time in front of them (excerpts in mails).

    >>> line = read_line(" CPU 0/KVM-4145  [008] d..1. 252080.141632: kvm_entry: vcpu 0, rip 0x1000")
    >>> line.comm, line.pid, line.cpu, line.t, line.event, line.body
    ('CPU 0/KVM', 4145, 8, 252080141632000, 'kvm_entry', 'vcpu 0, rip 0x1000')
    """
    stripped = line.rstrip(BLANKS)
    start = len(stripped) - len(stripped.lstrip("> \t"))
    at = start
    while anchor := _ANCHOR.search(stripped, at, start + _HEAD_LIMIT):
        found = _read_at(stripped, start, anchor)
        if found is not None:
            return found
        at = anchor.end()
    event = _EVENT.fullmatch(stripped, start)
    if event is None or event[2] not in bare_events:
        return None
    body, body_at = _body(event)
    return EventLine(None, -1, -1, -1, None, NO_TIME, event[1], event[2], body, body_at)


def _read_at(line: str, start: int, anchor: re.Match[str]) -> EventLine | None:
    head = line[start : anchor.start()].rstrip(" \t")
    if len(head) == anchor.start() - start:
        return None
    if task := _FTRACE.fullmatch(head):
        comm, pid, tgid = task[1], task[2], task[3]
    elif task := _PERF.fullmatch(head):
        comm, pid, tgid = (task[1], task[3], task[2]) if task[3] else (task[1], task[2], None)
    else:
        return None
    tail = _TAIL.match(line, anchor.end() - 1)
    if tail is None or not comm.strip(" \t"):
        return None
    t = nanoseconds(tail[2], tail[3])
    marker = next((name for text, name in _MARKERS.items() if tail[4].startswith(text)), None)
    if marker is not None:
        system, event_name, body, body_at = None, marker, "", len(line)
    else:
        event = _EVENT.fullmatch(line, tail.start(4))
        if event is None:
            return None
        system, event_name = event[1], event[2]
        body, body_at = _body(event)
    numbers = int(pid), int(tgid) if tgid else -1, int(anchor[1])
    return EventLine(comm.strip(" \t"), *numbers, tail[1], t, system, event_name, body, body_at)


def _body(event: re.Match[str]) -> tuple[str, int]:
    text = event[3] or ""
    lead = len(text) - len(text.lstrip(BLANKS))
    at = event.start(3) + lead if event[3] is not None else event.end()
    return text.strip(BLANKS), at


def is_stack(line: str) -> bool:
    """Whether a line is an entry of a stack under an event.

    >>> is_stack(" => ttm_pool_alloc"), is_stack("\\tffffffffbe23e32e __alloc_pages+0x22e (vmlinux)"), is_stack("x")
    (True, True, False)
    """
    return _STACK.match(line.lstrip("> \t")) is not None


def stack_frames(text: str) -> tuple[str, ...]:
    """The symbols of a stack, innermost first, as printed; addresses and file names are left out.

    >>> stack_frames(" => __alloc_pages\\n => ttm_pool_alloc\\n")
    ('__alloc_pages', 'ttm_pool_alloc')
    """
    frames = []
    for line in text.split("\n"):
        found = _FRAME.match(line.lstrip("> \t"))
        if found is not None:
            frames.append(found[2])
    return tuple(frames)


def is_other(line: str) -> bool:
    """Whether a line is one that tracers print around their events: headers, comments, notes on lost events."""
    return _OTHER.match(line.lstrip("> \t")) is not None


def lost_events(line: str) -> int | None:
    """How many events a line says were lost; 0 if it gives no number, None if it says no such thing.

    >>> lost_events("CPU:2 [LOST 1234 EVENTS]")
    1234
    """
    found = _LOST.search(line[:200])
    return None if found is None else int(found[1] or 0)
