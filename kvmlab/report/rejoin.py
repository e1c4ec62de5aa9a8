"""The CPU line and the name of the machine put together again, where a mail or a terminal broke them."""

from __future__ import annotations

import re

from kvmlab.report.cpu_line import match_cpu_line, match_hardware
from kvmlab.report.records import CpuLine
from kvmlab.text.span import Span

_NOWHERE = Span(0, 0, 1, 1)
_RELEASE = re.compile(r"\d{1,2}\.\d{1,3}(?:\S*[\w+])?")
# Longer than either line can be.
_LENGTH = 512


def join_cpu_line(shown: str, text: str, comm: str | None = None) -> str | None:
    """The whole CPU line, or None if a text is not the rest of it.

    Args:
        shown: what the line says so far; it must lack its release or its build number.
        text: the text behind it.
        comm: the name of the task as the title has it, which decides where the break may have been at a blank.

    >>> join_cpu_line("CPU: 2 PID: 91 Comm: qemu Not tainted 6.9.", "12-lab #17")
    'CPU: 2 PID: 91 Comm: qemu Not tainted 6.9.12-lab #17'
    >>> join_cpu_line("CPU: 2 PID: 91 Comm: CPU", "0/KVM Not tainted 6.9.12-lab #17", "CPU 0/KVM")
    'CPU: 2 PID: 91 Comm: CPU 0/KVM Not tainted 6.9.12-lab #17'
    """
    before = match_cpu_line(shown, _NOWHERE)
    if len(shown) + len(text) > _LENGTH or "#" not in text or (before is not None and _whole(before)):
        return None
    found = []
    for joined in (shown + text, f"{shown} {text}"):
        line = match_cpu_line(joined, _NOWHERE)
        if line is not None and _whole(line):
            found.append((line.comm != comm, joined))
    return min(found, key=lambda item: item[0])[1] if found else None


def join_hardware(shown: str, text: str) -> str | None:
    """The whole line with the name of the machine, or None if a text is not the rest of it.

    Args:
        shown: what the line says so far; it must lack the date of its BIOS.
        text: the text behind it, which must end with that date.

    >>> join_hardware("Hardware name: LAB Precision 36", "60/0PRR48, BIOS 2.8.1 08/14/2023")
    'Hardware name: LAB Precision 3660/0PRR48, BIOS 2.8.1 08/14/2023'
    >>> join_hardware("Hardware name: LAB Inc.", "Precision 3660, BIOS 2.8.1 08/14/2023")
    'Hardware name: LAB Inc. Precision 3660, BIOS 2.8.1 08/14/2023'
    """
    if len(shown) + len(text) > _LENGTH or not text or _dated(shown):
        return None
    glued, apart = shown + text, f"{shown} {text}"
    if _dated(glued) and (not _dated(apart) or _in_a_word(shown[-1], text[0])):
        return glued
    return apart if _dated(apart) else None


def _whole(line: CpuLine) -> bool:
    return line.build is not None and line.release is not None and _RELEASE.fullmatch(line.release.text) is not None


def _dated(text: str) -> bool:
    found = match_hardware(text, _NOWHERE)
    return found is not None and found.bios_date is not None


def _in_a_word(last: str, first: str) -> bool:
    """Whether two characters stand within a word or a number rather than on both sides of a blank."""
    number = last.isdigit() and first.isdigit()
    word = last.isalpha() and first.islower()
    return number or word or first in ".,/-:" or last in "/-"
