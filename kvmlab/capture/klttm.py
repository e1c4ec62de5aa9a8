"""What the lab's programs print about ttm_pool_alloc(): page by page, or block by block, with the states around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvmlab.capture.buddyinfo import Buddyinfo, parse_buddyinfo
from kvmlab.capture.counters import Counters
from kvmlab.capture.klttm_texts import Texts, starts_text
from kvmlab.capture.malformed import Malformed, hex_u64, numbered
from kvmlab.capture.pagetypeinfo import Pagetypeinfo
from kvmlab.capture.ttm_pool import PagePool, parse_page_pool
from kvmlab.capture.zoneinfo import Zoneinfo

if TYPE_CHECKING:
    import pandas as pd

ALLOC = re.compile(
    r"# ttm_pool_alloc npages=([0-9]{1,9}) caching=([0-9]) page_flags=(0x[0-9a-f]{1,8}|0)"
    r" ioctl=(-?[0-9]{1,9}) ret=(-?[0-9]{1,9}) us=([0-9]{1,18})$"
)
_FREE = re.compile(r"# ttm_pool_free npages=([0-9]{1,9}) us=([0-9]{1,18})$")
_PAGE = re.compile(
    r"([0-9]{1,9}) pfn=(0x[0-9a-f]{1,16}|0) refcount=(-?[0-9]{1,10}) page_count=(-?[0-9]{1,10})"
    r" mapcount_raw=(-?[0-9]{1,10}) compound=([01]) reserved=([01]) lru=([01])"
    r" private=(0x[0-9a-f]{1,16}|0) head=(0x[0-9a-f]{1,16}|0)$"
)
_BLOCK = re.compile(r"block index=([0-9]{1,9}) pfn=(0x[0-9a-f]{1,16}|0) order=([0-9]{1,2}) refcount=(-?[0-9]{1,10})$")
_SUMMARY = re.compile(r"# blocks=([0-9]{1,9}) pages=([0-9]{1,9}) refcount0=([0-9]{1,9}) irregular=([0-9]{1,9})$")
_FRAGMENTED = re.compile(r"# fragmented: stride_order=([0-9]{1,3}) kept=([0-9]{1,12})$")
_BUDDY = re.compile(r"Node +[0-9]{1,5}, +zone +\S{1,32} +[0-9]")
_POOL = re.compile(r"\s*--- ?[0-9]|(?:wc|uc)(?: 32)?\s*:|total(?: node[0-9]{1,5})?\s*:|DMA(?: wc| uc)?\s*:")

CACHING = {0: "uncached", 1: "write_combined", 2: "cached"}


@dataclass(frozen=True, slots=True)
class TtmBlock:
    """One block of a buffer: index of its first page in the buffer, pfn of that page, order, refcounts by page."""

    index: int
    pfn: int
    order: int
    refcounts: tuple[int, ...]

    @property
    def pages(self) -> int:
        """Pages of the block."""
        return 1 << self.order


@dataclass(frozen=True, slots=True)
class TtmBuffer:
    """One call of ttm_pool_alloc() and what it gave.

    Args:
        line: number of its line.
        npages: pages asked for.
        caching: 0 uncached, 1 write-combined, 2 cached (enum ttm_caching).
        ret: what ttm_pool_alloc() returned.
        us: how long it took, in microseconds of the emulated machine: says nothing about hardware.
        blocks: its blocks, in the order of the page vector.
        irregular: pages that contradict the block that they stand in (wrong pfn or private), or that the program found
            to contradict it.
        counted_tails: pages with refcount 0 as the program counted them; None in a listing of all pages.
    """

    line: int
    npages: int
    caching: int
    ret: int
    us: int
    blocks: tuple[TtmBlock, ...]
    irregular: int = 0
    counted_tails: int | None = None

    @property
    def orders(self) -> tuple[int, ...]:
        """The orders of the blocks, in the order of the page vector."""
        return tuple(block.order for block in self.blocks)

    @property
    def tails(self) -> int:
        """Pages with refcount 0: those that a KVM before 6.13 refuses."""
        if self.counted_tails is not None:
            return self.counted_tails
        return sum(count == 0 for block in self.blocks for count in block.refcounts)


@dataclass(frozen=True, slots=True)
class TtmRun:
    """All that one listing holds, in the order of the text.

    Args:
        buffers: the allocations.
        buddyinfo: each /proc/buddyinfo in it, with the number of buffers that were allocated before it.
        page_pool: each page_pool in it, with the number of buffers that were allocated before it.
        stride_order: memory was broken up by keeping each 2^stride_order-th frame; None if it was not.
        kept: frames that were kept.
        malformed: the lines that are none of these.
        pagetypeinfo, zoneinfo, vmstat: as buddyinfo.
    """

    buffers: tuple[TtmBuffer, ...]
    buddyinfo: tuple[tuple[int, Buddyinfo], ...] = ()
    page_pool: tuple[tuple[int, PagePool], ...] = ()
    stride_order: int | None = None
    kept: int | None = None
    malformed: tuple[Malformed, ...] = ()
    pagetypeinfo: tuple[tuple[int, Pagetypeinfo], ...] = ()
    zoneinfo: tuple[tuple[int, Zoneinfo], ...] = ()
    vmstat: tuple[tuple[int, Counters], ...] = ()

    def df_blocks(self) -> pd.DataFrame:
        """One row a block: buffer, npages, caching, index, pfn uint64, order int8, pages, tails int64."""
        import pandas as pd

        cells = [
            (
                k,
                b.npages,
                CACHING.get(b.caching, str(b.caching)),
                x.index,
                x.pfn,
                x.order,
                x.pages,
                _tails(x),
            )
            for k, b in enumerate(self.buffers)
            for x in b.blocks
        ]
        names = ["buffer", "npages", "caching", "index", "pfn", "order", "pages", "tails"]
        frame = pd.DataFrame(cells, columns=names)
        types = {"buffer": "int32", "npages": "int64", "caching": "category", "index": "int64", "pfn": "uint64"}
        return frame.astype(types | {"order": "int8", "pages": "int64", "tails": "int64"})


def _tails(block: TtmBlock) -> int:
    # A block listing has the first page's count only; the program checked that the others are 0.
    return block.refcounts.count(0) if len(block.refcounts) > 1 else block.pages - 1


@dataclass(slots=True)
class _Open:
    """An allocation while its pages are being read."""

    line: int
    npages: int
    caching: int
    ret: int
    us: int
    # pfn, order and refcounts of each block so far; index of its first page.
    blocks: list[tuple[int, int, int, list[int]]]
    pages: int = 0
    irregular: int = 0
    counted: int | None = None

    def page(self, index: int, pfn: int, refcount: int, private: int) -> None:
        if index != self.pages:
            self.irregular += 1
        self.pages += 1
        if self.blocks:
            first, start, order, counts = self.blocks[-1]
            if len(counts) < 1 << order:
                self.irregular += pfn != start + index - first or private != 0
                counts.append(refcount)
                return
        order = private if private < 32 else 0
        self.irregular += pfn % (1 << order) != 0
        self.blocks.append((index, pfn, order, [refcount]))

    def close(self) -> TtmBuffer:
        blocks = tuple(TtmBlock(i, pfn, order, tuple(counts)) for i, pfn, order, counts in self.blocks)
        cut = sum(len(b.refcounts) not in (b.pages, 1) for b in blocks)
        return TtmBuffer(
            self.line, self.npages, self.caching, self.ret, self.us, blocks, self.irregular + cut, self.counted
        )


def parse_ttm_run(text: str | bytes) -> TtmRun:
    """Read the listings of `kl ttm`, `ttmseq`, `ttmblocks` and `ttmcounts`, with the /proc and debugfs texts in them.

    A block listing (`kl ttmblocks`) has the refcount of each first page only; the counts of the other pages are in
    its summary, which the program checked in the kernel.

    Args:
        text: the file.

    >>> text = "# ttm_pool_alloc npages=2 caching=2 page_flags=0 ioctl=0 ret=0 us=7\\n"
    >>> page = "{} pfn={} refcount={} page_count=0 mapcount_raw=-1 compound=0 reserved=0 lru=0 private={} head=0x8\\n"
    >>> run = parse_ttm_run(text + page.format(0, "0x8", 1, "0x1") + page.format(1, "0x9", 0, "0"))
    >>> run.buffers[0].orders, run.buffers[0].tails, run.buffers[0].irregular
    ((1,), 1, 0)
    """
    buffers: list[TtmBuffer] = []
    malformed: list[Malformed] = []
    buddy: list[tuple[int, list[str]]] = []
    pools: list[tuple[int, list[str]]] = []
    stride = kept = None
    now: _Open | None = None
    in_buddy = in_pool = False
    texts = Texts()
    for number, line in numbered(text):
        plain = line.strip()
        was_buddy, was_pool, in_buddy, in_pool = in_buddy, in_pool, False, False
        if texts.takes(number, line):
            continue
        if (what := starts_text(plain)) is not None:
            texts.begin(what, len(buffers) + (now is not None))
        elif found := _PAGE.match(plain):
            pfn, private = hex_u64(found[2]), hex_u64(found[9])
            if now is None or pfn is None or private is None:
                malformed.append(Malformed(number, line, "expected `# ttm_pool_alloc ...` before the first page."))
            else:
                now.page(int(found[1]), pfn, int(found[3]), private)
        elif (found := _BLOCK.match(plain)) and now is not None and (pfn := hex_u64(found[2])) is not None:
            now.blocks.append((int(found[1]), pfn, int(found[3]), [int(found[4])]))
        elif found := ALLOC.match(plain):
            if now is not None:
                buffers.append(now.close())
            now = _Open(number, int(found[1]), int(found[2]), int(found[5]), int(found[6]), [])
        elif _BUDDY.match(plain):
            if not was_buddy:
                buddy.append((len(buffers) + (now is not None), []))
            buddy[-1][1].append(plain)
            in_buddy = True
        elif _POOL.match(line):
            if not was_pool:
                pools.append((len(buffers) + (now is not None), []))
            pools[-1][1].append(line)
            in_pool = True
        elif (found := _SUMMARY.match(plain)) and now is not None:
            now.counted, now.irregular = int(found[3]), now.irregular + int(found[4])
        elif found := _FRAGMENTED.match(plain):
            stride, kept = int(found[1]), int(found[2])
        elif not plain:
            in_pool = was_pool
        elif not (_FREE.match(plain) or plain.startswith("## ")):
            malformed.append(Malformed(number, line, "expected a line of `kl ttm`, `kl ttmseq` or `kl ttmblocks`."))
    if now is not None:
        buffers.append(now.close())
    texts.close()
    return TtmRun(
        tuple(buffers),
        tuple((k, parse_buddyinfo("\n".join(lines))) for k, lines in buddy),
        tuple((k, parse_page_pool("\n".join(lines))) for k, lines in pools),
        stride,
        kept,
        (*malformed, *texts.malformed),
        texts.pagetypeinfo,
        texts.zoneinfo,
        texts.vmstat,
    )
