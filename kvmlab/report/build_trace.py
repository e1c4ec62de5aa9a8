"""Collects the entries and markers of one call trace, each with its place in the text."""

from __future__ import annotations

from dataclasses import dataclass, field

from kvmlab.report.lines import Line
from kvmlab.report.records import CallTrace, Frame, StackMarker
from kvmlab.report.stack_items import Entry, StackLine
from kvmlab.text.span import Span


@dataclass(slots=True)
class TraceBuilder:
    """A call trace while it is being read.

    Args:
        header: span of its header line.
        frames, markers: what has been read.
        stacks: the stacks that are open, innermost last.
        name: what the text says it is.
    """

    header: Span | None = None
    frames: list[Frame] = field(default_factory=list)
    markers: list[StackMarker] = field(default_factory=list)
    stacks: list[str] = field(default_factory=list)
    name: str | None = None

    def add(self, line: Line, found: StackLine) -> None:
        """Takes one line of the trace."""
        for item in found.items:
            if isinstance(item, Entry):
                context = self.stacks[-1] if self.stacks else None
                if item.address is not None and self.frames and _is_twin(self.frames[-1], item):
                    self.frames.pop()
                if (frame := to_frame(item, line, context, self.frames)) is not None:
                    self.frames.append(frame)
                continue
            self.markers.append(StackMarker(item.stack, item.opens, line.record.span))
            if item.opens:
                self.stacks.append(item.stack)
            elif item.stack in self.stacks:
                del self.stacks[self.stacks.index(item.stack) :]

    def close(self) -> CallTrace:
        """The finished trace."""
        return CallTrace(self.header, tuple(self.frames), tuple(self.markers), self.name)


def _is_twin(frame: Frame, entry: Entry) -> bool:
    """Whether `klogd -2` printed an entry twice: with its own idea of the address, and as the kernel did."""
    return (
        frame.address is None
        and frame.offset is not None
        and (frame.function, frame.offset, frame.size) == (entry.function, entry.offset, entry.size)
    )


def to_frame(entry: Entry, line: Line, context: str | None, before: list[Frame]) -> Frame | None:
    """The frame of an entry; None for the `f` of `f from g` (arm32) that the line before named already.

    Args:
        entry: the entry.
        line: the line that it stands on.
        context: the stack that is open.
        before: the frames of the trace so far.
    """
    if entry.caller is False and before and before[-1].function == entry.function:
        return None
    record = line.record
    return Frame(
        entry.function, entry.offset, entry.size, entry.module, entry.reliable, context, record.span, record.timestamp,
        entry.build_id, entry.address, entry.source, entry.inlined, entry.info,
    )  # fmt: skip
