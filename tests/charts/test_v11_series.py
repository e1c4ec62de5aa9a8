"""The v11 series as a picture: which patch changes which answer, and what it breaks on which base."""

from __future__ import annotations

import pytest

from kvmlab.charts.v11_series import COLUMNS, df_v11_series, plot_v11_series
from kvmlab.kvm.v11 import PATCHES, changed_by
from kvmlab.kvm.v11_series import df_series, df_truth_by_patch
from tests.charts.figures import check_figure


def test_every_changed_answer_has_a_thick_border_and_no_other() -> None:
    frame = df_v11_series()
    picture = plot_v11_series(frame)
    told = check_figure(picture)
    thick = [s for s in picture.layout.shapes if s.type == "rect" and s.line.width > 1]
    columns = {round((s.x0 + s.x1) / 2) for s in thick}
    answers = sum(len(changed_by(patch.number)) for patch in PATCHES)
    # Below: anonymous memory on the older base, all three kinds of memory on the newer one.
    assert (answers, len(thick)) == (5, 5 + 4)
    assert columns == {4, 5, 8}
    assert told["layout"]["title"]["text"] == "Nothing breaks before patch 8 of 8"
    assert "patch 5: answer to: kvm_vcpu_map" in told["layout"]["meta"]["alt"]


def test_the_two_bases_differ_in_what_the_last_patch_breaks() -> None:
    series = df_series()
    last = series[series["patches"] == 8].set_index("base")
    assert last.loc["6.7", ["A", "T", "R"]].tolist() == ["I8@8", "-", "-"]
    assert "I3@7" in last.loc["6.8 on", "A"].split()
    assert last.loc["6.8 on", "T"] == "I2@5"
    before = series[series["patches"] < 8]
    assert set(before["A"]) == {"-"}
    assert set(before["T"]) == {"refused@2", "refused@3"}
    assert series["changes"].map(len).gt(0).sum() == 2 * len(PATCHES)


@pytest.mark.parametrize(("caller", "unsafe", "page", "patch"), [("kvm_vcpu_map", "yes", "count 0", "5")])
def test_a_parameter_that_does_not_exist_yet_has_no_answer(caller: str, unsafe: str, page: str, patch: str) -> None:
    table = df_truth_by_patch()
    row = table[(table["caller"] == caller) & (table["unsafe"] == unsafe) & (table["struct_page"] == page)].iloc[0]
    assert row[list(COLUMNS[:4])].tolist() == ["-"] * 4
    assert row["4"] == "EFAULT"
    assert row[patch] == "no reference"
