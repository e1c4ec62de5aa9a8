"""One example of every chart, and of most a far too large one: what holds for all charts is tested on these."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kvmlab.capture.buddyinfo import parse_buddyinfo
from kvmlab.capture.shelf import shipped_runs
from kvmlab.charts.batch_groups import df_batch_groups, plot_batch_groups
from kvmlab.charts.call_stack import df_call_stack, plot_call_stack
from kvmlab.charts.capture_matrix import df_capture_matrix, plot_capture_matrix
from kvmlab.charts.capture_refs import df_capture_refs, plot_capture_refs
from kvmlab.charts.capture_storms import df_capture_storms, plot_capture_storms
from kvmlab.charts.fragmentation import df_fragmentation, plot_fragmentation
from kvmlab.charts.order_histogram import df_order_histogram, plot_order_histogram
from kvmlab.charts.page_life import df_page_life, plot_page_life
from kvmlab.charts.page_scene import df_page_scene, plot_page_scene
from kvmlab.charts.pfn_map import df_pfn_map, plot_pfn_map
from kvmlab.charts.pfn_strip import df_pfn_strip, plot_pfn_strip
from kvmlab.charts.policy_matrix import df_policy_matrix, plot_policy_matrix
from kvmlab.charts.replay import df_replay, plot_replay
from kvmlab.charts.report_timeline import df_report_timeline, plot_report_timeline
from kvmlab.charts.stack_families import df_stack_families, plot_stack_families
from kvmlab.charts.swim_lanes import df_swim_lanes, plot_swim_lanes
from kvmlab.charts.ttm_fragmentation import df_ttm_fragmentation, plot_ttm_fragmentation
from kvmlab.charts.ttm_pages import df_ttm_pages, plot_ttm_pages
from kvmlab.charts.ttm_pool_time import df_ttm_pool_time, plot_ttm_pool_time
from kvmlab.charts.ttm_strip import df_ttm_strip, plot_ttm_strip
from kvmlab.charts.v11_series import df_v11_series, plot_v11_series
from kvmlab.charts.zone_map import df_zone_map, plot_zone_map
from kvmlab.inquiry.captures_lab import df_kvm_matrix
from kvmlab.inquiry.kvm_mechanism import page_lives
from kvmlab.inquiry.pfn_ranges import PfnRanges, pfn_ranges
from kvmlab.inquiry.replay import replay, same_events
from kvmlab.inquiry.ttm_listed import predict_listed
from kvmlab.inquiry.ttm_predict import BufferPrediction
from kvmlab.kvm.explore import explore
from kvmlab.kvm.policies import find_policy
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmPool
from kvmlab.memory.workload import run_workload
from kvmlab.report.log import Log, read_log
from tests.charts.sample import frame, report

if TYPE_CHECKING:
    import plotly.graph_objects as go

DATA = Path(__file__).resolve().parents[2] / "data"
KERNEL = "6.12.117+deb12-amd64"
FRAGMENTED = "kernel lab, fragmented"


@cache
def case_log() -> Log:
    """The reported trace."""
    return read_log(DATA / "2024-07-31-kvm-bad-page-state" / "raw.txt")


@cache
def storm_log() -> Log:
    """A storm that outlasts the minute in which the kernel keeps silent."""
    return read_log(DATA / "captures" / KERNEL / "storm-1vcpu-second-minute" / "storm" / "dmesg.txt.gz")


@cache
def prediction() -> BufferPrediction:
    """A recorded buffer beside the model's."""
    from kvmlab.capture.shelf import open_captures

    found = predict_listed(open_captures(DATA / "captures" / KERNEL / "fragmented"), release=KERNEL)
    return found["frag/stride2/n8100_caching2"]


def frames_of(blocks: tuple[tuple[int, int], ...]) -> PfnRanges:
    """Blocks as ranges."""
    last = [pfn + (1 << order) - 1 for pfn, order in blocks]
    return pfn_ranges([pfn for pfn, _ in blocks], last=last, source=FRAGMENTED, kernel=KERNEL)


