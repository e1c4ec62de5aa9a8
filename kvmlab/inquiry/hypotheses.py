"""Six explanations of the reported storm as data: what each predicts, and what would decide between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kvmlab.inquiry.basis import Basis
from kvmlab.inquiry.hypothesis_facts import Fact, report_facts
from kvmlab.inquiry.hypothesis_storms import storm_facts
from kvmlab.report.records import Report


class Says(StrEnum):
    """What a hypothesis says of a fact."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Expectation:
    """One prediction.

    Args:
        fact: id of the fact (`hypothesis_facts`).
        says: whether the hypothesis wants the fact to hold or not to hold.
        because: one sentence.
        weak: whether a disagreement speaks against the hypothesis without excluding it.
    """

    fact: str
    says: Says
    because: str
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One explanation.

    Args:
        id: `H1` to `H6`.
        statement: who dropped the reference.
        expects: its predictions.
        would_decide: evidence that a log does not hold and that would speak for or against it.
        note: what the model says of it.
    """

    id: str
    statement: str
    expects: tuple[Expectation, ...]
    would_decide: tuple[str, ...]
    note: str


def _yes(fact: str, because: str) -> Expectation:
    return Expectation(fact, Says.YES, because)


def _no(fact: str, because: str, *, weak: bool = False) -> Expectation:
    return Expectation(fact, Says.NO, because, weak)


HYPOTHESES: tuple[Hypothesis, ...] = (
    Hypothesis(
        "H1",
        "KVM's late check releases a page of which the v11 series took no reference (conflict with d02c357e5bfa)",
        (
            _yes("v11 kernel", "the release is only unbalanced with the eight patches on 6.8 or later"),
            _yes("anonymous page", "the pages hit are those copied under KVM's own GUP"),
            _yes("index is user address", "they are guest RAM, numbered by address"),
            _yes("lost while mapped", "the stray put takes the batch's reference, the drain the PTE's"),
            _yes("was on LRU", "the drain puts the page on the LRU just before it drops its reference"),
            _yes("not dirty", "v11 does not mark pages dirty when it maps them"),
            _yes("consistent", "a counting fault leaves every other word intact"),
            _yes("by drain or KVM put", "the last put is the batch's, or KVM's own if the page is on the LRU"),
            _yes("copy below KVM", "a later copy on write of the guest fills the batch"),
            _yes("group limit", "one drain reports at most a batch less the page that filled it"),
            _yes("guest order", "pages are lost in the order in which the guest touched them"),
            _yes("survivor", "the page that fills a batch lives on the activate batch's reference"),
            _yes("one loop", "the pages of a group are reported by one loop, without a pause"),
        ),
        (
            "the host's commits on top of its tag, and whether kvm_faultin_pfn() still releases after its late check",
            "the same guest on b68 or 6.13: the storm must stop",
            "a guest that writes before it reads, or memory touched or locked by the host: the storm must stop",
            "page_ref events of one page, or a kprobe on the release: a put too many before the reported stack",
            "a report of the zero page (reserved, PAGE_FLAGS_CHECK_AT_FREE) if several vCPUs run",
        ),
        "the model reaches exactly the reported page state, with one vCPU and no other thread, in 14 steps",
    ),
    Hypothesis(
        "H2",
        "the v11 series alone drops a reference, also without d02c357e5bfa",
        (
            _yes("v11 kernel", "it needs the series"),
            _no("early-check base", "the base must lack the lockless checks, or they would explain it"),
            _yes("lost while mapped", "a reference is lost under a PTE"),
        ),
        ("the series on a base before 6.8: a storm there is needed", "its tenth version was reported fine on 6.7"),
        "no violation of a count in any configuration explored, only touches of pages that nobody holds",
    ),
    Hypothesis(
        "H3",
        "KVM puts a page of a driver (PFNMAP, count 0) that it never got",
        (
            _no("anonymous page", "the page is a driver's"),
            _no("index is user address", "it has no index of anonymous memory"),
            _no("lost while mapped", "a PFNMAP mapping counts nothing: the count falls below 0 instead"),
            _no("by drain or KVM put", "a driver's page is in no LRU batch"),
        ),
        ("a memslot on a PFNMAP mapping at the time", "refcount -1 and the reason nonzero _refcount"),
        "reachable for v11 with early checks, in five steps; a kernel made to do it reports nothing like this",
    ),
    Hypothesis(
        "H4",
        "a put too many elsewhere in mm, such as a bad backport",
        (
            _yes("lost while mapped", "any user page may lose its reference"),
            _yes("consistent", "a counting fault leaves every other word intact"),
            _no("only KVM tasks", "tasks that do not run guests must be hit as well", weak=True),
        ),
        ("reports of tasks without KVM, on the same boot", "the same host without guests"),
        "a drain blames whoever runs it, so the comm speaks against it only weakly",
    ),
    Hypothesis(
        "H5",
        "memory or bit corruption",
        (
            _no("consistent", "words would contradict each other"),
            _no("group limit", "damage is isolated and not in groups"),
            _no("guest order", "damage is at random places"),
            _no("report limit", "damage does not come by the dozen"),
        ),
        ("a memory test", "reports of other kinds with garbage in them"),
        "fields that agree with each other in every report speak against it",
    ),
    Hypothesis(
        "H6",
        "a folio is in a batch twice",
        (
            _yes("anonymous page", "fresh folios wait in the batch"),
            _yes("lost while mapped", "the second entry drops the PTE's reference"),
            _yes("was on LRU", "the first entry put it there"),
            _no("KVM put", "only a drain can be the last put"),
            _no("only KVM tasks", "nothing ties it to KVM", weak=True),
        ),
        ("a kernel with CONFIG_DEBUG_VM: it stops at the second entry", "the same fault without guests"),
        "not reachable in the model: nothing adds a folio twice",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One prediction, compared.

    Args:
        fact: what was looked at.
        expectation: what the hypothesis says.
        holds: whether the fact holds; None if the text does not tell.
    """

    fact: Fact
    expectation: Expectation
    holds: bool | None

    @property
    def fits(self) -> bool | None:
        """Whether the prediction agrees; None if the text does not tell."""
        return None if self.holds is None else self.holds is (self.expectation.says is Says.YES)

    def __str__(self) -> str:
        return f"{self.fact.tells} ({self.expectation.because})"


