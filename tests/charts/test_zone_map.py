"""Pages on the map of the zones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.charts.zone_map import NoPfn, df_zone_map, plot_zone_map
from tests.charts.figures import check_figure
from tests.charts.sample import RELEASE, report


def test_the_reported_page_lies_in_normal_as_its_flags_say() -> None:
    frame = df_zone_map(report(), source="case")
    assert frame.to_dict("records") == [
        {"pfn": 0xFB1665, "zone": "Normal", "printed_zone": "Normal", "report": 0, "line": 60}
    ]
    assert frame.attrs["kernel"] == RELEASE
    told = check_figure(plot_zone_map(frame))
    assert told["layout"]["title"]["text"] == "The page lies in zone Normal, as its flags say"
    texts = " ".join(a["text"] for a in told["layout"]["annotations"])
    assert "0xfb1665" in texts
    assert "62.77 GiB" in texts
    assert "line 60 of the source" in told["data"][0]["hovertext"][0]


def test_tiny_dma_stays_wide_enough_to_be_seen() -> None:
    told = check_figure(plot_zone_map(df_zone_map(report(pfn=0x3FFFFFFF))))
    boxes = [s for s in told["layout"]["shapes"] if s["type"] == "rect"][:3]
    width = told["layout"]["xaxis"]["range"][1]
    assert all((b["x1"] - b["x0"]) / width > 0.1 for b in boxes)


def test_a_contradiction_between_rule_and_flags_is_said() -> None:
    told = check_figure(plot_zone_map(df_zone_map(report(pfn=0x2000, zone=2))))
    assert told["layout"]["title"]["text"] == "The page lies in zone DMA32, but its flags say Normal"


def test_a_log_without_a_zone_is_not_guessed() -> None:
    told = check_figure(plot_zone_map(df_zone_map(report(zone=None))))
    assert "the log prints no zone" in told["layout"]["title"]["text"]
    assert "assumed: the log does not show it" in told["layout"]["meta"]["caption"]


def test_an_architecture_without_fixed_zones_draws_one_box() -> None:
    told = check_figure(plot_zone_map(df_zone_map(report(), arch="arm64")))
    assert told["layout"]["title"]["text"] == "The page's flags say zone Normal; no rule says where the zones lie"


def test_many_pages_share_a_map() -> None:
    reports = [report(pfn=0xFB1600 + i, index=i) for i in range(30)] + [report(pfn=5, index=30)]
    told = check_figure(plot_zone_map(df_zone_map(reports)))
    assert told["layout"]["title"]["text"].startswith("31 pages: 30 in Normal, 1 in DMA; 1 of them against")
    assert len(told["layout"]["annotations"]) < 20


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, (1 << 40) - 1), min_size=1, max_size=5))
def test_every_page_is_drawn_inside_its_zone(pfns: list[int]) -> None:
    frame = df_zone_map([report(pfn=p) for p in pfns])
    told = check_figure(plot_zone_map(frame))
    boxes = [s for s in told["layout"]["shapes"] if s["type"] == "rect"][:3]
    names = ["DMA", "DMA32", "Normal"]
    for x, zone in zip(plot_zone_map(frame).data[0].x, frame["zone"], strict=True):
        box = boxes[names.index(zone)]
        assert box["x0"] <= x <= box["x1"]


def test_reports_without_a_pfn_are_refused() -> None:
    with pytest.raises(NoPfn, match="none of the reports holds a pfn"):
        df_zone_map([report(pfn=None)])
