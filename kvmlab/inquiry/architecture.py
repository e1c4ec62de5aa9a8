"""Which architecture a report comes from, by what only one of them prints."""

from __future__ import annotations

import re

from kvmlab.report.records import Report

# Function names that exist on one architecture; the first table whose pattern is found decides.
_FUNCTIONS = (
    ("x86_64", re.compile(r"__x64_sys_|entry_SYSCALL_64|asm_exc_|asm_sysvec_|do_syscall_64|vmx_|svm_vcpu|x86_")),
    ("arm64", re.compile(r"el0t?_|el1h?_|__arm64_sys_|invoke_syscall|kvm_arch_arm")),
)
_MODULES = {"kvm_intel": "x86_64", "kvm_amd": "x86_64"}

UNKNOWN = "unknown"


def architecture(report: Report, before: Report | None = None) -> str:
    """The architecture of a report: `x86_64`, `arm64`, whatever its registers name, or `unknown`.

    Args:
        report: the report.
        before: the report before it in the same text, whose registers count too.
    """
    for one in (report, before):
        if one is not None and one.registers is not None:
            return one.registers.arch
    for arch, pattern in _FUNCTIONS:
        if report.call_trace and any(pattern.match(frame.function) for frame in report.call_trace.frames):
            return arch
    if report.modules:
        for name in report.modules.names:
            if name in _MODULES:
                return _MODULES[name]
    return UNKNOWN
