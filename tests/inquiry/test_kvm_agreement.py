"""Model and recorded kernels, row by row: outcomes and counts, gets and puts, and what no capture holds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from kvmlab.capture.lab_records import parse_lab_records
from kvmlab.capture.shelf import ShippedRun, shipped_runs
from kvmlab.charts.capture_matrix import df_capture_matrix, plot_capture_matrix
from kvmlab.inquiry.captures_lab import df_kvm_matrix
from kvmlab.inquiry.kvm_agreement import (
    NOT_RECORDED,
    OPEN,
    df_agreement_summary,
    df_beside,
    df_kvm_agreement,
    has_secretmem,
    recorded_rows,
)
from kvmlab.inquiry.kvm_references import NOT_HELD, df_reference_agreement, df_reference_claims
from kvmlab.kvm.fault_matrix import page_cases
from tests.inquiry.test_captures_lab import run_with


@pytest.fixture(scope="module")
def runs(root: Path) -> tuple[ShippedRun, ...]:
    if not (root / "data" / "captures").is_dir():
        pytest.skip("data/captures is not in this checkout")
    return shipped_runs()


@pytest.fixture(scope="module")
def agreement(runs: tuple[ShippedRun, ...]) -> pd.DataFrame:
    return df_kvm_agreement(runs)


@pytest.fixture(scope="module")
def references(runs: tuple[ShippedRun, ...]) -> pd.DataFrame:
    return df_reference_agreement(runs)


def test_every_recorded_row_of_every_kernel_is_predicted(agreement: pd.DataFrame) -> None:
    summary = df_agreement_summary(agreement).set_index("kernel")
    assert {k.split(".")[0] + "." + k.split(".")[1] for k in summary.index} == {"6.1", "6.12", "7.3"}
    assert (summary["pages"] == len(list(page_cases())) + 12).all(), "and twelve pages of TTM's buffers"
    assert (summary["compared"] > 200).all()
    assert (summary["disagree"] == 0).all(), agreement[agreement["agrees"].eq(False)].to_string()


def test_only_pages_that_cannot_be_mapped_lack_a_recorded_count(agreement: pd.DataFrame) -> None:
    silent = agreement[agreement["agrees"].isna()]
    assert set(silent["note"]) == {NOT_RECORDED}
    assert set(silent["case"]) == {"noncompound/order3/vm_insert_page"}
    assert set(silent["field"]) == {"refcount"}


def test_recorded_and_predicted_stand_side_by_side(agreement: pd.DataFrame) -> None:
    beside = df_beside(agreement)
    assert len(beside) == len(list(page_cases())) + 12
    assert beside["agrees"].all()
    tail = beside[(beside["case"] == "compound/order3/remap_pfn_range") & (beside["page"] == 1)].iloc[0]
    for column in [c for c in beside.columns if c.endswith(" recorded")]:
        assert tail[column] == ("ok" if column.startswith("7.") else "efault")
        assert tail[column.replace("recorded", "predicted")] == tail[column]


def test_every_get_and_put_comes_in_the_recorded_order(references: pd.DataFrame) -> None:
    assert set(references["run"]) == {"machine", "page-references"}
    assert references["agrees"].all(), references[~references["agrees"]].to_string()
    assert not (references["note"] == OPEN).any()
    zero = references[(references["case"] == "anon/zero_page") & (references["access"] == "write")]
    assert set(zero["recorded"]) == {("+3", "-2", "+3", "-2")}, "two pairs for one write"
    # The two kernels differ in CONFIG_SECRETMEM, and with it in how GUP finds a small page.
    small = references[(references["case"] == "single/order0/vm_insert_page") & (references["access"] == "read")]
    assert small.set_index("run")["recorded"].to_dict() == {
        "machine": ("+3", "-2"),
        "page-references": ("+3", "-2", "+3", "+4", "-3", "-2"),
    }


def test_whether_a_kernel_has_secretmem_is_read_from_its_config(runs: tuple[ShippedRun, ...]) -> None:
    found = {(run.release, run.run): has_secretmem(run.open()) for run in runs if run.run == "machine"}
    assert found.pop(("6.12.117-klab", "machine")) is False
    assert set(found.values()) == {True}


def test_what_no_trace_holds_is_said(runs: tuple[ShippedRun, ...]) -> None:
    claims = df_reference_claims(runs).set_index("kernel")
    new = claims.loc[next(k for k in claims.index if k.startswith("7."))]
    assert (new["pfnmap_tail"], new["pfnmap_head"], new["held"]) == ((), (), NOT_HELD)
    assert pd.isna(new["compared"])
    traced = claims.loc["6.12.117-klab"]
    assert traced["agree"] == traced["compared"] == 160


TAIL = (
    '{"case":"compound/order3/remap_pfn_range","page":1,"seq":[{"step":"mapped_host","nostruct":0,"refcount":0},'
    '{"run":"read","ok":1,"errno":0},{"run":"write","ok":0,"errno":14},{"step":"after_read","nostruct":0,"refcount":0}]}'
)


def test_a_kernel_that_behaves_otherwise_is_an_open_disagreement(tmp_path: Path) -> None:
    run = run_with(tmp_path, "6.12.1", "machine", kvm__matrix_DOT_jsonl=TAIL)
    agreement = df_kvm_agreement([run])
    row = agreement[(agreement["case"] == "compound/order3/remap_pfn_range") & (agreement["page"] == 1)]
    wrong = row[row["agrees"].eq(False)]
    assert wrong[["field", "predicted", "recorded", "note"]].to_numpy().tolist() == [["read", "efault", "ok", OPEN]]
    beside = df_beside(agreement).set_index(["case", "page"]).loc[("compound/order3/remap_pfn_range", 1)]
    assert beside["6.12.1 recorded"] == "ok / efault"
    assert not beside["agrees"]


def test_a_kernel_of_unknown_policy_is_left_out(tmp_path: Path) -> None:
    run = run_with(tmp_path, "2.4.37", "machine", kvm__matrix_DOT_jsonl=TAIL)
    assert df_kvm_agreement([run]).empty


def test_odd_records_are_no_rows() -> None:
    text = '{"kvm_api":12}\n{"case":1,"page":0}\n{"case":"x","page":"y"}\n{"case":"a","page":0,"mmap_errno":12}\n'
    assert recorded_rows(parse_lab_records(text)) == {("a", 0): {"mmap": "errno 12"}}


def test_the_picture_rings_what_is_predicted_and_squares_what_is_not(
    runs: tuple[ShippedRun, ...], agreement: pd.DataFrame
) -> None:
    matrix = df_kvm_matrix(runs)
    told = plot_capture_matrix(df_capture_matrix(matrix, agreement))
    assert told.layout.title.text.endswith(f": {len(matrix)} of {len(matrix)} predicted")
    assert "not as the model predicts" not in [trace.name for trace in told.data]
    wrong = agreement.assign(predicted=agreement["predicted"].replace({"efault": "ok"}))
    told = plot_capture_matrix(df_capture_matrix(matrix, wrong))
    squares = next(trace for trace in told.data if trace.name == "not as the model predicts")
    assert len(squares.x) == (matrix["read"] == "efault").sum() > 0
