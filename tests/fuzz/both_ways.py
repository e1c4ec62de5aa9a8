"""What must hold for any bytes read the fast way through a log and the slow one: the same records."""

from __future__ import annotations

import contextlib

from kvmlab.errors import KvmlabError
from tests.report.equal import check


def both_ways(data: bytes) -> None:
    """Read bytes the fast way and the slow way, whole and in small chunks; the records must be the same.

    Args:
        data: what a hostile file could hold.
    """
    with contextlib.suppress(KvmlabError):
        for chunk in (1 << 22, 777):
            check(data, "python", chunk)
