"""What reads a log: whether a fast engine can, judged by its beginning, and which one, judged by its size."""

from __future__ import annotations

import os
import sys

from kvmlab.report.fast_chunk import Engine
from kvmlab.report.fast_lexicon import Lexicon
from kvmlab.report.fast_meaning import DIGITS
from kvmlab.text.backwards import newest_first, tell_backwards
from kvmlab.text.prefix import HOT_BYTES, match_prefix
from kvmlab.text.reader import read_text
from kvmlab.text.source import open_source
from kvmlab.text.wrappers import is_wrapped

# By how many bytes a text is judged.
HEAD = 16 << 10
# Text from which on it pays to load the compiled engine, which takes half a second; and if it is loaded already.
NUMBA_FROM, NUMBA_LOADED_FROM = 96 << 20, 1 << 20
_TIMES = ("", "+dmesg_seconds", "+dmesg_seconds+caller")
_CARRIERS = frozenset(carrier + time for carrier in ("syslog", "syslog_iso") for time in _TIMES)
_PLAIN_KINDS = frozenset({"dmesg", "syslog", "journal", "console", "logcat", "kmsg"})


def is_plain(head: bytes) -> bool:
    """Whether a text is a log of one prefix a line, judged by its beginning."""
    if len(head) == HEAD:
        head = head[: head.rfind(b"\n") + 1] or head
    if not head.strip():
        return False
    if head.isascii() and (_is_dmesg(head) or _of_one_carrier(head)) and not is_wrapped(head):
        # The commonest prefixes, on every line.
        return True
    text = read_text(open_source(head))
    if newest_first(text.records) is not None:
        return False
    if is_wrapped(head):
        return False
    if text.mails or text.parts or text.encoding not in ("utf-8", "ascii") or text.source.compression:
        return False
    if text.log_blocks and text.kind in _PLAIN_KINDS:
        # A carrier that no table knows is learned from the text as a whole; lists of fields are taken apart as a whole.
        return any(block.prefix_style not in (None, "unknown_carrier", "fields") for block in text.log_blocks)
    lines = [line for line in head.decode("utf-8", "replace").splitlines() if line.strip()]
    with_prefix = sum(match_prefix(line) is not None for line in lines[:200])
    return text.kind == "text" and 2 * with_prefix > len(lines[:200])


def _is_dmesg(head: bytes) -> bool:
    """Whether all lines have the kernel's own prefix, and the last is not before the first."""
    found = [HOT_BYTES.match(line) for line in head.splitlines()]
    first, last = found[0], found[-1]
    if first is None or last is None or not all(found):
        return False
    return int(first[1] + first[2]) < int(last[1] + last[2])


def _of_one_carrier(head: bytes) -> bool:
    """Whether all lines have the prefix of a common carrier, the same one but for digits, and run forwards in time."""
    lines = head.splitlines()
    prefix, last = match_prefix(lines[0].decode()), match_prefix(lines[-1].decode())
    if prefix is None or last is None or not prefix.kernel or prefix.name not in _CARRIERS:
        return False
    timed = prefix.time_ns is not None
    clock = prefix.clock or ""
    if (prefix.time_ns or 0) > (last.time_ns or 0) or (not timed and clock > (last.clock or "")):
        # It may be the turn of a month.
        return False
    end, shape = prefix.end, lines[0][: prefix.end].translate(DIGITS)
    if any(line[:end].translate(DIGITS) != shape for line in lines):
        return False
    # Within one second only the parts of reports tell which way it runs.
    return timed or clock < (last.clock or "") or not tell_backwards(line[end:].decode() for line in lines)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def chosen(size: int) -> str:
    """The engine for a text of so many bytes."""
    loaded = "kvmlab.report.fast_compiled" in sys.modules
    if size < (NUMBA_LOADED_FROM if loaded else NUMBA_FROM):
        return "python"
    try:
        import numba  # noqa: F401
    except ImportError:
        return "python"
    return "numba"


def engine_of(name: str | Engine, size: int, lexicon: Lexicon) -> Engine:
    """The engine of a name, unless it is one; `auto` goes by the size of the text."""
    if not isinstance(name, str):
        return name
    if (chosen(size) if name == "auto" else name) == "numba":
        from kvmlab.report.fast_compiled import CompiledEngine

        return CompiledEngine(lexicon)
    from kvmlab.report.fast_python import PythonEngine

    return PythonEngine(lexicon)
