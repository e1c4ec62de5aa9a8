"""Memory as a machine leaves it that has run for a while: filled, then freed in clusters, from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvmlab.memory import buddy_state as at
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.buddy_pages import BuddyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ageing:
    """How a machine is aged: everything is allocated, then blocks are freed until a share of memory is free.

    Args:
        free_share: share of the managed pages that is free in the end, 0 to 1.
        cluster: blocks that are freed together, in the order of their allocation: 1 scatters the free pages as much as
            single pages can be, large numbers leave large free areas.
        unmovable, reclaimable: shares of the allocated pages that are kernel memory; the rest is user memory and page
            cache, which is movable.
        single: share of the allocated pages that come as single pages; the rest has orders 1 to 3 (kernel) or 1 to 9.
        drained: whether the per-CPU lists are given back in the end, so that the free lists hold everything.
        seed: of all draws.
    """

    free_share: float = 0.5
    cluster: int = 64
    unmovable: float = 0.15
    reclaimable: float = 0.05
    single: float = 0.8
    drained: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        shares = (self.free_share, self.unmovable, self.reclaimable, self.single, self.unmovable + self.reclaimable)
        if not all(0 <= share <= 1 for share in shares) or self.cluster < 1 or self.seed < 0:
            raise BuddyError(
                "shares lie between 0 and 1, a cluster has at least one block, and a seed is not negative."
            )


def age(buddy: Buddy, ageing: Ageing) -> Buddy:
    """An aged copy of a machine, the same for the same seed.

    Args:
        buddy: a machine, usually fresh; it is not changed.
        ageing: how.

    >>> b = age(Buddy.fresh("16MiB", engine="python"), Ageing(free_share=0.25, cluster=4))
    >>> 0.2 < b.free_pages / b.managed_pages < 0.3
    True
    """
    import numpy as np

    out = buddy.copy()
    rng = np.random.default_rng(ageing.seed)
    index, order = _fill(out, ageing, rng)
    keep = _kept(order, ageing, out.managed_pages, rng)
    freed = ~keep
    # Frees come in the order of the clusters' ages, not of the pfns.
    clusters = np.flatnonzero(freed) // ageing.cluster
    rank = rng.permutation(int(clusters.max()) + 1 if len(clusters) else 1)
    ranked = np.flatnonzero(freed)[np.argsort(rank[clusters], kind="stable")]
    out.engine.free_many(out.state, index[ranked], order[ranked], 0)
    if ageing.drained:
        out.drain_all()
    return out


def _fill(buddy: Buddy, ageing: Ageing, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Allocate until nothing is left; returns the blocks' indices and orders in the order of allocation."""
    import numpy as np

    indices: list[NDArray[np.int64]] = []
    orders: list[NDArray[np.int64]] = []
    line = at.NR_KINDS - 1
    while True:
        count = max(min(buddy.free_pages, 1 << 20), 256)
        order, mt = _requests(ageing, count, rng)
        flags = np.where(mt == 1, at.F_LRU, 0)
        got = np.empty(count, dtype=np.int64)
        done = int(buddy.engine.alloc_many(buddy.state, line, order, mt, flags, 0, got))
        indices.append(got[:done])
        orders.append(order[:done])
        if done == count:
            continue
        # What is left is too small for this block: fill the rest with single pages.
        rest = buddy.free_pages + buddy.pcp_pages
        if not rest:
            break
        zero = np.zeros(rest, dtype=np.int64)
        movable = np.ones(rest, dtype=np.int64)
        got = np.empty(rest, dtype=np.int64)
        done = int(buddy.engine.alloc_many(buddy.state, line, zero, movable, movable * at.F_LRU, 0, got))
        indices.append(got[:done])
        orders.append(zero[:done])
        break
    return np.concatenate(indices), np.concatenate(orders)


def _requests(ageing: Ageing, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Orders and migratetypes of a row of requests; consecutive ones are of one kind, as those of one process are."""
    import numpy as np

    runs = count // 32 + 1
    kind = rng.random(runs)
    mt = np.where(kind < ageing.unmovable, 0, np.where(kind < ageing.unmovable + ageing.reclaimable, 2, 1))
    mt = np.repeat(mt, 32)[:count]
    kernel = rng.choice(np.array([1, 2, 3]), count, p=[0.6, 0.25, 0.15])
    user = rng.choice(np.array([1, 2, 3, 4, 9]), count, p=[0.3, 0.3, 0.2, 0.19, 0.01])
    order = np.where(mt == 1, user, kernel)
    # The share of pages in single pages, turned into a share of requests.
    mean = float((1 << order).mean())
    ones = ageing.single * mean / (ageing.single * mean + (1 - ageing.single)) if ageing.single < 1 else 1.0
    order = np.where(rng.random(count) < ones, 0, order)
    return order.astype(np.int64), mt.astype(np.int64)


def _kept(order: NDArray[np.int64], ageing: Ageing, managed: int, rng: np.random.Generator) -> NDArray[Any]:
    """Which blocks stay allocated: whole clusters are freed, in random order, until enough pages are free."""
    import numpy as np

    cluster = np.arange(len(order)) // ageing.cluster
    pages = np.bincount(cluster, weights=(np.int64(1) << order).astype(float)).astype(np.int64)
    draw = rng.permutation(len(pages))
    wanted = round(ageing.free_share * managed)
    enough = int(np.searchsorted(np.cumsum(pages[draw]), wanted, side="right"))
    keep_cluster = np.ones(len(pages), dtype=bool)
    keep_cluster[draw[:enough]] = False
    return keep_cluster[cluster]
