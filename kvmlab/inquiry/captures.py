"""Analyses over captures: which there are, what each one needs, and how a missing input is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.kinds import kind_named
from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import CaptureSet

if TYPE_CHECKING:
    from kvmlab.capture.kpage import PageWords
    from kvmlab.capture.trace import Trace

# Bit 38 says "write-combining RAM", not "TTM": this goes wherever the bit is shown.
WC_CAVEAT = (
    "KPF bit 38 (PG_arch_1) is set on every page of RAM that any driver made write-combining on x86: TTM's buffers and "
    "pools in the first place, but not only them; it says nothing about block boundaries, heads or tails."
)


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis over captures.

    Args:
        name: name of its function.
        question: what it answers.
        needs: kinds of captures, each of which must be there.
        events: trace events, of which at least one must be in the trace.
    """

    name: str
    question: str
    needs: tuple[str, ...]
    events: tuple[str, ...] = ()

    def how_to_record(self) -> str:
        """What to do on a host to record what it needs.

        >>> ANALYSES["fragmentation"].how_to_record()
        'cat /proc/buddyinfo > buddyinfo.txt'
        """
        return "; ".join(kind_named(kind).record for kind in self.needs)


_ALLOC = ("mm_page_alloc",)
ANALYSES = {
    a.name: a
    for a in (
        Analysis("ttm_blocks", "Which blocks did TTM's page pool allocate, and how sure is that?", ("trace",), _ALLOC),
        Analysis("ttm_blocks_owned", "Which live blocks are TTM's, with their orders and tails?", ("page_owner",)),
        Analysis("write_combined", "Which page frames are write-combining RAM?", ("kpageflags",)),
        Analysis("orders_over_time", "Which orders did TTM get, with how many tails?", ("trace",), _ALLOC),
        Analysis("lifetimes", "How long did TTM's blocks live?", ("trace",), _ALLOC),
        Analysis("guest_faults", "Which guest faults ended without a mapping?", ("trace",), ("kvm_page_fault",)),
        Analysis("fragmentation", "How broken up is free memory, and what does the number mean?", ("buddyinfo",)),
        Analysis("free_runs", "Which runs of page frames are free?", ("kpageflags",)),
    )
}


def need_trace(captures: CaptureSet, analysis: str) -> Trace:
    """The trace that an analysis asks for, of those in a set the first one with an event that it needs.

    Args:
        captures: the recorded files.
        analysis: name of the analysis.

    Raises:
        MissingInput: if there is no trace, or none with these events; the message says how to record one.
    """
    wanted = ANALYSES[analysis]
    found = False
    for _, capture in captures.of_kind("trace"):
        found = True
        trace: Trace = capture.value
        if any(event in trace.events for event in wanted.events):
            return trace
    if not found:
        captures.need("trace", f"{analysis}()")
    names = " or ".join(wanted.events)
    raise MissingInput(
        f"{analysis}() needs a trace with {names}, and no trace of {captures.name} has it; "
        f"record it: {kind_named('trace').record}."
    )


def need_flags(captures: CaptureSet, analysis: str) -> PageWords:
    """The kpageflags that an analysis asks for.

    Raises:
        MissingInput: if the set has none.
    """
    words: PageWords = captures.need("kpageflags", f"{analysis}()")[1].value
    return words
