"""kvmlab: what happened to this page, who dropped it, and which kernels can do it?"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# The face of the package: name to the module that defines it, loaded when first used.
_FACE = {
    "TtmPool": "kvmlab.memory.ttm",
    "Zone": "kvmlab.memory.zone",
    "check_case": "kvmlab.writeup.case",
    "explain": "kvmlab.inquiry.explain",
    "explore": "kvmlab.kvm.explore",
    "open_case": "kvmlab.writeup.case",
    "pfn_ranges": "kvmlab.inquiry.pfn_ranges",
    "publish": "kvmlab.writeup.publish",
    "read_capture": "kvmlab.capture.read",
    "read_log": "kvmlab.report.log",
    "replay": "kvmlab.inquiry.replay",
    "scan_log": "kvmlab.report.scan",
}

if TYPE_CHECKING:
    from kvmlab.capture.read import read_capture as read_capture
    from kvmlab.inquiry.explain import explain as explain
    from kvmlab.inquiry.pfn_ranges import pfn_ranges as pfn_ranges
    from kvmlab.inquiry.replay import replay as replay
    from kvmlab.kvm.explore import explore as explore
    from kvmlab.memory.ttm import TtmPool as TtmPool
    from kvmlab.memory.zone import Zone as Zone
    from kvmlab.report.log import read_log as read_log
    from kvmlab.report.scan import scan_log as scan_log
    from kvmlab.writeup.case import check_case as check_case
    from kvmlab.writeup.case import open_case as open_case
    from kvmlab.writeup.publish import publish as publish

__all__ = ["__version__", *sorted(_FACE)]


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_FACE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})
