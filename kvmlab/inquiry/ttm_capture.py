"""The page allocator of a recorded machine: from the files of /proc that a capture holds to `kvmlab.memory.Buddy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kvmlab.capture.buddyinfo import Buddyinfo, BuddyRow
from kvmlab.capture.iomem import Iomem
from kvmlab.capture.kpage import PageWords, free_blocks
from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.pagetypeinfo import Pagetypeinfo
from kvmlab.capture.shelf import CaptureSet, open_captures
from kvmlab.capture.zoneinfo import Zoneinfo
from kvmlab.errors import UnusableInput
from kvmlab.memory.buddy_capture import CapturedState, buddy_from_capture
from kvmlab.memory.buddy_captured import CapturedList, CapturedZone
from kvmlab.memory.buddy_state import NR_ORDERS
from kvmlab.memory.migratetype import migratetype
from kvmlab.memory.zone import DMA32_END, DMA_END, ZONE_NAMES, Zone, ZoneError

# What a state is made of; the first four are of one moment and must come from one folder.
MOMENT = ("free_lists", "kpageflags", "pagetypeinfo", "buddyinfo")
LASTING = ("zoneinfo", "iomem")
LRU = 1 << 5
_STARTS = {"DMA": 0, "DMA32": DMA_END, "Normal": DMA32_END}


def state_of_capture(captures: CaptureSet | str | Path, *, release: str | None = None, **options: Any) -> CapturedState:
    """Build the page allocator that a capture shows, from as much as it holds.

    Best is klab's free_lists (the lists themselves, in order), then kpageflags (exact free pfns), then pagetypeinfo and
    buddyinfo (counts). zoneinfo gives sizes, watermarks and per-CPU settings, iomem the holes.

    Args:
        captures: a folder, a tar, one file with a /proc/buddyinfo in it, or an opened set.
        release: kernel release; None for what the capture says.
        options: as for `kvmlab.memory.buddy.Buddy`.

    Raises:
        UnusableInput: nothing there can be read as a capture.
        MissingInput: no file shows any free list; the message says what to record.
        ZoneError: the files describe a machine that cannot be.
        UnknownRelease: no table covers the release.
    """
    if isinstance(captures, str | Path):
        path = Path(captures)
        if path.is_file() and not _is_tar(path):
            return _state_of_file(path, release, options)
        captures = open_captures(path)
    found = captures.kinds()
    where, folders = _best_folder(found)
    if where is None:
        raise MissingInput(
            f"{captures.name} shows no free list of the page allocator; record it: cat /proc/buddyinfo > buddyinfo.txt."
        )
    files = {kind: captures.read(path).value for kind, path in where.items()}
    state = build_state(files, release=_release(captures, release), **options)
    if folders < 2:
        return state
    taken = next(path.rpartition("/")[0] for kind, path in where.items() if kind in MOMENT)
    return CapturedState(state.buddy, (*state.assumed, f"Of {folders} folders with free lists, {taken} was taken."))


def build_state(files: Mapping[str, Any], *, release: str, **options: Any) -> CapturedState:
    """Build the page allocator from files that were read already.

    Args:
        files: by kind (`buddyinfo`, `pagetypeinfo`, `zoneinfo`, `iomem`, `kpageflags`, `free_lists`) what was read.
        release: kernel release.
        options: as for `kvmlab.memory.buddy.Buddy`.
    """
    zones = [_zone(row, files) for row in _checked(_rows(files))]
    extra: dict[str, Any] = {}
    if "free_lists" in files:
        lists = files["free_lists"]
        extra["lists"] = [
            CapturedList(x.zone, lists.node or 0, x.order, int(migratetype(x.migratetype)), x.pfns, x.cpu)
            for x in lists.lists
            if x.pfns
        ]
    elif "kpageflags" in files:
        words: PageWords = files["kpageflags"]
        extra["free"] = free_blocks(words)
        extra["lru"] = _lru(words)
    state = buddy_from_capture(zones, release=release, **extra, **options)
    said = tuple(_said_of_spans(zones, files))
    return CapturedState(state.buddy, (*state.assumed, *said))


def _checked(rows: Sequence[BuddyRow]) -> Sequence[BuddyRow]:
    for row in rows:
        if row.nr_free:
            _check_orders(row.zone, row.nr_free)
    return rows


def _check_orders(zone: str, nr_free: Sequence[int]) -> None:
    if len(nr_free) != NR_ORDERS:
        raise ZoneError(f"zone {zone} has free blocks of {len(nr_free)} orders; the model has {NR_ORDERS}, 0 to 10.")


def _rows(files: Mapping[str, Any]) -> Sequence[BuddyRow]:
    if "buddyinfo" in files:
        info: Buddyinfo = files["buddyinfo"]
        rows = [r for r in info.rows if any(r.nr_free) or "zoneinfo" not in files or _managed(files, r)]
        if any(r.zone not in ZONE_NAMES for r in rows):
            rows = [r for r in rows if r.zone in ZONE_NAMES]
        if rows:
            return rows
    if "pagetypeinfo" in files:
        types: Pagetypeinfo = files["pagetypeinfo"]
        sums: dict[tuple[int, str], list[int]] = {}
        for free in types.free:
            total = sums.setdefault((free.node, free.zone), [0] * len(free.nr_free))
            total[:] = [a + b for a, b in zip(total, free.nr_free, strict=False)]
        return [BuddyRow(node, zone, tuple(total), 0) for (node, zone), total in sums.items() if zone in ZONE_NAMES]
    if "free_lists" in files:
        lists = files["free_lists"]
        return [BuddyRow(lists.node or 0, z.zone, (), 0) for z in lists.zones if z.zone in ZONE_NAMES]
    if "zoneinfo" in files:
        info_z: Zoneinfo = files["zoneinfo"]
        return [BuddyRow(z.node, z.zone, (), 0) for z in info_z.zones if z.pages.get("managed")]
    raise UnusableInput("the capture names no zone; expected /proc/buddyinfo or /proc/zoneinfo beside the free pages.")


def _managed(files: Mapping[str, Any], row: BuddyRow) -> bool:
    found = files["zoneinfo"].zone(row.zone, row.node)
    return found is not None and bool(found.pages.get("managed"))


def _zone(row: BuddyRow, files: Mapping[str, Any]) -> CapturedZone:
    info = files["zoneinfo"].zone(row.zone, row.node) if "zoneinfo" in files else None
    pages = {} if info is None else info.pages
    span = _span(row, info, files)
    ram = _ram(span, files)
    by_type: dict[int, tuple[int, ...]] = {}
    pageblocks: dict[int, int] = {}
    if "pagetypeinfo" in files:
        types: Pagetypeinfo = files["pagetypeinfo"]
        for free in types.free:
            if (free.node, free.zone) == (row.node, row.zone):
                _check_orders(row.zone, free.nr_free)
                by_type[int(migratetype(free.migratetype))] = free.nr_free
        for block in types.blocks:
            if (block.node, block.zone, block.kind) == (row.node, row.zone, "blocks"):
                pageblocks.update({int(migratetype(name)): n for name, n in block.counts})
    sets = () if info is None else tuple(dict(p.values) for p in info.pagesets)
    zone = Zone(row.zone, span[0], span[1], row.node, ram)
    return CapturedZone(zone, row.nr_free, by_type, pageblocks, sets, pages)


def _span(row: BuddyRow, info: Any, files: Mapping[str, Any]) -> tuple[int, int]:
    if info is not None and info.start_pfn is not None and info.pages.get("spanned"):
        return info.start_pfn, info.start_pfn + info.pages["spanned"]
    if "free_lists" in files:
        for z in files["free_lists"].zones:
            if z.zone == row.zone and z.spanned:
                return z.start_pfn, z.start_pfn + z.spanned
    start = _STARTS.get(row.zone, DMA32_END)
    if row.zone == "DMA":
        return start, DMA_END
    # Each free block below order 10 needs room for a buddy that is not free.
    room = sum(n << min(order + 1, 10) for order, n in enumerate(row.nr_free)) + 4096
    if "page_pool" in files:
        room += 2 * sum(total.pages for total in files["page_pool"].totals)
    return start, start + -(-room // 1024) * 1024


def _ram(span: tuple[int, int], files: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    if "iomem" in files:
        info: Iomem = files["iomem"]
        if not info.hidden:
            inside = [(max(r.first, span[0]), min(r.last + 1, span[1])) for r in info.ram()]
            found = tuple((a, b) for a, b in inside if a < b)
            if found:
                return found
    return (span,)


def _said_of_spans(zones: Sequence[CapturedZone], files: Mapping[str, Any]) -> list[str]:
    said = []
    if "zoneinfo" not in files and "free_lists" not in files:
        said.append("The zones' sizes and per-CPU settings are guessed: no zoneinfo was recorded.")
    if "iomem" not in files:
        said.append("The zones have no holes here: no iomem was recorded.")
    if "kpageflags" in files:
        words: PageWords = files["kpageflags"]
        behind = [z.zone.name for z in zones if z.zone.ram[-1][1] > words.first_pfn + len(words)]
        if behind or words.tail:
            last = words.first_pfn + len(words)
            said.append(
                f"kpageflags is cut off at pfn {last:#x}: pages behind it count as in use"
                + (f" (zone {', '.join(behind)})." if behind else ".")
            )
    if "iomem" in files and files["iomem"].hidden:
        said.append("The zones have no holes here: iomem was read without privilege and shows no addresses.")
    return said


def _lru(words: PageWords) -> Any:
    import numpy as np

    flags = np.asarray(words.words)
    on_lru = (flags & np.uint64(LRU)) != 0
    return np.concatenate([np.zeros(words.first_pfn, dtype=bool), on_lru]) if words.first_pfn else on_lru


def _best_folder(found: Mapping[str, Sequence[str]]) -> tuple[dict[str, str] | None, int]:
    """For each kind the file to take: the moment's from the folder that holds most of them, the first one on a tie.

    The second value is how many folders there were to choose from.
    """
    folders: dict[str, dict[str, str]] = {}
    for kind in (*MOMENT, *LASTING):
        for path in found.get(kind, ()):
            folders.setdefault(path.rpartition("/")[0], {}).setdefault(kind, path)
    usable = [f for f in sorted(folders) if set(folders[f]) & set(MOMENT)]
    if not usable:
        return None, 0
    best = max(usable, key=lambda f: ("free_lists" in folders[f], len(folders[f])))
    chosen = dict(folders[best])
    for kind in LASTING:
        if kind not in chosen and found.get(kind):
            chosen[kind] = found[kind][0]
    return chosen, len(usable)


def _release(captures: CaptureSet, release: str | None) -> str:
    known = release or captures.release
    if known is None:
        raise UnusableInput(f"{captures.name} does not say which kernel it was recorded on; name the release.")
    return known


def _is_tar(path: Path) -> bool:
    import tarfile

    try:
        return tarfile.is_tarfile(path)
    except OSError as error:
        raise UnusableInput(f"{path} cannot be read: {error.strerror or error}.") from error


def _state_of_file(path: Path, release: str | None, options: dict[str, Any]) -> CapturedState:
    from kvmlab.capture.read import read_capture

    if release is None:
        raise UnusableInput(f"{path} does not say which kernel it was recorded on; name the release.")
    capture = read_capture(path)
    value = capture.value
    if capture.kind.name == "ttm_run" and value.buddyinfo:
        files = {"buddyinfo": value.buddyinfo[0][1]}
        # Of the same moment as that buddyinfo: printed before the same buffer.
        moment = value.buddyinfo[0][0]
        around = {"pagetypeinfo": dict(value.pagetypeinfo), "zoneinfo": dict(value.zoneinfo)}
        files |= {kind: texts[moment] for kind, texts in around.items() if moment in texts}
        if value.page_pool:
            files["page_pool"] = value.page_pool[0][1]
        return build_state(files, release=release, **options)
    if capture.kind.name in MOMENT and capture.kind.name != "kpageflags":
        return build_state({capture.kind.name: value}, release=release, **options)
    raise MissingInput(
        f"{path} is {capture.kind.title}, which shows no free lists; expected /proc/buddyinfo or a folder."
    )
