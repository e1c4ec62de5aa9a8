"""Buffers before which the lab wrote the page allocator down, predicted from as much of that as is asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

from kvmlab.capture.buddyinfo import Buddyinfo, BuddyRow
from kvmlab.capture.free_lists import FreeLists
from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.pagetypeinfo import FreeRow, Pagetypeinfo
from kvmlab.capture.shelf import CaptureSet
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.ttm_capture import build_state
from kvmlab.inquiry.ttm_predict import BufferPrediction, predict_buffer
from kvmlab.memory.buddy_state import NR_ORDERS
from kvmlab.memory.migratetype import PRINTED
from kvmlab.memory.ttm import TtmPool

# What a prediction may know, from most to least.
KNOWN: Final = {
    "lists": "the free lists in their order, with the per-CPU lists, when the buffer was asked for",
    "sums": "how many free blocks of each order and type there were when the buffer was asked for",
    "frames": "kpageflags, read before the programs ran that ask for the buffer",
    "files": "buddyinfo and pagetypeinfo, read before the programs ran that ask for the buffer",
}
_FILES: Final = {
    "lists": ("free_lists", "pagetypeinfo", "zoneinfo"),
    "sums": ("pagetypeinfo", "zoneinfo"),
    "frames": ("kpageflags", "buddyinfo", "pagetypeinfo", "zoneinfo"),
    "files": ("buddyinfo", "pagetypeinfo", "zoneinfo"),
}


def predict_listed(
    captures: CaptureSet,
    *,
    release: str | None = None,
    known: str = "lists",
    drain: bool = False,
    folders: Collection[str] | None = None,
) -> dict[str, BufferPrediction]:
    """Predict every buffer before which the lab's module wrote the free lists down.

    The lists are the allocator's own, in their order, with the per-CPU lists, taken on the CPU that asked next. So
    nothing is assumed but that nobody else changed them while the buffer was being filled, that reclaim freed
    nothing, and that compaction moved nothing. With less known the positions of blocks are invented, their numbers not.

    Args:
        captures: a run of the lab; in every folder with a `free_lists` file the buffer's listing is expected beside it.
        release: kernel release; None for what the captures say.
        known: what the prediction may use, one of `KNOWN`.
        drain: whether direct reclaim drained the per-CPU lists of every request that got that far (`Buddy`).
        folders: predict only these; None for all.

    Returns:
        The prediction of each folder.

    Raises:
        MissingInput: no folder holds both.
        UnusableInput: `known` is none of these, or the release is not said.
    """
    if known not in KNOWN:
        raise UnusableInput(f"a prediction cannot know {known[:40]!r}; expected {', '.join(KNOWN)}.")
    out = {}
    for folder, paths in _folders(captures).items():
        if folders is not None and folder not in folders:
            continue
        files = {kind: captures.read(paths[kind]).value for kind in _FILES[known] if kind in paths}
        lists: FreeLists = files.get("free_lists") or captures.read(paths["free_lists"]).value
        if known == "sums":
            files |= sums_of_lists(lists, files.get("pagetypeinfo"))
        name = release or captures.release
        if name is None:
            raise UnusableInput(f"{captures.name} does not say which kernel it was recorded on; name the release.")
        buddy = build_state(files, release=name, watermarks=True, drain=drain, engine="python").buddy
        recorded = captures.read(paths["ttm_run"]).value.buffers[0]
        cpu = min(max(lists.cpu or 0, 0), buddy.cpus - 1)
        out[folder] = predict_buffer(TtmPool(buddy), 0, recorded, None, True, cpu=cpu)
    if not out and folders is None:
        raise MissingInput(f"{captures.name} has no folder with the allocator's lists and a buffer's listing.")
    return out


def drained_blocks(captures: CaptureSet) -> dict[str, int]:
    """How many blocks left per-CPU lists for the free lists while a buffer was filled, by folder, where it was traced.

    Filling a buffer drains nothing: a drain says that compaction, reclaim or another task was at work meanwhile.

    Args:
        captures: a run of the lab.
    """
    out = {}
    for folder, paths in _folders(captures).items():
        if "trace" in paths:
            out[folder] = int(captures.read(paths["trace"]).value.events.get("mm_page_pcpu_drain", 0))
    return out


def _folders(captures: CaptureSet) -> dict[str, dict[str, str]]:
    """The folders with free lists and a listing, and in each the first file of every kind."""
    found: dict[str, dict[str, str]] = {}
    for kind, paths in captures.kinds().items():
        for path in sorted(paths):
            found.setdefault(path.rpartition("/")[0], {}).setdefault(kind, path)
    return {folder: kinds for folder, kinds in sorted(found.items()) if {"free_lists", "ttm_run"} <= set(kinds)}


def sums_of_lists(lists: FreeLists, types: Pagetypeinfo | None) -> dict[str, Any]:
    """What /proc/buddyinfo and /proc/pagetypeinfo would have said when the lists were taken.

    Args:
        lists: the free lists.
        types: a pagetypeinfo of the same machine, for the types of the pageblocks; None if there is none.

    Returns:
        `buddyinfo` and `pagetypeinfo`, as their readers return them.
    """
    counts = {(x.zone, x.migratetype, x.order): len(x.pfns) for x in lists.lists if x.cpu is None}
    node = lists.node or 0
    rows = [
        FreeRow(
            node,
            zone.zone,
            name,
            tuple(counts.get((zone.zone, name, order), 0) for order in range(NR_ORDERS)),
            (False,) * NR_ORDERS,
            zone_line,
        )
        for zone_line, zone in enumerate(lists.zones)
        for name in PRINTED
    ]
    totals = tuple(
        BuddyRow(node, z.zone, tuple(map(sum, zip(*(r.nr_free for r in rows if r.zone == z.zone), strict=True))), 0)
        for z in lists.zones
    )
    known = Pagetypeinfo(None, None, (), ()) if types is None else types
    return {"buddyinfo": Buddyinfo(totals), "pagetypeinfo": replace(known, free=tuple(rows))}
