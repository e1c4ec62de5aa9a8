"""/proc/PID/pagemap: which page frame stands behind each virtual page."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from kvmlab.capture.kpage import Runs, Words, page_words
from kvmlab.capture.opening import open_capture

if TYPE_CHECKING:
    import pandas as pd

PRESENT, SWAP, FILE = 1 << 63, 1 << 62, 1 << 61
GUARD, UFFD_WP, EXCLUSIVE, SOFT_DIRTY = 1 << 58, 1 << 57, 1 << 56, 1 << 55
PFN_MASK = (1 << 55) - 1
_BITS = {
    "present": PRESENT, "swap": SWAP, "file": FILE, "guard": GUARD, "uffd_wp": UFFD_WP, "exclusive": EXCLUSIVE,
    "soft_dirty": SOFT_DIRTY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pagemap:
    """The words of a pagemap file.

    Args:
        words: uint64, one a virtual page, from `first_va` on.
        first_va: virtual address of the first word, a multiple of 4096.
        name: the file.
        tail: bytes behind the last whole word.
    """

    words: Words
    first_va: int = 0
    name: str = ""
    tail: int = 0

    def __len__(self) -> int:
        return len(self.words)

    @property
    def hidden(self) -> bool:
        """Whether pages are present and every pfn is 0: the reader lacked CAP_SYS_ADMIN."""
        present = (self.words & np.uint64(PRESENT)) != 0
        return bool(present.any()) and not (self.words[present] & np.uint64(PFN_MASK)).any()

    def df_pagemap(self) -> pd.DataFrame:
        """One row a virtual page that is present or swapped: va uint64, pfn UInt64 (<NA> if swapped), bits as bool.

        A page of a VM_PFNMAP mapping is present with `file` and `exclusive` clear: it has no normal page behind it.
        """
        import pandas as pd

        here = np.flatnonzero((self.words & np.uint64(PRESENT | SWAP)) != 0)
        words = self.words[here]
        frame = pd.DataFrame({"va": here.astype(np.uint64) * np.uint64(4096) + np.uint64(self.first_va)})
        swapped = (words & np.uint64(PRESENT)) == 0
        frame["pfn"] = pd.arrays.IntegerArray(words & np.uint64(PFN_MASK), swapped)
        for name, bit in _BITS.items():
            frame[name] = (words & np.uint64(bit)) != 0
        return frame

    def runs(self) -> Runs:
        """Runs of consecutive pfns behind consecutive virtual pages; `value` is the virtual address of the first.

        Each run of a GPU buffer ends where its block of pages ends, or later if the next block follows it in memory.
        """
        present = np.flatnonzero((self.words & np.uint64(PRESENT)) != 0)
        pfn = self.words[present] & np.uint64(PFN_MASK)
        if not len(present):
            return Runs(pfn, pfn, pfn)
        new = np.empty(len(present), dtype=bool)
        new[0] = True
        new[1:] = (np.diff(present) != 1) | (pfn[1:] != pfn[:-1] + np.uint64(1))
        start = np.flatnonzero(new)
        pages = np.diff(start, append=len(present)).astype(np.uint64)
        va = present[start].astype(np.uint64) * np.uint64(4096) + np.uint64(self.first_va)
        return Runs(pfn[start], pages, va)


def read_pagemap(source: str | Path | bytes | BinaryIO, first_va: int = 0) -> Pagemap:
    """Read (a stretch of) /proc/PID/pagemap as it was copied.

    Args:
        source: path, bytes or file object; plain files are memory-mapped.
        first_va: virtual address of the first word; the file does not say it.

    Raises:
        UnusableInput: if the file cannot be read or holds less than one word.

    Source: fs/proc/task_mmu.c (6.12); Documentation/admin-guide/mm/pagemap.rst.

    >>> import struct
    >>> pagemap = read_pagemap(struct.pack("<3Q", 1 << 63 | 0x10, 1 << 63 | 0x11, 0), first_va=0x7f0000000000)
    >>> pagemap.runs().df_runs()[["first", "pages"]].values.tolist()
    [[16, 2]]
    """
    opened = open_capture(source)
    return pagemap_of(opened.data, opened.name, first_va)


def pagemap_of(data: bytes | mmap.mmap, name: str = "", first_va: int = 0) -> Pagemap:
    """The pagemap in a file's bytes; arguments as in `read_pagemap`."""
    words = page_words(data, name)
    return Pagemap(words.words, first_va, name, words.tail)
