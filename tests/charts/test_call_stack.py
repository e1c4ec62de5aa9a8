"""The call stack as a picture."""

from __future__ import annotations

import pytest

from kvmlab.charts.call_stack import MOST_ENTRIES, NoCallTrace, df_call_stack, plot_call_stack
from tests.charts.figures import check_figure
from tests.charts.sample import HOSTILE, RELEASE, frame, report

FRAMES = (
    frame("dump_stack_lvl", 90),
    frame("bad_page", 91),
    frame("__pfx_lru_add_fn", 96, reliable=False),
    frame("hva_to_pfn", 104, module="kvm"),
    frame("em_rsm", 108, module="kvm", reliable=False, offset=None),
    frame(HOSTILE, 109, module=HOSTILE),
)


def test_the_frame_holds_what_the_report_holds() -> None:
    table = df_call_stack(report(*FRAMES), source="case")
    assert table["function"].tolist() == [f.function for f in FRAMES]
    assert table["line"].tolist() == [90, 91, 96, 104, 108, 109]
    assert table["reliable"].tolist() == [True, True, False, True, False, True]
    assert table["module"].tolist() == ["core kernel", "core kernel", "core kernel", "kvm", "kvm", HOSTILE]
    assert table["offset"].isna().tolist() == [False, False, False, False, True, False]
    assert table.attrs == {"source": "case", "kernel": RELEASE}


def test_confirmed_entries_and_marked_ones_are_drawn_apart() -> None:
    picture = plot_call_stack(df_call_stack(report(*FRAMES), source="case"))
    told = check_figure(picture)
    drawn = {(t["name"], tuple(t.y)) for t in picture.data}
    assert ("core kernel", (0, 1)) in drawn
    assert ("? core kernel", (2,)) in drawn
    assert ("kvm", (3,)) in drawn
    assert ("? kvm", (4,)) in drawn
    assert told["layout"]["yaxis"]["range"][0] > told["layout"]["yaxis"]["range"][1], "the innermost call is on top"
    assert "4 entries confirmed, 2 marked ?" in told["layout"]["title"]["text"]


def test_hover_text_leads_to_the_line_of_the_source() -> None:
    picture = plot_call_stack(df_call_stack(report(*FRAMES)))
    hovers = [text for trace in picture.data for text in trace.hovertext]
    assert any("bad_page" in text and "line 91 of the source" in text and "+0x60/0x80" in text for text in hovers)
    assert any("em_rsm</b><br>" in text and "not confirmed" in text for text in hovers)


def test_hostile_names_are_shown_and_not_obeyed() -> None:
    check_figure(plot_call_stack(df_call_stack(report(*FRAMES))))


def test_an_endless_stack_is_cut_and_says_so() -> None:
    picture = plot_call_stack(df_call_stack(report(*(frame(f"f{i}", i) for i in range(MOST_ENTRIES + 50)))))
    assert sum(len(trace.y) for trace in picture.data) == MOST_ENTRIES
    assert "50 more" in picture.layout.meta["caption"]


def test_a_report_without_a_stack_is_refused_with_a_sentence() -> None:
    with pytest.raises(NoCallTrace, match="report 0 holds no call trace entry"):
        df_call_stack(report())
