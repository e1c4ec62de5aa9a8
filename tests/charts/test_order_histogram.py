"""Blocks by order, seen and predicted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmlab.charts.order_histogram import NoBlocks, df_order_histogram, plot_order_histogram
from tests.charts.figures import check_figure
from tests.charts.sample import HOSTILE


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=50), st.lists(st.integers(0, 12), max_size=50))
def test_every_block_is_counted(one: list[int], other: list[int]) -> None:
    frame = df_order_histogram({"a": one, "b": other})
    for name, orders in (("a", one), ("b", other)):
        part = frame[frame["set"] == name]
        assert part["blocks"].tolist() == [orders.count(o) for o in part["order"]]
        assert part["pages"].sum() == sum(1 << o for o in orders)
        assert part["share"].sum() == pytest.approx(1.0 if orders else 0.0)


def test_agreement_and_difference_are_the_title() -> None:
    same = check_figure(plot_order_histogram(df_order_histogram({"captured": [10, 2], "predicted": [2, 10]})))
    assert same["layout"]["title"]["text"] == "captured and predicted: the same blocks of every order"
    differ = check_figure(plot_order_histogram(df_order_histogram({"captured": [10, 2], HOSTILE: [10, 3]})))
    assert differ["layout"]["title"]["text"] == "Blocks by order: the sets differ at order 2, 3"
    alone = check_figure(plot_order_histogram(df_order_histogram({"seen": [0]}, source="case", kernel="6.12")))
    assert alone["layout"]["title"]["text"] == "1 block by order"
    assert "kernel: 6.12" in alone["layout"]["meta"]["caption"]


def test_no_block_is_refused() -> None:
    with pytest.raises(NoBlocks, match="there is no block"):
        df_order_histogram({"a": []})
