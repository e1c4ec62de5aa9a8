"""Collects the lines of one page dump and its page_owner tail into a `PageDump`."""

from __future__ import annotations

from typing import Any

from kvmlab.report.build_trace import to_frame
from kvmlab.report.lines import Line, Part
from kvmlab.report.page_dump import PageLine
from kvmlab.report.page_flag_lines import match_flags
from kvmlab.report.page_owner import OwnerLine, Section
from kvmlab.report.records import (
    AddressSpaceLine,
    Frame,
    HeadLine,
    PageDump,
    PageOwner,
    PrintedFlags,
    PrintedPageType,
    RawWords,
)
from kvmlab.text.span import Span

# Fields of the page line that describe the compound page, where no head line of its own carries them.
_COMPOUND = frozenset({"compound_mapcount", "compound_pincount", "head", "order"})


class PageBuilder:
    """Takes the lines of a page dump one by one."""

    def __init__(self) -> None:
        self._line: PageLine | None = None
        self._line_span: Span | None = None
        self._fields: dict[str, int] = {}
        self._span: Span | None = None
        self._head: HeadLine | None = None
        self._flags: PrintedFlags | None = None
        self._bad_flags: PrintedFlags | None = None
        self._bad_flags_follow = False
        self._type: PrintedPageType | None = None
        self._words: dict[str, tuple[list[int], int, Span]] = {}
        self._memcg: int | None = None
        self._mapping: AddressSpaceLine | None = None
        self._reason: str | None = None
        self._reason_span: Span | None = None
        self._notes: list[str] = []
        self._owner: dict[str, Any] = {}
        self._owner_notes: list[str] = []
        self._owner_stacks: dict[Section, list[Frame]] = {Section.ALLOCATION: [], Section.FREE: []}
        self._owner_span: Span | None = None
        self._section = Section.NONE

    @property
    def began(self) -> bool:
        """Whether any line of a page dump has been taken."""
        return self._span is not None

    @property
    def reason(self) -> str | None:
        """The reason of the dump, None if it has none so far."""
        return self._reason

    @property
    def takes_frames(self) -> bool:
        """Whether entries of a call trace belong to a page_owner stack now."""
        return self._section is not Section.NONE

    def end_owner(self) -> None:
        """Says that entries of a call trace no longer belong to page_owner."""
        self._section = Section.NONE

    def take(self, line: Line) -> None:
        """Takes one line of the dump or of the page_owner tail."""
        part, data, span = line.part, line.data, line.record.span
        self._span = span if self._span is None else self._span | span
        if part is Part.PAGE:
            self._line, self._line_span = data, span
            self._fields.update(data.fields)
            if data.reason:
                self._reason, self._reason_span = data.reason, span
            if data.poisoned:
                self._notes.append(line.record.text.strip())
        elif part is Part.PAGE_REST:
            # The rest of a line says again what a break had cut.
            self._fields.update(data)
            self._line_span = span if self._line_span is None else self._line_span | span
        elif part is Part.HEAD:
            self._head = HeadLine(data, span)
        elif part is Part.FLAGS:
            self._take_flags(data)
        elif part is Part.BAD_FLAGS:
            self._take_bad_flags(line)
        elif part is Part.PAGE_TYPE:
            self._type = data
        elif part is Part.WORDS:
            self._take_words(data, span)
        elif part is Part.MEMCG:
            self._memcg = data
        elif part is Part.ADDRESS_SPACE:
            self._mapping = AddressSpaceLine(data.aops, data.ino, data.dentry, data.text, span)
        elif part is Part.REASON:
            self._reason, self._reason_span = data, span
        elif part is Part.NOTE:
            self._notes.append(data)
        elif part is Part.OWNER:
            self._take_owner(data, span)

    def take_frames(self, line: Line) -> None:
        """Takes a line of a page_owner stack."""
        stack = self._owner_stacks[self._section]
        found = [to_frame(entry, line, None, stack) for entry in line.data.entries]
        stack += (frame for frame in found if frame is not None)
        self._owner_span = line.record.span if self._owner_span is None else self._owner_span | line.record.span
        self._span = self._owner_span if self._span is None else self._span | line.record.span

    def _take_flags(self, flags: PrintedFlags | None) -> None:
        if flags is None:
            return
        if self._bad_flags_follow:
            self._bad_flags, self._bad_flags_follow = flags, False
        elif self._flags is None:
            self._flags = flags

    def _take_bad_flags(self, line: Line) -> None:
        self._bad_flags = match_flags(line.data.strip(), line.record.span, bare=True)
        self._bad_flags_follow = self._bad_flags is None

    def _take_words(self, data: tuple[str, tuple[int, ...], int], span: Span) -> None:
        label, words, width = data
        held = self._words.get(label)
        if held is None:
            self._words[label] = (list(words), width, span)
        else:
            held[0].extend(words)
            self._words[label] = (held[0], held[1], held[2] | span)

    def _take_owner(self, line: OwnerLine, span: Span) -> None:
        for key, value in line.fields.items():
            self._owner.setdefault(key, value)
        if line.note is not None:
            self._owner_notes.append(line.note)
        self._section = line.section
        self._owner_span = span if self._owner_span is None else self._owner_span | span

    def _raw(self, label: str) -> RawWords | None:
        held = self._words.get(label)
        return None if held is None else RawWords(tuple(held[0]), held[1], held[2])

    def _page_owner(self) -> PageOwner | None:
        if self._owner_span is None:
            return None
        get = self._owner.get
        return PageOwner(
            get("tracked_as"), get("order"), get("migratetype"), get("gfp_mask"), get("gfp_names", ()), get("pid"),
            get("tgid"), get("comm"), get("ts"), get("free_ts"), get("free_pid"), get("free_tgid"),
            tuple(self._owner_stacks[Section.ALLOCATION]), tuple(self._owner_stacks[Section.FREE]),
            get("migrate_reason"), self._owner_span, tuple(self._owner_notes),
        )  # fmt: skip

    def build(self) -> PageDump | None:
        """The page dump, None if no line of one was taken."""
        if self._span is None:
            return None
        fields = self._fields
        flags = self._flags
        if flags is None and "flags" in fields and self._line_span is not None:
            flags = PrintedFlags(fields["flags"], (), {}, 0, None, False, self._line_span)
        head = self._head
        compound = {key: value for key, value in fields.items() if key in _COMPOUND}
        if head is None and compound and self._line_span is not None:
            if "head" in compound:
                compound["pointer"] = compound.pop("head")
            head = HeadLine(compound, self._line_span)
        return PageDump(
            era="unknown" if self._line is None else self._line.era,
            pointer=fields.get("pointer"),
            refcount=fields.get("refcount"),
            mapcount=fields.get("mapcount"),
            mapping=fields.get("mapping"),
            index=fields.get("index"),
            pfn=fields.get("pfn"),
            page_line=self._line_span,
            head=head,
            memcg=self._memcg,
            address_space=self._mapping,
            flags=flags,
            page_type=self._type,
            raw=self._raw("raw"),
            head_raw=self._raw("head"),
            reason=self._reason,
            reason_span=self._reason_span,
            page_owner=self._page_owner(),
            span=self._span,
            bad_flags=self._bad_flags,
            notes=tuple(self._notes),
        )
