"""The matrix of policies and the swim-lanes, drawn from explorations that are run here."""

from __future__ import annotations

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
    lines = told["layout"]["yaxis"]["ticktext"]
    cells = {
        (round(a["x"]), round(a["y"])): a["text"] for a in told["layout"]["annotations"] if a.get("name") != "caption"
    }
    found = {v.invariant.id: v.depth for v in matrix["c_69", "A"].violations}
    assert len(lines) == len(found)
    for y, line in enumerate(lines):
        (invariant,) = [i for i in found if f": {i} " in line]
        assert cells[1, y] == f"<b>{found[invariant]}</b>"
        assert cells[0, y] == cells[2, y] == "."
    assert lines == sorted(lines, key=lambda line: int(line.split(": I")[1].split()[0]))


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
    drawn = sorted((x, t) for trace in plot_swim_lanes(frame).data for x, t in zip(trace.x, trace.text, strict=True))
    assert [t.replace("<br>", " ") for _, t in drawn] == [s.action for s in found.trace]
    lanes = set(told["layout"]["yaxis"]["ticktext"])
    assert {s.actor for s in found.trace} <= lanes
    assert {"page 0", "page 1"} <= lanes
    counts = [a["text"] for a in told["layout"]["annotations"] if a.get("hovertext", "").startswith("page 0")]
    last = frame.iloc[-1]
    assert f"{last['refcount_0']}/{last['mapcount_0']}" in counts[-1]


def test_an_unbroken_invariant_has_no_lanes(matrix: Matrix) -> None:
    with pytest.raises(NoTrace, match=r"d does not break I3 here; broken: none"):
        df_swim_lanes(matrix["d", "A"], "I3")
