"""Frames of traces: the kvm_page_fault eras, pfns in both bases, masks, stacks, mails, and the lab's own counts."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from kvmlab.capture.event_log import df_event_log, gfp_masks
from kvmlab.capture.trace import Trace, read_trace
from kvmlab.errors import UnknownRelease
from kvmlab.kernel.events import EVENT_DTYPES, Op

RELEASE = "6.12.117+deb12-amd64"


def snippet(shared: Path, name: str) -> Trace:
    path = shared / "corpora" / "captures" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the research folder")
    return read_trace(path)


def lines(*rows: str) -> Trace:
    return read_trace(("\n".join(rows) + "\n").encode())


@pytest.mark.parametrize(
    ("body", "address", "error", "vcpu"),
    [
        ("address 66 error_code 9", 0x66, 0x9, None),
        ("vcpu 3 rip 0x1005 address 0x0000000000100008 error_code 0x100000007", 0x100008, 0x100000007, 3),
        ("vcpu 219 rip 0x0 address 0x18cbc00000 error_code 0x500000004, seq = 0x2", 0x18CBC00000, 0x500000004, 219),
    ],
)
def test_three_eras_of_kvm_page_fault(body: str, address: int, error: int, vcpu: int | None) -> None:
    frame = lines(f" CPU 0/KVM-4145 [008] ..... 252080.141632: kvm_page_fault: {body}").df_kvm()
    row = frame.iloc[0]
    assert (int(row["address"]), int(row["error_code"])) == (address, error)
    assert row["comm"] == "CPU 0/KVM"
    assert int(row["t"]) == 252080141632000
    if vcpu is not None:
        assert int(row["vcpu"]) == vcpu


def test_eras_in_one_trace_leave_missing_fields_missing() -> None:
    frame = lines(
        " a-1 [000] 1.000000: kvm_page_fault: address 66 error_code 9",
        " a-1 [000] 1.000001: kvm_page_fault: vcpu 3 rip 0x1 address 0x67 error_code 0x9",
    ).df_kvm()
    assert frame["vcpu"].isna().tolist() == [True, False]
    assert frame["address"].tolist() == [0x66, 0x67]


def test_pfn_in_both_bases_and_both_kinds_of_mask(shared: Path) -> None:
    old = snippet(shared, "021-mm_page_free_direct-2.6.33.txt").df_kmem()
    assert set(old["pfn"]) == {1155800}
    new = snippet(shared, "024-mm_page_alloc-trace-cmd-gfp-variants.txt").df_kmem()
    assert new["pfn"].tolist() == [0x1D1AC1, 0x122233]
    assert new["gfp"].astype(str).tolist() == ["0x140cca", "GFP_HIGHUSER_MOVABLE|__GFP_COMP"]
    assert (new["cpu"] == -1).all()
    assert (new["t"] == -1).all()
    assert gfp_masks(new["gfp"].cat.categories, "6.13") == {
        "0x140cca": 0x140CCA,
        "GFP_HIGHUSER_MOVABLE|__GFP_COMP": 0x140CCA,
    }


def test_perf_script_and_its_stack(shared: Path) -> None:
    trace = snippet(shared, "023-mm_page_alloc-perf-script-5.1.txt")
    assert trace.src == "perf"
    row = trace.df_kmem().iloc[0]
    assert (row["comm"], int(row["pid"]), int(row["pfn"])) == ("perf", 6429, 0x176A17)
    stack = trace.stack_of(int(row["stack"]))
    assert stack[0] == "__alloc_pages_nodemask+0x22e"
    assert len(stack) == 6


def test_lines_that_a_mail_wrapped_are_joined(shared: Path) -> None:
    trace = snippet(shared, "003-kvm-ftrace-tdp-spte-wrapped.txt")
    assert trace.table.joined == 4
    assert not trace.malformed
    frame = trace.df_kvm()
    assert int(frame.loc[frame["event"] == "kvm_mmu_spte_requested", "pfn"].iloc[0]) == 0x100B4A4D


def test_counts_of_the_old_kvm_trace(shared: Path) -> None:
    trace = snippet(shared, "001-kvm-ftrace-a.out-old-pagefault.txt")
    assert trace.events["kvm_page_fault"] == 4
    assert trace.events["kvm_entry"] == 5
    assert trace.events["kvm_exit"] == 5
    assert set(trace.df_event("kvm_page_fault")["error_code"]) == {0x14, 0, 9}


def test_other_events_are_counted_but_not_read(shared: Path) -> None:
    trace = snippet(shared, "026-lisa-trace-sched-text.txt")
    assert trace.events["sched_switch"] == 1856
    assert trace.events["sched_wakeup"] == 1068
    assert not len(trace.df_kmem())
    assert not len(trace.df_kvm())
    assert not len(df_event_log(trace))


def test_ftrace_stack_hangs_on_the_event_before_it_on_its_cpu() -> None:
    trace = lines(
        "  kl-215 [000] ..... 1.000001: mm_page_alloc: page=0 pfn=0x10 order=9 migratetype=0 gfp_flags=GFP_USER",
        "  sh-9   [001] ..... 1.000002: mm_page_free: page=0 pfn=0x20 order=0",
        "  kl-215 [000] ..... 1.000003: <stack trace>",
        " => __alloc_pages",
        " => ttm_pool_alloc",
    )
    frame = trace.df_kmem()
    assert trace.stack_of(int(frame["stack"].iloc[0])) == ("__alloc_pages", "ttm_pool_alloc")
    assert frame.loc[1, "stack"] == -1


def test_a_stack_without_an_event_is_kept_as_malformed() -> None:
    trace = lines(" => __alloc_pages", " => x")
    assert [m.line for m in trace.malformed] == [1]


def test_lost_events_are_counted() -> None:
    assert lines("CPU:1 [LOST 1234 EVENTS]", "CPU:0 [LOST 6 EVENTS]").table.lost == 1240


def test_known_event_with_an_unknown_body_is_counted_and_kept() -> None:
    trace = lines(" a-1 [000] 1.000000: mm_page_alloc: something else")
    assert trace.events == {"mm_page_alloc": 1}
    assert trace.malformed[0].reason.startswith("the body of mm_page_alloc")
    assert not trace.df_lines()["known"].any()


def test_event_log_of_the_lab_follows_the_shared_schema(shared: Path) -> None:
    path = shared / "captures" / RELEASE / "base" / "ftrace_kmem.txt"
    trace = read_trace(path, release=RELEASE)
    log = df_event_log(trace)
    assert {name: str(dtype) for name, dtype in log.dtypes.items()} == EVENT_DTYPES
    counts = trace.events
    assert (log["op"] == Op.ALLOC_SYS).sum() == counts["mm_page_alloc"]
    assert (log["op"] == Op.FREE_SYS).sum() == counts["mm_page_free"]
    assert (log["op"] == Op.PCP_REFILL).sum() <= counts["mm_page_alloc_zone_locked"]
    assert (log.loc[log["op"] == Op.ALLOC_SYS, "gfp"] != 0).all()
    assert set(log["src"]) == {"ftrace"}


def test_failed_allocations_and_claims_in_the_event_log() -> None:
    trace = lines(
        " a-1 [000] 1.000000: mm_page_alloc: page=(nil) pfn=0x0 order=10 migratetype=0 gfp_flags=0x396dc2",
        " a-1 [000] 1.000001: mm_page_alloc_extfrag: page=0 pfn=0x400 alloc_order=0 fallback_order=10 "
        "pageblock_order=9 alloc_migratetype=0 fallback_migratetype=1 fragmenting=0 change_ownership=1",
        " a-1 [000] 1.000002: mm_page_alloc_zone_locked: page=0 pfn=0x8 order=3 migratetype=1 percpu_refill=0",
        " a-1 [000] 1.000003: mm_page_pcpu_drain: page=0 pfn=0x9 order=0 migratetype=1",
    )
    log = df_event_log(trace)
    assert log["op"].tolist() == [Op.FAIL, Op.CLAIM, Op.PCP_DRAIN]
    assert log["order"].tolist() == [10, 10, 0]
    assert log["gfp"].tolist() == [0x396DC2, 0, 0]


def test_names_of_flags_need_a_release() -> None:
    assert gfp_masks(["GFP_HIGHUSER|__GFP_ZERO"], None) == {"GFP_HIGHUSER|__GFP_ZERO": 0}
    with pytest.raises(UnknownRelease):
        gfp_masks(["GFP_HIGHUSER"], "2.6.18")


def test_page_ref_of_the_lab(shared: Path) -> None:
    trace = read_trace(shared / "captures" / "6.12.117-klab" / "kvm" / "ftrace_page_ref.txt.gz")
    frame = trace.df_page_ref()
    assert len(frame) == sum(n for name, n in trace.events.items() if name.startswith("page_ref"))
    refused = frame[(frame["event"] == "page_ref_mod_unless") & (frame["ret"] == 0).fillna(False)]
    assert (refused["count"] == 0).all()
    assert frame["pfn"].dtype == "UInt64"


def test_a_hostile_line_costs_nothing() -> None:
    rows = [
        "-1" + " " * 200_000 + "[000]",
        "[000] " * 50_000,
        "a" * 500_000,
        " x-1 [000] 1.0: " + ":" * 300_000,
        " x-1 [000] 1.0: kvm_mmio: mmio" + " " * 300_000,
        " x-1 [000] 1.0: mm_page_alloc: page=" + "0" * 300_000,
    ]
    for engine in ("tolerant", "fast"):
        trace = read_trace(("\n".join(rows)).encode(), engine=engine)
        assert len(trace.malformed) + len(trace) >= len(rows) - 1


@pytest.mark.parametrize("engine", ["tolerant", "fast"])
def test_a_packed_trace_is_unpacked(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "trace.gz"
    path.write_bytes(gzip.compress(b" a-1 [000] 1.000000: kvm_fpu: load\n" * 3))
    assert len(read_trace(path, engine=engine)) == 3


def test_an_unknown_engine_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="expected auto, fast or tolerant"):
        read_trace(b"x", engine="quick")


def test_empty_trace_has_empty_frames() -> None:
    trace = read_trace(b"# tracer: nop\n#\n")
    assert trace.src == "ftrace"
    assert len(trace) == len(trace.df_lines()) == len(trace.df_kmem()) == 0
    assert np.array_equal(df_event_log(trace).columns, list(EVENT_DTYPES))
