"""The lab's recordings as tables and pictures: KVM by kernel, TTM's orders, references, storms."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from kvmlab.capture.lab_records import parse_lab_records
from kvmlab.capture.malformed import MissingInput
from kvmlab.capture.shelf import ShippedRun, shipped_runs
from kvmlab.charts.capture_matrix import NoMatrix, df_capture_matrix, plot_capture_matrix
from kvmlab.charts.capture_refs import NoReferences, df_capture_refs, plot_capture_refs
from kvmlab.charts.capture_storms import NoStorm, df_capture_storms, plot_capture_storms
from kvmlab.inquiry.captures_lab import (
    df_kvm_matrix,
    df_matrix_by_kernel,
    df_ttm_buffers,
    orders_text,
    ttm_orders,
)
from kvmlab.inquiry.captures_refs import df_page_references
from kvmlab.inquiry.captures_storms import bad_page_groups, df_storms, groups_text
from tests.charts.figures import check_figure

MANIFEST = 'schema = "kvmlab.capture/1"\nrelease = "{}"\nrun = "{}"\nquestion = "?"\ninjected = "{}"\n'
INJECTED = "one put_page() too many"


@pytest.fixture(scope="module")
def runs(root: Path) -> tuple[ShippedRun, ...]:
    if not (root / "data" / "captures").is_dir():
        pytest.skip("data/captures is not in this checkout")
    return shipped_runs()


def run_with(folder: Path, release: str, run: str, **files: str) -> ShippedRun:
    place = folder / release / run
    place.mkdir(parents=True)
    (place / "manifest.toml").write_text(MANIFEST.format(release, run, INJECTED))
    for name, text in files.items():
        path = place / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return next(r for r in shipped_runs(folder) if r.release == release and r.run == run)


def bad(cpu: int, pfn: int, stack: list[str]) -> str:
    row = {
        "ns": 1,
        "cpu": cpu,
        "pid": 7,
        "comm": "CPU 0/KVM",
        "event": "bad_page",
        "pfn": hex(pfn),
        "reason": "nonzero mapcount",
        "stack": stack,
    }
    return json.dumps(row)


def move(cpu: int) -> str:
    return json.dumps({"ns": 1, "cpu": cpu, "pid": 7, "comm": "x", "event": "folio_batch_move_lru", "nr": 31})


DRAIN = ["free_unref_folios", "folios_put_refs", "folio_batch_move_lru", "do_wp_page"]


def test_groups_end_where_a_batch_is_moved_or_the_stack_changes() -> None:
    lines = [
        move(0),
        bad(0, 1, DRAIN),
        bad(1, 9, ["put_page"]),
        bad(0, 2, DRAIN),
        move(0),
        bad(0, 3, DRAIN),
        bad(0, 4, ["put_page"]),
    ]
    groups = bad_page_groups(parse_lab_records("\n".join(lines)).df_log())
    assert groups == [(True, [1, 2]), (False, [9]), (True, [3]), (False, [4])]
    assert groups_text(groups) == "1 x 2 by drain, 2 x 1 directly, 1 x 1 by drain"


def test_a_storm_of_two_lines(tmp_path: Path) -> None:
    log = "\n".join([move(0), bad(0, 1, DRAIN), bad(0, 2, DRAIN)])
    dmesg = "[    1.000000] BUG: Bad page state in process CPU 0/KVM  pfn:00001\n"
    storm = '{"storm":{"vcpus":1,"pages":2}}\n{"vcpu":0,"ret":-1,"errno":14}\n'
    run = run_with(
        tmp_path, "6.12.1", "storm", storm__log_DOT_jsonl=log, storm__dmesg_DOT_txt=dmesg, storm__storm_DOT_jsonl=storm
    )
    row = df_storms([run]).iloc[0]
    assert (row["bad_pages"], row["printed"], row["groups"], row["ended"]) == (2, 1, "1 x 2 by drain", "1 errno 14")
    assert row["injected"] == INJECTED
    told = check_figure(plot_capture_storms(df_capture_storms([run])))
    assert INJECTED in told["layout"]["meta"]["caption"]


def test_runs_without_what_is_asked_for(tmp_path: Path) -> None:
    run = run_with(tmp_path, "6.12.1", "empty")
    assert df_kvm_matrix([run]).empty
    assert df_ttm_buffers([run]).empty
    assert df_storms([run]).empty
    with pytest.raises(NoMatrix):
        df_capture_matrix(df_kvm_matrix([run]))
    with pytest.raises(NoStorm):
        df_capture_storms([run])
    with pytest.raises(MissingInput, match=r"has no file kvm/ftrace_page_ref\.txt"):
        df_page_references(run, "anon/touched", 0)


def test_orders_as_text_and_back() -> None:
    orders = [10, 10, 9, 0, 0, 0]
    text = orders_text(orders)
    assert text == "10x2 9 0x3"
    row = {"npages": 2563, "caching": "cached", "kernel": "6.12", "stride": "3", "orders": text}
    assert ttm_orders(pd.DataFrame([row, row | {"orders": "0"}]), 2563) == {"6.12, every 8th frame kept": orders}


def test_the_shipped_matrix(runs: tuple[ShippedRun, ...]) -> None:
    matrix = df_kvm_matrix(runs)
    assert set(matrix["injected"].str.split(";").str[0]) == {"nothing"}
    by_kernel = df_matrix_by_kernel(matrix)
    kernels = [str(c) for c in by_kernel if str(c)[0].isdigit()]
    # Each column a kernel: the stock ones, and the 6.12 built with page_ref events.
    assert len(kernels) >= 4
    assert {".".join(k.split(".")[:2]) for k in kernels} == {"6.1", "6.12", "7.3"}
    olds = [k for k in kernels if not k.startswith("7.")]
    old = by_kernel[by_kernel[olds[0]] == "efault"]
    assert all((by_kernel[k] == by_kernel[olds[0]]).all() for k in olds)
    assert all((by_kernel[k] == "ok").all() for k in kernels if k.startswith("7."))
    assert (old["refcount"] == 0).all()
    assert not old["case"].str.contains("reserved|vm_insert_page|mmio|anon").any()
    told = check_figure(plot_capture_matrix(df_capture_matrix(matrix)))
    assert "Injected: nothing" in told["layout"]["meta"]["caption"]


def test_the_shipped_buffers_obey_the_rule_of_blocks(runs: tuple[ShippedRun, ...]) -> None:
    buffers = df_ttm_buffers(runs)
    assert not buffers["irregular"].any()
    assert (buffers["tails"] == buffers["npages"] - buffers["blocks"]).all()
    assert (buffers["injected"] != "").all()
    orders = ttm_orders(buffers, 8100)
    assert len(orders) >= 18
    assert all(sum(1 << o for o in each) == 8100 for each in orders.values())
    fresh = [each for name, each in orders.items() if name.endswith("memory as it was")]
    assert all(each == [10] * 7 + [9, 8, 7, 5, 2] for each in fresh)


def test_the_shipped_storms_come_thirty_at_a_time(runs: tuple[ShippedRun, ...]) -> None:
    storms = df_storms(runs).set_index(["kernel", "run"])
    one = storms.xs("storm-1vcpu", level="run")
    reported = one[one["bad_pages"] > 0]
    assert len(reported) >= 2
    assert reported["groups"].str.contains("x 30 by drain").all()
    # 6.1 does not check pages when they are freed to a CPU's list: puts, and not one report.
    silent = one[one.index.str.startswith("6.1.0")].iloc[0]
    assert silent["puts"] > 0
    assert silent["bad_pages"] == silent["printed"] == 0
    controls = storms[storms.index.get_level_values("run").str.startswith("control-")]
    assert (controls["bad_pages"] == 0).all()
    told = check_figure(plot_capture_storms(df_capture_storms(runs)))
    assert "put_page() whenever, and only when" in told["layout"]["meta"]["caption"]


def references(runs: tuple[ShippedRun, ...]) -> ShippedRun:
    found = [r for r in runs if any(path.startswith("kvm/ftrace_page_ref") for path, _, _ in r.files)]
    if not found:
        pytest.skip("no shipped run has page_ref events")
    return found[0]


def test_the_shipped_references_of_a_head_and_a_tail(runs: tuple[ShippedRun, ...]) -> None:
    run = references(runs)
    case = "noncompound/order3/vmf_insert_pfn"
    head = df_page_references(run, case, 0)
    counts = head.loc[head["count"].notna(), ["event", "count", "ret"]].values.tolist()
    assert counts[:2] == [["page_ref_mod_unless", 2, 1], ["page_ref_mod_and_test", 1, 0]]
    tail = df_page_references(run, case, 1)
    tries = tail[tail["count"].notna()]
    assert set(tries["event"]) == {"page_ref_mod_unless"}
    assert set(tries["count"]) == set(tries["ret"]) == {0}
    assert (tail["event"] == "kvm_mmu_spte_requested").sum() == 0
    assert tail["detail"].str.startswith("error (14)").sum() == len(tries)


def test_the_shipped_copy_of_the_zero_page_takes_two_pairs(runs: tuple[ShippedRun, ...]) -> None:
    frame = df_capture_refs(references(runs), "anon/zero_page", 0)
    mapped = [int(p) for p in frame.loc[frame["event"] == "kvm_mmu_spte_requested", "pfn"]]
    copy = frame[frame["pfn"] == mapped[-1]]
    counts = [int(c) for c in copy["count"].dropna()]
    # Set to 1, on the LRU 2, then a reference for KVM and its put twice: the first fault went stale.
    assert counts[:6] == [1, 2, 3, 2, 3, 2]
    check_figure(plot_capture_refs(frame))
    with pytest.raises(NoReferences):
        df_capture_refs(references(runs), "no/such/case", 0)
