"""The pool explorer without any browser: its controls one by one, what is refused, and two kernels side by side."""

from __future__ import annotations

from typing import Any

import pytest

from kvmlab.inquiry.ttm_scene import Fill, Run, Scene, Side, perform
from kvmlab.memory.buddy_check import violations
from kvmlab.memory.ttm import TtmError, TtmNoMemory
from kvmlab.widgets.pool_explorer import PoolExplorer
from kvmlab.widgets.pool_view import pool_view
from tests.charts.figures import check_figure


def test_buffers_come_and_go() -> None:
    explorer = PoolExplorer("6.12", "256MiB", [8100])
    assert explorer.df_buffers().to_dict("records")[0]["blocks"] == 12
    explorer.alloc(700, "wc")
    title = check_figure(explorer.figure())["layout"]["title"]["text"]
    assert title.startswith("6.12, buffer 1: 700 pages in 6 blocks")
    assert check_figure(explorer.orders())["layout"]["title"]["text"].startswith("6 blocks by order")
    explorer.choose(0)
    assert check_figure(explorer.orders())["layout"]["title"]["text"].startswith("12 blocks by order")
    explorer.free(1)
    assert explorer.words().endswith("700 pages pooled"), "write-combined pages are kept by the pool"
    explorer.shrink(1 << 20)
    assert explorer.words().endswith("; 0 pages pooled")
    explorer.free(7)
    explorer.free(0)
    assert explorer.figure() is None
    assert explorer.orders() is None
    history = check_figure(explorer.history())
    assert "2 allocations" in history["layout"]["meta"]["caption"]
    explorer.begin_again()
    assert explorer.history() is None


@pytest.mark.parametrize(("pages", "caching"), [(0, "cached"), (1 << 40, "cached"), (5, "lukewarm")])
def test_what_the_pool_refuses_is_a_sentence(pages: int, caching: str) -> None:
    explorer = PoolExplorer("6.12", "256MiB")
    explorer.alloc(pages, caching)
    assert explorer.error
    assert explorer.words() == explorer.error
    assert explorer.buffers == ()


@pytest.mark.parametrize(("release", "memory"), [("2.4", "256MiB"), ("6.12", "an elephant"), ("6.12", "0")])
def test_a_machine_that_cannot_be_keeps_the_old_one(release: str, memory: str) -> None:
    explorer = PoolExplorer("6.12", "256MiB", [10])
    explorer.reset(release, memory)
    assert explorer.error
    assert len(explorer.buffers) == 1
    explorer.reset("6.6", "256MiB")
    assert explorer.error is None
    assert explorer.buffers == ()


@pytest.mark.parametrize(
    "change",
    [
        {"release": "2.4"},
        {"beside": "nine"},
        {"memory": "no"},
        {"fragmentation": "shredded"},
        {"pool_content": "sand"},
        {"free_share": 2.0, "fragmentation": "fine"},
        {"colour": "red"},
    ],
)
def test_a_setting_that_cannot_be_changes_nothing(change: dict[str, Any]) -> None:
    explorer = PoolExplorer("6.12", "64MiB", [100])
    before = explorer.df_buffers()
    explorer.set(**change)
    assert explorer.error
    assert explorer.df_buffers().equals(before)
    explorer.set(fragmentation="coarse")
    assert explorer.error is None


def test_every_control_changes_what_is_drawn() -> None:
    explorer = PoolExplorer("6.12", "64MiB")
    explorer.alloc(1500, "wc")
    seen = [explorer.figure().to_json()]  # type: ignore[union-attr]
    for change in (
        {"fragmentation": "fine"},
        {"free_share": 0.8},
        {"pool_content": "a freed surface"},
        {"release": "7.3"},
        {"beside": "6.12"},
        {"memory": "256MiB"},
    ):
        explorer.set(**change)  # type: ignore[arg-type]
        assert explorer.error is None, change
        seen.append(explorer.figure().to_json())  # type: ignore[union-attr]
    assert len(set(seen)) == len(seen)


