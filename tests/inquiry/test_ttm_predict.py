"""The pool model against real kernels: orders, pools and pfns of recorded buffers, number by number."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kvmlab.capture.klttm import TtmRun, parse_ttm_run
from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import open_captures
from kvmlab.errors import UnusableInput
from kvmlab.inquiry.ttm_capture import state_of_capture
from kvmlab.inquiry.ttm_counted import predict_counted, predict_from_counts
from kvmlab.inquiry.ttm_listed import predict_listed
from kvmlab.inquiry.ttm_meanwhile import meanwhile
from kvmlab.inquiry.ttm_predict import df_predictions, predict_run
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.buddy_check import violations
from kvmlab.memory.buddy_text import buddyinfo
from kvmlab.memory.ttm import TtmPool
from kvmlab.memory.ttm_state import Caching
from kvmlab.memory.ttm_text import page_pool, read_page_pool_shrink
from kvmlab.memory.zone import ZoneError

PROJECT = Path(__file__).resolve().parents[2]
CAPTURES = PROJECT.parent / "shared" / "captures"
SHELF = PROJECT / "data" / "captures"
SERIES = sorted(CAPTURES.glob("*/ttm/fr*.txt.gz")) + sorted(SHELF.glob("*/*/ttm/fr*.txt.gz"))
BROKEN = sorted(CAPTURES.glob("*/run_frag/frag/stride*.txt.gz"))
SHIPPED = sorted(SHELF.glob("*/fragmented"))


def kernel_of(path: Path) -> str:
    return path.relative_to(SHELF if path.is_relative_to(SHELF) else CAPTURES).parts[0]


@pytest.mark.skipif(not SERIES, reason="the captures are not beside the checkout")
@pytest.mark.parametrize("path", SERIES, ids=lambda p: f"{kernel_of(p)}-{p.parents[1].name}-{p.name.split('.')[0]}")
def test_every_buffer_of_the_series(path: Path) -> None:
    """29 buffers in each file: on fresh memory from /proc of the same boot, on broken-up memory from its buddyinfo."""
    run = parse_ttm_run(gzip.decompress(path.read_bytes()))
    release = kernel_of(path)
    source = path.parents[1] / "base" if path.name.startswith("fresh") else path
    state = state_of_capture(source, release=release, engine="python")
    before = state.buddy.copy()
    predictions = predict_run(run, state.buddy)
    assert state.buddy == before
    assert len(predictions) == 29
    assert [p.index for p in predictions if not p.same_orders] == []
    assert [p.index for p in predictions if p.same_pool is not True] == []
    frame = df_predictions(predictions)
    assert frame.misplaced_share.max() == 0
    # The frames themselves follow only as far as the capture shows them: the modules were loaded in between.
    assert 0 <= (frame.exact_pfn_share * frame.pages).sum() <= (frame.common_pfn_share * frame.pages).sum()


@pytest.mark.skipif(not SERIES, reason="the captures are not beside the checkout")
@pytest.mark.parametrize("path", [p for p in SERIES if p.name.startswith("fresh")], ids=kernel_of)
def test_page_pool_is_printed_as_the_kernel_printed_it(path: Path) -> None:
    text = gzip.decompress(path.read_bytes()).decode()
    printed = [part.partition("\n#")[0] for part in text.split("## /sys/kernel/debug/ttm/page_pool\n")[1:]]
    run = parse_ttm_run(text)
    pool = TtmPool(
        Buddy.fresh("1GiB", release=kernel_of(path), engine="python"),
        page_pool_size=run.page_pool[0][1].totals[0].limit,
    )
    pool.free(pool.alloc(9, "wc"))  # what the lab had done before
    assert len(printed) == 30
    assert page_pool(pool).rstrip("\n") == printed[0].rstrip("\n")
    for recorded, after in zip(run.buffers, printed[1:], strict=True):
        pool.free(pool.alloc(recorded.npages, Caching(recorded.caching)))
        assert page_pool(pool).rstrip("\n") == after.rstrip("\n")
    # Read at the end of the run, when the same series had been through the same pools three times more.
    shrunk = path.with_name("page_pool_shrink.txt")
    if shrunk.exists():
        assert read_page_pool_shrink(pool) == shrunk.read_text()


@pytest.mark.skipif(not BROKEN, reason="the captures are not beside the checkout")
@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.name.split(".")[0])
def test_counts_alone_do_not_decide_a_large_buffer_on_broken_memory(path: Path) -> None:
    """buddyinfo was read before the programs ran whose own pages took the last large blocks: see `predict_listed`."""
    run = parse_ttm_run(gzip.decompress(path.read_bytes()))
    state = state_of_capture(path, release=path.parents[2].name, engine="python")
    assert buddyinfo(state.buddy).split() == _recorded(path)
    predictions = predict_run(run, state.buddy)
    assert [p.misplaced_share for p in predictions if p.pages < 8100] == [0, 0, 0, 0]
    assert all(0.02 < p.misplaced_share < 0.4 for p in predictions if p.pages == 8100)


def _recorded(path: Path) -> list[str]:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return " ".join(line for line in lines if line.startswith("Node"))[: 10**6].split()[:30]


@pytest.mark.skipif(not SHIPPED, reason="the project's captures have no fragmented run")
@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.parent.name)
def test_the_lists_themselves_decide_the_frames(path: Path) -> None:
    predictions = predict_listed(open_captures(path), release=path.parent.name)
    assert len(predictions) >= 12
    close = [p for p in predictions.values() if p.misplaced_share <= 0.02]
    exact = [p for p in predictions.values() if p.exact_pfn_share == 1]
    # The rest met other CPUs, reclaim or compaction between the lists and the last block.
    assert len(close) >= 0.85 * len(predictions)
    assert len(exact) >= 0.6 * len(predictions)
    assert max(len(p.recorded) for p in exact) > 500


COUNTS = SHELF / "6.12.117+deb12-amd64" / "fragmented-counts" / "counts"


def counts_of(case: str) -> str:
    (path,) = (COUNTS / case).glob("buffer.txt*")
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode()


def test_a_listing_holds_the_texts_of_the_moment_before_and_after() -> None:
    run = parse_ttm_run(counts_of("stride2_empty/n2025_caching2"))
    assert run.malformed == ()
    assert [[k for k, _ in found] for found in (run.buddyinfo, run.pagetypeinfo, run.zoneinfo, run.vmstat)] == [
        [0, 1],
        [0],
        [0],
        [0, 1],
    ]
    for row in run.buddyinfo[0][1].rows:
        of_types = [free.nr_free for free in run.pagetypeinfo[0][1].free if free.zone == row.zone]
        assert tuple(map(sum, zip(*of_types, strict=True))) == row.nr_free
        zone = run.zoneinfo[0][1].zone(row.zone)
        assert zone is not None
        assert all(dict(pages.values)["count"] < 32 for pages in zone.pagesets), "the per-CPU lists were emptied"
    around = meanwhile(run)
    assert around is not None
    assert (around.pages, around.migrated, around.reclaimed, around.reasons) == (2025, 0, 0, ())


def _changed(text: str, **added: int) -> TtmRun:
    """The same listing with counters of its second vmstat raised."""
    head, mark, tail = text.rpartition("## /proc/vmstat")
    lines = [line.split(" ") for line in tail.splitlines()]
    grown = [" ".join([x[0], str(int(x[1]) + added.get(x[0], 0))]) if len(x) == 2 else " ".join(x) for x in lines]
    return parse_ttm_run(head + mark + "\n".join(grown))


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ({"pgmigrate_success": 1}, "Compaction moved 1 pages"),
        ({"compact_success": 2}, "Compaction served 2 requests"),
        ({"pgsteal_file": 3}, "Reclaim took 3 pages"),
        ({"pgalloc_dma32": 21}, "Others got 21 pages"),
        ({"pgalloc_dma32": -64}, "handed 64 pages over"),
        ({"pgalloc_dma32": 20, "pgfree": 5}, ""),
    ],
)
def test_the_counters_of_the_kernel_say_what_disturbed_a_buffer(added: dict[str, int], words: str) -> None:
    around = meanwhile(_changed(counts_of("stride2_empty/n2025_caching2"), **added))
    assert around is not None
    assert words in " ".join(around.reasons)
    assert around.disturbed == bool(words)


def test_where_the_free_lists_end_the_model_says_that_it_ends() -> None:
    """Zones with three free pages: reclaim would have to find the rest, and which pages it frees stands in no file."""
    text = counts_of("stride2_empty/n64_caching2")
    few = "\n".join(
        line if not line.startswith("Node") or " type " not in line else line.rpartition("type")[0] + f"type {kind} "
        + " ".join(["1" if kind == "Unmovable" else "0"] + ["0"] * 10)
        for line in text.splitlines()
        for kind in [line.split("type")[-1].split()[0] if " type " in line else ""]
    )  # fmt: skip
    run = parse_ttm_run(few)
    types_only = TtmRun(run.buffers, (), pagetypeinfo=run.pagetypeinfo, zoneinfo=run.zoneinfo)
    found = predict_from_counts(types_only, "6.12")
    assert found.prediction.predicted == ()
    assert found.verdict == "not predicted"
    assert "reclaim was needed" in found.reasons[-1]
    with pytest.raises(MissingInput):
        predict_from_counts(TtmRun(run.buffers), "6.12")


def test_texts_that_are_missing_or_damaged_are_said_not_guessed(tmp_path: Path) -> None:
    text = counts_of("stride5_easy/n512_caching2")
    assert meanwhile(parse_ttm_run(text.rpartition("## /proc/vmstat")[0])) is None
    broken = parse_ttm_run(text.replace("pgfree ", "pgfree of ", 1))
    assert [m.text.split()[0] for m in broken.malformed] == ["pgfree"]
    assert text.splitlines()[broken.malformed[0].line - 1].startswith("pgfree ")
    (tmp_path / "buffer.txt").write_text(text)
    with pytest.raises(UnusableInput, match="release"):
        predict_counted(open_captures(tmp_path))
    state = state_of_capture(tmp_path / "buffer.txt", release="6.12", engine="python")
    assert not any("guessed" in sentence or "no pagetypeinfo" in sentence for sentence in state.assumed)
    (found,) = predict_counted(open_captures(tmp_path), release="6.12").values()
    assert found.verdict == "close"
    assert any("invented" in sentence for sentence in found.assumed)


def test_before_6_10_types_share_pageblocks_where_there_is_no_room_for_their_own(tmp_path: Path) -> None:
    """Seen on 6.1: a zone full of broken Unmovable memory with two Reclaimable blocks, all pageblocks Unmovable."""
    rows = {"Unmovable": (450, 451, 451, 3, 1), "Movable": (), "Reclaimable": (0, 0, 0, 0, 0, 1, 0, 1)}
    head = "Page block order: 9\nPages per block:  512\n\nFree pages count per migrate type at order "
    head += "0 1 2 3 4 5 6 7 8 9 10\n"
    body = "".join(
        f"Node    0, zone      DMA, type {name:>12} {' '.join(map(str, (*row, *[0] * (11 - len(row)))))} \n"
        for name, row in rows.items()
    )
    zone = "Node 0, zone      DMA\n  pages free     4000\n        spanned  4095\n        managed  3840\n"
    (tmp_path / "pagetypeinfo.txt").write_text(head + body)
    (tmp_path / "zoneinfo.txt").write_text(zone + "  start_pfn:           1\n")
    state = state_of_capture(tmp_path, release="6.1", engine="python")
    assert any("share pageblocks" in sentence for sentence in state.assumed)
    assert violations(state.buddy) == []
    assert state.buddy.nr_free(0) == (450, 451, 451, 3, 1, 1, 0, 1, 0, 0, 0)
    with pytest.raises(ZoneError, match="no room"):
        state_of_capture(tmp_path, release="6.12", engine="python")


def test_what_shows_no_free_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "iomem.txt").write_text("00001000-0009fbff : System RAM\n")
    with pytest.raises(MissingInput, match="buddyinfo"):
        state_of_capture(tmp_path, release="6.12")
    with pytest.raises(MissingInput):
        state_of_capture(tmp_path / "iomem.txt", release="6.12")
    with pytest.raises(UnusableInput):
        state_of_capture(tmp_path / "nothing", release="6.12")
    with pytest.raises(MissingInput):
        predict_listed(open_captures(tmp_path))
    text = "Node 0, zone   Normal      1      0      0      0      0      0      0      0      0      0      9 \n"
    (tmp_path / "buddyinfo.txt").write_text(text)
    with pytest.raises(UnusableInput, match="release"):
        state_of_capture(tmp_path)
    state = state_of_capture(tmp_path, release="6.12", engine="python")
    assert buddyinfo(state.buddy) == text
    assert any("guessed" in sentence for sentence in state.assumed)
    (tmp_path / "zoneinfo.txt").write_text("Node 0, zone   Normal\n  pages free     5\n        spanned  -4\n")
    assert state_of_capture(tmp_path, release="6.12", engine="python").buddy.nr_free(0)[10] == 9


def test_truncated_kpageflags_say_so(tmp_path: Path) -> None:
    base = SHELF / "6.12.117+deb12-amd64" / "machine" / "base"
    for name in ("buddyinfo.txt", "pagetypeinfo.txt", "zoneinfo.txt", "iomem.txt"):
        (found,) = base.glob(f"{name}*")
        (tmp_path / found.name).write_bytes(found.read_bytes())
    words = gzip.decompress((base / "kpageflags.bin.gz").read_bytes())
    (tmp_path / "kpageflags.bin").write_bytes(words[: 8 * 100_000 + 3])
    state = state_of_capture(tmp_path, release="6.12.117+deb12-amd64", engine="python")
    assert any("kpageflags and buddyinfo differ" in sentence for sentence in state.assumed)


def test_a_run_with_an_unknown_caching_mode_is_refused() -> None:
    run = parse_ttm_run("# ttm_pool_alloc npages=1 caching=7 page_flags=0 ioctl=0 ret=0 us=1\n")
    with pytest.raises(UnusableInput, match="caching mode 7"):
        predict_run(run, Buddy.fresh("64MiB", engine="python"))
    assert Caching(2).name == "CACHED"
