"""Recorded kernel state to frames: ftrace, page_owner, buddyinfo, kpageflags (floor 2; may import `text`, `kernel`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kvmlab.capture.read import Capture, read_capture

__all__ = ["Capture", "read_capture"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from kvmlab.capture import read

        return getattr(read, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
