"""/proc/kpageflags and /proc/kpagecount: one u64 a page frame, read as an array and cut into runs of pfns."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from kvmlab.capture.opening import open_capture
from kvmlab.errors import UnusableInput
from kvmlab.kernel import kpf

if TYPE_CHECKING:
    import pandas as pd

Words = npt.NDArray[np.uint64]

# Half a million words (4 MiB) stay in a core's cache while they are compared.
_CHUNK = 1 << 19
MAX_ORDER = 10


@dataclass(frozen=True, slots=True)
class PageWords:
    """The words of a kpageflags or kpagecount file.

    Args:
        words: uint64, word `i` belongs to pfn `first_pfn + i`; read-only, memory-mapped if the file is plain.
        first_pfn: pfn of the first word (not 0 if the file is a cut-out).
        name: the file.
        tail: bytes behind the last whole word (0 in an undamaged file).
    """

    words: Words
    first_pfn: int = 0
    name: str = ""
    tail: int = 0

    def __len__(self) -> int:
        return len(self.words)

    def at(self, pfn: int) -> int:
        """The word of one pfn.

        Raises:
            IndexError: if the file does not reach that pfn.
        """
        index = pfn - self.first_pfn
        if not 0 <= index < len(self.words):
            raise IndexError(f"pfn {pfn:#x} is outside of {self.name or 'this capture'}.")
        return int(self.words[index])

    def runs(self, mask: int | None = None, value: int | None = None) -> Runs:
        """The maximal runs of pfns whose word, under `mask`, is the same; all runs, or those with one value.

        Args:
            mask: bits that count, u64; all bits if None.
            value: keep only runs whose masked word is this.
        """
        return find_runs(self.words, self.first_pfn, mask, value)

    def df_words(self) -> pd.DataFrame:
        """The runs of equal words: first uint64, last uint64 (inclusive), pages uint64, value uint64."""
        return self.runs().df_runs()

    def census(self) -> dict[int, int]:
        """How many pages have each bit set, by bit number; bits that no page has are left out.

        >>> PageWords(np.array([1, 3, 0], dtype=np.uint64)).census()
        {0: 2, 1: 1}
        """
        counts: dict[int, int] = {}
        for chunk in _chunks(self.words):
            values, pages = np.unique(chunk, return_counts=True)
            for word, n in zip(values.tolist(), pages.tolist(), strict=True):
                while word:
                    bit = word & -word
                    counts[bit.bit_length() - 1] = counts.get(bit.bit_length() - 1, 0) + n
                    word ^= bit
        return dict(sorted(counts.items()))


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs of pfns with one value each: `first` uint64, `pages` uint64, `value` uint64, ascending."""

    first: Words
    pages: Words
    value: Words

    def __len__(self) -> int:
        return len(self.first)

    def df_runs(self) -> pd.DataFrame:
        """One row a run: first uint64, last uint64 (inclusive), pages uint64, value uint64."""
        import pandas as pd

        last = self.first + self.pages - np.uint64(1)
        return pd.DataFrame({"first": self.first, "last": last, "pages": self.pages, "value": self.value})


def _chunks(words: Words) -> Iterator[Words]:
    for start in range(0, len(words), _CHUNK):
        yield words[start : start + _CHUNK]


def find_runs(words: Words, first_pfn: int = 0, mask: int | None = None, value: int | None = None) -> Runs:
    """Cut an array of words into runs; one pass, memory for the runs only.

    Args:
        words: uint64, one a pfn.
        first_pfn: pfn of the first word.
        mask: bits that count, u64; all if None.
        value: keep only runs whose masked word is this.

    >>> find_runs(np.array([0, 4, 5, 0], dtype=np.uint64), 16, mask=4, value=4).df_runs().values.tolist()
    [[17, 18, 2, 4]]
    """
    if not len(words):
        return Runs(*(np.empty(0, dtype=np.uint64) for _ in range(3)))
    keep = None if mask is None else np.uint64(mask)
    starts = [np.zeros(1, dtype=np.int64)]
    last: np.uint64 | None = None
    for number, chunk in enumerate(_chunks(words)):
        masked = chunk if keep is None else chunk & keep
        if last is not None and masked[0] != last:
            starts.append(np.array([number * _CHUNK]))
        starts.append(np.flatnonzero(masked[1:] != masked[:-1]) + (number * _CHUNK + 1))
        last = masked[-1]
    begin = np.concatenate(starts)
    found = words[begin] if keep is None else words[begin] & keep
    pages = np.diff(begin, append=len(words))
    if value is not None:
        wanted = found == np.uint64(value)
        begin, pages, found = begin[wanted], pages[wanted], found[wanted]
    return Runs(begin.astype(np.uint64) + np.uint64(first_pfn), pages.astype(np.uint64), found)


