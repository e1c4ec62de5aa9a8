"""What the kernel tests when a page is freed: the tests as one function of the model, their texts from the tables."""

from __future__ import annotations

from kvmlab.kernel.bad_page_reasons import Stage, reasons
from kvmlab.kernel.release import KernelRelease
from kvmlab.memory.state import model_code

FIELDS = ("mapcount", "mapping", "refcount", "free_flags", "memcg_data", "pp_magic")
"""What the tests look at, in the order of the tests; the code of a test is its place from 1."""


@model_code
def free_check(mapcount: int, mapping: int, refcount: int, flags: int, charged: int, page_pool: int) -> int:
    """Code of the test whose reason is printed for a page with these values, 0 if the page is good.

    All tests run, in this order, and each failing one overwrites the answer of those before.

    Args:
        mapcount: as dumps print it, `_mapcount` + 1.
        mapping: non-zero if `page->mapping` is not NULL.
        refcount: `_refcount`.
        flags: non-zero if a flag that is checked at free is set.
        charged: non-zero if the page is still charged to a memory cgroup.
        page_pool: non-zero if the page still carries the page_pool mark.

    Source: page_bad_reason() in mm/page_alloc.c of 6.1, 6.12 and 7.2.

    >>> reason_text(free_check(1, 0, 0, 0, 0, 0), "6.9.12"), reason_text(free_check(1, 0, 1, 0, 0, 0), "6.9.12")
    ('nonzero mapcount', 'nonzero _refcount')
    """
    bad = 0
    if mapcount != 0:
        bad = 1
    if mapping != 0:
        bad = 2
    if refcount != 0:
        bad = 3
    if flags != 0:
        bad = 4
    if charged != 0:
        bad = 5
    if page_pool != 0:
        bad = 6
    return bad


def reason_text(code: int, release: KernelRelease | str | None = None) -> str | None:
    """What a release prints for the code of a failing test; None for 0, and where the release has no such test.

    Args:
        code: an answer of `free_check`.
        release: the release; None for the newest.

    >>> reason_text(0) is None, reason_text(6, "6.1") is None
    (True, True)
    """
    if code == 0:
        return None
    field = FIELDS[code - 1]
    rows = [row for row in reasons() if row.stage is Stage.PAGE and row.field == field]
    for row in reversed(rows):
        covered = row.period.until is None if release is None else row.period.covers(release)
        if covered:
            return row.text
    return None


def checks_freed_pages(version: tuple[int, ...] | None, *, debug_vm: bool = False, init_on_alloc: bool = True) -> bool:
    """Whether a kernel of this version tests a page as soon as it is freed to a per-CPU list.

    Without the test a bad page goes back to the allocator and is handed out again while it is still mapped.

    Args:
        version: release numbers, None if unknown (then the newer rule is used).
        debug_vm: CONFIG_DEBUG_VM.
        init_on_alloc: booted with init_on_alloc, init_on_free, page_poison or debug_pagealloc; distribution kernels
            usually have the first on.

    Source: the table of `kvmlab.kernel.free_checks.when_checked`; that a stock 6.1 prints nothing was seen on a
    booted one.

    >>> checks_freed_pages((6, 1)), checks_freed_pages((6, 9, 12))
    (False, True)
    """
    if version is not None and version[:2] < (6, 4):
        return debug_vm
    return debug_vm or init_on_alloc
