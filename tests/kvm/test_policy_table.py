"""The violation matrix as a table, and the names that invariants and events have in outputs."""

from __future__ import annotations

import pytest

from kvmlab.kvm.config import CONFIG_WORDS, NAMED, parse_config
from kvmlab.kvm.explore import explore, policy_matrix
from kvmlab.kvm.invariants import INVARIANTS
from kvmlab.kvm.policies import POLICIES, find_policy
from kvmlab.kvm.policy_table import cell, df_policy_table

pytest.importorskip("pandas")


def test_rows_are_configurations_and_columns_policies() -> None:
    table = df_policy_table()
    assert list(table.columns) == ["config", "memory", *(p.id for p in POLICIES)]
    assert table["config"].tolist() == list(NAMED)
    assert set(NAMED) <= set(CONFIG_WORDS)
    assert table["memory"].tolist() == [CONFIG_WORDS[name] for name in NAMED]
    cells = table.set_index("config")
    assert cells.loc["A", "d"] == "-"
    assert cells.loc["T", "c_69"] == "I2@5"
    assert cells.loc["T", "b68"] == "refused@3"
    assert cells.loc["X", "d"] == "I1@6"
    assert cells.loc["A", "c_69"].split()[0] == "I10@6", "the shortest comes first"


def test_events_can_be_left_out() -> None:
    matrix = policy_matrix(("T", "A,vcpus=1"), (find_policy("b68"), find_policy("d")))
    table = df_policy_table(matrix, events=False)
    assert table[["b68", "d"]].to_numpy().tolist() == [["-", "-"], ["-", "-"]]
    assert table["memory"].tolist() == [CONFIG_WORDS["T"], "A,vcpus=1"]


def test_what_was_not_explored_to_the_end_is_never_called_clean() -> None:
    answer = explore(parse_config(find_policy("d"), "A"), max_states=5)
    assert not answer.complete
    assert cell(answer) != "-"
    assert "bound reached" in cell(answer)


def test_every_invariant_is_named_once() -> None:
    for invariant in INVARIANTS:
        assert invariant.id != invariant.name
        assert invariant.label.count(invariant.id) == 1
    assert len({i.id for i in INVARIANTS} | {i.name for i in INVARIANTS}) == 2 * len(INVARIANTS)
