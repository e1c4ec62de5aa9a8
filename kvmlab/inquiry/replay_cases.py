"""What a replay tries: the policies that a report's kernel may have, and ways in which a guest uses its memory."""

from __future__ import annotations

from dataclasses import dataclass

from kvmlab.inquiry.basis import Basis
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.config import Config
from kvmlab.kvm.machine import READ, WRITE
from kvmlab.kvm.policies import Policy, find_policy, stock_policy
from kvmlab.kvm.scenario import Run, Runner
from kvmlab.kvm.system import System
from kvmlab.memory.folio_batch import batch_capacity
from kvmlab.memory.free_checks import checks_freed_pages

V11_PATCHES = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy that the kernel of a report may have.

    Args:
        policy: the policy.
        basis: how that is known.
        why: one sentence.
        fits: whether the report's kernel can have it; None if the caller asked for it.
    """

    policy: Policy
    basis: Basis
    why: str
    fits: bool | None = True


def candidates(release: KernelRelease | None) -> tuple[Candidate, ...]:
    """The policies that the kernel of a report may have, the most likely first.

    Args:
        release: the release that the report names, None if it names none.

    >>> [c.policy.id for c in candidates(KernelRelease.parse("6.9.12-ajb-00008-gfcd4b7efbad0"))]
    ['c_69', 'b68']
    >>> [c.policy.id for c in candidates(KernelRelease.parse("6.12.117+deb12-amd64"))]
    ['b68']
    """
    stock = None if release is None else stock_policy(release.version)
    if release is None or stock is None:
        return ()
    found = []
    if release.commits_after_tag == V11_PATCHES and stock.id in ("b57", "b68"):
        found.append(
            Candidate(
                find_policy("c_69" if stock.early_checks else "c_base"),
                Basis.INFERRED,
                f"{release.text} is {V11_PATCHES} commits past its tag, as many as the v11 series has patches"
                + (", on a base with d02c357e5bfa" if stock.early_checks else ", on a base without d02c357e5bfa"),
            )
        )
    what = (
        "stock"
        if not release.commits_after_tag
        else f"stock, if the {release.commits_after_tag} commits do not touch KVM"
    )
    found.append(Candidate(stock, Basis.INFERRED, f"{release.base} {what}: {stock.releases}"))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Story:
    """What the guest and the rest of the machine do; each story is a guess that the comparison decides.

    Args:
        id: short name.
        tells: one sentence.
        before: what the guest does with the followed page, accesses in order.
        filler: what it does with the next page, whose new folio fills the batch; empty if another task drains it.
    """

    id: str
    tells: str
    before: tuple[int, ...]
    filler: tuple[int, ...]


STORIES: tuple[Story, ...] = (
    Story("read-then-write", "the guest reads, then writes each page; a later copy on write fills the batch",
          (READ, WRITE), (READ, WRITE)),
    Story("read-then-write, fresh page fills",
          "the guest reads, then writes the page; one that it only writes fills the batch",
          (READ, WRITE), (WRITE,)),
    Story("read-then-write, drained by another task",
          "the guest reads, then writes the page; another task drains the batch",
          (READ, WRITE), ()),
    Story("write only", "the guest writes each page without reading it first; a later new page fills the batch",
          (WRITE,), (WRITE,)),
    Story("write only, drained by another task", "the guest writes the page; another task drains the batch",
          (WRITE,), ()),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One run that a replay tries."""

    candidate: Candidate
    story: Story
    lru_gen: bool


def config_of(policy: Policy, release: KernelRelease, *, lru_gen: bool = False, pages: int = 2) -> Config:
    """The machine for a replay: a batch as the release has it, filled by others up to the last `pages` places.

    Args:
        policy: how KVM takes pfns.
        release: the kernel; chooses the batch and what a report resets.
        lru_gen: whether MGLRU is on.
        pages: guest pages; with as many as the batch holds, nothing else is in it.

    Raises:
        UnknownRelease: the batch of this release is not known.
    """
    capacity = batch_capacity(release)
    version = release.version
    return Config(
        policy,
        gfns=pages,
        pages=pages,
        batch=capacity,
        others=max(capacity - pages, 0),
        zaps=0,
        tracked=True,
        lru_gen=lru_gen,
        check_pages=checks_freed_pages(version),
        resets_mapcount=version is not None and version[:2] < (6, 11),
    )


def run_story(config: Config, story: Story) -> Run:
    """Walk one story; it ends when the followed page is reported, or with the batch drained.

    Args:
        config: the machine, two guest pages or more.
        story: what happens.
    """
    runner = Runner(System(config), stop_when_reported=True)
    for access in story.before:
        runner.access(0, 0, access)
    if not story.filler:
        runner.drain()
        return runner.finish()
    for g in range(1, config.gfns):
        for access in story.filler:
            runner.access(0, g, access)
    return runner.finish()
