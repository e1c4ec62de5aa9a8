"""What the shipped runs recorded: the facts that the model is held against, by release."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lab.summary import Storm

BATCH = 31
DRIVER_OK = {"good": 0, "insert": 0, "bad": 1}


def folder_of(root: Path, release: str, run: str) -> Path:
    found = sorted((root / "data" / "captures").glob(f"{release}*/{run}/manifest.toml"))
    if not found:
        pytest.skip(f"no run {run} of {release} is shipped")
    return found[-1].parent


def storm_of(root: Path, release: str, run: str) -> Storm:
    from lab.summary import read_storm

    return read_storm(folder_of(root, release, run))


def by_vcpus(storm: Storm) -> list[Any]:
    return [drain for drain in storm.drains if drain.comm.startswith("CPU ")]


@pytest.mark.parametrize("run", ["storm-1vcpu", "storm-1vcpu-huge", "storm-1vcpu-two-passes"])
def test_6_12_one_put_a_page_and_all_but_the_one_that_fills_the_batch_die_in_its_drain(root: Path, run: str) -> None:
    storm = storm_of(root, "6.12.", run)
    assert [vcpu["ret"] for vcpu in storm.vcpus] == [0]
    assert len(storm.puts) == len(storm.ends) == 200
    assert storm.lookups == 3 * 200 + 1
    assert set(Counter(put["pfn"] for put in storm.puts).values()) == {1}
    # the reference counter when the stray put comes: mapping, batch and look-up; the batch's is gone for the page that
    # filled it, because its drain came first
    fills = [i for i, put in enumerate(storm.puts) if (put["refcount"], put["after"]) == (2, 1)]
    assert {(put["refcount"], put["after"]) for put in storm.puts} == {(3, 2), (2, 1)}
    assert all(put["mapcount_raw"] == 0 for put in storm.puts)
    drains = by_vcpus(storm)
    assert Counter(len(drain.pfns) for drain in drains).most_common(1) == [(BATCH - 1, len(drains))]
    assert [b - a for a, b in pairwise(fills)] == [BATCH] * (len(fills) - 1)
    index = storm.put_index()
    reported = {index[pfn] for drain in drains for pfn in drain.pfns}
    assert not reported & set(fills)
    assert all(not drain.direct and drain.reason == "nonzero mapcount" for drain in drains)
    assert all(drain.callers[:5] == drains[0].callers[:5] for drain in drains)
    assert "do_wp_page" in drains[0].callers
    assert storm.printed == 60
    assert set(storm.flags) == {"referenced|uptodate|owner_2|swapbacked"}


def test_6_12_the_survivors_hold_a_reference_of_the_activate_batch(root: Path) -> None:
    storm = storm_of(root, "6.12.", "storm-1vcpu")
    fills = {int(put["pfn"], 16) for put in storm.puts if put["after"] == 1}
    ends = {int(row["seq"][0]["pfn"], 16): row["seq"][0] for row in storm.ends}
    assert {(ends[pfn]["refcount"], ends[pfn]["lru"]) for pfn in fills} == {(2, 1)}


def test_6_12_a_page_lives_through_the_gets_and_puts_of_the_reported_mechanism(root: Path) -> None:
    from lab.summary import read

    folder = folder_of(root, "6.12.117-klab", "storm-1vcpu-page-ref")
    storm = storm_of(root, "6.12.117-klab", "storm-1vcpu-page-ref")
    page = int(storm.puts[0]["pfn"], 16)
    trace = read(folder, "storm/ftrace_page_ref.txt")
    start = trace.index("address 0x0000000000100000")
    line = rf"(page_ref_\w+): pfn={page:#x} flags=(\S+) count=(-?\d+) mapcount=(-?\d+) .*?val=(-?\d+)"
    life = [(name, int(count), int(change)) for name, _, count, _, change in re.findall(line, trace[start:])[:8]]
    assert life == [
        ("page_ref_set", 1, 1),  # allocated for the copy
        ("page_ref_mod", 2, 1),  # into this CPU's batch
        ("page_ref_mod", 3, 1),  # KVM's look-up
        ("page_ref_mod_and_test", 2, -1),  # the stray put
        ("page_ref_mod_and_test", 1, -1),  # KVM's own release of the stale fault, which marked the page accessed
        ("page_ref_mod_unless", 2, 1),  # the guest faults again
        ("page_ref_mod_and_test", 1, -1),  # and is served
        ("page_ref_mod_and_test", 0, -1),  # the batch is emptied: nobody is left but a mapping
    ]
    # referenced by the look-up, active by the release, referenced once more by the second look-up: as reported
    flags = [set(flags.split("|")) & {"referenced", "active"} for _, flags, *_ in re.findall(line, trace[start:])[3:8]]
    assert flags == [{"referenced"}, {"active"}, {"active"}, {"referenced", "active"}, {"referenced", "active"}]
    assert page in storm.reported


@pytest.mark.parametrize(("run", "vcpus"), [("storm-2vcpu", 2), ("storm-4vcpu", 4)])
def test_6_12_each_cpu_has_a_batch_of_its_own(root: Path, run: str, vcpus: int) -> None:
    storm = storm_of(root, "6.12.", run)
    assert len(storm.vcpus) == vcpus
    drains = [drain for drain in by_vcpus(storm) if not drain.direct]
    cpus = {drain.cpu for drain in drains}
    assert cpus <= set(range(vcpus))
    # a page whose retried fault goes stale again, by another vCPU's write, loses two references: EFAULT for that vCPU
    assert all(vcpu["errno"] in (0, 14) for vcpu in storm.vcpus)
    assert cpus >= {vcpu["vcpu"] for vcpu in storm.vcpus if vcpu["ret"] == 0}
    assert all(len(drain.pfns) < BATCH for drain in drains)
    assert Counter(len(drain.pfns) for drain in drains).most_common(1)[0][0] == BATCH - 1
    # another vCPU's copy-on-write makes a fault stale that found the page of zeros
    assert storm.spared > 0
    own = {int(put["pfn"], 16): put["cpu"] for put in storm.puts}
    assert all(own[pfn] == drain.cpu for drain in drains for pfn in drain.pfns)


def test_6_12_with_generations_the_last_page_is_freed_by_the_put_itself_and_the_guest_stops(root: Path) -> None:
    storm = storm_of(root, "6.12.", "storm-1vcpu-mglru")
    assert [len(drain.pfns) for drain in by_vcpus(storm)] == [BATCH - 1, 1]
    direct = by_vcpus(storm)[-1]
    assert direct.direct
    assert direct.callers[1].startswith("kvm_faultin_pfn")
    assert [(vcpu["ret"], vcpu["errno"]) for vcpu in storm.vcpus] == [(-1, 14)]
    assert any("try_grab_folio" in warning for warning in storm.warnings)
    assert all("workingset" in flags for flags in storm.flags)


def test_6_12_a_put_of_the_zero_page_ends_every_vcpu(root: Path) -> None:
    storm = storm_of(root, "6.12.", "storm-2vcpu-zero-page")
    assert storm.reasons["PAGE_FLAGS_CHECK_AT_FREE flag(s) set"] == 1
    assert storm.flags["reserved"] == 1
    assert [vcpu["errno"] for vcpu in storm.vcpus] == [14, 14]


@pytest.mark.parametrize("release", ["6.1.", "6.12.", "7.3."])
def test_nothing_injected_nothing_bad_though_every_write_after_a_read_goes_stale_once(root: Path, release: str) -> None:
    storm = storm_of(root, release, "control-counted-only")
    assert (len(storm.puts), storm.spared, storm.lookups) == (0, 200, 601)
    assert not storm.drains
    assert storm.printed == 0
    assert [vcpu["ret"] for vcpu in storm.vcpus] == [0]


@pytest.mark.parametrize("run", ["control-write-only", "control-touched"])
def test_6_12_without_a_read_of_the_zero_page_no_fault_goes_stale(root: Path, run: str) -> None:
    storm = storm_of(root, "6.12.", run)
    assert (len(storm.puts), storm.spared, storm.lookups) == (0, 0, 201)
    assert not storm.drains
    assert storm.printed == 0


def test_7_3_who_survives_depends_on_whether_the_page_is_marked_accessed(root: Path) -> None:
    plain, touched = storm_of(root, "7.3.", "storm-1vcpu"), storm_of(root, "7.3.", "storm-1vcpu-touch")
    assert len(plain.puts) == BATCH
    assert (plain.puts[-1]["refcount"], plain.puts[-1]["after"]) == (1, 0)
    assert [vcpu["errno"] for vcpu in plain.vcpus] == [14]
    assert any("try_grab_folio" in warning for warning in plain.warnings)
    assert len(touched.puts) == 200
    assert [vcpu["errno"] for vcpu in touched.vcpus] == [0]
    assert Counter(len(d.pfns) for d in by_vcpus(touched)).most_common(1)[0][0] == BATCH - 1


def test_6_1_prints_no_report_while_it_happens(root: Path) -> None:
    storm = storm_of(root, "6.1.", "storm-1vcpu")
    assert len(storm.puts) > 30
    assert storm.printed == 0
    assert not storm.drains


def test_6_12_the_kernel_says_later_how_many_reports_it_kept_back(root: Path) -> None:
    from lab.summary import read

    folder = folder_of(root, "6.12.", "storm-1vcpu-second-minute")
    console = read(folder, "storm/dmesg.txt")
    before, after = console.split("messages suppressed", 1)
    kept_back = int(re.findall(r"Bad page state: (\d+) $", before)[0])
    log = storm_of(root, "6.12.", "storm-1vcpu-second-minute").reported
    assert before.count("Bad page state in process") == 60
    later = after.count("Bad page state in process")
    assert 60 + kept_back + later == len(log) or later == 60


@pytest.mark.parametrize("release", ["6.1.", "6.12.", "7.3."])
def test_only_a_driver_that_does_not_unmap_lets_a_guest_write_into_another_owners_page(
    root: Path, release: str
) -> None:
    from lab.summary import rows

    folder = folder_of(root, release, "driver") / "driver"
    seen = set()
    for path in sorted(folder.glob("*.jsonl*")):
        conduct = path.name.split("_")[0]
        for row in rows(folder, path.name.removesuffix(".gz")):
            if row.get("driver") == "stranger":
                assert row["changed"] == DRIVER_OK[conduct], path.name
                seen.add(conduct)
    assert seen == set(DRIVER_OK)


@pytest.mark.parametrize("release", ["6.1.", "6.12."])
def test_a_guest_on_a_tail_is_refused_before_6_13(root: Path, release: str) -> None:
    from lab.summary import rows

    folder = folder_of(root, release, "driver") / "driver"
    for name in ("good_noncompound_3", "good_compound_3", "bad_noncompound_3"):
        assert rows(folder, f"{name}.jsonl")[-1]["errno"] == 14, name


def test_7_3_a_guest_on_a_tail_runs(root: Path) -> None:
    from lab.summary import rows

    folder = folder_of(root, "7.3.", "driver") / "driver"
    for name in ("good_noncompound_3", "good_compound_3"):
        assert rows(folder, f"{name}.jsonl")[-1]["rounds"] > 20, name


@pytest.mark.parametrize(("release", "block"), [("6.12.", "single_0"), ("7.3.", "single_0"), ("7.3.", "noncompound_3")])
def test_a_stray_put_on_a_drivers_page_ends_below_zero_and_carries_no_anonymous_flag(
    root: Path, release: str, block: str
) -> None:
    from lab.summary import read, rows

    folder = folder_of(root, release, "crossed")
    assert rows(folder, f"crossed/{block}.jsonl")[-1]["seq"][0]["refcount"] == -1
    console = read(folder, "crossed/dmesg.txt")
    assert "page: refcount:-1 mapcount:0 mapping:0000000000000000 index:0x0" in console
    assert set(re.findall(r"page dumped because: (.*)", console)) == {"nonzero _refcount"}


def free_frames(text: str) -> dict[int, int]:
    """Each free block of recorded lists: its first frame and its order."""
    found = {}
    for order, frames in re.findall(r"^(?:list|pcp) .*? order (\d+) .*?blocks \d+: (.*)$", text, re.MULTILINE):
        found |= {int(frame, 16): int(order) for frame in frames.split()}
    return found


@pytest.mark.parametrize("release", ["6.1.", "6.12.", "7.3."])
def test_the_recorded_lists_hold_the_frames_that_the_pool_then_got(root: Path, release: str) -> None:
    from lab.summary import read

    folder = folder_of(root, release, "fragmented")
    cases = sorted({path.parent.relative_to(folder).as_posix() for path in folder.glob("frag/*/*/free_lists.txt*")})
    assert len(cases) >= 12
    got = missed = 0
    for case in cases:
        frames: set[int] = set()
        for first, order in free_frames(read(folder, f"{case}/free_lists.txt")).items():
            frames.update(range(first, first + (1 << order)))
        blocks = read(folder, f"{case}/blocks.txt")
        assert "irregular=0" in blocks, case
        for first, order in re.findall(r"pfn=0x([0-9a-f]+) order=(\d+)", blocks):
            block = range(int(first, 16), int(first, 16) + (1 << int(order)))
            got += 1
            missed += not frames.issuperset(block)
    assert got > 1000
    assert missed < got / 200