def test_fragmentation_gives_smaller_blocks_and_fewer_tails() -> None:
    tails = []
    for kind in ("whole", "coarse", "fine"):
        explorer = PoolExplorer("6.12", "64MiB", [2025])
        explorer.set(fragmentation=kind)
        tails.append(explorer.buffers[0].tail_share)
    assert tails == sorted(tails, reverse=True)
    assert tails[0] > tails[2] + 0.02


def test_what_is_in_the_pools_is_what_the_next_buffer_is_made_of() -> None:
    explorer = PoolExplorer("6.12", "64MiB")
    explorer.set(pool_content="freed uploads")
    assert "wc      :       64        0        0        0       64" in explorer.page_pool()
    explorer.alloc(16, "wc")
    explorer.alloc(16, "cached")
    assert [int(b.from_pool.sum()) for b in explorer.buffers] == [1, 0]


def test_the_same_workload_on_two_kernels() -> None:
    explorer = PoolExplorer("6.12", "256MiB", beside="7.3")
    explorer.run("compositor", 60)
    one, other = explorer.sides
    assert [s.object for s in one.steps] == [s.object for s in other.steps]
    assert [s.pages for s in one.steps] == [s.pages for s in other.steps]
    assert {side.release for side in explorer.sides} == set(explorer.df_buffers().kernel)
    told = check_figure(explorer.history())
    assert {a["text"] for a in told["layout"]["annotations"]} >= {"6.12", "7.3"}
    assert check_figure(explorer.figure())["layout"]["title"]["text"].startswith("The buffers share ")
    explorer.set(beside=None)
    assert len(explorer.sides) == 1
    assert violations(one.pool.buddy) == []


def test_no_memory_is_noted_and_rolled_back() -> None:
    explorer = PoolExplorer("6.12", "16MiB", [100], beside="7.3")
    explorer.alloc(4090, "wc")
    assert explorer.error == "6.12: no memory for 4,090 pages; 7.3: no memory for 4,090 pages"
    assert [len(side.live) for side in explorer.sides] == [1, 1]
    assert "2 without memory" in check_figure(explorer.history())["layout"]["meta"]["caption"]
    explorer.alloc(10)
    assert explorer.error is None


def test_a_side_is_the_same_from_the_same_actions() -> None:
    scene = Scene("64MiB", "medium", 0.4, "freed uploads", seed=3)
    actions = (Fill(700, "wc"), Run("desktop", 40), Fill(90_000, "cached"))
    with pytest.raises(TtmError, match="cannot be made"):
        perform("6.12", scene, actions)
    first, second = (perform("6.12", scene, actions[:2]) for _ in range(2))
    assert first.pool == second.pool
    assert first.steps == second.steps
    assert [step.step for step in first.steps] == list(range(41))
    full = Side("6.12", Scene("16MiB"))
    full.act(Fill(2000))
    with pytest.raises(TtmNoMemory):
        full.act(Fill(4096))
    assert [step.failed for step in full.steps] == [False, True]
    with pytest.raises(TtmError, match="fragmentation"):
        Scene(fragmentation="dust")


def test_the_view_is_drawn_again_when_a_control_is_used() -> None:
    explorer = PoolExplorer("6.12", "64MiB", [1500])
    live = pool_view(explorer)
    scene, requests, workload, pool, strip, *_ = live.widget.children  # type: ignore[attr-defined]
    before = (pool.outputs, strip.outputs)
    kernel = next(c for c in scene.children if c.description == "kernel")
    kernel.value = "7.3"
    assert explorer.release == "7.3"
    assert pool.outputs != before[0]
    size = next(c for c in requests.children if c.description == "size of")
    size.value = 2025
    next(c for c in requests.children if c.description == "Fill").click()
    assert explorer.buffers[-1].pages == 2025
    beside = next(c for c in scene.children if c.description == "beside it")
    beside.value = "6.12"
    assert len(explorer.sides) == 2
    beside.value = "none"
    assert len(explorer.sides) == 1
    next(c for c in workload.children if c.description == "Run").click()
    assert any(step.object.startswith("surface") for step in explorer.sides[0].steps)
    assert strip.outputs != before[1]
