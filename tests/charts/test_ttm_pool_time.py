"""Workloads over time: what is live, what is pooled, and the tails of each buffer."""

from __future__ import annotations

import pytest

from kvmlab.charts.ttm_pool_time import MOST_STEPS, NoSteps, df_ttm_pool_time, plot_ttm_pool_time
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmPool
from kvmlab.memory.workload import Step, run_workload
from tests.charts.figures import check_figure
from tests.charts.sample import HOSTILE


def steps(release: str, number: int = 40) -> list[Step]:
    return run_workload(TtmPool(Buddy.fresh("512MiB", release=release, engine="python")), "compositor", number, seed=2)


def test_two_kernels_side_by_side() -> None:
    sets = {"6.12": steps("6.12"), "7.3": steps("7.3")}
    frame = df_ttm_pool_time(sets, source="the model")
    picture = plot_ttm_pool_time(frame)
    told = check_figure(picture)
    live = [trace for trace in picture.data if trace.name == "in live buffers"]
    assert [trace.y.tolist() for trace in live] == [[s.live_pages for s in found] for found in sets.values()]
    marks = [trace for trace in picture.data if trace.mode == "markers"]
    assert sum(len(trace.x) for trace in marks) == 80
    filled = sum(trace.marker.symbol.count("circle") for trace in marks)
    assert filled == sum(s.pool_blocks > 0 for found in sets.values() for s in found) > 0
    assert told["layout"]["title"]["text"].count("pooled on") == 2
    assert "80 allocations" in told["layout"]["meta"]["caption"]


def test_many_steps_are_thinned_and_the_last_stays() -> None:
    many = steps("6.12", 10) * 1000
    picture = plot_ttm_pool_time(df_ttm_pool_time({HOSTILE: many}))
    check_figure(picture)
    assert max(len(trace.x) for trace in picture.data) <= MOST_STEPS
    assert picture.data[0].y[-1] == many[-1].live_pages


def test_a_workload_without_memory_can_be_drawn() -> None:
    memory = Buddy.fresh("1MiB", engine="python")
    while memory.free_pages:
        memory.alloc(0)
    full = run_workload(TtmPool(memory), "game", 3, seed=1)
    assert all(step.failed for step in full)
    told = check_figure(plot_ttm_pool_time(df_ttm_pool_time({"a": full})))
    assert "3 without memory" in told["layout"]["meta"]["caption"]


@pytest.mark.parametrize("sets", [{}, {"a": []}])
def test_nothing_is_refused(sets: dict[str, list[Step]]) -> None:
    with pytest.raises(NoSteps, match="from 1 to 3 workloads"):
        df_ttm_pool_time(sets)
