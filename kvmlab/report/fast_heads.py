"""How a message must begin, or what it must hold, before the tolerant parser could see a part of a report in it.

A superset: a line that passes is looked at by the tolerant parser itself, a line that does not is surely of no report.
Tests run every sample of every table of the parser through it.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from kvmlab.report.titles import titles

HEAD_BYTES = 8
# Bytes that stand in nearly every line: a word is looked for by its others.
COMMON = b" etaoinsrhl0123456789[](){}:.,-_=/"
NO, YES, EXACTLY = range(3)
# How messages begin that are parts of a report without being titles.
_BEGINS = (
    "page:", "page_type:", "page dumped because:", "page does not match", "page ", "page_owner", "pages's memcg:",
    "page->", "Page has been", "There is not page", "head:", "raw:", "flags:", "anon flags:", "ksm flags:",
    "page flags:", "bad because of", "memcg:", "aops:", "mapping->", "failed to read mapping", "invalid mapping:",
    "Modules linked in:", "Unloaded tainted modules:", "CPU: ", "Pid: ", "Tainted: ", "Hardware name:", "Workqueue:",
    "Stopper:", "Sched_ext:", "Cpu ", "Trace:", "Stack Trace:", "Call Trace:", "Call trace:", "Backtrace:", "---[ end ",
    "Code:", "Instruction dump:",
    "Krnl ", "User ", "Code Start:", "--------", "========", "Caller[", "(inlined by)", "YZrvWEST", "Exception stack",
    "8<--", "Frame format", "Register ", "Control: ", "Flags: ", "Instruction DUMP",
)  # fmt: skip
# Heads that registers, raw stacks, markers and addresses begin with, whatever follows.
_ODD = re.compile(
    r"[<\[(%$*`_>=]|-{4}|[0-9a-f]{8}|[0-9a-f]{3,4}0:|\.\.\.|"
    r"(?:[RE][A-Z0-9][A-Z0-9]|e[a-z][a-z]|[CD]R\d|[c-gC-G][sS]|[sS][sS]|knlGS|EFLAGS|ORIG_|PKRU|[RE]?IP|x\d{1,2}|r\d{1,2}|sr?\d|"
    r"[goilatsdu]\d{1,2}|sp|pmr_save|pstate|p?psr|pc|lr|ip|fp|gp|tp|ra|era|s?epc|s?status|s?badaddr|s?cause|ret_pc|PSR|N?PC|RPC|T?N?PC|"
    r"TSTATE|TT|Y|I7|SR|SP|NIP|LR|CTR|REGS|TRAP|MSR|CR|XER|CFAR|DAR|DSISR|DEAR|ESR|IRQMASK|SOFTE|GPR\d\d|CRMD|PRMD|EUEN|ECFG|ESTAT|"
    r"v0|ps|at|pv|ifs|unat|pfs|rsc|rnat|bsps|pr|ldrs|ccv|f?psr|[cs]sd|[bf]\d{1,2}|R\d{1,2}|TEA|MAC[HL]|GBR|PR|ECR|EFA|ERET|"
    r"STAT|BTA|FP|LP[SEC]|depc|excvaddr|lbeg|lend|lcount|sar|"
    r"CSR|ExcCode|BADV|PRID|BADI|ERA|Hi|Lo|BadVA|PrId|Status|Cause|PSW|IA|IASQ|IAOQ|IIR|RP|R|T|Stack)(?![A-Za-z0-9_.])"
)


# The number of a death (`Oops: .. [#1]`) is rarer in lines than what such rows hold besides.
_RARE, _RARE_PATTERN = " [#", r" \[#(?P<die>\d"

# Starts of titles that are names of drivers. Many other messages begin with them; an engine that looks for what these
# titles hold besides, one of these words each, need not look at all of those.
DRIVERS = {
    "amdgpu ": ("*ERROR* ring ", "page fault"), "i915 ": ("GPU HANG: ",), "kvm": ("reserved bits set on MMU-present",)
}  # fmt: skip


@cache
def _starts(searched: bool) -> tuple[tuple[str, ...], ...]:
    """For every length of a head, how it may begin: all of a shorter start, the first characters of a longer one."""
    of_titles = (start for row in titles() for start in row.starts if not (searched and start in DRIVERS))
    starts = {_zeroed(start) for start in (*_BEGINS, *of_titles)}
    return tuple(tuple({start[:length] for start in starts}) for length in range(HEAD_BYTES + 1))


@cache
def held_words() -> tuple[str, ...]:
    """Words that make a title wherever they stand in a line.

    >>> "invoked oom-killer:" in held_words()
    True
    """
    return tuple({_RARE if _RARE_PATTERN in row.pattern else row.holds: None for row in titles() if row.holds})


def searched_words() -> tuple[str, ...]:
    """The same, and those by which messages of drivers are told from titles."""
    return tuple(dict.fromkeys((*held_words(), *(word for words in DRIVERS.values() for word in words))))


@lru_cache(maxsize=1 << 16)
def may_begin(head: str, searched: bool = False) -> int:
    """Whether a message that begins so could be part of a report: `NO`, `YES`, or `EXACTLY` if its digits matter.

    Args:
        head: its first `HEAD_BYTES` characters behind blanks (fewer if it is shorter); every digit may stand for any.
        searched: whether all `searched_words` are looked for in the line, too.

    >>> may_begin("BUG: Bad"), may_begin("usb 0-0:"), may_begin("RAX: fff"), may_begin("R00: 000")
    (1, 0, 2, 2)
    >>> may_begin("kvm: SMP"), may_begin("kvm: SMP", searched=True)
    (1, 0)
    """
    if not head or not head.isascii():
        return EXACTLY if head else NO
    if _ODD.match(head):
        return EXACTLY
    shown = _zeroed(head)
    return YES if shown.startswith(_starts(searched)[len(shown)]) else NO


def _zeroed(text: str) -> str:
    return re.sub("[0-9]", "0", text[:HEAD_BYTES])
