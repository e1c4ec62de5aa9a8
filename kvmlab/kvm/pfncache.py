"""v11's pfn cache: its retry loop keeps the page of an earlier turn, so a later turn puts a page that it never got."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kvmlab.memory.ledger import PFN_CACHE, Entry, Ledger

if TYPE_CHECKING:
    import pandas as pd

REFCOUNTED, TAIL = 0, 1
"""The driver's first page, which has a reference of its own, and the tail that it maps instead later."""


@dataclass(frozen=True, slots=True)
class CacheState:
    """A driver that exchanges a counted page for a tail, and a gfn_to_pfn_cache that is being filled.

    Args:
        counts: `_refcount` of the counted page and of the tail.
        mapped: which of the two the PTE maps, None in between.
        moves: steps that the driver has taken.
        turn: where the cache is: `look up`, `check`, `done` or `refused`.
        stale: whether an invalidation has ended since its look-up.
        found: what the look-up found.
        remembered: the refcounted page that the loop remembers, None if none.
    """

    counts: tuple[int, int] = (1, 0)
    mapped: int | None = REFCOUNTED
    moves: int = 0
    turn: str = "look up"
    stale: bool = False
    found: int | None = None
    remembered: int | None = None


@dataclass(frozen=True, slots=True)
class CacheStep:
    """One step: who, what, and the state after it."""

    actor: str
    action: str
    state: CacheState


def _count(state: CacheState, page: int, change: int, ledger: Ledger | None) -> CacheState:
    counts = list(state.counts)
    counts[page] += change
    if ledger is not None:
        (ledger.get if change > 0 else ledger.put)(page, PFN_CACHE, counts[page])
    return replace(state, counts=(counts[0], counts[1]))


def cache_steps(state: CacheState, *, resets: bool, ledger: Ledger | None = None) -> Iterator[CacheStep]:
    """The steps that a state allows: the driver's next move, and the cache's.

    Args:
        state: the state.
        resets: whether each turn of the loop forgets the page of the one before (v11 does not).
        ledger: the book of this run.

    Source: the retry loop of hva_to_pfn_retry() as patch 4 of v11 leaves it; inferred from the patch, not seen to fail.
    """
    if state.moves == 0:
        yield CacheStep("driver", "unmap the counted page", replace(state, mapped=None, moves=1, stale=True))
    elif state.moves == 1:
        yield CacheStep("driver", "map the tail", replace(state, mapped=TAIL, moves=2))
    if state.turn == "look up" and state.mapped is not None:
        fresh = replace(state, turn="check", stale=False, found=state.mapped)
        if resets:
            fresh = replace(fresh, remembered=None)
        if state.mapped == REFCOUNTED:
            yield CacheStep("pfn cache", "look up: counted, takes a reference",
                            replace(_count(fresh, REFCOUNTED, +1, ledger), remembered=REFCOUNTED))  # fmt: skip
        elif fresh.remembered is None:
            yield CacheStep("pfn cache", "look up: not counted, refused", replace(fresh, turn="refused"))
        else:
            yield CacheStep("pfn cache", "look up: not counted, but a page is remembered", fresh)
    elif state.turn == "check" and state.found is not None:
        # Either way the loop puts the page of the pfn that it has just found: the cache is guarded by the notifier.
        put = _count(state, state.found, -1, ledger)
        if state.stale:
            yield CacheStep("pfn cache", "stale: put and look up again", replace(put, turn="look up", stale=False))
        else:
            yield CacheStep("pfn cache", "valid: put", replace(put, turn="done"))


def shortest_underflow(*, resets: bool) -> tuple[CacheStep, ...] | None:
    """The shortest way to a count below 0, None if there is none.

    Args:
        resets: whether each turn forgets the page of the one before.

    >>> len(shortest_underflow(resets=False)), shortest_underflow(resets=True)
    (6, None)
    """
    first = CacheState()
    paths: dict[CacheState, tuple[CacheStep, ...]] = {first: ()}
    queue = [first]
    for state in queue:
        for step in cache_steps(state, resets=resets):
            if step.state in paths:
                continue
            paths[step.state] = (*paths[state], step)
            if min(step.state.counts) < 0:
                return paths[step.state]
            queue.append(step.state)
    return None


def replay_underflow() -> tuple[tuple[CacheStep, ...], tuple[Entry, ...]]:
    """The shortest way again, with the ledger open: its last entry is the put of nobody's reference."""
    path = shortest_underflow(resets=False) or ()
    ledger, state, taken = Ledger(), CacheState(), []
    for number, wanted in enumerate(path, start=1):
        for step in cache_steps(state, resets=False):
            if step == wanted:
                ledger.step = number
                # Taken again alone, so that the book holds this step and not its alternatives.
                next(s for s in cache_steps(state, resets=False, ledger=_only(ledger, step)) if s == step)
                taken.append(step)
                state = step.state
                break
    return tuple(taken), tuple(ledger.entries)


def _only(ledger: Ledger, step: CacheStep) -> Ledger | None:
    """The ledger for the cache's own steps; the driver's moves change no count here."""
    return ledger if step.actor == "pfn cache" else None


def df_underflow() -> pd.DataFrame:
    """The shortest way to a count below 0 as a table.

    Returns:
        step, actor, action, counted_page and tail (`_refcount` after the step), remembered (which page the loop
        remembers), stray (whether the step drops a reference that the cache does not hold).
    """
    import pandas as pd

    steps, entries = replay_underflow()
    stray = {entry.step for entry in entries if entry.stray}
    names = {None: "none", REFCOUNTED: "the counted page", TAIL: "the tail"}
    rows = [
        (n, step.actor, step.action, *step.state.counts, names[step.state.remembered], n in stray)
        for n, step in enumerate(steps, start=1)
    ]
    return pd.DataFrame(rows, columns=["step", "actor", "action", "counted_page", "tail", "remembered", "stray"])
