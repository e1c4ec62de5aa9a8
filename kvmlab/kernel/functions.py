"""What well-known kernel functions do and which part they play in a stack, so that stacks can be told in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from kvmlab.kernel.tables import read_table

# What compilers and build options add to a symbol; none of it changes what the function does.
_SUFFIX = re.compile(
    r"\.(?:isra|constprop|part|cold|llvm|localalias|lto_priv|clone|__uniq|cfi_jt|cfi)(?:\.[0-9]+)*|\$[0-9a-f]{8,}$"
)
_SYSCALL = re.compile(r"__(?:x64|ia32|arm64|riscv|s390x|se|do)_(?:compat_)?sys_(\w+)")
_MAX_SYMBOL = 512


class FunctionRole(StrEnum):
    """Which part a function plays in a stack."""

    REPORTER = "reporter"
    FREE = "free"
    ALLOC = "alloc"
    LRU = "lru"
    MEMCG = "memcg"
    RECLAIM = "reclaim"
    FAULT = "fault"
    GUP = "gup"
    UNMAP = "unmap"
    EXIT = "exit"
    NOTIFIER = "notifier"
    KVM_PFN = "kvm_pfn"
    KVM_FAULT = "kvm_fault"
    KVM_EXIT = "kvm_exit"
    KVM_RUN = "kvm_run"
    EMULATOR = "emulator"
    TTM = "ttm"
    ENTRY = "entry"
    SYSCALL = "syscall"


_ROLE_WORDS = {
    FunctionRole.REPORTER: "machinery of the report itself",
    FunctionRole.FREE: "freeing a page",
    FunctionRole.ALLOC: "allocating a page",
    FunctionRole.LRU: "LRU lists and their per-CPU batches",
    FunctionRole.MEMCG: "memory cgroup accounting",
    FunctionRole.RECLAIM: "memory reclaim",
    FunctionRole.FAULT: "page fault of the host",
    FunctionRole.GUP: "get_user_pages",
    FunctionRole.UNMAP: "unmapping user memory",
    FunctionRole.EXIT: "end of a process",
    FunctionRole.NOTIFIER: "MMU notifier",
    FunctionRole.KVM_PFN: "KVM looking up or releasing a page frame",
    FunctionRole.KVM_FAULT: "KVM handling a guest fault",
    FunctionRole.KVM_EXIT: "entry to and exit from the guest",
    FunctionRole.KVM_RUN: "running a vCPU",
    FunctionRole.EMULATOR: "KVM emulating an instruction or a device",
    FunctionRole.TTM: "TTM buffers and their pool",
    FunctionRole.ENTRY: "entry to the kernel",
    FunctionRole.SYSCALL: "system call",
}


@dataclass(frozen=True, slots=True)
class KernelFunction:
    """A function that the table knows.

    Args:
        name: symbol without suffixes.
        subsystem: the part of the kernel or the module that it belongs to.
        role: which part it plays in a stack.
        file: where it is defined.
        sentence: what it does; the function is the subject.
        stale_pointer: whether the stack holds its address as data (`__pfx_`), not a return into it.
    """

    name: str
    subsystem: str
    role: FunctionRole
    file: str
    sentence: str
    stale_pointer: bool = False

    @property
    def boring(self) -> bool:
        """Whether a reader of the stack can skip it: the report's own machinery and the way into the kernel."""
        return self.role in (FunctionRole.REPORTER, FunctionRole.ENTRY)

    @property
    def role_words(self) -> str:
        """The role in words."""
        return _ROLE_WORDS[self.role]


@cache
def _functions() -> dict[str, KernelFunction]:
    return {
        row["function"]: KernelFunction(
            row["function"], row["subsystem"], FunctionRole(row["role"]), row["file"], row["sentence"]
        )
        for row in read_table("functions")
    }


def known_functions() -> tuple[KernelFunction, ...]:
    """All functions of the table."""
    return tuple(_functions().values())


def plain_symbol(symbol: str) -> str:
    """A symbol without what compilers and allocation profiling add to it.

    Args:
        symbol: as a stack prints it.

    >>> plain_symbol("__alloc_pages_noprof"), plain_symbol("direct_page_fault.isra.0.cold")
    ('__alloc_pages', 'direct_page_fault')
    """
    return _SUFFIX.sub("", symbol).removeprefix("__pfx_").removesuffix("_noprof")


def find_function(symbol: str) -> KernelFunction | None:
    """What a symbol of a stack does, None if the table does not know it.

    Args:
        symbol: as a stack prints it, with or without suffixes.

    >>> find_function("folio_batch_move_lru").role
    <FunctionRole.LRU: 'lru'>
    >>> find_function("__x64_sys_ioctl").sentence
    'is the system call ioctl'
    """
    if len(symbol) > _MAX_SYMBOL:
        return None
    plain = plain_symbol(symbol)
    stale = symbol.startswith("__pfx_")
    found = _functions().get(plain)
    if found is None and (call := _SYSCALL.fullmatch(plain)):
        found = KernelFunction(plain, "kernel", FunctionRole.SYSCALL, "", f"is the system call {call[1]}")
    if found is not None and stale:
        return KernelFunction(found.name, found.subsystem, found.role, found.file, found.sentence, stale_pointer=True)
    return found
