"""Whether a log comes from this project's kernel lab, whose module injects the put that is too many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.hypothesis_facts import Fact
from kvmlab.report.records import Report

LAB_MODULE: Final = "klab"


def injected(reports: Sequence[Report]) -> Fact:
    """Whether the lab's module is loaded in the kernel that reports.

    Its log shows what such a put looks like, never that a kernel makes one by itself: whoever weighs hypotheses on it
    must know.

    Args:
        reports: all reports of a log, in order.
    """
    name = "injected"
    lists = [report.modules for report in reports if report.modules is not None]
    if not lists:
        return Fact(name, None, "no report lists its modules", Basis.OBSERVED)
    if any(LAB_MODULE in modules.names for modules in lists):
        told = (
            f"the module {LAB_MODULE} of this project's kernel lab is loaded, which injects such puts; the log shows "
            "what they look like, not that this kernel makes them"
        )
        return Fact(name, True, told, Basis.OBSERVED)
    return Fact(name, False, f"the module {LAB_MODULE} is not loaded", Basis.OBSERVED)
