"""Pieces of a line that a wrap left on a line of their own: read by what the line before still lacks."""

from __future__ import annotations

import re

from kvmlab.report import cpu_line, modules, page_dump, page_flag_lines
from kvmlab.report.lines import ADDRESS_ALONE, FLAGS_ALONE, HEX_ROW, Line, Part
from kvmlab.report.open_splat import OpenSplat
from kvmlab.report.records import CpuLine
from kvmlab.report.registers import RegisterLine
from kvmlab.report.rejoin import join_cpu_line, join_hardware
from kvmlab.report.stack import match_stack_line
from kvmlab.report.stack_items import Entry, StackLine

_PFN_ALONE = re.compile(r"pfn:(?P<pfn>[0-9a-f]{1,16})")
_BIOS_ALONE = re.compile(r"BIOS \S.*")
_CODE_WORD = r"(?:<?[0-9a-f]{2}>?|[<(]?[0-9a-f]{8}[>)]?|X{8})"
_CODE_REST = re.compile(rf"{_CODE_WORD}(?: {_CODE_WORD})*")
_GPRS = re.compile(r"[0-9a-f]{16}(?: [0-9a-f]{16}){3}")
_LAST_GPR = 12
# What a terminal that is no narrower may leave of a field of the page line.
_LEAST_WIDTH, _FIELD_LENGTH, _CUT_VALUE = 60, 40, re.compile(r"[a-z]*:?(?:0?x)?[0-9a-f]{0,16}")
# Lines behind which a raw stack, or a call trace without a header, may follow.
_BEFORE_TRACE = frozenset({Part.CPU, Part.HARDWARE, Part.TAINTED, Part.WORKQUEUE, Part.CONTEXT})
_BEFORE_ROW = _BEFORE_TRACE | {Part.DETAIL, Part.REGISTERS}
# Functions that print a call trace stand first in it.
_PRINTS_ITSELF = re.compile(r"unwind_backtrace|dump_backtrace|show_stack|dump_stack(?:_lvl)?|__dump_stack")
# Members that are asked for at every line: Python 3.11 takes longer to look one up than to compare it.
_STACK, _REGISTERS = Part.STACK, Part.REGISTERS
# Parts that can be unfinished; so can the address of an entry of a call trace, in brackets.
_UNFINISHED = _BEFORE_ROW | {
    Part.TITLE, Part.PAGE, Part.PAGE_REST, Part.FLAGS, Part.BAD_FLAGS, Part.WORDS, Part.MODULES, Part.CODE
}  # fmt: skip
# What the rest of a broken line may have been taken for.
_OPEN = frozenset({Part.OTHER, Part.DETAIL})
# Parts that are sure of themselves: no line before them can turn them into its own rest.
_SURE = frozenset(
    {Part.TITLE, Part.BLANK, Part.CUT_HERE, Part.RULE, Part.END, Part.TRACE, Part.MODULES, Part.REASON, Part.PAGE}
)


def read_rest(splat: OpenSplat, line: Line, text: str) -> None:
    """Turns a line into what the line before it makes of it, where that line is unfinished.

    Args:
        splat: the open splat; its last line must directly precede, apart from blank lines.
        line: the line; `part` and `data` are changed.
        text: its text without blanks around it.
    """
    if line.part in _SURE or not splat.lines:
        return
    if splat.pending:
        if line.part in _OPEN and (joined := rejoined(splat, text)) is not None:
            line.part, line.data, line.rest = Part.CPU, joined, True
        return
    last = splat.last
    if last.part not in _UNFINISHED and not (last.part is _STACK and last.record.text.lstrip().startswith("[")):
        return
    before = (line.part, line.data)
    _read(splat, line, last, text)
    line.rest = (line.part, line.data) != before and line.part is not _STACK