@dataclass(frozen=True, slots=True)
class Weighed:
    """A hypothesis after the comparison.

    Args:
        hypothesis: which one.
        findings: its predictions, compared one by one.
    """

    hypothesis: Hypothesis
    findings: tuple[Finding, ...]

    @property
    def fits(self) -> tuple[Finding, ...]:
        """What agrees."""
        return tuple(finding for finding in self.findings if finding.fits is True)

    @property
    def contradicts(self) -> tuple[Finding, ...]:
        """What speaks against it."""
        return tuple(finding for finding in self.findings if finding.fits is False)

    @property
    def open(self) -> tuple[Finding, ...]:
        """What the text does not tell."""
        return tuple(finding for finding in self.findings if finding.fits is None)

    @property
    def stands(self) -> bool:
        """Whether nothing excludes it and something fits."""
        return bool(self.fits) and all(finding.expectation.weak for finding in self.contradicts)


def weigh(reports: Sequence[Report] | Report) -> tuple[Weighed, ...]:
    """Compare every hypothesis with one report, or with a whole storm.

    Args:
        reports: a bad page, or all reports of a log in their order; of a storm the facts must hold for all its pages.
    """
    facts = report_facts(reports) if isinstance(reports, Report) else storm_facts(reports)
    return tuple(
        Weighed(
            hypothesis,
            tuple(Finding(facts[e.fact], e, facts[e.fact].holds) for e in hypothesis.expects if e.fact in facts),
        )
        for hypothesis in HYPOTHESES
    )


__all__ = ["HYPOTHESES", "Basis", "Expectation", "Fact", "Finding", "Hypothesis", "Says", "Weighed", "weigh"]
