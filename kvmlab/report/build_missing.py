"""The parts that a report of its kind always has and that the text does not hold."""

from __future__ import annotations

from collections.abc import Sequence

from kvmlab.report.open_splat import Splat
from kvmlab.report.records import CallTrace, Registers
from kvmlab.report.report_damage import open_stacks

_USER_REGISTERS = "user-mode RIP, Code, RSP and register lines"


def missing_parts(
    splat: Splat, trace: CallTrace | None, blocks: Sequence[Registers], dumped: bool, located: bool, ended: bool
) -> tuple[str, ...]:
    """The missing parts by name, in the order in which they are printed.

    Args:
        splat: the lines of the report.
        trace: its own call trace.
        blocks: its registers.
        dumped: whether it has a page dump.
        located: whether it has a CPU line.
        ended: whether it has an end marker.
    """
    missing = []
    needs = () if splat.title is None else splat.title.needs
    if "page dump" in needs and not dumped:
        missing.append("page dump")
    if "CPU line" in needs and not located:
        missing.append("CPU line")
    traced = trace is not None and bool(trace.frames)
    # riscv to 5.16 prints no entries, others none that they do not find.
    untraced = ended and bool(blocks) and (trace is not None or blocks[0].arch == "riscv")
    if "call trace" in needs and not (traced or untraced or _in_user_mode(blocks)):
        missing.append("call trace")
    missing += [f"</{stack}> marker" for stack in reversed(open_stacks(splat, trace))]
    last = trace.frames[-1].function if trace is not None and trace.frames else ""
    # Kernels that print the address of each entry (to 4.9) print no registers behind it.
    # Sanitizers print entries that they kept, without a header and without registers.
    new = trace is not None and trace.header is not None and bool(trace.frames) and trace.frames[-1].address is None
    if new and last.startswith("entry_SYSCALL_64") and not any(block.mode == "user" for block in blocks):
        missing.append(f"{_USER_REGISTERS} that follow {last}")
    return tuple(missing)


def _in_user_mode(blocks: Sequence[Registers]) -> bool:
    """Whether the registers are those of a program: a kernel that stops one prints no call trace."""
    return bool(blocks) and all(block.mode == "user" for block in blocks)