@cache
def scattered() -> PfnRanges:
    """A hundred thousand runs."""
    random = np.random.default_rng(3)
    return pfn_ranges(np.unique(random.integers(0, 1 << 26, 100_000)), source="made up", kernel="6.12")


def _storm() -> go.Figure:
    return plot_batch_groups(df_batch_groups(storm_log().reports, source="storm"))


def _matrix() -> go.Figure:
    return plot_capture_matrix(df_capture_matrix(df_kvm_matrix(shipped_runs())))


def _refs() -> go.Figure:
    run = next(run for run in shipped_runs() if run.run == "page-references")
    return plot_capture_refs(df_capture_refs(run, "anon/zero_page", 0))


def _fragmentation() -> go.Figure:
    place = DATA / "captures" / KERNEL
    sets = {
        "idle": place / "machine" / "base" / "buddyinfo.txt",
        "every second page taken": place / "fragmented" / "frag" / "stride2" / "n8100_caching2" / "buddyinfo.txt",
    }
    read = {name: parse_buddyinfo(file.read_text()) for name, file in sets.items()}
    return plot_fragmentation(df_fragmentation(read, source=FRAGMENTED, kernel=KERNEL))


def _map() -> go.Figure:
    return plot_pfn_map(df_pfn_map(frames_of(prediction().recorded), cells=4096))


def _strip() -> go.Figure:
    sets = {"recorded": frames_of(prediction().recorded), "predicted": frames_of(prediction().predicted)}
    return plot_pfn_strip(df_pfn_strip(sets))


def _orders() -> go.Figure:
    sets = {"recorded": [o for _, o in prediction().recorded], "predicted": [o for _, o in prediction().predicted]}
    return plot_order_histogram(df_order_histogram(sets, source=FRAGMENTED, kernel=KERNEL))


def _policies() -> go.Figure:
    return plot_policy_matrix(df_policy_matrix({(p, "A"): explore(p, engine="python") for p in ("b68", "c_69", "d")}))


def _replay() -> go.Figure:
    played = replay(case_log().bad_pages[0])
    return plot_replay(df_replay(same_events(played, [find_policy("c_69"), find_policy("d")]), source="case"))


def _life() -> go.Figure:
    run = next(run for run in shipped_runs() if run.run == "storm-1vcpu-page-ref")
    return plot_page_life(df_page_life(page_lives(run)[0], replay(case_log().bad_pages[0]), run))


def _scene() -> go.Figure:
    return plot_page_scene(df_page_scene(replay(case_log().bad_pages[0]), 13, source="case"))


def _families() -> go.Figure:
    reports = {"the reported trace": case_log().bad_pages[0], "a storm in the lab": storm_log().bad_pages[0]}
    return plot_stack_families(df_stack_families(reports, source="case and kernel lab"))


def _sweep() -> go.Figure:
    settings = {"size": "16MiB", "engine": "python", "pages": (700,), "free_shares": (0.3, 0.6, 0.8)}
    return plot_ttm_fragmentation(df_ttm_fragmentation(**settings, clusters=(1, 64), releases=("6.12", "7.3")))


def _ttm_pages() -> go.Figure:
    sets = {"recorded": prediction().recorded, "predicted": prediction().predicted}
    return plot_ttm_pages(df_ttm_pages(sets, source=FRAGMENTED, kernel=KERNEL))


def _ttm_strip() -> go.Figure:
    sets = {"recorded": prediction().recorded, "predicted": prediction().predicted}
    waiting = dict.fromkeys(sets, ((32768, 9),))
    return plot_ttm_strip(df_ttm_strip(sets, pooled=waiting, source=FRAGMENTED, kernel=KERNEL))


