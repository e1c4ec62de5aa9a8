"""Stacks side by side: aligned without losing an entry."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.charts.stack_families import NoStacks, df_stack_families, plot_stack_families
from tests.charts.figures import check_figure
from tests.charts.sample import HOSTILE, frame, report

STACKS = st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12), min_size=1, max_size=5)


@settings(deadline=None, max_examples=100)
@given(STACKS)
def test_every_stack_keeps_its_entries_in_their_order(stacks: list[list[str]]) -> None:
    reports = {str(i): report(*(frame(f, n) for n, f in enumerate(stack))) for i, stack in enumerate(stacks)}
    table = df_stack_families(reports)
    names = table.drop_duplicates("row").set_index("row")["function"]
    for name, stack in zip(reports, stacks, strict=True):
        part = table[table["family"] == name]
        assert part["row"].is_monotonic_increasing
        assert part["row"].is_unique
        assert names[part["row"]].tolist() == stack
    everywhere = table.groupby("row")["family"].nunique() == len(stacks)
    assert (table["shared"] == table["row"].map(everywhere)).all()


def test_where_two_stacks_part_is_seen() -> None:
    lab = report(frame("bad_page", 1), frame("folio_batch_move_lru", 2), frame("npf_interception", 3, module="kvm_amd"))
    seen = report(
        frame("bad_page", 1), frame("folio_batch_move_lru", 2), frame("vmx_handle_exit", 9, module="kvm_intel")
    )
    table = df_stack_families({"reported": seen, HOSTILE: lab}, source="two logs")
    told = check_figure(plot_stack_families(table))
    assert told["layout"]["title"]["text"] == "2 of 4 functions are in both stacks"
    assert told["layout"]["yaxis"]["ticktext"][-2:] == ["vmx_handle_exit", "npf_interception"]
    assert any("line 9" in h for trace in told["data"] for h in trace["hovertext"])


def test_unconfirmed_entries_and_empty_stacks_are_left_out() -> None:
    reports = {"a": report(frame("x", 1), frame("y", 2, reliable=False)), "b": report()}
    table = df_stack_families(reports)
    assert table["function"].tolist() == ["x"]
    assert "1 families without such calls" in check_figure(plot_stack_families(table))["layout"]["meta"]["caption"]
    with pytest.raises(NoStacks, match="none of the reports"):
        df_stack_families({"b": report()})
