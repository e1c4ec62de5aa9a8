"""The reasons of a bad-page report: what each proves, and which other tests the page must have passed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from kvmlab.kernel.release import KernelRelease
from kvmlab.kernel.tables import Period, read_table

_ASSERTION = re.compile(r"VM_(?:BUG|WARN)_ON(?:_ONCE)?_(?:PAGE|FOLIO|VMA|MM)\(")


class Stage(StrEnum):
    """Where a reason comes from."""

    PAGE = "page"
    TAIL = "tail"
    DUMP = "dump"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason that the kernel prints.

    Args:
        text: as printed.
        stage: `page` tests all run and the last failure is printed; of `tail` tests the first; `dump` is no bad page.
        order: place among the tests of its stage, None for a dump.
        field: what the test looks at, None for a dump.
        healthy: what the test wants it to be.
        proves: what the reason shows.
        period: the releases that print it.
    """

    text: str
    stage: Stage
    order: int | None
    field: str | None
    healthy: str | None
    proves: str
    period: Period


@dataclass(frozen=True, slots=True)
class ReasonFacts:
    """What a printed reason says of a page.

    Args:
        reason: the row of the table.
        printed_by_release: whether the release prints it; None if nobody has read it.
        passed: the tests that must have passed, since a later failure would have been printed instead.
        uncertain: tests that must have passed if the release has them, which nobody has read.
    """

    reason: Reason
    printed_by_release: bool | None
    passed: tuple[Reason, ...]
    uncertain: tuple[Reason, ...]

    @property
    def implied(self) -> dict[str, str]:
        """Field to value of everything that the reason implies beside what it says: `mapping` to `NULL`, and so on."""
        return {test.field: test.healthy for test in self.passed if test.field and test.healthy}


@cache
def reasons() -> tuple[Reason, ...]:
    """All reasons, by stage and order."""
    return tuple(
        Reason(
            row["reason"],
            Stage(row["stage"]),
            int(row["order"]) if row["order"] else None,
            row["field"] or None,
            row["healthy"] or None,
            row["proves"],
            Period.of_row(row),
        )
        for row in read_table("bad_page_reasons")
    )


def explain_reason(text: str, release: KernelRelease | str, *, freeing: bool = True) -> ReasonFacts | None:
    """What a printed reason proves of the page, None for a reason that no table has.

    The tests of a page all run and the last one that fails is printed, so every later test has passed. Of the tests of
    tail pages the first failure is printed, so every earlier one has passed.

    Args:
        text: the reason as printed.
        release: the release.
        freeing: whether the page was being freed; False if it was being handed out, where other flags are forbidden.

    Source: mm/page_alloc.c. Example: the reported trace; a healthy count of references and no mapping are implied.

    >>> explain_reason("nonzero mapcount", "6.9.12").implied["refcount"]
    '0'
    """
    rows = [row for row in reasons() if row.text == text.strip()]
    if not rows:
        return _assertion(text.strip(), release)
    order = {True: 0, None: 1, False: 2}
    reason = min(rows, key=lambda row: order[row.period.covers(release)])
    passed: list[Reason] = []
    uncertain: list[Reason] = []
    for test in reasons():
        if test.stage is not reason.stage or test.order is None or reason.order is None or test.text == reason.text:
            continue
        if test.field == ("prep_flags" if freeing else "free_flags") or (freeing and test.field == "hwpoison"):
            continue
        later = test.order > reason.order
        covered = test.period.covers(release)
        if later is (reason.stage is Stage.PAGE) and test.field != reason.field and covered is not False:
            (passed if covered else uncertain).append(test)
    return ReasonFacts(reason, reason.period.covers(release), tuple(passed), tuple(uncertain))


def _assertion(text: str, release: KernelRelease | str) -> ReasonFacts | None:
    """An assertion of a debug build prints its own condition as the reason."""
    if not _ASSERTION.match(text):
        return None
    proves = "an assertion of a kernel with CONFIG_DEBUG_VM failed: the condition in the parentheses held"
    period = Period((4, 4))
    return ReasonFacts(Reason(text, Stage.DUMP, None, None, None, proves, period), period.covers(release), (), ())