def _pool_time(steps: int = 40) -> go.Figure:
    pool = TtmPool(Buddy.fresh("512MiB", release="6.12", engine="python"))
    return plot_ttm_pool_time(
        df_ttm_pool_time({"6.12": run_workload(pool, "compositor", steps, seed=2)}, source="model")
    )


EXAMPLES: dict[str, Callable[[], go.Figure]] = {
    "batch_groups": _storm,
    "call_stack": lambda: plot_call_stack(df_call_stack(case_log().bad_pages[0], source="case")),
    "capture_matrix": _matrix,
    "capture_refs": _refs,
    "capture_storms": lambda: plot_capture_storms(df_capture_storms(shipped_runs())),
    "fragmentation": _fragmentation,
    "order_histogram": _orders,
    "page_life": _life,
    "page_scene": _scene,
    "pfn_map": _map,
    "pfn_strip": _strip,
    "policy_matrix": _policies,
    "replay": _replay,
    "report_timeline": lambda: plot_report_timeline(df_report_timeline(storm_log().reports, source="storm")),
    "stack_families": _families,
    "swim_lanes": lambda: plot_swim_lanes(df_swim_lanes(explore("c_69", engine="python"), "I3")),
    "ttm_fragmentation": _sweep,
    "ttm_pages": _ttm_pages,
    "ttm_pool_time": _pool_time,
    "ttm_strip": _ttm_strip,
    "v11_series": lambda: plot_v11_series(df_v11_series()),
    "zone_map": lambda: plot_zone_map(df_zone_map(case_log().bad_pages, source="case")),
}


def _reports(n: int) -> list[object]:
    """Bad pages of one task that a kernel of unknown release printed, a millisecond apart."""
    stack = [frame(f"function_{i}", 80 + i) for i in range(4)]
    return [report(*stack, pfn=7 * i, index=i, timestamp=f"{i // 1000}.{i % 1000:03}000") for i in range(n)]


def _large_storm() -> go.Figure:
    return plot_batch_groups(df_batch_groups(_reports(6_000)))  # type: ignore[arg-type]


LARGE: dict[str, Callable[[], go.Figure]] = {
    "batch_groups": _large_storm,
    "call_stack": lambda: plot_call_stack(df_call_stack(report(*(frame(f"f{i}", i) for i in range(5000))))),
    "fragmentation": lambda: plot_fragmentation(
        df_fragmentation({"all": parse_buddyinfo("".join(f"Node {n}, zone Normal {'3 ' * 11}\n" for n in range(500)))})
    ),
    "order_histogram": lambda: plot_order_histogram(df_order_histogram({"a": list(range(11)) * 10_000})),
    "pfn_map": lambda: plot_pfn_map(df_pfn_map(scattered())),
    "pfn_strip": lambda: plot_pfn_strip(df_pfn_strip({"one": scattered(), "two": scattered()})),
    "report_timeline": lambda: plot_report_timeline(df_report_timeline(_reports(6_000))),  # type: ignore[arg-type]
    "stack_families": lambda: plot_stack_families(
        df_stack_families({f"f{k}": report(*(frame(f"f{k}_{i}", i) for i in range(500))) for k in range(40)})
    ),
    "ttm_pages": lambda: plot_ttm_pages(df_ttm_pages({"a": tuple((2 * i, 0) for i in range(300_000))})),
    "ttm_pool_time": lambda: plot_ttm_pool_time(
        df_ttm_pool_time(
            {"a": run_workload(TtmPool(Buddy.fresh("64MiB", engine="python")), "compositor", 10, seed=1) * 4000}
        )
    ),
    "ttm_strip": lambda: plot_ttm_strip(
        df_ttm_strip({"a": tuple((2 * i, 0) for i in range(300_000)), "b": tuple((i << 14, 3) for i in range(9_000))})
    ),
    "zone_map": lambda: plot_zone_map(df_zone_map(_reports(6_000))),  # type: ignore[arg-type]
}
