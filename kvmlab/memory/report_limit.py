"""The limit on "Bad page state" reports: 60, then silence until a minute after the first one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from kvmlab.kernel.constants import constant

SHOWN_AT_ONCE = constant("BAD_PAGE_LIMIT")
WINDOW_NS = constant("BAD_PAGE_WINDOW") * 10**9


@dataclass(frozen=True, slots=True)
class ReportLimit:
    """State of the limit in bad_page(): the same in 6.1, 6.12 and 7.2.

    Args:
        shown: reports printed in this window.
        unshown: reports swallowed since.
        resume_ns: when printing may go on, in ns; only meaningful once something was shown.

    Source: bad_page() in Debian's 6.1.192, 6.12.117 and 7.2.13 sources.
    """

    shown: int = 0
    unshown: int = 0
    resume_ns: int = 0

    def step(self, now_ns: int) -> tuple[ReportLimit, bool, int]:
        """A bad page at this time: the new state, whether it is printed, and the count of a suppression line before it.

        Args:
            now_ns: time, ns.

        >>> limit = ReportLimit()
        >>> for n in range(93):
        ...     limit, printed, suppressed = limit.step(n)
        >>> limit.shown, limit.unshown, printed
        (60, 33, False)
        >>> limit.step(61 * 10**9)[1:]
        (True, 33)
        """
        state, suppressed = self, 0
        if state.shown == SHOWN_AT_ONCE:
            if now_ns < state.resume_ns:
                return replace(state, unshown=state.unshown + 1), False, 0
            suppressed = state.unshown
            state = replace(state, shown=0, unshown=0)
        if state.shown == 0:
            state = replace(state, resume_ns=now_ns + WINDOW_NS)
        return replace(state, shown=state.shown + 1), True, suppressed
