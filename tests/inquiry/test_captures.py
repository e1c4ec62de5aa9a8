"""Analyses over captures: what they find, what they refuse, and the lab as the oracle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import CaptureSet, open_captures
from kvmlab.inquiry import captures_faults, captures_free, captures_ttm
from kvmlab.inquiry.captures import ANALYSES, WC_CAVEAT
from kvmlab.kernel.events_signatures import allocation_signatures, ttm_certainty
from kvmlab.kernel.kpf import ARCH, BUDDY

TTM = "GFP_HIGHUSER|__GFP_NOWARN|__GFP_NORETRY|__GFP_NOMEMALLOC|__GFP_THISNODE"


def captures_of(folder: Path, release: str = "6.12.117", **files: bytes) -> CaptureSet:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "manifest.toml").write_text(f'release = "{release}"\n')
    return open_captures(folder)


def trace(*rows: str) -> bytes:
    return "".join(f"  kl-215   [000] ..... {k + 1}.000000: {row}\n" for k, row in enumerate(rows)).encode()


def alloc(pfn: int, order: int, gfp: str = TTM, mt: int = 0) -> str:
    return f"mm_page_alloc: page=0 pfn={pfn:#x} order={order} migratetype={mt} gfp_flags={gfp}"


FUNCTIONS = {
    "ttm_blocks": captures_ttm.ttm_blocks, "ttm_blocks_owned": captures_ttm.ttm_blocks_owned,
    "write_combined": captures_ttm.write_combined, "orders_over_time": captures_ttm.orders_over_time,
    "lifetimes": captures_ttm.lifetimes, "guest_faults": captures_faults.guest_faults,
    "fragmentation": captures_free.fragmentation, "free_runs": captures_free.free_runs,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ANALYSES))
def test_each_analysis_names_what_is_missing_and_how_to_record_it(tmp_path: Path, name: str) -> None:
    empty = captures_of(tmp_path, meminfo=b"MemTotal:         972060 kB\n")
    with pytest.raises(MissingInput) as refused:
        FUNCTIONS[name](empty)
    message = str(refused.value)
    assert message.startswith(f"{name}() needs ")
    assert "record it: " in message
    assert message.endswith(".")
    assert ANALYSES[name].how_to_record() in message


def test_a_trace_without_the_events_is_no_input(tmp_path: Path) -> None:
    captures = captures_of(tmp_path, trace=b"  kl-215 [000] 1.000000: sched_switch: x\n")
    with pytest.raises(MissingInput, match="needs a trace with mm_page_alloc, and no trace of"):
        captures_ttm.ttm_blocks(captures)
    with pytest.raises(MissingInput, match="needs a trace with kvm_page_fault"):
        captures_faults.guest_faults(captures)


@pytest.mark.parametrize(
    ("order", "mt", "gfp", "stack", "expected"),
    [
        (9, 0, TTM, (), "signature"),
        (9, 0, TTM + "|__GFP_COMP", (), None),
        (9, 1, TTM, (), None),
        (3, 0, "GFP_KERNEL|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP|__GFP_NOMEMALLOC", (), None),
        (10, 0, "GFP_NOWAIT|__GFP_HIGHMEM|__GFP_IO|__GFP_FS|__GFP_NORETRY|__GFP_NOMEMALLOC", (), "signature"),
        (0, 0, "GFP_HIGHUSER", (), "possible"),
        (0, 1, "GFP_HIGHUSER_MOVABLE|__GFP_COMP", (), None),
        (0, 0, "GFP_KERNEL", ("alloc_pages", "ttm_pool_alloc+0x1/0x2 [ttm]"), "stack"),
        (9, 0, TTM, ("alloc_pages", "vmalloc"), None),
    ],
)
def test_certainty(order: int, mt: int, gfp: str, stack: tuple[str, ...], expected: str | None) -> None:
    assert ttm_certainty(order, mt, gfp, stack) == expected


def test_signatures_have_sources() -> None:
    assert all(s.source and s.certainty in ("signature", "possible") for s in allocation_signatures())


def test_blocks_orders_and_tails(tmp_path: Path) -> None:
    rows = [alloc(0, 10), alloc(0x400, 9), alloc(0x37F5, 0, "GFP_HIGHUSER"), alloc(0x50, 0, "GFP_KERNEL")]
    captures = captures_of(tmp_path, trace=trace(*rows))
    blocks = captures_ttm.ttm_blocks(captures)
    assert blocks["order"].tolist() == [10, 9]
    assert blocks["failed"].tolist() == [True, False]
    assert (blocks["pages"].tolist(), blocks["tails"].tolist()) == ([0, 512], [0, 511])
    assert captures_ttm.ttm_blocks(captures, possible=True)["certainty"].tolist()[-1] == "possible"
    over_time = captures_ttm.orders_over_time(captures, bins=2)
    assert over_time["failed"].sum() == 1
    assert over_time["tails"].sum() == 511
    assert over_time["tail_share"].dropna().tolist() == [511 / 512]
    with pytest.raises(ValueError, match="expected 1 or more"):
        captures_ttm.orders_over_time(captures, bins=0)


def test_raw_masks_need_the_release(tmp_path: Path) -> None:
    captures = captures_of(tmp_path, trace=trace(alloc(0x400, 9, "0x396dc2")))
    assert captures_ttm.ttm_blocks(captures)["certainty"].tolist() == ["signature"]


def test_lifetimes_end_at_the_free_or_the_next_allocation(tmp_path: Path) -> None:
    rows = [
        alloc(0x400, 9), alloc(0x600, 3), alloc(0x700, 3), "mm_page_free: page=0 pfn=0x400 order=9",
        alloc(0x600, 0, "GFP_KERNEL"),
    ]  # fmt: skip
    lives = captures_ttm.lifetimes(captures_of(tmp_path, trace=trace(*rows)))
    assert lives["how"].tolist() == ["freed", "reused", "alive"]
    assert lives["ns"].tolist()[:2] == [3_000_000_000, 3_000_000_000]
    assert lives["end"].isna().tolist() == [False, False, True]


def test_no_ttm_block_gives_an_empty_frame_with_columns(tmp_path: Path) -> None:
    captures = captures_of(tmp_path, trace=trace(alloc(0x50, 0, "GFP_KERNEL")))
    assert not len(captures_ttm.ttm_blocks(captures))
    assert not len(captures_ttm.lifetimes(captures))
    assert "tail_share" in captures_ttm.orders_over_time(captures)


def test_page_owner_gives_heads_and_tails(tmp_path: Path) -> None:
    text = (
        "Page allocated via order 9, mask 0x396dc2(GFP_HIGHUSER), pid 7, tgid 7 (Xorg), ts 5 ns\n"
        "PFN 0x10200 type Unmovable Block 129 type Unmovable Flags 0x0()\n"
        " alloc_pages_noprof+0x1/0x2\n ttm_pool_alloc+0x1/0x2 [ttm]\n\n"
        "Page allocated via order 0, mask 0xcc0(GFP_KERNEL), pid 8, tgid 8 (sh), ts 6 ns\n"
        "PFN 0x10400 type Unmovable Block 130 type Unmovable Flags 0x0()\n vmalloc+0x1/0x2\n"
    )
    owned = captures_ttm.ttm_blocks_owned(captures_of(tmp_path, page_owner=text.encode()))
    assert owned[["pfn", "order", "pages", "tails"]].values.tolist() == [[0x10200, 9, 512, 511]]
    assert owned["comm"].tolist() == ["Xorg"]


def test_write_combined_runs_come_with_their_caveat(tmp_path: Path) -> None:
    words = np.zeros(64, dtype="<u8")
    words[8:24] = ARCH
    words[40] = ARCH | 1 << 32
    runs = captures_ttm.write_combined(captures_of(tmp_path, flags=words.tobytes()))
    assert runs.values.tolist() == [[8, 23, 16], [40, 40, 1]]
    assert "any driver" in WC_CAVEAT


def test_free_runs_and_their_largest_blocks(tmp_path: Path) -> None:
    words = np.zeros(64, dtype="<u8")
    words[6:23] = BUDDY
    words[40] = BUDDY
    words[63] = 1 << 32
    captures = captures_of(tmp_path, flags=words.tobytes())
    assert captures_free.free_runs(captures).values.tolist() == [[6, 22, 17, 3], [40, 40, 1, 0]]
    assert len(captures_free.free_runs(captures, at_least=2)) == 1


def test_fragmentation_says_what_its_number_means(tmp_path: Path) -> None:
    captures = captures_of(tmp_path, buddyinfo=b"Node 0, zone   Normal      6      1      0      1 \n")
    frame = captures_free.fragmentation(captures)
    assert frame["unusable_share"].tolist() == [0.0, 0.375, 0.5, 0.5]
    assert frame["blocks"].tolist() == [16, 5, 2, 1]
    assert frame["meaning"][3].endswith("cannot serve a request of 8 pages in one block; 1 such requests fit.")
    nothing = captures_of(tmp_path, buddyinfo=b"Node 0, zone   Normal      0      0 \n")
    assert captures_free.fragmentation(nothing)["meaning"][0] == "Node 0, zone Normal: nothing is free."


def fault(address: int) -> str:
    return f"kvm_page_fault: vcpu 0 rip 0x1000 address {address:#018x} error_code 0x100000004"


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        (["kvm_mmu_spte_requested: gfn 100 pfn 3975c level 1", "kvm_entry: vcpu 0, rip 0x1"], "mapped"),
        (["kvm_userspace_exit: reason error (14)"], "efault"),
        (["kvm_userspace_exit: reason KVM_EXIT_IO (2)"], "exit"),
        (["kvm_entry: vcpu 0, rip 0x1"], "retried"),
        ([fault(0x101000), "kvm_userspace_exit: reason error (14)"], "retried"),
        (["mark_mmio_spte: sptep:0 gfn 100 access 7 gen 2", "kvm_entry: vcpu 0"], "mmio"),
        ([], "open"),
    ],
)
def test_what_became_of_a_fault(tmp_path: Path, after: list[str], outcome: str) -> None:
    faults = captures_faults.guest_faults(captures_of(tmp_path, trace=trace(fault(0x100008), *after)))
    assert faults["outcome"].iloc[0] == outcome
    assert int(faults["gfn"].iloc[0]) == 0x100


def test_faults_of_the_old_era_have_no_vcpu(tmp_path: Path) -> None:
    rows = ["kvm_page_fault: address 66000 error_code 9", "kvm_userspace_exit: reason error (14)"]
    captures = captures_of(tmp_path, trace=trace(*rows))
    assert captures_faults.guest_faults(captures)["vcpu"].isna().all()
    refused = captures_faults.refused_pages(captures)
    assert refused[["gfn", "faults"]].values.tolist() == [[0x66, 1]]


@pytest.mark.parametrize(("release", "refused"), [("6.12.117+deb12-amd64", 20), ("7.3.4+deb13-amd64", 0)])
def test_refused_faults_of_the_lab_are_the_efaults_of_its_matrix(shared: Path, release: str, refused: int) -> None:
    captures = open_captures(shared / "captures" / release / "kvm")
    faults = captures_faults.guest_faults_of(captures.read("ftrace_kvm.txt").value)
    runs = captures.read("matrix.jsonl").df()
    assert (faults["outcome"] == "efault").sum() == (runs["outcome"] == "efault").sum() == refused


@pytest.mark.parametrize("release", ["6.12.117+deb12-amd64", "7.3.4+deb13-amd64"])
def test_blocks_that_the_lab_traced_are_those_that_it_listed(shared: Path, release: str) -> None:
    captures = open_captures(shared / "captures" / release / "ttm")
    blocks = captures_ttm.ttm_blocks_of(captures.read("ftrace_kmem_n9wc_n100cached.txt").value)
    listed = [
        block.pfn
        for name in ("n9_wc.txt", "n100_cached.txt")
        for block in captures.read(name).value.buffers[0].blocks
        if block.order
    ]
    assert blocks["pfn"].tolist() == listed
