"""The model's fault matrix beside the kernels that the lab booted: every row, every field, each disagreement named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from kvmlab.capture.lab_records import EFAULT, LabRecords
from kvmlab.capture.shelf import CaptureSet, ShippedRun
from kvmlab.errors import UnknownRelease
from kvmlab.kvm.fault_matrix import Prediction, fault_matrix

if TYPE_CHECKING:
    import pandas as pd

MATRICES: Final = ("kvm/matrix.jsonl", "kvm/matrix_pageref.jsonl")
TTM_BUFFERS: Final = ("kvm/ttm_n9_wc.txt", "kvm/ttm_n512_cached.txt", "kvm/ttm_n2025_wc.txt")
COLUMNS: Final = ("kernel", "run", "case", "page", "field", "predicted", "recorded", "agrees", "note", "injected")
_STEPS: Final = {"mapped_host": "refcount", "after_read": "after_read", "after_write": "after_write"}
_MMAP_ERRNO: Final = {22: "einval"}
BY_COUNT: Final = "from the recorded count; which page of a buffer has one is TTM's rule"
OPEN: Final = "open: nothing explains it yet"
NOT_RECORDED: Final = "not in the capture"


def recorded_rows(records: LabRecords) -> dict[tuple[str, int], dict[str, object]]:
    """What a matrix file says of each page: `mmap`, `read`, `write`, `refcount`, `after_read`, `after_write`.

    Args:
        records: the file.
    """
    rows: dict[tuple[str, int], dict[str, object]] = {}
    for _, record in records.records:
        if not isinstance(record.get("case"), str) or not isinstance(record.get("page"), int):
            continue
        row = rows.setdefault((record["case"], record["page"]), {"mmap": "ok"})
        if "mmap_errno" in record:
            row["mmap"] = _MMAP_ERRNO.get(record["mmap_errno"], f"errno {record['mmap_errno']}")
        for step in record.get("seq") or ():
            _read_step(step, row)
    return rows


def _read_step(step: Mapping[str, Any], row: dict[str, object]) -> None:
    if step.get("run") in ("read", "write"):
        failed = "efault" if step.get("errno") == EFAULT else f"errno {step.get('errno')}"
        row.setdefault(str(step["run"]), "ok" if step.get("ok") == 1 else failed)
    elif step.get("step") in _STEPS and step.get("nostruct") == 0:
        row.setdefault(_STEPS[str(step["step"])], step.get("refcount"))


def has_secretmem(captures: CaptureSet) -> bool:
    """Whether the kernel of a run has CONFIG_SECRETMEM; distributions set it, so a run without a config has it.

    Args:
        captures: the files of the run.
    """
    member = next((p for p in captures.members if p.startswith(("kernel.config", "base/config"))), None)
    if member is None:
        return True
    from kvmlab.capture.opening import open_capture

    return b"CONFIG_SECRETMEM=y" in bytes(open_capture(captures.members[member]()).data)


def matrices(runs: Iterable[ShippedRun]) -> Iterator[tuple[ShippedRun, LabRecords, dict[tuple[str, int], Prediction]]]:
    """The matrix files of runs, each with the model's predictions for that very kernel.

    Args:
        runs: runs of the lab; those without a matrix, or of a kernel whose policy is not known, are left out.
    """
    for run in runs:
        captures = run.open()
        for path in MATRICES:
            if path not in captures:
                continue
            try:
                predicted = fault_matrix(run.release, secretmem=has_secretmem(captures))
            except UnknownRelease:
                continue
            yield run, captures.read(path).value, {(p.case.case, p.case.page): p for p in predicted}


def df_kvm_agreement(runs: Iterable[ShippedRun]) -> pd.DataFrame:
    """Every field of every row of every recorded matrix beside what the model predicts for it.

    Args:
        runs: runs of the lab.

    Returns:
        kernel, run, case, page int64, field (`mmap`, `refcount` before, `read`, `write`, `after_read`, `after_write`:
        refcount after the access), predicted, recorded, agrees (True, False, None where one of them has no value), note
        (why there is no value, or that a disagreement is open), injected.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for run, records, predicted in matrices(runs):
        recorded = recorded_rows(records)
        for key in dict.fromkeys([*recorded, *predicted]):
            told, prediction = recorded.get(key, {}), predicted.get(key)
            for field in ("mmap", "refcount", "read", "write", "after_read", "after_write"):
                said = None if prediction is None else getattr(prediction, field)
                seen = told.get(field)
                if said is None and seen is None:
                    continue
                agrees = None if said is None or seen is None else said == seen
                rows.append((run.release, run.run, *key, field, said, seen, agrees, _note(said, seen), run.injected))
        rows += _ttm_rows(run, predicted)
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"page": "int64"})


