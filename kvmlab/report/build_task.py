"""Whom a report names where the line with the CPU does not say it: old oopses, and the watchdog for hung tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from kvmlab.report.cpu_line import match_cpu_line, vendor_and_product
from kvmlab.report.records import CpuLine, Hardware
from kvmlab.text.span import Span

_CPU_NUMBER = re.compile(
    r"^\s*CPU(?: #)?:? {1,5}(?P<cpu>\d{1,5})\s*$|EFLAGS: [0-9a-f]{8} CPU: (?P<flagged>\d{1,5})$"
    # One of those that a stall of RCU is about: online, asked for, asked for by the next grace period, interrupts.
    r"|^\s*(?:rcu:\s{1,8})?(?P<stalled>\d{1,5})-[O.][o.][N.][?!.0-9Dd]?: "
)
_TAINT = r"(?P<taint>Not tainted|Tainted: [A-Z ]{1,64}?) {0,8}"
_RELEASED = re.compile(rf".*?{_TAINT}\((?P<release>\d[^() ]{{1,128}}(?: #\d{{1,6}})?)\)")
_TAINT_ALONE = re.compile(rf"(?:.*\(|epc .*\s){_TAINT}\)?$")


def cpu_number(text: str) -> str | None:
    """The number of the CPU on a line of its own, as oopses to 3.8 and stalls of RCU have it, or behind flags of i386.

    Args:
        text: the message of a record.

    >>> cpu_number("CPU 3 "), cpu_number("rcu: 2-...0: (1 GPs behind) idle=5c2"), cpu_number("CPU: 3 PID: 91")
    ('3', '2', None)
    """
    found = _CPU_NUMBER.search(text)
    return None if found is None else found[found.lastgroup or "cpu"]


def hung_task_line(text: str, span: Span, fields: Mapping[str, str | int]) -> CpuLine | None:
    """Taint and release of a hung task, which stand on a line of their own.

    Args:
        text: that line.
        span: where it stands.
        fields: what the title says.
    """
    line = match_cpu_line(f"Pid: 0, comm: - {text.strip()}", span)
    return None if line is None else of_hung_task(line, fields)


def of_hung_task(line: CpuLine, fields: Mapping[str, str | int]) -> CpuLine:
    """A CPU line with the task that hangs, in place of the watchdog that prints the report.

    Args:
        line: the line.
        fields: what the title says.
    """
    pid, comm = fields.get("pid"), fields.get("comm")
    shown = None if comm is None else str(comm)
    return replace(line, cpu=None, uid=None, pid=pid if isinstance(pid, int) else None, comm=shown)


def of_line(text: str, span: Span) -> CpuLine | None:
    """Taint and release where old kernels print them: behind registers or a page; None if the line has neither.

    Args:
        text: the line.
        span: where it stands.

    >>> from kvmlab.text.span import Span
    >>> line = of_line("REGS: cf9cfe40 TRAP: 0300   Tainted: P   (2.6.25-rc2)", Span(0, 0, 1, 1))
    >>> line.taint_text, line.release.text, line.pid
    ('P', '2.6.25-rc2', None)
    """
    found = _RELEASED.match(text) or _TAINT_ALONE.match(text.rstrip())
    if found is None:
        return None
    line = match_cpu_line(f"Pid: 0, comm: - {found['taint']} {found.groupdict().get('release', '')}", span)
    return None if line is None else replace(line, pid=None, comm=None)


def with_release(line: CpuLine | None, other: CpuLine | None) -> CpuLine | None:
    """A CPU line with the taint and the release of another one where it has none.

    Args:
        line: the line, if there is one.
        other: what else is known.
    """
    if line is None or other is None or line.release is not None:
        return line or other
    return replace(line, tainted=other.tainted, taint_text=other.taint_text, release=other.release, build=other.build)


def is_of_title(line: CpuLine, fields: Mapping[str, str | int]) -> bool:
    """Whether a CPU line is of the CPU and the task that a title names.

    Args:
        line: the line.
        fields: what the title says.
    """
    named = (fields.get("cpu"), fields.get("pid"))
    return None not in named and named == (line.cpu, line.pid)


def of_soft_lockup(line: CpuLine, fields: Mapping[str, str | int]) -> CpuLine:
    """A CPU line with the CPU and the task that the title says are stuck, should the line be of another CPU.

    Args:
        line: the line; kernels to 3.8 print one that names no CPU.
        fields: what the title says.
    """
    cpu, pid, comm = (fields.get(name) for name in ("cpu", "pid", "comm"))
    if line.cpu is None or is_of_title(line, fields) or not (isinstance(cpu, int) and isinstance(pid, int)):
        return line
    return replace(line, cpu=cpu, uid=None, pid=pid, comm=None if comm is None else str(comm))


def machine_of(line: CpuLine, text: str) -> Hardware | None:
    """The machine that kernels to 3.8 name behind the release in the line of an oops; None if there is none.

    Args:
        line: the line.
        text: its text.

    >>> from kvmlab.report.cpu_line import match_cpu_line
    >>> from kvmlab.text.span import Span
    >>> text = "Pid: 10, comm: kvm Tainted: P 2.6.38-8-server #42-Ubuntu Dell Inc. PowerEdge R610/0F0XJ6"
    >>> machine_of(match_cpu_line(text, Span(0, 0, 1, 1)), text).board
    '0F0XJ6'
    """
    if not text.startswith("Pid: ") or not line.version_tail or line.build_id or "PREEMPT" in line.version_tail:
        return None
    machine, slash, board = line.version_tail.rpartition("/")
    vendor, product = vendor_and_product(machine if slash else line.version_tail)
    return Hardware(line.version_tail, vendor, product, board if slash else None, None, None, line.span)
