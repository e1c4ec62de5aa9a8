"""A trace or page_owner as the event log that captures and simulations share (kernel.events)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kvmlab.capture.page_owner import PageOwner
from kvmlab.capture.trace import Trace
from kvmlab.kernel.events import EVENT_DTYPES, Op
from kvmlab.kernel.gfp import GfpError, gfp_mask

if TYPE_CHECKING:
    import pandas as pd

_OPS = {
    "mm_page_alloc": Op.ALLOC_SYS,
    "mm_page_free": Op.FREE_SYS,
    "mm_page_free_direct": Op.FREE_SYS,
    "mm_page_free_batched": Op.FREE_SYS,
    "mm_pagevec_free": Op.FREE_SYS,
    "mm_page_alloc_zone_locked": Op.PCP_REFILL,
    "mm_page_pcpu_drain": Op.PCP_DRAIN,
    "mm_page_alloc_extfrag": Op.CLAIM,
}
_SKIP = 255
# Migratetypes by the names that page_owner prints; the first four have the same number in every covered release.
_TYPES = {"Unmovable": 0, "Movable": 1, "Reclaimable": 2, "HighAtomic": 3}


def empty_log() -> pd.DataFrame:
    """An event log without rows, with the columns and dtypes of `EVENT_DTYPES`."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in EVENT_DTYPES.items()})


def gfp_masks(texts: Any, release: str | None) -> dict[str, int]:
    """The masks of allocation flag texts; raw numbers need no release, names do; 0 where it cannot be told.

    Args:
        texts: the texts as printed, `GFP_HIGHUSER|__GFP_ZERO` or `0x140cca`.
        release: the kernel that printed them.

    Raises:
        UnknownRelease: if the release is outside of the table of masks.

    >>> gfp_masks(["0x140cca", "GFP_KERNEL"], None)
    {'0x140cca': 1313994, 'GFP_KERNEL': 0}
    """
    masks: dict[str, int] = {}
    for text in texts:
        if text.startswith("0x"):
            masks[text] = int(text, 16) & 0xFFFFFFFF
            continue
        try:
            masks[text] = 0 if release is None else gfp_mask(text, release)
        except GfpError:
            masks[text] = 0
    return masks


def df_event_log(trace: Trace, *, release: str | None = None) -> pd.DataFrame:
    """The page allocator events of a trace in the shared schema.

    A failed allocation is `FAIL` with pfn 0. mm_page_free_batched repeats what mm_page_free says and is left out
    where both were recorded. mm_page_alloc_zone_locked counts only with `percpu_refill=1`: otherwise it is the inner
    half of an mm_page_alloc. `order` of a CLAIM is the order of the block that was claimed.

    Args:
        trace: the trace.
        release: the kernel, for the masks of printed flag names; the trace's own if None.

    Returns:
        Columns `EVENT_DTYPES`; pool, bo, zone and nid are -1: a trace does not hold them.

    Raises:
        UnknownRelease: if the release is outside of the table of masks.
    """
    import pandas as pd

    frame = trace.df_kmem()
    if not len(frame):
        return empty_log()
    names = list(frame["event"].cat.categories)
    skipped = {"mm_page_free_batched", "mm_pagevec_free"} if "mm_page_free" in names else set()
    by_name = np.array([_SKIP if name in skipped else _OPS.get(name, _SKIP) for name in names], dtype=np.uint8)
    op = by_name[frame["event"].cat.codes.to_numpy()]
    if "percpu_refill" in frame:
        op[(op == Op.PCP_REFILL) & (frame["percpu_refill"].fillna(0) == 0).to_numpy()] = _SKIP
    frame, op = frame[op != _SKIP], op[op != _SKIP]
    pfn = frame["pfn"].to_numpy(dtype=np.uint64)
    op = np.where((op == Op.ALLOC_SYS) & (pfn == 0), np.uint8(Op.FAIL), op)
    order = frame["order"].to_numpy(dtype=np.int64)
    if "fallback_order" in frame:
        claimed = frame["fallback_order"].fillna(-1).to_numpy(dtype=np.int64)
        order = np.where(op == Op.CLAIM, claimed, order)
    gfp = np.zeros(len(frame), dtype=np.uint32)
    if "gfp" in frame:
        texts = frame["gfp"].cat.categories.astype(str)
        masks = gfp_masks(texts, release or trace.release)
        by_code = np.array([*(masks[t] for t in texts), 0], dtype=np.uint32)
        gfp = by_code[frame["gfp"].cat.codes.to_numpy()]
    none = np.full(len(frame), -1)
    mt = frame["mt"].fillna(-1).to_numpy(dtype=np.int64) if "mt" in frame else none
    columns = {
        "t": frame["t"].to_numpy(),
        "op": op,
        "pfn": pfn,
        "order": np.clip(order, -1, 127),
        "pool": none,
        "bo": none,
        "mt": np.clip(mt, -1, 127),
        "zone": none,
        "nid": none,
        "cpu": frame["cpu"].to_numpy(),
        "gfp": gfp,
        "src": pd.Categorical([trace.src] * len(frame)),
    }
    return pd.DataFrame(columns).astype({k: v for k, v in EVENT_DTYPES.items() if k != "src"})


def df_owner_log(owner: PageOwner) -> pd.DataFrame:
    """The live blocks of page_owner as allocations in the shared schema, in the order of their time.

    Blocks without a pfn (sorted output) are left out; `t` is -1 where the era prints no time.

    Args:
        owner: what was read.

    Returns:
        Columns `EVENT_DTYPES`; every `op` is ALLOC_SYS; cpu, pool, bo, zone and nid are -1, page_owner lacks them.
    """
    import pandas as pd

    rows = [r for r in owner.records if r.pfn is not None]
    if not rows:
        return empty_log()
    frame = pd.DataFrame(
        {
            "t": [-1 if r.ts is None else min(r.ts, (1 << 63) - 1) for r in rows],
            "op": int(Op.ALLOC_SYS),
            "pfn": np.array([r.pfn for r in rows], dtype=np.uint64),
            "order": [r.order for r in rows],
            "pool": -1,
            "bo": -1,
            "mt": [_TYPES.get(r.migratetype or "", -1) for r in rows],
            "zone": -1,
            "nid": -1,
            "cpu": -1,
            "gfp": [r.gfp for r in rows],
            "src": "page_owner",
        }
    )
    return frame.astype(EVENT_DTYPES).sort_values("t", kind="stable", ignore_index=True)
