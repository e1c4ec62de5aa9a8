"""Ageing and workloads: the same from the same seed, sound states, and the tables they draw from."""

from __future__ import annotations

import pytest

from kvmlab.memory.buddy import Buddy
from kvmlab.memory.buddy_check import violations
from kvmlab.memory.buddy_pages import BuddyError
from kvmlab.memory.ttm import TtmError, TtmPool
from kvmlab.memory.ttm_buffer import fewest_blocks
from kvmlab.memory.workload import df_steps, graphics_objects, run_workload, workloads
from kvmlab.memory.workload_age import Ageing, age


@pytest.fixture(scope="module")
def fresh() -> Buddy:
    return Buddy.fresh("32MiB", engine="python")


@pytest.mark.parametrize("free_share", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("cluster", [1, 64])
def test_an_aged_machine_is_sound_and_has_the_free_share(fresh: Buddy, free_share: float, cluster: int) -> None:
    before = fresh.copy()
    aged = age(fresh, Ageing(free_share, cluster, seed=3))
    assert fresh == before
    assert violations(aged) == []
    assert aged.free_pages / aged.managed_pages == pytest.approx(free_share, abs=0.08)
    assert aged == age(fresh, Ageing(free_share, cluster, seed=3))
    if 0 < free_share < 1:
        assert aged != age(fresh, Ageing(free_share, cluster, seed=4))


def test_clusters_decide_how_broken_up_memory_is(fresh: Buddy) -> None:
    small, large = (age(fresh, Ageing(0.5, cluster, single=1.0, seed=1)).nr_free() for cluster in (1, 512))
    assert small[0] > 4 * large[0]
    assert sum(n << o for o, n in enumerate(large[5:], 5)) > sum(n << o for o, n in enumerate(small[5:], 5))


@pytest.mark.parametrize(
    "bad", [{"free_share": 1.5}, {"cluster": 0}, {"unmovable": 0.9, "reclaimable": 0.9}, {"seed": -1}, {"single": -0.1}]
)
def test_impossible_ageing(bad: dict[str, float]) -> None:
    with pytest.raises(BuddyError, match=r"\.$"):
        Ageing(**bad)  # type: ignore[arg-type]


def test_fragmentation_changes_what_a_buffer_is_made_of(fresh: Buddy) -> None:
    blocks = [TtmPool(age(fresh, Ageing(0.5, cluster, single=1.0, seed=2))).alloc(2025).blocks for cluster in (1, 4096)]
    assert blocks[0] > blocks[1] >= fewest_blocks(2025)


def test_objects_have_the_sizes_of_their_formats() -> None:
    found = graphics_objects()
    assert found["surface_1080p"].bytes == 1920 * 1080 * 4
    assert found["surface_8k"].bytes == 7680 * 4320 * 4
    assert (found["surface_4k"].pages, found["venus_ring"].pages, found["gpu_page_table"].pages) == (8100, 33, 1)
    assert {o.basis for o in found.values()} <= {"read", "documented", "derived", "inferred", "choice"}
    assert all(o.source for o in found.values())
    for workload in workloads().values():
        assert sum(part.weight for part in workload.parts) == pytest.approx(1)
        assert {part.caching.name for part in workload.parts} <= {"CACHED", "WRITE_COMBINED"}, (
            "amdgpu never asks for uc"
        )


@pytest.mark.parametrize("name", sorted(workloads()))
def test_a_workload_is_the_same_from_the_same_seed(name: str) -> None:
    pools = [TtmPool(Buddy.fresh("256MiB", engine="python")) for _ in range(2)]
    first, second = (run_workload(pool, name, 120, seed=9) for pool in pools)
    assert first == second
    assert pools[0] == pools[1]
    assert violations(pools[0].buddy) == []
    other = run_workload(TtmPool(Buddy.fresh("256MiB", engine="python")), name, 120, seed=10)
    assert [s.object for s in other] != [s.object for s in first]
    frame = df_steps(first)
    assert len(frame) == 120
    orders = frame[[f"order_{o}" for o in range(11)]]
    assert (
        orders.mul([1 << o for o in range(11)], axis=1).sum(axis=1)[frame.blocks > 0] == frame.pages[frame.blocks > 0]
    ).all()
    assert frame.pool_blocks.sum() > 0


def test_a_workload_larger_than_memory_fails_buffer_by_buffer() -> None:
    pool = TtmPool(Buddy.fresh("16MiB", engine="python"))
    steps = run_workload(pool, "game", 60, seed=1)
    assert any(s.failed for s in steps)
    assert any(not s.failed for s in steps)
    assert df_steps(steps).tail_share.isna().sum() == sum(s.failed for s in steps)
    assert violations(pool.buddy) == []


def test_steps_are_told_as_they_happen_and_bad_arguments_refused() -> None:
    pool = TtmPool(Buddy.fresh("64MiB", engine="python"))
    seen: list[int] = []
    run_workload(pool, "desktop", 5, on_step=lambda s: seen.append(s.step))
    assert seen == [0, 1, 2, 3, 4]
    for name, count, seed in (("nothing", 5, 0), ("game", -1, 0), ("game", 1, -1)):
        with pytest.raises(TtmError, match=r"\.$"):
            run_workload(pool, name, count, seed=seed)
