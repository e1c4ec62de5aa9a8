"""Pieces of a line that a wrap left on a line of their own: read by what the line before still lacks."""

from __future__ import annotations

import re

from kvmlab.report import cpu_line, modules, page_dump
from kvmlab.report.lines import ADDRESS_ALONE, FLAGS_ALONE, HEX_ROW, Line, Part
from kvmlab.report.open_splat import OpenSplat
from kvmlab.report.stack import match_stack_line

_PFN_ALONE = re.compile(r"pfn:(?P<pfn>[0-9a-f]{1,16})")
_BIOS_ALONE = re.compile(r"BIOS \S.*")
_CODE_REST = re.compile(r"(?:<?[0-9a-f]{2}>?|\(?[0-9a-f]{8}\)?)(?: (?:<?[0-9a-f]{2}>?|\(?[0-9a-f]{8}\)?))*")
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
    if line.part in _SURE or splat.pending or not splat.lines:
        return
    last = splat.last
    before = (line.part, line.data)
    _read(line, last, text)
    line.rest = (line.part, line.data) != before and line.part is not Part.STACK


def _read(line: Line, last: Line, text: str) -> None:
    if last.part is Part.TITLE and (found := _PFN_ALONE.fullmatch(text)):
        line.part, line.data = Part.PAGE_REST, {"header_pfn": int(found["pfn"], 16)}
    elif last.part in (Part.PAGE, Part.PAGE_REST) and (fields := page_dump.page_line_pairs(text)):
        line.part, line.data = Part.PAGE_REST, fields
    elif last.part in (Part.PAGE, Part.PAGE_REST) and (mapping := page_dump.match_address_space(text)) is not None:
        line.part, line.data = Part.ADDRESS_SPACE, mapping
    elif last.part is Part.FLAGS and last.data is None:
        if (flags := page_dump.match_flags(text, line.record.span, bare=True)) is not None:
            line.part, line.data = Part.FLAGS, flags
    elif last.part is Part.BAD_FLAGS and line.part is Part.FLAGS and not FLAGS_ALONE.fullmatch(text):
        line.part = Part.FLAGS
    elif last.part is Part.WORDS and (words := page_dump.bare_words(text)) is not None:
        line.part, line.data = Part.WORDS, (last.data[0], *words)
    elif last.part is Part.MODULES and line.part is not Part.UNLOADED and modules.is_continuation(line.record.text):
        line.part, line.data = Part.MODULES, line.record.text
    elif last.part is Part.CPU and (release := cpu_line.continues_cpu_line(last.data, text)) is not None:
        line.part, line.data = Part.CPU, release
    elif last.part is Part.HARDWARE and _BIOS_ALONE.fullmatch(text):
        line.part, line.data = Part.HARDWARE, text
    elif last.part is Part.CODE and _CODE_REST.fullmatch(text):
        line.part, line.data = Part.CODE, text
    elif _is_row(last, text) and line.part is not Part.REGISTERS:
        line.part, line.data = Part.DETAIL, text
    elif ADDRESS_ALONE.match(last.record.text.strip()) and last.part is Part.STACK and not last.data.entries:
        entry = match_stack_line(f"{last.record.text.strip()} {text}", True)
        if entry is not None:
            line.part, line.data = Part.STACK, entry


def _is_row(last: Line, text: str) -> bool:
    """Whether a row of plain hexadecimal words follows a raw stack (`Stack from ..`) or registers."""
    return last.part in (Part.DETAIL, Part.REGISTERS) and HEX_ROW.fullmatch(text) is not None
