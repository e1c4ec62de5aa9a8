"""Which part of a report a record is: one look at its text, by a table of how each part begins."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from kvmlab.report import (
    cpu_line,
    modules,
    page_dump,
    page_fields,
    page_flag_lines,
    page_owner,
    registers,
    stack,
    titles,
)
from kvmlab.report.details import match_detail
from kvmlab.text.record import Record

# Longer than any record of a kernel; what a text holds beyond it is looked at for module names only.
LINE_LENGTH = 8192


class Part(StrEnum):
    """What a record is to a report; the names of the parts in `Report` and of the lines of a page dump."""

    TITLE = "title"
    CUT_HERE = "cut here"
    RULE = "rule"
    PAGE = "page"
    PAGE_REST = "rest of the page line"
    HEAD = "head"
    FLAGS = "flags"
    BAD_FLAGS = "bad flags"
    PAGE_TYPE = "page_type"
    WORDS = "raw"
    MEMCG = "memcg"
    ADDRESS_SPACE = "address space"
    REASON = "reason"
    NOTE = "note"
    OWNER = "page_owner"
    MODULES = "modules"
    UNLOADED = "unloaded modules"
    CPU = "CPU line"
    TAINTED = "taint"
    HARDWARE = "hardware"
    WORKQUEUE = "workqueue"
    CONTEXT = "context"
    TRACE = "call trace"
    STACK = "stack"
    REGISTERS = "registers"
    CODE = "code"
    END = "end trace"
    REPEAT = "repeat"
    DETAIL = "detail"
    BLANK = "blank"
    OTHER = "other"


PAGE_PARTS = frozenset(
    {
        Part.PAGE, Part.PAGE_REST, Part.HEAD, Part.FLAGS, Part.BAD_FLAGS, Part.PAGE_TYPE, Part.WORDS, Part.MEMCG,
        Part.ADDRESS_SPACE, Part.REASON, Part.NOTE,
    }
)  # fmt: skip


@dataclass(slots=True)
class Line:
    """A record and what it is.

    Args:
        index: its position among the records of the text.
        record: the record.
        part: what it is.
        data: what the parser of that part made of it.
        rest: whether it is the rest of the line before it, which a wrap split off.
    """

    index: int
    record: Record
    part: Part
    data: Any = None
    rest: bool = False


_CUT_HERE = re.compile(r"(?:- )?-{8,}\[ cut here \]-{8,}|8<-{2,8} cut here -{2,8}")
_END = re.compile(r"---\[ end (?:trace|Kernel panic)[ -]*(?P<id>[0-9a-f]{16})?.*")
_RULE = re.compile(r"[=]{24,200}")
HEX_ROW = re.compile(r"(?:[0-9a-f]{16}|[0-9a-f]{8})(?:\s+(?:[0-9a-f]{16}|[0-9a-f]{8}))*|\.\.\.")
FLAGS_ALONE = re.compile(r"(?:(?:anon|ksm) )?(?:page )?flags:")
ADDRESS_ALONE = re.compile(r"\[[0-9a-f]{8,16} :")

_Reader = Callable[[str, Record], tuple[Part, Any] | None]


def _found(part: Part, value: Any) -> tuple[Part, Any] | None:
    return None if value is None else (part, value)


def _read_page(text: str, record: Record) -> tuple[Part, Any] | None:
    return _found(Part.PAGE, page_dump.match_page_line(text))


def _read_head(text: str, record: Record) -> tuple[Part, Any] | None:
    return _found(Part.HEAD, page_dump.match_head_line(text)) or _found(Part.WORDS, page_dump.match_words(text))


def _read_flags(text: str, record: Record) -> tuple[Part, Any] | None:
    if text.startswith("flags:0x") and (page := page_dump.match_page_line(text)) is not None:
        return Part.PAGE, page
    if FLAGS_ALONE.fullmatch(text):
        return Part.FLAGS, None
    return _found(Part.FLAGS, page_flag_lines.match_flags(text, record.span))


def _read_modules(text: str, record: Record) -> tuple[Part, Any] | None:
    return _found(Part.MODULES, modules.match_modules(record.text.strip()))


def _read_unloaded(text: str, record: Record) -> tuple[Part, Any] | None:
    return _found(Part.UNLOADED, modules.match_unloaded(record.text.strip()))


def _read_trace(text: str, record: Record) -> tuple[Part, Any] | None:
    rest = stack.match_header(text)
    if rest is None:
        return None
    behind = stack.match_stack_line(rest, True) if rest else None
    return Part.TRACE, behind


def _read_end(text: str, record: Record) -> tuple[Part, Any] | None:
    found = _END.match(text)
    return None if found is None else (Part.END, found["id"])


# What a part begins with, and its reader; a reader that finds nothing leaves the line to the tables behind.
_BEGINS: tuple[tuple[tuple[str, ...], _Reader], ...] = (
    (("page:",), _read_page),
    (("head:",), _read_head),
    (("raw:",), lambda text, record: _found(Part.WORDS, page_dump.match_words(text))),
    (("flags:", "anon flags:", "ksm flags:", "page flags:"), _read_flags),
    (("bad because of",), lambda text, record: _found(Part.BAD_FLAGS, page_flag_lines.match_bad_flags(text))),
    (("page_type:",), lambda text, record: _found(Part.PAGE_TYPE, page_flag_lines.match_page_type(text, record.span))),
    (("page dumped because:",), lambda text, record: _found(Part.REASON, page_dump.match_reason(text))),
    (
        ("memcg:", "pages's memcg:", "page->mem_cgroup:"),
        lambda text, record: _found(Part.MEMCG, page_dump.match_memcg(text)),
    ),
    (
        ("aops:", "mapping->", "failed to read mapping", "invalid mapping:"),
        lambda text, record: _found(Part.ADDRESS_SPACE, page_dump.match_address_space(text)),
    ),
    (page_fields.BEGINS, lambda text, record: _found(Part.PAGE_REST, page_fields.match_page_field(text))),
    (("page does not match folio",), lambda text, record: (Part.NOTE, text) if page_dump.match_note(text) else None),
    (
        ("page ", "page_owner", "Page has been", "There is not page"),
        lambda text, record: _found(Part.OWNER, page_owner.match_owner_line(text)),
    ),
    (("Modules linked in:",), _read_modules),
    (("Unloaded tainted modules:",), _read_unloaded),
    (("CPU: ", "Pid: ", "Cpu "), lambda text, record: _found(Part.CPU, cpu_line.match_cpu_line(text, record.span))),
    (("Tainted: ",), lambda text, record: (Part.TAINTED, text) if cpu_line.match_verbose_taint(text) else None),
    (("Hardware name:",), lambda text, record: _found(Part.HARDWARE, cpu_line.match_hardware(text, record.span))),
    (("Workqueue:",), lambda text, record: _found(Part.WORKQUEUE, cpu_line.match_workqueue(text))),
    (("Stopper:", "Sched_ext:"), lambda text, record: (Part.CONTEXT, text)),
    (("Call Trace:", "Call trace:", "Backtrace:", "Trace:", "Stack Trace:"), _read_trace),
    (("---[ end ",), _read_end),
    (
        ("Code:", "Instruction dump:", "Krnl Code:", "Code Start:"),
        lambda text, record: _found(Part.CODE, registers.match_code(text)),
    ),
)
_BEGIN = re.compile("|".join(re.escape(word) for words, _ in _BEGINS for word in sorted(words, key=len, reverse=True)))
# Texts of so many characters at most are remembered, so many of them.
_MEMO_LENGTH, _MEMO = 160, 1 << 13
_READERS = {word: reader for words, reader in _BEGINS for word in words}


def classify(text: str, record: Record, inside: bool) -> tuple[Part, Any]:
    """What one record is, and what the parser of that part made of it; never raises.

    Args:
        text: the record's text without blanks around it, cut to `LINE_LENGTH`.
        record: the record.
        inside: whether a call trace is open, so that a bare function name is an entry.

    >>> from kvmlab.text.record import Role
    >>> from kvmlab.text.span import Span
    >>> record = Record(Span(0, 0, 1, 1), Role.LOG, "page dumped because: nonzero mapcount")
    >>> classify(record.text, record, False)
    (<Part.REASON: 'reason'>, 'nonzero mapcount')
    """
    if not text:
        return Part.BLANK, None
    if (begin := _BEGIN.match(text)) and (found := _READERS[begin[0]](text, record)) is not None:
        return found
    # Entries of traces, registers and much else recur from report to report.
    return _recurring(text, inside) if len(text) <= _MEMO_LENGTH else _by_shape(text, inside)


def _by_shape(text: str, inside: bool) -> tuple[Part, Any]:
    if text[0] in "-8" and _CUT_HERE.fullmatch(text):
        return Part.CUT_HERE, None
    if text[0] == "=" and _RULE.fullmatch(text):
        return Part.RULE, None
    if (title := titles.match_title(text)) is not None:
        return Part.TITLE, title
    if (line := stack.match_stack_line(text, inside)) is not None:
        return Part.STACK, line
    if (shown := registers.match_registers(text)) is not None:
        return Part.REGISTERS, shown
    if (detail := match_detail(text)) is not None:
        return Part.DETAIL, detail
    return Part.OTHER, None


_recurring = lru_cache(maxsize=_MEMO)(_by_shape)
