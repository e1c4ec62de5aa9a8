"""Run the model until it ends in the page state that a report shows, or say that it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvmlab.errors import UnknownRelease
from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.replay_cases import STORIES, Candidate, Case, Story, candidates, config_of, run_story
from kvmlab.inquiry.replay_fields import Agreement, Value, compare
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.kernel_names import match_stack
from kvmlab.kvm.policies import POLICIES, Policy, find_policy
from kvmlab.kvm.scenario import Run, Step
from kvmlab.report.records import Kind, Report

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("refcount", "mapcount", "flags", "reason")
"""Without these fields a report does not say enough to be explained."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A run that does not end as reported.

    Args:
        case: what was tried.
        disagrees: the fields that differ.
    """

    case: Case
    disagrees: tuple[Agreement, ...]

    def __str__(self) -> str:
        fields = ", ".join(f"{a.field} {a.predicted} instead of {a.reported}" for a in self.disagrees)
        return f"{self.case.candidate.policy.name}, {self.case.story.tells}: {fields}"


@dataclass(frozen=True, slots=True)
class Replay:
    """A replayed report.

    Args:
        report: what was replayed.
        release: its kernel, None if it names none.
        case: the policy and the story that were chosen; None if there was nothing to run.
        run: the run; None likewise.
        agreement: field by field, what it predicts and what the report says.
        explained: whether nothing that the report says disagrees, and it says enough.
        why: one sentence: why this policy, or why not explained.
        misses: the nearest other attempts, best first.
        assumptions: what the run takes for granted.
    """

    report: Report
    release: KernelRelease | None
    case: Case | None
    run: Run | None
    agreement: tuple[Agreement, ...]
    explained: bool
    why: str
    misses: tuple[Miss, ...] = ()
    assumptions: tuple[str, ...] = ()

    @property
    def policy(self) -> Policy | None:
        """The policy of the run."""
        return None if self.case is None else self.case.candidate.policy

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of the run."""
        return () if self.run is None else self.run.steps

    @property
    def predicted(self) -> dict[str, Value]:
        """What the run ends with, by field."""
        return {a.field: a.predicted for a in self.agreement}

    @property
    def reported(self) -> dict[str, Value]:
        """What the report says, by field."""
        return {a.field: a.reported for a in self.agreement}

    @property
    def healthy(self) -> bool:
        """Whether the followed page ends unharmed: not reported, and every reference has its holder."""
        if self.run is None:
            return False
        page = self.run.page(0)
        return page.use == "anonymous" and page.refcount == len(self.run.ledger.holders(0)) and not self.run.bad_pages

    @property
    def stack(self) -> tuple[str, ...]:
        """The reliable functions of the reported stack, innermost first."""
        trace = self.report.call_trace
        return () if trace is None else tuple(frame.function for frame in trace.reliable)

    def in_stack(self, step: Step) -> tuple[str, ...]:
        """The functions of a step that the reliable frames of the report show, outermost first."""
        return match_stack(step.functions, self.stack).found

    def marks(self, step: Step) -> tuple[str, ...]:
        """What is special about a step: `stray put`, `bad page`, `in stack`."""
        return step.marks(self.stack)

    def df_steps(self) -> pd.DataFrame:
        """The steps as a frame with `STEP_COLUMNS`, one row a step."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for step in self.steps:
            marks = self.marks(step)
            rows.append(
                {
                    "step": step.number,
                    "actor": step.actor,
                    "action": step.action,
                    "detail": step.detail,
                    "functions": step.functions,
                    "refcount": None if step.page is None else step.page.refcount,
                    "mapcount": None if step.page is None else step.page.mapcount,
                    "holders": step.holders,
                    "batch": step.batch,
                    "in_stack": "in stack" in marks,
                    "marks": marks,
                }
            )
        frame = pd.DataFrame(rows, columns=list(STEP_COLUMNS))
        return frame.astype(
            {"step": "int64", "refcount": "Int64", "mapcount": "Int64", "batch": "int64", "in_stack": "bool"}
        )

    def df_agreement(self) -> pd.DataFrame:
        """The comparison as a frame: field, predicted, reported, agrees, basis, note."""
        import pandas as pd

        rows = [(a.field, a.predicted, a.reported, a.agrees, str(a.basis), a.note) for a in self.agreement]
        return pd.DataFrame(rows, columns=["field", "predicted", "reported", "agrees", "basis", "note"])

    def df_policies(self) -> pd.DataFrame:
        """The same events under every policy, one row each (`kvmlab.inquiry.replay_table.df_policies`)."""
        from kvmlab.inquiry.replay_table import df_policies

        return df_policies(same_events(self))


STEP_COLUMNS = (
    "step", "actor", "action", "detail", "functions", "refcount", "mapcount", "holders", "batch", "in_stack", "marks",
)  # fmt: skip


def replay(report: Report, *, policy: str | Policy | None = None, pages: int = 2) -> Replay:
    """Run the model towards the page state that a report shows.

    The policies are those that the report's kernel may have; every story of the guest is tried under each, and a run
    explains the report if no field that the report holds disagrees.

    Args:
        report: a report; anything but a bad page with a page dump is answered with "not explained".
        policy: try only this policy, whether or not the report's kernel can have it.
        pages: guest pages that take part; the other places of the folio batch are taken by folios of others.

    Raises:
        kvmlab.kvm.policies.PolicyNotFound: no policy has this name.

    Source: for the mechanism, the author of the v11 series on 15 April 2024, and the model itself.
    """
    release = None if report.cpu_line is None else report.cpu_line.release
    if isinstance(policy, str):
        policy = find_policy(policy)
    if report.kind is not Kind.BAD_PAGE or report.page is None:
        return _nothing(report, release, "the report is not a bad page with a page dump")
    if release is None or release.version is None:
        return _nothing(
            report, release, "the report names no kernel release, so neither policy nor flag table can be chosen"
        )
    if policy is None:
        tried = candidates(release)
    else:
        known = {c.policy.id: c for c in candidates(release)}
        tried = (known.get(policy.id, Candidate(policy, Basis.ASSUMED, "asked for by the caller", None)),)
    attempts: list[tuple[int, Case, Run, tuple[Agreement, ...]]] = []
    try:
        for candidate in tried:
            for story in STORIES:
                for lru_gen in (False, True):
                    attempts.append(_attempt(report, release, Case(candidate, story, lru_gen), pages))
                    if attempts[-1][0] == 0:
                        break
                if attempts[-1][0] == 0:
                    break
            if attempts[-1][0] == 0:
                break
    except UnknownRelease as error:
        return _nothing(report, release, str(error))
    if not attempts:
        return _nothing(report, release, f"no policy is known for {release.text}")
    return _choose(report, release, attempts)


def _attempt(
    report: Report, release: KernelRelease, case: Case, pages: int
) -> tuple[int, Case, Run, tuple[Agreement, ...]]:
    run = run_story(config_of(case.candidate.policy, release, lru_gen=case.lru_gen, pages=pages), case.story)
    rows = compare(report, run, release)
    return sum(row.agrees is False for row in rows), case, run, rows


def _choose(
    report: Report, release: KernelRelease, attempts: Sequence[tuple[int, Case, Run, tuple[Agreement, ...]]]
) -> Replay:
    """The best attempt; whether it explains the report, and what came next to it."""
    ranked = sorted(attempts, key=lambda attempt: attempt[0])
    wrong, case, run, rows = ranked[0]
    silent = [field for field in NEEDED if next(a for a in rows if a.field == field).reported is None]
    explained = wrong == 0 and not silent
    misses = tuple(
        Miss(other, tuple(a for a in compared if a.agrees is False))
        for _, other, _, compared in ranked[0 if not explained else 1 :][:3]
        if any(a.agrees is False for a in compared)
    )
    if explained:
        why = f"{case.candidate.why}; {case.story.tells}"
    elif wrong == 0:
        why = f"not explained: the report does not say {', '.join(silent)}"
    else:
        why = f"not explained: no run of {len(attempts)} ends as reported"
    capacity, others = run.system.config.batch, run.system.config.others
    assumptions = (
        f"{others} of the {capacity} places of this CPU's folio batch are taken by other folios when the run starts",
        f"MGLRU is {'on' if case.lru_gen else 'off'}",
        "freed pages are checked" if run.system.config.check_pages else "freed pages are not checked",
    )
    return Replay(report, release, case, run, rows, explained, why, misses, assumptions)


def _nothing(report: Report, release: KernelRelease | None, why: str) -> Replay:
    return Replay(report, release, None, None, (), False, f"not explained: {why}")


def same_events(replayed: Replay, policies: Sequence[Policy] = POLICIES) -> dict[str, Replay]:
    """The story of a replay under every policy, each compared with the same report.

    Args:
        replayed: a replay that ran.
        policies: the policies to run it under.

    Returns:
        replays by policy id, in the order of `policies`; empty if the replay did not run.
    """
    if replayed.case is None or replayed.release is None or replayed.run is None:
        return {}
    found = {}
    pages = replayed.run.system.config.gfns
    for policy in policies:
        candidate = Candidate(policy, Basis.ASSUMED, "the same events under another policy", None)
        attempt = _attempt(
            replayed.report, replayed.release, Case(candidate, replayed.case.story, replayed.case.lru_gen), pages
        )
        found[policy.id] = _choose(replayed.report, replayed.release, [attempt])
    return found


__all__ = ["Agreement", "Candidate", "Case", "Miss", "Replay", "Story", "replay", "same_events"]
