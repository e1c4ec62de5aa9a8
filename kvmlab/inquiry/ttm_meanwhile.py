"""What else happened while a buffer was filled, by the counters of the kernel that were printed around the call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kvmlab.capture.klttm import TtmRun

# Predictions are held to 2 % of a buffer's pages; what is less than half of that cannot be why they miss by more.
NEGLIGIBLE: Final = 0.01


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """Differences between the texts of /proc before and after one call of ttm_pool_alloc(), in pages.

    Args:
        pages: pages of the buffer.
        migrated: pages that compaction moved (pgmigrate_success).
        served: requests that compaction served (compact_success), in requests.
        reclaimed: pages that reclaim took from their owners (pgsteal_anon, pgsteal_file).
        foreign: pages that others got (pgalloc_* less the buffer's); below 0 where compaction handed blocks over to the
            buffer directly, which the kernel does not count.
        uncounted: pages that buddyinfo did not count before and that went into the buffer or to the free lists: from
            per-CPU lists, or freed meanwhile; below 0 where per-CPU lists took more than they gave.
    """

    pages: int
    migrated: int
    served: int
    reclaimed: int
    foreign: int
    uncounted: int

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the counts from before do not decide the buffer, one sentence each; empty if nothing speaks against."""
        limit = self.pages * NEGLIGIBLE
        said = []
        if self.migrated:
            said.append(f"Compaction moved {self.migrated} pages.")
        if self.served:
            said.append(f"Compaction served {self.served} requests.")
        if self.reclaimed:
            said.append(f"Reclaim took {self.reclaimed} pages.")
        if self.foreign > limit:
            said.append(f"Others got {self.foreign} pages.")
        elif -self.foreign > limit:
            said.append(f"Compaction handed {-self.foreign} pages over directly.")
        if self.uncounted > limit:
            said.append(f"{self.uncounted} pages came from per-CPU lists or were freed.")
        return tuple(said)

    @property
    def disturbed(self) -> bool:
        """Whether there is any such reason."""
        return bool(self.reasons)


def meanwhile(run: TtmRun) -> Meanwhile | None:
    """Compare the texts around the only buffer of a listing.

    Args:
        run: a listing with buddyinfo and vmstat before and after one buffer (`kl ttmcounts`).

    Returns:
        None if the listing holds no such pair of texts.

    Source: where mm/compaction.c, mm/page_alloc.c and mm/vmscan.c of 6.1.192, 6.12.117 and 7.3.4 count these events.
    """
    events, free = dict(run.vmstat), dict(run.buddyinfo)
    if len(run.buffers) != 1 or not {0, 1} <= events.keys() & free.keys():
        return None
    before, after = events[0].values, events[1].values
    pages = sum(block.pages for block in run.buffers[0].blocks)
    counted = [sum(row.free_pages for row in free[k].rows) for k in (0, 1)]
    allocated = [name for name in after if name.startswith("pgalloc_")]
    return Meanwhile(
        pages,
        _grown(before, after, "pgmigrate_success"),
        _grown(before, after, "compact_success"),
        _grown(before, after, "pgsteal_anon", "pgsteal_file"),
        _grown(before, after, *allocated) - pages,
        counted[1] - counted[0] + pages,
    )


def _grown(before: Mapping[str, int], after: Mapping[str, int], *names: str) -> int:
    """By how much counters grew together; one that a kernel lacks did not grow."""
    return sum(after.get(name, 0) - before.get(name, 0) for name in names)