def _read(splat: OpenSplat, line: Line, last: Line, text: str) -> None:
    if last.part is _REGISTERS:
        if (row := _register_row(last, text)) is not None:
            line.part, line.data = _REGISTERS, row
        elif line.part is not _REGISTERS and _is_row(last, text):
            line.part, line.data = Part.DETAIL, text
    elif last.part is Part.TITLE and (found := _PFN_ALONE.fullmatch(text)):
        line.part, line.data = Part.PAGE_REST, {"header_pfn": int(found["pfn"], 16)}
    elif fields := rest_of_page(splat, text):
        line.part, line.data = Part.PAGE_REST, fields
    elif last.part in (Part.PAGE, Part.PAGE_REST) and (mapping := page_dump.match_address_space(text)) is not None:
        line.part, line.data = Part.ADDRESS_SPACE, mapping
    elif last.part is Part.FLAGS and last.data is None:
        if (flags := page_flag_lines.match_flags(text, line.record.span, bare=True)) is not None:
            line.part, line.data = Part.FLAGS, flags
    elif last.part is Part.BAD_FLAGS and line.part is Part.FLAGS and not FLAGS_ALONE.fullmatch(text):
        line.part = Part.FLAGS
    elif last.part is Part.WORDS and (words := page_dump.bare_words(text)) is not None:
        line.part, line.data = Part.WORDS, (last.data[0], *words)
    elif last.part is Part.MODULES and line.part is not Part.UNLOADED and modules.is_continuation(line.record.text):
        line.part, line.data = Part.MODULES, line.record.text
    elif isinstance(last.data, CpuLine) and (release := cpu_line.continues_cpu_line(last.data, text)) is not None:
        line.part, line.data = Part.CPU, f"{last.record.text.strip()} {release}"
    elif last.part is Part.HARDWARE and _shown(last).endswith(",") and _BIOS_ALONE.fullmatch(text):
        line.part, line.data = Part.HARDWARE, f"{_shown(last)} {text}"
    elif line.part in _OPEN and (joined := rejoined(splat, text)) is not None:
        line.part, line.data = last.part, joined
    elif last.part is Part.CODE and _CODE_REST.fullmatch(text):
        line.part, line.data = Part.CODE, text
    elif line.part is not _REGISTERS and _is_row(last, text):
        line.part, line.data = Part.DETAIL, text
    elif last.part in _BEFORE_TRACE and _PRINTS_ITSELF.fullmatch(text):
        line.part, line.data = Part.STACK, StackLine((Entry(text),), strict=True)
    elif ADDRESS_ALONE.match(last.record.text.strip()) and last.part is Part.STACK and not last.data.entries:
        entry = match_stack_line(f"{last.record.text.strip()} {text}", True)
        if entry is not None:
            line.part, line.data = Part.STACK, entry


def rest_of_page(splat: OpenSplat, text: str) -> dict[str, int]:
    """The fields of the page line that ends a splat so far, with a text as the rest of it; {} if it is none.

    Args:
        splat: the splat.
        text: the text behind it.
    """
    last = splat.last
    if splat.pending or last.part not in (Part.PAGE, Part.PAGE_REST):
        return {}
    return _cut_field(_shown(last), text) or page_dump.page_line_pairs(text)


def _cut_field(shown: str, text: str) -> dict[str, int]:
    """The fields of a page line that a terminal broke within one of them: what that one is, and those behind it."""
    head = shown[-_FIELD_LENGTH:].rsplit(None, 1)[-1]
    if len(shown) < _LEAST_WIDTH or not _CUT_VALUE.fullmatch(text.split(None, 1)[0]):
        return {}
    return page_dump.page_line_pairs(head + text)


def rejoined(splat: OpenSplat, text: str) -> str | None:
    """The CPU line or the name of the machine that ends a splat so far, with a text as the rest of it.

    Args:
        splat: the splat.
        text: the text behind it.
    """
    if splat.pending:
        return _begun(splat, text)
    last = splat.last
    if last.part not in (Part.CPU, Part.HARDWARE):
        return None
    if last.part is Part.HARDWARE:
        return join_hardware(_shown(last), text)
    named = {} if splat.found is None else splat.found.groupdict()
    return join_cpu_line(_shown(last), text, named.get("process") or named.get("comm"))


def _begun(splat: OpenSplat, text: str) -> str | None:
    """The same where the line broke before the name of the task, so that nothing could tell what it was."""
    first = splat.pending[0]
    shown = first.record.text.strip()
    if len(splat.pending) > 1 or Part.CPU in splat.seen or not shown.startswith("CPU: "):
        return None
    joined = join_cpu_line(shown, text)
    if joined is not None:
        splat.pending.clear()
        first.part, first.data = Part.CPU, cpu_line.match_cpu_line(joined, first.record.span)
        splat.add(first)
    return joined


def _shown(last: Line) -> str:
    """What a line says, with what was put together before."""
    return last.data if isinstance(last.data, str) else last.record.text.strip()


def _is_row(last: Line, text: str) -> bool:
    """Whether a row of plain hexadecimal words follows a raw stack (`Stack from ..`), the CPU line or registers."""
    return last.part in _BEFORE_ROW and HEX_ROW.fullmatch(text) is not None


def _register_row(last: Line, text: str) -> RegisterLine | None:
    """A further row of general registers of s390, which carries no name."""
    if last.data.arch != "s390" or _GPRS.fullmatch(text) is None:
        return None
    numbers = [int(name[1:]) for name in last.data.values if name[1:].isdigit()]
    start = max(numbers, default=-1) + 1
    if not 0 < start <= _LAST_GPR:
        return None
    return RegisterLine("s390", {f"R{start + i}": int(word, 16) for i, word in enumerate(text.split())})
