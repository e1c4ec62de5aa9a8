"""page_owner, page_owner_sort, TTM pools, gem_info, page-types, counters and QEMU's text."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmlab.capture.counters import parse_count, parse_meminfo, parse_vmstat
from kvmlab.capture.event_log import df_owner_log
from kvmlab.capture.gem_info import parse_gem_info
from kvmlab.capture.page_owner import parse_page_owner
from kvmlab.capture.page_owner_sort import parse_sorted_owners
from kvmlab.capture.page_owner_stacks import parse_owner_stacks
from kvmlab.capture.page_types import letters_to_flags, parse_page_types
from kvmlab.capture.qemu import parse_qemu
from kvmlab.capture.ttm_pool import parse_page_pool, parse_page_pool_shrink
from kvmlab.kernel.events import EVENT_DTYPES
from kvmlab.kernel.kpf import page_types_letters

READERS = [
    parse_page_owner, parse_owner_stacks, parse_sorted_owners, parse_page_pool, parse_page_pool_shrink, parse_gem_info,
    parse_page_types, parse_meminfo, parse_vmstat, parse_qemu, parse_count,
]  # fmt: skip


def sample(shared: Path, name: str) -> bytes:
    path = shared / "corpora" / "captures" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the research folder")
    return path.read_bytes()


def test_page_owner_of_three_eras(shared: Path) -> None:
    old = parse_page_owner(sample(shared, "032-page_owner-4.4-migrated.txt")).records[0]
    assert (old.pfn, old.pageblock, old.migrate_reason) == (674308, 1317, "compaction")
    assert old.pfn is not None
    assert old.pfn >> 9 == old.pageblock
    assert old.pid is None
    new = parse_page_owner(sample(shared, "034-page_owner-6.8-filepage.txt")).records[0]
    assert (new.pfn, new.comm, new.tgid, new.ts, new.memcg) == (0x5BE8E, "a.out", 98, 28441476044, "/")
    assert new.notes[0].startswith("FILE_PAGE")
    early = parse_page_owner(sample(shared, "035-page_owner-5.16-early.txt")).records[0]
    assert (early.gfp, early.free_ts, early.pfn, early.pid) == (0, 0, None, 1)


def test_page_owner_of_the_lab_is_aligned_to_its_orders(shared: Path) -> None:
    path = shared / "captures" / "6.12.117-klab" / "run_page_owner" / "base" / "page_owner_head.txt.gz"
    owner = parse_page_owner(gzip.decompress(path.read_bytes()))
    assert len(owner) == 1692
    assert not owner.malformed
    frame = owner.df_page_owner()
    assert (frame["pfn"] % frame["pages"].astype("UInt64") == 0).all()
    assert (frame["pfn"] // 512 == frame["pageblock"]).all()


def test_page_owner_in_the_shared_schema(shared: Path) -> None:
    path = shared / "captures" / "6.12.117-klab" / "run_page_owner" / "base" / "page_owner_head.txt.gz"
    owner = parse_page_owner(gzip.decompress(path.read_bytes()))
    log = df_owner_log(owner)
    assert {name: str(dtype) for name, dtype in log.dtypes.items()} == EVENT_DTYPES
    assert len(log) == len(owner)
    assert log["t"].is_monotonic_increasing
    assert set(log["src"]) == {"page_owner"}
    assert {r.migratetype for r in owner.records} == {"Unmovable", "Movable"}
    assert set(log["mt"]) == {0, 1}
    assert not len(df_owner_log(parse_page_owner(b"")))


def test_sorted_page_owner(shared: Path) -> None:
    quoted = parse_sorted_owners(sample(shared, "036-page_owner-virtio-net-order3-quoted.txt")).groups[0]
    assert quoted.record is not None
    assert (quoted.times, quoted.record.order, quoted.stack[1]) == (849698, 3, "skb_page_frag_refill+0x68/0xf0")
    first = parse_sorted_owners(sample(shared, "030-page_owner-2005-decimal-offsets.txt")).groups[0]
    assert (first.times, first.stack[0]) == (4819, "find_lock_page+25")


def test_culled_page_owner_keeps_what_the_tool_kept() -> None:
    text = "12 times, 6144 pages, PID 7, task_comm_name: Xorg:\n ttm_pool_alloc+0x1/0x2 [ttm]\n\n1 times, 1 pages:\n"
    groups = parse_sorted_owners(text).groups
    assert [(g.times, g.pages) for g in groups] == [(12, 6144), (1, 1)]
    assert dict(groups[0].culled) == {"PID": "7", "task_comm_name": "Xorg"}
    assert groups[0].stack == ("ttm_pool_alloc+0x1/0x2 [ttm]",)


def test_owner_stacks_say_what_was_cut(shared: Path) -> None:
    base = shared / "captures" / "6.12.117-klab" / "run_page_owner" / "base"
    stacks = parse_owner_stacks((base / "page_owner_stacks_show_stacks.txt").read_bytes())
    assert len(stacks.stacks) == 234
    assert [m.reason for m in stacks.malformed] == ["a stack without `nr_base_pages: N` at the end of the file."]
    assert stacks.df_stacks()["pages"].max() == 1034


@pytest.mark.parametrize(
    ("release", "node", "pages"),
    [("6.12.117+deb12-amd64", None, 16382), ("6.12.117-klab", None, 16382), ("7.3.4+deb13-amd64", 0, 18287)],
)
def test_page_pool_totals_of_the_lab(shared: Path, release: str, node: int | None, pages: int) -> None:
    pool = parse_page_pool((shared / "captures" / release / "ttm" / "page_pool_end.txt").read_bytes())
    assert (pool.totals[0].node, pool.totals[0].pages, pool.pages) == (node, pages, pages)
    assert pool.consistent
    assert len(pool.df_page_pool()) == 44


def test_page_pool_of_the_first_layout(shared: Path) -> None:
    pool = parse_page_pool(sample(shared, "060-ttm_page_pool-5.11-dri0.txt"))
    assert [r.label for r in pool.rows] == ["wc", "uc", "wc 32", "uc 32", "DMA uc", "DMA wc", "DMA"]
    assert (pool.pages, pool.totals[0].pages) == (0, 3029)


def test_page_pool_of_a_device_without_pools() -> None:
    assert parse_page_pool("unused\n").unused


def test_page_pool_row_with_a_missing_column_is_malformed() -> None:
    pool = parse_page_pool("\t  --- 0--- --- 1---\nwc\t:        3\n")
    assert not pool.rows
    assert pool.malformed[0].line == 2


def test_shrink_of_an_empty_pool_is_no_number() -> None:
    shrinks = parse_page_pool_shrink("0: 18287/367\n18446744073709551614/18446744073709551615\n")
    assert [(s.node, s.counted, s.freed) for s in shrinks.rows] == [(0, 18287, 367), (None, None, None)]


def test_gem_info() -> None:
    text = (
        "pid     2514 command gnome-shell:\n"
        "\t\t0x00000001:     33177600 byte VRAM VISIBLE pin count 1 exported as ino:123 CPU_ACCESS_REQUIRED\n"
        "\t\t0x00000002:         8193 byte GTT CPU_GTT_USWC\n"
        "\t\t0x00000003:         8193 byte NOWHERE\n"
        "pid     2600 command CPU 0/KVM:\n"
        "\t\t0x00000001:         4096 byte CPU\n"
    )
    info = parse_gem_info(text)
    first, second, third = info.buffers
    assert (first.placement, first.pin_count, first.shared, first.pages) == ("VRAM VISIBLE", 1, "exported as", 8100)
    assert (second.caching, second.pages, second.flags) == ("write_combined", 3, ("CPU_GTT_USWC",))
    assert (third.comm, third.caching) == ("CPU 0/KVM", "cached")
    assert [m.line for m in info.malformed] == [4]
    assert info.df_gem_info()["pages"].sum() == 8100 + 3 + 1


def test_page_types_listing_and_summary() -> None:
    letters = "".join(p.letter if p.bit in (2, 5, 38) else "_" for p in page_types_letters())
    text = (
        f"voffset\toffset\tlen\tflags\n7f0000\t2d3a\t3\t{letters}\n7f0010\tzz\t3\t_\n\n\n"
        "             flags\tpage-count       MB  symbolic-flags\t\t\tlong-symbolic-flags\n"
        f"0x0000004000000024\t     12800       50  {letters}\treferenced,lru,arch\n"
        "             total\t     12800       50\n"
    )
    types = parse_page_types(text)
    assert types.ranges[0].flags == (1 << 2 | 1 << 5 | 1 << 38)
    assert (types.ranges[0].voffset, types.ranges[0].first, types.ranges[0].pages) == (0x7F0000, 0x2D3A, 3)
    assert (types.counts[0].flags, types.counts[0].pages, types.total) == (0x4000000024, 12800, 12800)
    assert [m.line for m in types.malformed] == [3]


def test_letters_that_name_two_bits_are_told_apart_by_place() -> None:
    places = page_types_letters()
    for bit in (15, 41):
        assert letters_to_flags("".join(p.letter if p.bit == bit else "_" for p in places)) == 1 << bit
    assert letters_to_flags("RRRR") is None


def test_qemu_message(shared: Path) -> None:
    log = parse_qemu(sample(shared, "070-qemu-kvm-run-failed-x86.txt"))
    failure = log.failures[0]
    assert failure.efault
    assert failure.registers["RIP"] == 0x7FB20BFC3F7F
    assert failure.registers["CPL"] == 3
    assert failure.registers["R8"] == 3
    assert failure.segments["CS"][0] == 0x33
    assert failure.code_at is not None
    assert failure.code[failure.code_at] == 0xF3


def test_code_that_qemu_could_not_read_is_no_number() -> None:
    log = parse_qemu("error: kvm run failed Bad address\nRIP=1 RFL=2\nCode=<??> ?? 0f\n")
    assert log.failures[0].code == (None, None, 0x0F)


def test_counters(shared: Path) -> None:
    base = shared / "captures" / "6.12.117+deb12-amd64" / "base"
    meminfo = parse_meminfo((base / "meminfo.txt").read_bytes())
    assert meminfo.values["MemTotal"] == 972060
    assert not meminfo.malformed
    vmstat = parse_vmstat((base / "vmstat.txt").read_bytes())
    assert vmstat.values["nr_free_pages"] == 231865
    assert not vmstat.malformed
    assert parse_count("141\n").value == 141
    assert parse_count("141\n2\n").value is None


@pytest.mark.parametrize("parse", READERS)
@given(data=st.binary(max_size=200) | st.text(max_size=200))
def test_nothing_makes_a_reader_raise(parse, data: bytes | str) -> None:  # type: ignore[no-untyped-def]
    parse(data)


@pytest.mark.parametrize("parse", READERS)
@pytest.mark.parametrize(
    "text",
    [
        "Page allocated via order 0, mask 0x0(" + "G" * 200_000,
        "Page allocated via order 0, mask 0x0()" + ", pid 1" * 50_000,
        "Page allocated via order 0, mask 0x0()\\\n" * 2000,
        "9" * 5000 + " times:\n",
        "1 times, 1 pages, " + "PID 1, " * 50_000 + ":\n",
        "--- 0---" * 50_000,
        "wc : " + "1 " * 100_000,
        "pid 1 command " + "x" * 100_000 + ":\n0x1: 1 byte GTT" + " pin count 1" * 20_000,
        "offset\tlen\tflags\n" + "f" * 100_000 + "\t1\t_\n",
        "error: kvm run failed " + "A" * 100_000 + "\n" + "RAX=1 " * 50_000 + "\nCode=" + "00 " * 50_000,
        "MemTotal: " + " " * 100_000 + "1 kB",
        "[" * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_hostile_text_costs_nothing(parse, text: str) -> None:  # type: ignore[no-untyped-def]
    parse(text)