def _ttm_rows(run: ShippedRun, predicted: Mapping[tuple[str, int], Prediction]) -> list[tuple[Any, ...]]:
    """Pages of TTM's buffers: non-compound blocks behind vmf_insert_pfn(), first page or tail by their count."""
    captures, rows = run.open(), []
    for path in TTM_BUFFERS:
        if path not in captures:
            continue
        for (case, page), told in recorded_rows(captures.read(path).value).items():
            count = told.get("refcount")
            if not isinstance(count, int):
                continue
            like = predicted["noncompound/order3/vmf_insert_pfn", 0 if count > 0 else 1]
            for field in ("read", "write"):
                said, seen = getattr(like, field), told.get(field)
                if seen is not None:
                    note = BY_COUNT if said == seen else OPEN
                    rows.append((run.release, run.run, case, page, field, said, seen, said == seen, note, run.injected))
    return rows


def _note(said: object, seen: object) -> str:
    if seen is None:
        return NOT_RECORDED
    if said is None:
        return "the model says nothing of it"
    return "" if said == seen else OPEN


def df_beside(agreement: pd.DataFrame) -> pd.DataFrame:
    """Read and write of each page, kernel by kernel, recorded and predicted side by side.

    Args:
        agreement: as `df_kvm_agreement` returns it.

    Returns:
        case, page, then for each kernel (without `-amd64`) `K recorded` and `K predicted` (`ok`, `efault`,
        `mmap einval`), and agrees.
    """
    import pandas as pd

    # A run of the lab and its repetition under page_ref events say the same; one of them is enough for a table.
    one = agreement.drop_duplicates(["kernel", "case", "page", "field"])
    rows = []
    for (case, page), part in one.groupby(["case", "page"], sort=False):
        row: dict[str, object] = {"case": case, "page": page}
        for kernel, fields in part.groupby("kernel", sort=False):
            for side in ("recorded", "predicted"):
                row[f"{str(kernel).removesuffix('-amd64')} {side}"] = _outcome(fields.set_index("field")[side])
        whole = agreement[(agreement["case"] == case) & (agreement["page"] == page)]
        rows.append(row | {"agrees": not whole["agrees"].eq(False).any()})
    return pd.DataFrame(rows)


def _outcome(fields: pd.Series[Any]) -> str:
    if fields.get("mmap") not in (None, "ok"):
        return f"mmap {fields['mmap']}"
    read, write = str(fields.get("read", "-")), str(fields.get("write", "-"))
    return read if read == write else f"{read} / {write}"


def df_agreement_summary(agreement: pd.DataFrame) -> pd.DataFrame:
    """How many fields were compared and how many agree, kernel by kernel.

    Args:
        agreement: as `df_kvm_agreement` returns it.

    Returns:
        kernel, pages, compared, agree, disagree int64, not_recorded int64.
    """
    import pandas as pd

    rows = []
    for kernel, part in agreement.groupby("kernel", sort=False):
        told = part["agrees"].notna()
        agree = int(part["agrees"].eq(True).sum())
        pages = len(part.drop_duplicates(["case", "page"]))
        rows.append((kernel, pages, int(told.sum()), agree, int(told.sum()) - agree, int((~told).sum())))
    return pd.DataFrame(rows, columns=["kernel", "pages", "compared", "agree", "disagree", "not_recorded"])
