"""What the lab's own programs write: TTM listings, free lists, JSON lines."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from kvmlab.capture.free_lists import parse_free_lists
from kvmlab.capture.klttm import parse_ttm_run
from kvmlab.capture.lab_records import parse_lab_records

LAB = ("6.12.117+deb12-amd64", "6.12.117-klab", "7.3.4+deb13-amd64")


@pytest.mark.parametrize("release", LAB)
def test_fresh_memory_gives_the_binary_digits_of_n(shared: Path, release: str) -> None:
    run = parse_ttm_run(gzip.decompress((shared / "captures" / release / "ttm" / "fresh.txt.gz").read_bytes()))
    assert len(run.buffers) == 29
    assert not run.malformed
    for buffer in run.buffers:
        assert buffer.irregular == 0
        digits = [10] * (buffer.npages >> 10) + [o for o in range(9, -1, -1) if buffer.npages >> o & 1]
        assert list(buffer.orders) == digits
        assert buffer.tails == buffer.npages - len(buffer.blocks)
    assert all(pool.consistent for _, pool in run.page_pool)


def test_fragmented_memory(shared: Path) -> None:
    path = shared / "captures" / LAB[0] / "run_frag" / "frag" / "stride1.txt.gz"
    run = parse_ttm_run(gzip.decompress(path.read_bytes()))
    assert run.stride_order == 1
    cached = next(b for b in run.buffers if b.npages == 8100 and b.caching == 2)
    assert (len(cached.blocks), cached.tails) == (3815, 4285)
    frame = run.df_blocks()
    assert frame["pages"].sum() == sum(b.npages for b in run.buffers)
    assert frame["tails"].sum() == sum(b.tails for b in run.buffers)


def test_block_listing_with_its_summary() -> None:
    text = (
        "# ttm_pool_alloc npages=9 caching=2 page_flags=0 ioctl=0 ret=0 us=589\n"
        "block index=0 pfn=0x2328 order=3 refcount=1\nblock index=8 pfn=0x520c order=0 refcount=1\n"
        "# blocks=2 pages=9 refcount0=7 irregular=0\n# ttm_pool_free npages=9 us=198\n"
    )
    run = parse_ttm_run(text)
    assert (run.buffers[0].orders, run.buffers[0].tails, run.buffers[0].irregular) == ((3, 0), 7, 0)
    assert run.df_blocks()["tails"].tolist() == [7, 0]


def test_a_page_out_of_place_is_irregular() -> None:
    page = "{} pfn={} refcount=1 page_count=1 mapcount_raw=-1 compound=0 reserved=0 lru=0 private={} head=0x0\n"
    head = "# ttm_pool_alloc npages=2 caching=2 page_flags=0 ioctl=0 ret=0 us=1\n"
    assert parse_ttm_run(head + page.format(0, "0x8", "0x1") + page.format(1, "0xa", "0")).buffers[0].irregular == 1
    assert parse_ttm_run(head + page.format(0, "0x9", "0x1") + page.format(1, "0xa", "0")).buffers[0].irregular == 1
    assert parse_ttm_run(head + page.format(0, "0x8", "0x1")).buffers[0].irregular == 0


def test_free_lists_keep_their_order() -> None:
    text = (
        "free_lists node 0 time_ns 1500 cpu 1 blocks 3 lost 0\n"
        "zone DMA32 start 1000 spanned 258013 managed 236775 free 222056 min 1024 low 1280 high 1536\n"
        "list zone DMA32 order 3 type Unmovable blocks 2: 2a20 1238\n"
        "pcp zone DMA32 cpu 1 order 0 type Movable count 31 high 9694 batch 63 blocks 1: 3f\n"
        "list zone DMA32 order 4 type Movable blocks 2: 1\n"
    )
    lists = parse_free_lists(text)
    assert (lists.t, lists.cpu, lists.lost) == (1500, 1, 0)
    assert lists.lists[0].pfns == (0x2A20, 0x1238)
    assert (lists.lists[1].cpu, lists.lists[1].count) == (1, 31)
    assert [m.line for m in lists.malformed] == [5]
    assert lists.df_free_lists()["pfn"].tolist() == [0x2A20, 0x1238, 0x3F]


def test_matrix_before_and_after_6_13_differs_in_tails_only(shared: Path) -> None:
    frames = {}
    for release in (LAB[0], LAB[2]):
        records = parse_lab_records((shared / "captures" / release / "kvm" / "matrix.jsonl").read_bytes())
        assert not records.malformed
        frames[release] = records.df_runs()
    old, new = frames[LAB[0]], frames[LAB[2]]
    assert (new["outcome"] == "ok").all()
    refused = old[old["outcome"] != "ok"]
    assert set(refused["outcome"]) == {"efault"}
    assert (refused["refcount"] == 0).all()
    assert (refused["reserved"] == 0).all()


def test_a_listing_and_json_lines_in_one_file(shared: Path) -> None:
    records = parse_lab_records((shared / "captures" / LAB[0] / "kvm" / "ttm_n9_wc.txt").read_bytes())
    assert not records.malformed
    assert records.ttm is not None
    assert records.ttm.buffers[0].orders == (3, 0)
    reads = records.df_runs().query("run == 'read'")
    assert reads["outcome"].tolist() == ["ok", "efault", "efault", "ok"]


def test_words_of_struct_page_stay_64_bits(shared: Path) -> None:
    records = parse_lab_records((shared / "captures" / LAB[0] / "bad" / "kvmbad_lruoff.jsonl").read_bytes())
    pages = records.df_pages()
    assert int(pages["raw2"].iloc[0]) == 0xDEAD000000000122
    assert pages["raw2"].dtype == "UInt64"


def test_the_log_of_the_module() -> None:
    line = {"ns": 5, "cpu": 1, "pid": 7, "comm": "CPU 0/KVM", "event": "stale", "vcpu": 0, "seq_before": 1,
            "seq_after": 2, "gfn": "0x100", "pfn": "0x2d3a", "refcount": 2, "after": 1, "mapcount_raw": 0,
            "flags": "0xfffffc002090c", "reason": "x", "stack": ["a", "b"]}  # fmt: skip
    log = parse_lab_records(json.dumps(line)).df_log()
    assert (int(log["pfn"][0]), log["stack"][0], log["comm"][0]) == (0x2D3A, "a < b", "CPU 0/KVM")


@pytest.mark.parametrize(
    "text",
    ["{" * 100_000, '{"seq":' + "[" * 100_000, '{"case":' + "9" * 5000 + "}", '{"seq":[1,null,{"step":1,"raw":5}]}',
     '{"seq":5,"case":[]}', '{"ns":1,"event":2,"stack":3,"pid":true,"pfn":"0xzz"}', '{"a":1} trailing'],
    ids=lambda text: text[:16],
)  # fmt: skip
def test_hostile_json_lines(text: str) -> None:
    records = parse_lab_records(text)
    for frame in (records.df_runs(), records.df_pages(), records.df_log()):
        assert len(frame) <= 1