def free_blocks(flags: PageWords, max_order: int = MAX_ORDER) -> tuple[Words, npt.NDArray[np.int8]]:
    """The free blocks of the buddy allocator, inferred from the BUDDY bit.

    A run of free pages is cut into the largest naturally aligned blocks, which is what the allocator holds unless
    two neighbours could not merge (another zone, or pageblocks of types that do not mix). Pages on per-CPU lists
    have no BUDDY bit and are not here.

    Args:
        flags: kpageflags; a kernel that sets BUDDY on every page of a free block (all covered releases).
        max_order: largest order of the machine, 10 on x86-64.

    Returns:
        pfn of each block's first page (uint64, ascending) and its order (int8).

    >>> words = np.zeros(16, dtype=np.uint64); words[6:13] = kpf.BUDDY
    >>> pfns, orders = free_blocks(PageWords(words)); pfns.tolist(), orders.tolist()
    ([6, 8, 12], [1, 2, 0])
    """
    runs = flags.runs(kpf.BUDDY, kpf.BUDDY)
    size = np.uint64(1 << max_order)
    first, stop = runs.first, runs.first + runs.pages
    # A long run is a head up to the first block of the largest order, whole blocks of that order, and a tail.
    low = np.minimum((first + size - np.uint64(1)) // size * size, stop)
    high = np.maximum(stop // size * size, low)
    whole = ((high - low) // size).astype(np.int64)
    step = np.arange(int(whole.sum()), dtype=np.uint64) - np.repeat(np.cumsum(whole) - whole, whole).astype(np.uint64)
    pfns = [np.repeat(low, whole) + step * size]
    orders = [np.full(len(step), max_order, dtype=np.int8)]
    for begin, end in ((first, low), (high, stop)):
        pfn, left = begin.copy(), end - begin
        while (more := left > 0).any():
            pfn, left = pfn[more], left[more]
            order = np.minimum(np.minimum(_ctz(pfn), _log2(left)), max_order).astype(np.int8)
            pfns.append(pfn)
            orders.append(order)
            block = np.uint64(1) << order.astype(np.uint64)
            pfn, left = pfn + block, left - block
    all_pfns, all_orders = np.concatenate(pfns), np.concatenate(orders)
    ascending = np.argsort(all_pfns)
    return all_pfns[ascending], all_orders[ascending]


def _log2(values: Words) -> npt.NDArray[np.int64]:
    # frexp of a double is exact here: a run has less than 2**53 pages.
    return np.frexp(values.astype(np.float64))[1].astype(np.int64) - 1


def _ctz(values: Words) -> npt.NDArray[np.int64]:
    lowest = values & (~values + np.uint64(1))
    return np.where(values == 0, 63, _log2(np.maximum(lowest, np.uint64(1))))


def read_page_words(source: str | Path | bytes | BinaryIO, first_pfn: int = 0) -> PageWords:
    """Read /proc/kpageflags, kpagecount or kpagecgroup as it was copied: little-endian u64, one a pfn.

    Args:
        source: path, bytes or file object; plain files are memory-mapped, packed ones are unpacked into memory.
        first_pfn: pfn of the first word.

    Raises:
        UnusableInput: if the file cannot be read or holds less than one word.

    Source: fs/proc/page.c (6.1, 6.12, 7.2).

    >>> read_page_words(bytes(8) + b"\\x04" + bytes(7)).words.tolist()
    [0, 4]
    """
    opened = open_capture(source)
    return page_words(opened.data, opened.name, first_pfn)


def page_words(data: bytes | mmap.mmap, name: str = "", first_pfn: int = 0) -> PageWords:
    """The words in a file's bytes; a cut last word is counted in `tail`."""
    whole, tail = divmod(len(data), 8)
    if not whole:
        raise UnusableInput(f"{name or 'the capture'} holds {len(data)} bytes; expected 8 a page frame.")
    words = np.frombuffer(data, dtype="<u8", count=whole)
    return PageWords(words, first_pfn, name, tail)
