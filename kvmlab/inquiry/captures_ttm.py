"""TTM's blocks in captures: found by flags, stacks, page_owner or KPF bit 38; their orders, tails and lifetimes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kvmlab.capture.shelf import CaptureSet
from kvmlab.inquiry.captures import need_flags, need_trace
from kvmlab.kernel.events_signatures import TTM_FUNCTIONS, ttm_certainty
from kvmlab.kernel.gfp import gfp_text
from kvmlab.kernel.kpf import ARCH

if TYPE_CHECKING:
    import pandas as pd

    from kvmlab.capture.page_owner import PageOwner
    from kvmlab.capture.trace import Trace

_FREES = ("mm_page_free", "mm_page_free_direct", "mm_page_free_batched", "mm_pagevec_free")


def ttm_blocks(captures: CaptureSet, *, possible: bool = False) -> pd.DataFrame:
    """The blocks that TTM's page pool asked the page allocator for, in a trace of kmem:mm_page_alloc.

    Observed are order, migratetype, mask and stack; that they are TTM's is inferred, and `certainty` says from what:
    `stack` (a TTM function is in the stack), `signature` (nobody else is known to ask for blocks of this order with
    these flags) or `possible` (order 0, where others use the same flags). Blocks taken from a pool cause no event.

    Args:
        captures: the recorded files.
        possible: whether the `possible` ones are wanted too.

    Returns:
        line, t int64 (ns), cpu, pid int32, comm, pfn uint64, order int8, pages, tails int64, failed bool, certainty,
        gfp. A failed request has pfn 0 and no tails.

    Raises:
        MissingInput: if there is no trace with mm_page_alloc.
        UnknownRelease: if masks are raw numbers and the set's kernel is outside of the table of masks.
    """
    return ttm_blocks_of(need_trace(captures, "ttm_blocks"), possible=possible)


def ttm_blocks_of(trace: Trace, *, possible: bool = False) -> pd.DataFrame:
    """The same for one trace; arguments and columns as in `ttm_blocks`."""
    import numpy as np

    frame = trace.df_event("mm_page_alloc")
    names = ["line", "t", "cpu", "pid", "comm", "pfn", "order", "pages", "tails", "failed", "certainty", "gfp"]
    if not len(frame):
        return _empty(names)
    texts = _flag_names(frame["gfp"].cat.categories, trace.release)
    # Few combinations of order, type, mask and stack stand behind many events: each is judged once.
    keys = frame[["order", "mt", "stack"]].astype("int64").assign(gfp=frame["gfp"].cat.codes.astype("int64"))
    unique, inverse = np.unique(keys.to_numpy(), axis=0, return_inverse=True)
    judged = [
        ttm_certainty(order, mt, texts[gfp] if gfp >= 0 else "", trace.stack_of(stack))
        for order, mt, stack, gfp in unique.tolist()
    ]
    certainty = np.array([j or "" for j in judged], dtype=object)[inverse.reshape(-1)]
    wanted = (certainty != "") & (possible | (certainty != "possible"))
    frame = frame[wanted].assign(certainty=certainty[wanted])
    order = frame["order"].astype("int64")
    failed = frame["pfn"] == 0
    pages = (2 ** order.clip(0, 62)).where(~failed, 0)
    frame = frame.assign(
        failed=failed.astype(bool), pages=pages.astype("int64"), tails=(pages - 1).clip(lower=0).astype("int64")
    )
    types = {"pfn": "uint64", "order": "int8", "certainty": "category"}
    found: pd.DataFrame = frame[names].astype(types).reset_index(drop=True)
    return found


def _flag_names(texts: Iterable[str], release: str | None) -> list[str]:
    # Kernels with the enum bug print raw numbers; their names depend on the release.
    return [gfp_text(int(t, 16), release) if t.startswith("0x") and release is not None else t for t in texts]


def _empty(names: list[str]) -> pd.DataFrame:
    import pandas as pd

    types = {"t": "int64", "pfn": "uint64", "order": "int8", "pages": "int64", "tails": "int64", "failed": "bool"}
    return pd.DataFrame({name: pd.Series([], dtype=types.get(name, "object")) for name in names})


def ttm_blocks_owned(captures: CaptureSet) -> pd.DataFrame:
    """The live blocks of TTM's page pool in page_owner: pfn, order and so every tail, with who asked for it.

    A block is TTM's if a TTM function stands in its stack. Blocks that were split are listed page by page with order 0.

    Returns:
        pfn uint64, order int8, pages, tails int64, comm, pid Int64, ts Int64 (ns), stack.

    Raises:
        MissingInput: if the set has no page_owner.
    """
    owner: PageOwner = captures.need("page_owner", "ttm_blocks_owned()")[1].value
    frame = owner.df_page_owner()
    stacks = frame["stack"].cat.categories
    ttm = [any(part.split("+")[0] in TTM_FUNCTIONS for part in text.split(" < ")) for text in stacks]
    mine = frame["stack"].cat.codes.map(lambda code: code >= 0 and ttm[code]).astype(bool) & frame["pfn"].notna()
    found = frame[mine].assign(tails=lambda f: f["pages"] - 1)
    names = ["pfn", "order", "pages", "tails", "comm", "pid", "ts", "stack"]
    return found[names].astype({"pfn": "uint64"}).reset_index(drop=True)


def write_combined(captures: CaptureSet) -> pd.DataFrame:
    """The runs of page frames with KPF bit 38; `WC_CAVEAT` says what the bit does and does not mean.

    Returns:
        first, last (inclusive), pages uint64.

    Raises:
        MissingInput: if the set has no kpageflags.
    """
    runs = need_flags(captures, "write_combined").runs(ARCH, ARCH).df_runs()
    return runs[["first", "last", "pages"]]


def orders_over_time(captures: CaptureSet, *, bins: int = 60) -> pd.DataFrame:
    """The orders that TTM got from the page allocator, and how many of the pages were tails, by time.

    Args:
        captures: the recorded files.
        bins: number of time bins over the trace.

    Returns:
        One row a bin and order: t int64 (ns, begin of the bin), order int8, blocks, failed, pages, tails int64,
        tail_share float64 (tails / pages; NaN without pages).

    Raises:
        MissingInput: if there is no trace with mm_page_alloc.
        ValueError: if `bins` is below 1.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; expected 1 or more.")
    blocks = ttm_blocks_of(need_trace(captures, "orders_over_time"))
    names = ["t", "order", "blocks", "failed", "pages", "tails", "tail_share"]
    if not len(blocks):
        return _empty(names)
    low, high = int(blocks["t"].min()), int(blocks["t"].max())
    width = max((high - low) // bins + 1, 1)
    begin = (blocks["t"] - low) // width * width + low
    grouped = blocks.assign(t=begin, got=~blocks["failed"]).groupby(["t", "order"], sort=True)
    frame = grouped.agg(blocks=("got", "sum"), failed=("failed", "sum"), pages=("pages", "sum"), tails=("tails", "sum"))
    frame = frame.reset_index()
    share = frame["tails"] / frame["pages"].where(frame["pages"] > 0)
    return frame.assign(tail_share=share)[names].astype({"blocks": "int64", "failed": "int64"})


def lifetimes(captures: CaptureSet) -> pd.DataFrame:
    """How long each block that TTM got from the page allocator lived, from a trace of allocations and frees.

    A block lives until the next free of its first page, or until that page is allocated again (`reused`: the free was
    lost or not recorded). Blocks that go into a pool are not freed, so they seem to live on.

    Returns:
        pfn uint64, order int8, t int64 (ns), end Int64 (ns, <NA> if it lived at the end of the trace), ns Int64,
        how (`freed`, `reused` or `alive`), pid int32, comm.

    Raises:
        MissingInput: if there is no trace with mm_page_alloc.
    """
    import numpy as np
    import pandas as pd

    trace = need_trace(captures, "lifetimes")
    blocks = ttm_blocks_of(trace)
    blocks = blocks[~blocks["failed"]].reset_index(drop=True)
    after = trace.df_event("mm_page_alloc", *_FREES)
    after = after[after["pfn"].isin(blocks["pfn"].unique())]
    # Sorted by page and line, the event behind a block's own is the one that ends it, if it is of the same page.
    order = np.lexsort((after["line"].to_numpy(), after["pfn"].to_numpy(dtype=np.uint64)))
    after = after.iloc[order].reset_index(drop=True)
    place = pd.Series(after.index, index=after["line"].to_numpy()).reindex(blocks["line"]).to_numpy()
    nxt = np.minimum(place + 1, len(after) - 1)
    pfn = after["pfn"].to_numpy(dtype=np.uint64)
    ended = (place + 1 < len(after)) & (pfn[nxt] == blocks["pfn"].to_numpy())
    reused = (after["event"] == "mm_page_alloc").to_numpy()[nxt]
    end = pd.arrays.IntegerArray(after["t"].to_numpy()[nxt], ~ended)
    how = np.where(ended, np.where(reused, "reused", "freed"), "alive")
    frame = blocks[["pfn", "order", "t"]].assign(end=end, how=pd.Categorical(how))
    frame.insert(4, "ns", frame["end"] - frame["t"])
    return frame.assign(pid=blocks["pid"], comm=blocks["comm"].astype("str"))
