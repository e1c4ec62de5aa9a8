"""Recorded storms of one vCPU beside the model's."""

from __future__ import annotations

from pathlib import Path

import pytest

from kvmlab.capture.shelf import shipped_runs
from kvmlab.inquiry.kvm_agreement import OPEN
from kvmlab.inquiry.storm_agreement import UNSEEN, df_storm_agreement, df_storms_beside, predict_storm


@pytest.mark.slow
def test_every_storm_that_the_model_plays_is_predicted(root: Path) -> None:
    if not (root / "data" / "captures").is_dir():
        pytest.skip("data/captures is not in this checkout")
    table = df_storm_agreement(shipped_runs())
    assert table[["kernel", "run"]].drop_duplicates().shape[0] >= 8
    wrong = table[~table["agrees"]]
    assert wrong[["field", "predicted", "recorded", "note"]].to_numpy().tolist() == [["bad pages", "31", "30", UNSEEN]]
    assert wrong["kernel"].iloc[0].startswith("7.3")
    assert not (table["note"] == OPEN).any()


def test_the_short_storm_is_predicted_and_other_runs_are_left_alone(root: Path) -> None:
    if not (root / "data" / "captures").is_dir():
        pytest.skip("data/captures is not in this checkout")
    runs = {run.run: run for run in shipped_runs() if run.release.startswith("6.12")}
    table = df_storm_agreement([runs["storm-1vcpu-page-ref"]]).set_index("field")
    assert table["agrees"].all()
    assert table.loc["full groups", "recorded"] == "2 x 30"
    assert table.loc["puts", "predicted"] == "70"
    wide = df_storms_beside(table.reset_index().assign(agrees=[True, False, True, True], predicted="71")).iloc[0]
    assert (wide["puts"], wide["bad pages"], wide["agrees"]) == ("70", "70; predicted 71", "3 of 4")
    for name in ("storm-2vcpu", "control-touched", "machine", "storm-1vcpu-second-minute"):
        assert predict_storm(runs[name]) is None, name
