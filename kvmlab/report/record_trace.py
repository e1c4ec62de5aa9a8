"""The typed facts of a call trace: its entries, the stacks that they are on, and where each stands in the text."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.text.span import Span


@dataclass(frozen=True, slots=True)
class Frame:
    """One entry of a call trace.

    Args:
        function: symbol as printed (suffixes such as `.isra.0` kept).
        offset: bytes into the function, None where the text has none.
        size: size of the function in bytes, None where the text has none.
        module: module name, None for the core kernel.
        reliable: False for entries marked `?`, which the unwinder did not confirm.
        context: stack that the entry is on: `TASK`, `IRQ`, `NMI`, ...; None before any marker.
        span: the line that it stands on.
        timestamp: time of its record, as printed.
        build_id: build id behind the module name, if printed.
        address: return address as printed (u64), None where the text has none or hides it.
        source: `file:line` entries that a decoder added, innermost inlined function first.
        inlined: whether a decoder says that this function was inlined into the next one.
        info: letters of arm64 (`P`, `C`, ...) or `unreliable`, as printed in parentheses.
    """

    function: str
    offset: int | None
    size: int | None
    module: str | None
    reliable: bool
    context: str | None
    span: Span
    timestamp: str | None = None
    build_id: str | None = None
    address: int | None = None
    source: tuple[str, ...] = ()
    inlined: bool = False
    info: str | None = None

    @property
    def text(self) -> str:
        """The entry as the kernel writes it: `? kvm_vcpu_ioctl+0x29e/0x6f0 [kvm]`."""
        where = "" if self.offset is None else f"+{self.offset:#x}"
        where += "" if self.size is None else f"/{self.size:#x}"
        behind = " ".join(x for x in (self.module, self.build_id) if x)
        return f"{'' if self.reliable else '? '}{self.function}{where}{f' [{behind}]' if behind else ''}"


@dataclass(frozen=True, slots=True)
class StackMarker:
    """A line that opens or closes a stack, such as `<TASK>` or `</TASK>`."""

    stack: str
    opens: bool
    span: Span


@dataclass(frozen=True, slots=True)
class CallTrace:
    """A call trace with its header and markers.

    Args:
        header: span of the `Call Trace:` line, None if it was lost.
        frames: the entries, innermost first.
        markers: the stack markers, in order.
        name: what the text says it is (`Allocated by task 23268`), None for the splat's own.
    """

    header: Span | None
    frames: tuple[Frame, ...]
    markers: tuple[StackMarker, ...] = ()
    name: str | None = None

    @property
    def reliable(self) -> tuple[Frame, ...]:
        """The entries that the unwinder confirmed."""
        return tuple(f for f in self.frames if f.reliable)
