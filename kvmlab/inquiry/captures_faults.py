"""Guest faults in a KVM trace: which were resolved, to which page frame, and which ended without a mapping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvmlab.capture.shelf import CaptureSet
from kvmlab.inquiry.captures import need_trace

if TYPE_CHECKING:
    import pandas as pd

    from kvmlab.capture.trace import Trace

_EVENTS = (
    "kvm_page_fault", "kvm_mmu_spte_requested", "fast_page_fault", "kvm_userspace_exit", "kvm_entry", "mark_mmio_spte",
    "kvm_exit",
)  # fmt: skip
EFAULT = 14


@dataclass(slots=True)
class _Fault:
    """A fault while its thread's events are being read."""

    line: int
    t: int
    cpu: int
    pid: int
    vcpu: Any
    address: int
    error_code: int
    outcome: str = "open"
    pfn: int | None = None


def guest_faults(captures: CaptureSet) -> pd.DataFrame:
    """Each kvm_page_fault of a trace with what became of it.

    Observed: the fault, and the events of the same thread up to its next guest entry or return to user space.
    `mapped`: a kvm_mmu_spte_requested followed, with its pfn. `fast`: fast_page_fault repaired the entry. `mmio`: an
    MMIO entry was made. `efault`: KVM_RUN returned with error 14 and no entry was requested; before 6.13 that is what
    a page with refcount 0 behind a VM_PFNMAP mapping does (a tail of a TTM block), but any unresolvable address does
    it too: that it was a tail is inferred. `retried`: the guest was entered again without any of these. `exit`:
    KVM_RUN returned for another reason. `open`: the trace ends first.

    Args:
        captures: the recorded files.

    Returns:
        line, t int64 (ns), cpu, pid int32, vcpu Int64, gfn uint64, error_code uint64, outcome, pfn UInt64.

    Raises:
        MissingInput: if there is no trace with kvm_page_fault.
    """
    return guest_faults_of(need_trace(captures, "guest_faults"))


def guest_faults_of(trace: Trace) -> pd.DataFrame:
    """The same for one trace; columns as in `guest_faults`."""
    import pandas as pd

    frame = trace.df_event(*_EVENTS)
    for name in ("vcpu", "address", "error_code", "pfn", "code", "fixed", "spurious"):
        if name not in frame:
            frame[name] = None
    now: dict[int, _Fault] = {}
    done: list[_Fault] = []
    columns = ("line", "t", "cpu", "pid", "event", "vcpu", "address", "error_code", "pfn", "code", "fixed", "spurious")
    cells = (frame[name].astype(object).where(frame[name].notna(), None).tolist() for name in columns)
    for line, t, cpu, pid, event, vcpu, address, error, pfn, code, fixed, spurious in zip(*cells, strict=True):
        if event == "kvm_page_fault":
            if pid in now:
                done.append(_closed(now.pop(pid), "retried"))
            now[pid] = _Fault(line, t, cpu, pid, vcpu, address, error)
            continue
        fault = now.get(pid)
        if fault is None:
            continue
        if event == "kvm_mmu_spte_requested":
            fault.outcome, fault.pfn = "mapped", pfn
        elif event == "fast_page_fault" and (fixed or spurious):
            fault.outcome = "fast"
        elif event == "mark_mmio_spte":
            fault.outcome = "mmio"
        elif event == "kvm_userspace_exit":
            done.append(_closed(now.pop(pid), "efault" if code == EFAULT else "exit"))
        elif event in ("kvm_entry", "kvm_exit"):
            done.append(_closed(now.pop(pid), "retried"))
    done += now.values()
    done.sort(key=lambda f: f.line)
    rows = [(f.line, f.t, f.cpu, f.pid, f.vcpu, f.address >> 12, f.error_code, f.outcome, f.pfn) for f in done]
    names = ["line", "t", "cpu", "pid", "vcpu", "gfn", "error_code", "outcome", "pfn"]
    result = pd.DataFrame(rows, columns=names, dtype=object)
    types = {"line": "int64", "t": "int64", "cpu": "int32", "pid": "int32", "vcpu": "Int64", "gfn": "uint64"}
    return result.astype(types | {"error_code": "uint64", "outcome": "category", "pfn": "UInt64"})


def _closed(fault: _Fault, otherwise: str) -> _Fault:
    # An entry that was requested stays the outcome, whatever made the thread leave afterwards.
    if fault.outcome == "open":
        fault.outcome = otherwise
    return fault


def refused_pages(captures: CaptureSet) -> pd.DataFrame:
    """The guest frames whose faults ended in EFAULT, with how often: what QEMU would report as `Bad address`.

    Returns:
        gfn uint64, faults int64, first_t int64 (ns), vcpus (text).

    Raises:
        MissingInput: if there is no trace with kvm_page_fault.
    """
    faults = guest_faults(captures)
    refused = faults[faults["outcome"] == "efault"]
    grouped = refused.groupby("gfn", sort=True)
    frame = grouped.agg(
        faults=("line", "size"),
        first_t=("t", "min"),
        vcpus=("vcpu", lambda v: ",".join(str(n) for n in sorted(set(v.dropna().tolist())))),
    )
    return frame.reset_index().astype({"faults": "int64"})
