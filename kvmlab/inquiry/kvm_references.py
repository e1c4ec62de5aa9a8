"""The order of gets and puts of each fault: what page_ref events recorded beside what the model predicts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from kvmlab.capture.shelf import ShippedRun
from kvmlab.inquiry.captures_refs import TRACE, References, read_references
from kvmlab.inquiry.kvm_agreement import MATRICES, OPEN, has_secretmem
from kvmlab.kvm.fault_matrix import PageCase, Prediction, fault_matrix

if TYPE_CHECKING:
    import pandas as pd

ACCESSES: Final = ("read", "write", "read after a zap")
HEAD: Final = "events name the head of a compound block; its counter is compared"
NOT_HELD: Final = "not held: needs a kernel with CONFIG_DEBUG_PAGE_REF (make -C data/kernel-lab custom)"
COLUMNS: Final = ("kernel", "run", "case", "page", "access", "predicted", "recorded", "agrees", "note", "injected")


def recorded_changes(references: References, case: PageCase) -> tuple[tuple[str, ...], ...]:
    """Gets and puts by KVM's faults on one page, one tuple a KVM_RUN.

    A change is told as `Prediction.references` tells it: `+2` a get to 2, `-1` a put to 1, `?0` a try-get that found 0.
    Of a page that is born in the fault, its allocation and its place in the LRU batch are left out: they are not KVM's.

    Args:
        references: the trace of a run with page_ref events (`read_references`).
        case: the page.
    """
    by_head = case.block == "compound" and case.page > 0 and case.insert == "vm_insert_page"
    frame = references.df_page(case.case, case.page, head=by_head)
    is_born = case.case in ("anon/untouched", "anon/zero_page")
    told: list[list[str]] = [[]]
    page, inside, skip = None, False, 0
    for row in frame.to_dict("records"):
        event = str(row["event"])
        if event == "kvm_page_fault":
            inside = True
        elif event == "kvm_userspace_exit":
            inside = False
            told.append([])
        elif event == "page_ref_set" and inside and is_born:
            page, skip = row["pfn"], 1
        elif event.startswith("page_ref") and inside and (not is_born or row["pfn"] == page):
            if skip:
                skip -= 1
                continue
            failed = event == "page_ref_mod_unless" and row["ret"] == 0
            told[-1].append("?0" if failed else f"{'+' if int(row['val']) > 0 else '-'}{int(row['count'])}")
    return tuple(tuple(changes) for changes in told[:-1])


def predicted_changes(prediction: Prediction) -> tuple[tuple[str, ...], ...]:
    """The same from the model: the read, the write, and for pages that the lab zaps, the read after that.

    Args:
        prediction: a row of the fault matrix.
    """
    if not prediction.case.can_map:
        return ()
    again = (prediction.references[0],) if prediction.case.insert == "vmf_insert_pfn" else ()
    return (*prediction.references, *again)


def df_reference_agreement(runs: Iterable[ShippedRun]) -> pd.DataFrame:
    """Gets and puts of every access to every page of the matrix, recorded beside predicted.

    Args:
        runs: runs of the lab; those without page_ref events of the matrix give no rows.

    Returns:
        kernel, run, case, page int64, access (`read`, `write`, `read after a zap`), predicted and recorded (tuples of
        changes), agrees, note, injected.
    """
    import pandas as pd

    rows = []
    for run in runs:
        captures = run.open()
        if TRACE not in captures:
            continue
        references = read_references(run)
        for prediction in fault_matrix(run.release, secretmem=has_secretmem(captures)):
            case = prediction.case
            said, seen = predicted_changes(prediction), recorded_changes(references, case)
            by_head = case.block == "compound" and case.page > 0 and case.insert == "vm_insert_page"
            for k in range(max(len(said), len(seen))):
                one = said[k] if k < len(said) else None
                other = seen[k] if k < len(seen) else None
                note = OPEN if one != other else HEAD if by_head else ""
                access = ACCESSES[k] if k < len(ACCESSES) else f"access {k + 1}"
                rows.append(
                    (run.release, run.run, case.case, case.page, access, one, other, one == other, note, run.injected)
                )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"page": "int64", "agrees": "bool"})


def df_reference_claims(runs: Iterable[ShippedRun]) -> pd.DataFrame:
    """What the model says of gets and puts on each kernel that has a recorded matrix, and whether a trace holds it.

    Args:
        runs: runs of the lab.

    Returns:
        kernel; zero_page_write (changes for a write to a zero-page mapping, tuple); pfnmap_tail and pfnmap_head (the
        same for a read of a VM_PFNMAP page with count 0 and 1); held (runs with page_ref events, or that there are
        none), agree, compared Int64.
    """
    import pandas as pd

    found = list(runs)
    with_matrix = [run for run in found if any(path in run.open() for path in MATRICES)]
    agreement = df_reference_agreement(found)
    rows = []
    for kernel in dict.fromkeys(run.release for run in with_matrix):
        by_page = {(p.case.case, p.case.page): p for p in fault_matrix(kernel)}
        part = agreement[agreement["kernel"] == kernel]
        held = ", ".join(dict.fromkeys(part["run"])) or NOT_HELD
        rows.append(
            (
                kernel, by_page["anon/zero_page", 0].references[1],
                by_page["noncompound/order3/vmf_insert_pfn", 1].references[0],
                by_page["noncompound/order3/vmf_insert_pfn", 0].references[0], held,
                int(part["agrees"].sum()) if len(part) else None, len(part) or None,
            )
        )  # fmt: skip
    names = ["kernel", "zero_page_write", "pfnmap_tail", "pfnmap_head", "held", "agree", "compared"]
    return pd.DataFrame(rows, columns=names).astype({"agree": "Int64", "compared": "Int64"})
