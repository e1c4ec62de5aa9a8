"""The kinds of captures: how the content of a file shows its kind, how it is read, and how it is recorded."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# So much of a file decides its kind; a trace or a listing may have a long header.
HEAD_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class CaptureKind:
    """One kind of capture.

    Args:
        name: what it is called, `buddyinfo`.
        title: what it is, in a few words.
        shows: a regular expression (multi-line) that the beginning of such a file matches.
        module: module of kvmlab.capture that reads it.
        reader: function of that module: bytes (and the file's name where `named`) to the result.
        frame: method of the result that gives the main frame.
        record: how to record it on an affected host, as a command.
        named: whether the reader takes the file's name too.
    """

    name: str
    title: str
    shows: str
    module: str
    reader: str
    frame: str
    record: str
    named: bool = False

    def read(self, data: bytes | mmap.mmap, name: str) -> Any:
        """Read the bytes of such a file."""
        from importlib import import_module

        reader: Callable[..., Any] = getattr(import_module(f"kvmlab.capture.{self.module}"), self.reader)
        return reader(data, name) if self.named else reader(bytes(data))


_NODE = r"^[>\t ]*Node +[0-9]{1,5}, +zone +\S{1,32}"
_EVENT = r"^[>\t ]*\S.{0,40}\[[0-9]{1,6}\]\s.{0,40}[0-9]{1,10}\.[0-9]{3,9}: +(?:[A-Za-z_<])"

# The order decides where two expressions match: the more telling one stands first.
KINDS = (
    CaptureKind(
        "qemu", "QEMU's message about a failed KVM_RUN", r"error: kvm run failed ", "qemu", "parse_qemu", "df_failures",
        "keep QEMU's standard error: qemu-system-x86_64 ... 2> qemu.log",
    ),
    CaptureKind(
        "free_lists", "free lists in list order, written by the lab's module", r"^free_lists node [0-9]", "free_lists",
        "parse_free_lists", "df_free_lists", "the kernel lab only: cat /sys/kernel/debug/klab/free_lists",
    ),
    CaptureKind(
        "lab_records", "JSON lines of the lab's programs",
        r'^\{"(?:case|kvm_api|i|event|ns|storm|vcpu|driver|vm_open)":', "lab_records", "parse_lab_records", "df_runs",
        "the kernel lab only: kl kvm > matrix.jsonl",
    ),
    CaptureKind(
        "ttm_run", "pages of ttm_pool_alloc(), listed by the lab's program", r"^# ttm_pool_alloc npages=[0-9]", "klttm",
        "parse_ttm_run", "df_blocks", "the kernel lab only: kl ttm 8100 2 > listing.txt",
    ),
    CaptureKind(
        "page_owner_sort", "allocations counted by page_owner_sort",
        r"^[>\t ]*[0-9]{1,20} times(?:, [0-9]{1,20} pages.{0,200})?:\s*$", "page_owner_sort", "parse_sorted_owners",
        "df_groups", "page_owner_sort /sys/kernel/debug/page_owner sorted.txt",
    ),
    CaptureKind(
        "page_owner", "page_owner: who allocated each block", r"^[>\t ]*Page allocated via order [0-9]", "page_owner",
        "parse_page_owner", "df_page_owner",
        "boot with page_owner=on (CONFIG_PAGE_OWNER), then: cat /sys/kernel/debug/page_owner > page_owner.txt",
    ),
    CaptureKind(
        "page_owner_stacks", "base pages held by each allocation stack", r"^nr_base_pages: [0-9]", "page_owner_stacks",
        "parse_owner_stacks", "df_stacks", "cat /sys/kernel/debug/page_owner_stacks/show_stacks > stacks.txt",
    ),
    CaptureKind(
        "trace", "trace of ftrace, trace-cmd report or perf script",
        rf"^# tracer: |^cpus=[0-9]+\s*$|{_EVENT}|^[>\t ]*(?:kmem:)?mm_page_\w{{1,40}}: +page=", "trace", "trace_of",
        "df_lines", "kvmlab capture --seconds 10 > capture.sh, then run it as root on the host", named=True,
    ),
    CaptureKind(
        "pagetypeinfo", "/proc/pagetypeinfo", rf"^[>\t ]*Page block order: [0-9]|{_NODE}, +type ", "pagetypeinfo",
        "parse_pagetypeinfo", "df_pagetypeinfo", "as root: cat /proc/pagetypeinfo > pagetypeinfo.txt",
    ),
    CaptureKind(
        "zoneinfo", "/proc/zoneinfo", rf"{_NODE}\s*\n(?:[>\t ]+per-node stats|[>\t ]+pages free)", "zoneinfo",
        "parse_zoneinfo", "df_zones", "cat /proc/zoneinfo > zoneinfo.txt",
    ),
    CaptureKind(
        "buddyinfo", "/proc/buddyinfo", rf"{_NODE}(?: +[0-9]{{1,20}}){{1,64}} *$", "buddyinfo",
        "parse_buddyinfo", "df_buddyinfo",
        "cat /proc/buddyinfo > buddyinfo.txt",
    ),
    CaptureKind(
        "page_pool", "TTM's pools in debugfs", r"^[>\t ]*(?:--- ?[0-9]{1,2}---|---[0-9]{1,2}---)|\Aunused\s*\Z",
        "ttm_pool", "parse_page_pool", "df_page_pool", "as root: cat /sys/kernel/debug/ttm/page_pool > page_pool.txt",
    ),
    CaptureKind(
        "gem_info", "amdgpu's buffers by process", r"^[>\t ]*pid +[0-9]{1,10} command .{0,64}:\s*$", "gem_info",
        "parse_gem_info", "df_gem_info", "as root: cat /sys/kernel/debug/dri/0/amdgpu_gem_info > gem_info.txt",
    ),
    CaptureKind(
        "page_types", "output of tools/mm/page-types",
        r"^(?:voffset\t|foffset\t)?(?:cgroup\t)?(?:map-cnt\t)?offset\t|^ +flags\tpage-count ", "page_types",
        "parse_page_types", "df_ranges", "as root: page-types -r -l > page-types.txt",
    ),
    CaptureKind(
        "iomem", "/proc/iomem", r"^[>\t ]*[0-9a-f]{8,16}-[0-9a-f]{8,16} : ", "iomem", "parse_iomem", "df_iomem",
        "as root: cat /proc/iomem > iomem.txt",
    ),
    CaptureKind(
        "meminfo", "/proc/meminfo", r"^[>\t ]*MemTotal: +[0-9]+ kB", "counters", "parse_meminfo", "df_counters",
        "cat /proc/meminfo > meminfo.txt",
    ),
    CaptureKind(
        "vmstat", "/proc/vmstat", r"^[>\t ]*nr_free_pages [0-9]+\s*$", "counters", "parse_vmstat", "df_counters",
        "cat /proc/vmstat > vmstat.txt",
    ),
    CaptureKind(
        "page_pool_shrink", "what reading TTM's page_pool_shrink printed",
        r"\A(?:[0-9]{1,5}: )?[0-9]{1,20}/[0-9]{1,20}\s*$", "ttm_pool", "parse_page_pool_shrink", "df_shrinks",
        "nobody should: reading that file frees pages",
    ),
    CaptureKind(
        "count", "one number", r"\A[0-9]{1,20}\s*\Z", "counters", "parse_count", "df_count",
        "the kernel lab only: the number of puts that were injected",
    ),
)  # fmt: skip

BINARY_KINDS = (
    CaptureKind(
        "kpageflags", "/proc/kpageflags", "", "kpage", "page_words", "df_words",
        "as root: cat /proc/kpageflags | gzip > kpageflags.bin.gz", named=True,
    ),
    CaptureKind(
        "kpagecount", "/proc/kpagecount", "", "kpage", "page_words", "df_words",
        "as root: cat /proc/kpagecount | gzip > kpagecount.bin.gz", named=True,
    ),
    CaptureKind(
        "pagemap", "/proc/PID/pagemap", "", "pagemap", "pagemap_of", "df_pagemap",
        "as root, for a range of pages: dd if=/proc/PID/pagemap bs=8 skip=FIRST count=PAGES of=pagemap.bin", named=True,
    ),
)  # fmt: skip

_PATTERNS = tuple((kind, re.compile(kind.shows, re.MULTILINE)) for kind in KINDS)
_KERNEL_LOG = re.compile(r"^(?:<[0-9]{1,3}>)?\[ *[0-9]{1,9}\.[0-9]{6}\]|BUG: Bad page ", re.MULTILINE)


def kind_named(name: str) -> CaptureKind:
    """The kind of that name.

    Raises:
        KeyError: if there is none.

    >>> kind_named("buddyinfo").record
    'cat /proc/buddyinfo > buddyinfo.txt'
    """
    return {kind.name: kind for kind in (*KINDS, *BINARY_KINDS)}[name]


def text_kind(head: str) -> CaptureKind | None:
    """The kind of a text by its first bytes; None if it is none of them.

    >>> text_kind("Node 0, zone   Normal    188    420 \\n").name
    'buddyinfo'
    """
    return next((kind for kind, pattern in _PATTERNS if pattern.search(head)), None)


def is_kernel_log(head: str) -> bool:
    """Whether a text is a kernel log rather than a capture."""
    return _KERNEL_LOG.search(head) is not None


def binary_kind(data: bytes | mmap.mmap) -> CaptureKind | None:
    """The kind of a file of u64 words: pagemap has bits 61 to 63, kpageflags those of flags, kpagecount neither.

    Args:
        data: the file.

    Returns:
        None if all words are 0, or words have bits that none of these files has.
    """
    import numpy as np

    if len(data) < 8:
        return None
    words = np.frombuffer(data, dtype="<u8", count=len(data) // 8)
    bits = 0
    for start in range(0, len(words), 1 << 19):
        bits |= int(np.bitwise_or.reduce(words[start : start + (1 << 19)]))
    if not bits:
        return None
    if bits >> 61:
        # Bits 59 and 60 of a pagemap are always 0, and no machine has 2**44 page frames.
        return kind_named("pagemap") if not bits & (0b11 << 59 | 0x7FF << 44) else None
    if bits >> 48:
        return None
    # Page flags use bits far above any count of mappings, RESERVED (32) first of all.
    return kind_named("kpageflags" if bits >> 32 else "kpagecount")
