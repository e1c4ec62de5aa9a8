"""Which architecture a report comes from: told from its registers, its entry functions and its release, by a table."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kvmlab.report.records import Report

# Functions that only one architecture has at the bottom or at the top of a stack.
_FUNCTIONS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("x86_64", re.compile(r"entry_SYSCALL_64\w*|do_syscall_64|__x64_sys_\w+|ret_from_fork_asm|asm_exc_\w+")),
    ("x86_64", re.compile(r"x86_64_start_\w+|secondary_startup_64\w*")),
    ("i386", re.compile(r"entry_SYSENTER_32|entry_INT80_32|do_int80_syscall_32|sysenter_\w+|i386_start_kernel")),
    ("arm64", re.compile(r"el0\w*_sync|el[01]_svc\w*|__arm64_sys_\w+|el[01]h?_\d\d_\w+|__primary_switched")),
    ("arm", re.compile(r"ret_fast_syscall|__irq_svc|__dabt_usr|__und_svc|__irq_usr|unwind_backtrace")),
    ("riscv", re.compile(r"__riscv_sys_\w+|do_trap_ecall_u|ret_from_exception|_new_vmalloc_restore\w+")),
    ("powerpc", re.compile(r"system_call_exception|system_call_(?:vectored_)?common|DataAccess_virt")),
    ("s390", re.compile(r"pgm_check_handler|__do_pgm_check|kernel_thread_starter|__s390x_sys_\w+")),
    ("mips", re.compile(r"handle_sys(?:64|n32)?|syscall_common|except_vec\w*")),
    ("loongarch", re.compile(r"handle_syscall")),
)  # fmt: skip
_RELEASES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("x86_64", re.compile(r"x86_64|amd64")),
    ("i386", re.compile(r"\bi[3-6]86\b")),
    ("arm64", re.compile(r"aarch64|arm64")),
    ("powerpc", re.compile(r"ppc64|ppc")),
    ("s390", re.compile(r"s390x?")),
    ("riscv", re.compile(r"riscv")),
    ("parisc", re.compile(r"parisc|hppa")),
    ("sparc", re.compile(r"sparc")),
    ("mips", re.compile(r"mips")),
    ("m68k", re.compile(r"m68k")),
    ("loongarch", re.compile(r"loong")),
)
_HARDWARE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("riscv", re.compile(r"riscv|SiFive|StarFive", re.IGNORECASE)),
    ("powerpc", re.compile(r"pSeries|PowerNV|POWER\d|PowerMac", re.IGNORECASE)),
    ("s390", re.compile(r"\bIBM \d{4} ")),
    ("loongarch", re.compile(r"loongson", re.IGNORECASE)),
    ("x86_64", re.compile(r"Standard PC|i440FX|Q35 ")),
)


def report_arch(report: Report) -> str | None:
    """The architecture, `x86_64`, `arm64`, ...; None if nothing in the report shows it.

    Args:
        report: the report.
    """
    return next(_candidates(report), None)


def _candidates(report: Report) -> Iterator[str]:
    for block in (report.registers, *report.more_registers):
        if block is not None and block.arch != "unknown":
            yield block.arch
    for trace in (report.call_trace, *report.traces):
        for frame in reversed(() if trace is None else trace.frames):
            yield from (arch for arch, pattern in _FUNCTIONS if pattern.fullmatch(frame.function))
            # Only powerpc says so in words about an entry.
            if frame.info == "unreliable":
                yield "powerpc"
    if report.cpu_line is not None and report.cpu_line.release is not None:
        yield from (arch for arch, pattern in _RELEASES if pattern.search(report.cpu_line.release.text))
    if report.hardware is not None:
        yield from (arch for arch, pattern in _HARDWARE if pattern.search(report.hardware.text))


def report_width(report: Report) -> int | None:
    """Bits of an unsigned long on that machine, as its struct page words or pointers are printed; None if not shown."""
    page = report.page
    if page is None:
        return None
    for words in (page.raw, page.head_raw):
        if words is not None:
            return 4 * words.width
    return None
