"""The matrix of policies and the swim-lanes, drawn from explorations that are run here."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kvmlab.charts.policy_matrix import NothingExplored, df_policy_matrix, plot_policy_matrix
from kvmlab.charts.swim_lanes import NoTrace, df_swim_lanes, plot_swim_lanes
from kvmlab.kvm.exploration import Exploration
from kvmlab.kvm.explore import explore, policy_matrix
from kvmlab.kvm.policies import find_policy
from tests.charts.figures import check_figure

Matrix = dict[tuple[str, str], Exploration]


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return policy_matrix(("A",), [find_policy(p) for p in ("b68", "c_69", "d")], engine="python")


def test_every_cell_says_what_the_explorer_found(matrix: Matrix) -> None:
    told = check_figure(plot_policy_matrix(df_policy_matrix(matrix)))
    assert told["layout"]["title"]["text"] == "1 of 3 policies break an invariant; b68, d do not"
    axis = told["layout"]["yaxis"]
    lines = dict(zip(axis["tickvals"], axis["ticktext"], strict=True))
    drawn = [a for a in told["layout"]["annotations"] if a.get("name") != "caption"]
    assert any("anonymous page" in a["text"] for a in drawn), "a heading says what A is"
    cells = {(round(a["x"]), round(a["y"])): a["text"] for a in drawn if a.get("xref") != "paper"}
    found = {v.invariant.id: v.depth for v in matrix["c_69", "A"].violations}
    assert [line.split()[0] for line in lines.values()] == sorted(found, key=lambda i: int(i[1:]))
    for y, line in lines.items():
        assert cells[1, y] == f"<b>{found[line.split()[0]]}</b>"
        assert cells[0, y] == cells[2, y] == "."


def test_a_column_names_its_kernels_and_never_turns(matrix: Matrix) -> None:
    axis = plot_policy_matrix(df_policy_matrix(matrix)).layout.xaxis
    assert axis.tickangle == 0
    assert [text.partition("<br>")[0] for text in axis.ticktext] == ["<b>b68</b>", "<b>c_69</b>", "<b>d</b>"]
    assert "6.8\u20136.12" in axis.ticktext[0]
    assert axis.ticktext[1].endswith("never<br>merged")
    assert max(len(part) for text in axis.ticktext for part in text.split("<br>")[1:]) <= 11


def test_a_drivers_bug_is_not_laid_at_the_policys_door() -> None:
    frame = df_policy_matrix(policy_matrix(("T", "X"), [find_policy(p) for p in ("a", "d")], engine="python"))
    told = plot_policy_matrix(frame)
    assert told.layout.title.text == "1 of 2 policies break an invariant by themselves; d does not"
    assert any("the driver's bug" in (a.text or "") for a in told.layout.annotations)


def test_an_answer_that_is_not_complete_is_no_clean_bill() -> None:
    cut = explore("d", engine="python", max_states=20)
    frame = df_policy_matrix({("d", "A"): cut, ("c_69", "A"): explore("c_69", engine="python")})
    told = check_figure(plot_policy_matrix(frame))
    assert "Not explored to the end: d on A" in told["layout"]["meta"]["caption"]
    assert any(a["text"] == "?" for a in told["layout"]["annotations"])


def test_where_nothing_breaks_the_picture_says_so() -> None:
    told = check_figure(plot_policy_matrix(df_policy_matrix({("d", "A"): explore("d", engine="python")})))
    assert told["layout"]["title"]["text"] == "None of 1 policies breaks an invariant"


def test_an_empty_matrix_is_refused(matrix: Matrix) -> None:
    with pytest.raises(NothingExplored, match="no policy was explored"):
        plot_policy_matrix(df_policy_matrix(matrix).head(0))


def test_the_lanes_show_the_shortest_trace_and_the_counts(matrix: Matrix) -> None:
    answer = matrix["c_69", "A"]
    found = answer.violation("I3")
    assert found is not None
    frame = df_swim_lanes(answer, "I3")
    told = check_figure(plot_swim_lanes(frame))
    assert told["layout"]["title"]["text"] == f"{found.depth} steps under c_69 break I3 {found.invariant.name}"
    picture = plot_swim_lanes(frame)
    boxes = [trace for trace in picture.data if trace.type == "bar"]
    drawn = sorted((x, t) for trace in boxes for x, t in zip(trace.x, trace.text, strict=True))
    said = [t.replace("-<br>", "-").replace("<br>", " ") for _, t in drawn]
    assert said == [s.action for s in found.trace]
    assert told["layout"]["yaxis"]["ticktext"] == list(dict.fromkeys(s.actor for s in found.trace))
    counts = {trace.name: trace for trace in picture.data if trace.type == "scatter"}
    for name, column in (("_refcount", "refcount_0"), ("mapcount", "mapcount_0")):
        assert list(counts[name].y) == frame[column].tolist()
        changes = [int(a != b) for a, b in pairwise(frame[column])]
        assert [int(bool(text)) for text in counts[name].text[1:]] == changes


def test_the_steps_that_matter_are_marked_and_told(matrix: Matrix) -> None:
    stack = ("bad_page", "kvm_faultin_pfn", "kvm_tdp_page_fault")
    frame = df_swim_lanes(matrix["c_69", "A"], "I3", stack)
    picture = plot_swim_lanes(frame)
    words = [a.text for a in picture.layout.annotations if a.name != "caption"]
    assert words == ["<b>put without a reference</b>", "<b>bad_page()</b>"]
    bands = [(s.x0, s.x1) for s in picture.layout.shapes if s.type == "rect"]
    assert bands == [(5.5, 6.5), (6.5, 7.5)]
    assert "Step 6: stale" in picture.layout.meta["caption"]
    assert "Step 7: another task empties" in picture.layout.meta["caption"]
    squares = next(t for t in picture.data if t.name == "its functions are in the reported stack")
    assert 1 in squares.x
    without = plot_swim_lanes(df_swim_lanes(matrix["c_69", "A"], "I3"))
    assert not any(t.name == squares.name for t in without.data)


def test_a_trace_without_a_stray_put_marks_its_last_step() -> None:
    picture = plot_swim_lanes(df_swim_lanes(explore("c_base", engine="python"), "I8"))
    words = [a.text for a in picture.layout.annotations if a.name != "caption"]
    assert words == ["<b>I8</b>"]


def test_an_unbroken_invariant_has_no_lanes(matrix: Matrix) -> None:
    with pytest.raises(NoTrace, match=r"d does not break I3 here; broken: none"):
        df_swim_lanes(matrix["d", "A"], "I3")
