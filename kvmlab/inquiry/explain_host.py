"""What a report says about the machine: kernel, taint history, modules, hardware, and who happened to notice."""

from __future__ import annotations

from collections.abc import Iterator

from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.explanation import Row
from kvmlab.inquiry.units import uptime
from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.taint import decode_taint
from kvmlab.report.records import CpuLine, Kind, Report

TOPIC = "The host"

# Drivers that hand out or map pages in the cases that this package is for.
GRAPHICS = (
    "amdgpu",
    "radeon",
    "i915",
    "xe",
    "nouveau",
    "nvidia",
    "virtio_gpu",
    "vmwgfx",
    "qxl",
    "bochs",
    "ast",
    "mgag200",
)
HYPERVISOR = ("kvm_intel", "kvm_amd")
# Who may have set taint B, kernel/panic.c's callers: see data/taint.csv.
_BEFORE = {Kind.BAD_PAGE, Kind.BAD_PAGE_MAP}


def host_rows(report: Report, release: KernelRelease | None) -> Iterator[Row]:
    """Statements about kernel, taint, modules, hardware and the task that noticed.

    Args:
        report: a report.
        release: the release that printed it, None if the text does not say.
    """
    cpu = report.cpu_line
    if cpu is not None:
        yield from _noticed(report, cpu)
    if release is not None:
        yield _release(release, cpu)
    if cpu is not None:
        yield from _taint(report, cpu, release)
    if report.hardware is not None:
        yield Row(
            TOPIC, "hardware", report.hardware.text, "As the firmware names it.", Basis.OBSERVED, report.hardware.span
        )
    yield from _modules(report)
    if report.timestamp is not None:
        meaning = f"{uptime(report.timestamp)} after boot, by the kernel's clock."
        yield Row(TOPIC, "time", f"{report.timestamp} s", meaning, Basis.OBSERVED, report.title_span or report.span)


def _noticed(report: Report, cpu: CpuLine) -> Iterator[Row]:
    where = "" if cpu.cpu is None else f"CPU {cpu.cpu}, "
    who = f"{where}PID {cpu.pid}, {cpu.comm}"
    yield Row(
        TOPIC,
        "noticed by",
        who,
        "The task that ran when the check failed. It freed the page; that does not make it the one that broke the "
        "count.",
        Basis.OBSERVED,
        cpu.span,
    )
    if cpu.comm and cpu.comm.startswith("CPU ") and cpu.comm.endswith("/KVM"):
        meaning = "QEMU gives this name to the thread that runs a guest's virtual CPU."
        yield Row(TOPIC, "comm", cpu.comm, meaning, Basis.INFERRED, cpu.span)


def _release(release: KernelRelease, cpu: CpuLine | None) -> Row:
    parts = []
    if release.base is None:
        parts.append("The token does not begin with a version: no table by release applies.")
    if release.commits_after_tag is not None:
        parts.append(f"{release.commits_after_tag} commits on top of v{release.base}, at commit {release.git}.")
    elif release.git is not None:
        parts.append(f"Built from commit {release.git}.")
    if release.localversion:
        parts.append(f"Local version {release.localversion}.")
    if release.dirty:
        parts.append("The tree had uncommitted changes.")
    return Row(
        TOPIC,
        "kernel",
        release.text,
        " ".join(parts) or "A release without local marks.",
        Basis.OBSERVED,
        cpu.span if cpu else None,
    )


def _taint(report: Report, cpu: CpuLine, release: KernelRelease | None) -> Iterator[Row]:
    taint = decode_taint(cpu.taint_text if cpu.tainted else None, release)
    if not taint.tainted:
        meaning = "Nothing had tainted this kernel before."
        if report.kind in _BEFORE:
            meaning += " This is the first bad page of this boot: the mark B is set after the report is printed."
        yield Row(TOPIC, "taint", "not tainted", meaning, Basis.OBSERVED, cpu.span)
        return
    meaning = "; ".join(f"{flag.letter}: {flag.meaning}" for flag in taint.flags)
    if taint.unknown:
        meaning += f"; unknown letters: {' '.join(taint.unknown)}"
    yield Row(
        TOPIC, "taint", f"{taint.letters} ({taint.mask:#x})", f"{meaning}." if meaning else "", Basis.OBSERVED, cpu.span
    )
    if report.kind not in _BEFORE:
        return
    if "B" in taint:
        meaning = (
            "This was not the first bad page of this boot: B is set after a report is printed, so the B in this one "
            "comes from an "
            "earlier bad page state, bad page map, SLUB object error or page poisoning error."
        )
        yield Row(TOPIC, "first of this boot", "no", meaning, Basis.INFERRED, cpu.span)
    else:
        meaning = (
            "B is set after a report is printed, and it is not set here: no bad page was reported before on this boot."
        )
        yield Row(TOPIC, "first of this boot", "yes", meaning, Basis.INFERRED, cpu.span)


def _modules(report: Report) -> Iterator[Row]:
    modules = report.modules
    if modules is None:
        return
    names = set(modules.names)
    tainting = [m for m in modules.modules if m.flags.strip("+-")]
    meaning = "; ".join(f"{m.name}({m.flags})" for m in tainting) or "none carries a taint mark of its own"
    yield Row(TOPIC, "modules", str(len(modules.modules)), f"Loaded modules; {meaning}.", Basis.OBSERVED, modules.span)
    kvm = [name for name in HYPERVISOR if name in names]
    if kvm:
        yield Row(
            TOPIC, "KVM module", ", ".join(kvm), "The host side of KVM on this processor.", Basis.OBSERVED, modules.span
        )
    graphics = [name for name in GRAPHICS if name in names]
    meaning = (
        "Graphics drivers in the module list"
        if graphics
        else "No graphics driver that is known here is in the module list"
    )
    if "amdgpu" not in names:
        meaning += "; amdgpu is not among them, so its pages cannot be part of this report (unless it is built in)"
    if "ttm" in names:
        meaning += "; ttm is loaded, the allocator that amdgpu, i915 and others share"
    yield Row(TOPIC, "graphics driver", ", ".join(graphics) or "none", f"{meaning}.", Basis.OBSERVED, modules.span)
