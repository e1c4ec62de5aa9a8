"""What is kept of lines that have been learned: prefixes, meanings, tasks; and which lines are like which."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from kvmlab.text.clean import COPY_MODE
from kvmlab.text.prefix import HOT, STAMP, match_prefix

# Longest prefix that is matched as a template.
PREFIX_BYTES = 128
# More different lines than this are not remembered: their reports go to the tolerant parser.
MAX_ENTRIES = 1 << 20
# Prefixes of one text that an engine knows.
MAX_TEMPLATES = 64
MASK = (1 << 64) - 1
DIGITS = bytes.maketrans(b"0123456789", b"0" * 10)
_TIME = re.compile(STAMP + r"(?=[ \[]|$)")
_OFFSET = re.compile(rb"\+0x[0-9a-f]{1,16}/0x[0-9a-f]{1,16}(?= \[|$)")
# What a wrap leaves of a CPU line; with the rest of it, which stands on the next line, it may begin a report.
CUT_CPU_LINE = re.compile(r"CPU: \d{1,6}(?: (?:UID|PID|U?I?D?:?$|PI?D?$)|$)|Pid: \d{1,10},")
_PLAIN = frozenset(range(0x20, 0x7F)) | {0x09}

# What a message is outside a report.
OTHER, INTERESTING, DETAIL = 1, 2, 3
# What a line begins with that fits no template.
FOREIGN, LOOSE = 1, 2


@dataclass(frozen=True, slots=True)
class Template:
    """A prefix with its digits made zeros, and where its numbers stand.

    Args:
        shape: the prefix, zeros for digits.
        style: names of its rows, joined.
        seconds: first and last + 1 of the digits of the seconds (of the microseconds if `micros` is -1); -1 if none.
        micros: first of the six digits behind the dot.
        caller: first and last + 1 of the caller id, -1 if none.
    """

    shape: bytes
    style: str
    seconds: tuple[int, int]
    micros: int
    caller: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a message is inside a report: its class, a number that goes with it, for entries the hash of the function.

    The number is an index into `Lexicon.texts`, `Lexicon.types` or `Lexicon.functions` (times four, plus 1 if reliable,
    plus 2 if nothing lies below it), the order of a compound page, or the index of a stack's name.
    """

    found: int
    number: int = -1
    mix: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """What stands behind `Comm:` in a CPU line."""

    comm: str | None
    kernel: str | None
    taint: str
    known: bool


def alike(message: bytes) -> bytes:
    """A message with the same offset and size in every entry of a call trace.

    >>> alike(b" ? kvm_vcpu_ioctl+0x29e/0x6f0 [kvm]")
    b' ? kvm_vcpu_ioctl+0x1/0x1 [kvm]'
    """
    return _OFFSET.sub(b"+0x1/0x1", message) if b"+0x" in message else message


def plain(line: bytes) -> str | None:
    """The characters of a line that holds nothing but plain ones, and no mark of a terminal."""
    if not _PLAIN.issuperset(line) or (line.endswith((b"]", b"] ")) and COPY_MODE.search(line)):
        return None
    return line.decode("ascii")


def behind(line: bytes, length: int) -> str | None:
    """The message of a line, None if it is not plain or if its prefix is not what the template says."""
    text = plain(line)
    if text is None:
        return None
    return text[length:] if prefix_end(text) == length else None


def holds_time(text: str) -> bool:
    """Whether another record could begin within a message, the line break before it lost.

    >>> holds_time("usb 1-1: new hi[52411.118301] BUG: Bad page state"), holds_time("usb 1-1: new [1]")
    (True, False)
    """
    return _TIME.search(text) is not None


@lru_cache(maxsize=64)  # a line that is learned is asked about more than once
def prefix_end(text: str) -> int:
    """Where the prefix of a line ends, 0 if it has none.

    >>> prefix_end("[252080.141632] BUG: Bad page state")
    16
    """
    if hot := HOT.match(text):
        return hot.end()
    prefix = match_prefix(text)
    return 0 if prefix is None else prefix.end
