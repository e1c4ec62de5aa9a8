"""The model's fault matrix against recorded kernels: every row of every capture, and the order of gets and puts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kvmlab.errors import UnknownRelease
from kvmlab.kvm.fault_matrix import df_fault_matrix, fault_matrix, page_cases

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = sorted((ROOT / "data" / "captures").glob("*/*/kvm/matrix*.jsonl*"))
RESEARCH = sorted((ROOT.parent / "shared" / "captures").glob("*/kvm/matrix*.jsonl"))


def _records(path: Path) -> Iterator[dict[str, Any]]:
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    for line in text.splitlines():
        record = json.loads(line)
        if "case" in record and "page" in record:
            yield record


def _release(path: Path) -> str:
    return next(part for part in path.parts if part[:1].isdigit() and "." in part)


def _recorded(path: Path) -> dict[tuple[str, int], dict[str, Any]]:
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    for record in _records(path):
        row = rows.setdefault((record["case"], record["page"]), {})
        if "mmap_errno" in record:
            row["mmap"] = {22: "einval"}[record["mmap_errno"]]
        for step in record.get("seq", ()):
            if "run" in step:
                row[step["run"]] = "ok" if step["ok"] else {14: "efault"}[step["errno"]]
            elif step.get("nostruct") == 0 and "refcount" in step:
                row[step["step"]] = step["refcount"]
    return rows


@pytest.mark.parametrize(
    "path",
    CAPTURES + RESEARCH,
    ids=lambda p: f"{'shipped' if 'data' in p.parts else 'research'} {_release(p)} {p.name}",
)
def test_every_recorded_row_is_predicted(path: Path) -> None:
    recorded = _recorded(path)
    predicted = {(p.case.case, p.case.page): p for p in fault_matrix(_release(path))}
    assert set(recorded) == set(predicted)
    for key, row in recorded.items():
        prediction = predicted[key]
        assert row.get("mmap", "ok") == prediction.mmap, key
        assert (row.get("read"), row.get("write")) == (prediction.read, prediction.write), key
        for name, value in (
            ("mapped_host", prediction.refcount),
            ("after_read", prediction.after_read),
            ("after_write", prediction.after_write),
        ):
            if name in row:
                assert row[name] == value, (key, name)
        if "read_after_zap" in row:
            assert row["read_after_zap"] == prediction.read, key


def test_there_are_captures_of_the_three_kernels() -> None:
    if not CAPTURES:
        pytest.skip("this checkout has no data/captures")
    assert {_release(path)[:3] for path in CAPTURES} >= {"6.1", "7.3"}


def test_the_matrix_by_kernel() -> None:
    def refused(kernel: str) -> set[tuple[str, int]]:
        return {(p.case.case, p.case.page) for p in fault_matrix(kernel) if p.read == "efault"}

    assert refused("6.1") == refused("6.12")
    assert len(refused("6.12")) == 8
    assert all("compound" in case and page in (1, 7) for case, page in refused("6.12"))
    assert refused("6.13") == refused("7.3") == set()
    assert refused("5.10") == set(), "a blind get refuses nothing"


def test_the_warning_is_for_reserved_tails_of_old_kernels() -> None:
    assert {(p.case.block, p.case.page) for p in fault_matrix("6.12") if p.warn} == {("reserved", 1), ("reserved", 7)}
    assert not any(p.warn for p in fault_matrix("7.3"))


def test_the_newest_policy_never_touches_the_count_of_a_pfnmap_page() -> None:
    for p in fault_matrix("7.3"):
        if p.case.insert in ("remap_pfn_range", "vmf_insert_pfn"):
            assert p.references == ((), ()), p.case


@pytest.mark.parametrize("kernel", ["next", "", "2.4", "sixth"])
def test_an_unknown_kernel_is_refused_in_one_sentence(kernel: str) -> None:
    with pytest.raises(UnknownRelease, match="no kernel release"):
        fault_matrix(kernel)


def test_the_frame_has_a_row_a_page() -> None:
    pytest.importorskip("pandas")
    assert len(df_fault_matrix("6.12")) == len(list(page_cases())) == 37


def test_a_write_to_the_zero_page_takes_two_pairs() -> None:
    zero = next(p for p in fault_matrix("6.12") if p.case.case == "anon/zero_page")
    assert zero.references[1] == ("+3", "-2", "+3", "-2")


def test_without_secretmem_the_fast_walk_finds_a_small_page_at_once() -> None:
    for p, q in zip(fault_matrix("6.12"), fault_matrix("6.12", secretmem=False), strict=True):
        small = p.case.insert == "vm_insert_page" and p.case.block != "compound" and p.case.can_map
        assert (p.references == q.references) is not small
        if small:
            assert q.references == (("+3", "-2"), ())
