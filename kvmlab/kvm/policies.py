"""The ways in which KVM has taken a pfn from the host: seven policies as data, each trait with its commit."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from kvmlab.errors import KvmlabError


class Remapped(IntEnum):
    """What happens to the struct page of a PFNMAP pfn during the lookup."""

    BLIND_GET = 0
    """get_page() whatever the count is: 0 becomes 1."""
    TRY_GET = 1
    """try-get; a page whose count is 0 is refused with -EFAULT."""
    CLASSIFY = 2
    """try-get and put at once; a page whose count is 0 is mapped and remembered as not refcounted."""
    UNTOUCHED = 3
    """the counters are neither read nor written."""


class AfterCheck(IntEnum):
    """What a stale late check (the one without mmu_lock, after the lookup) does to the page."""

    NO_CHECK = 0
    RELEASE_PFN = 1
    """kvm_release_pfn_clean(): mark accessed and put, whether or not the fault holds a reference."""
    MARK_ACCESSED = 2
    """mark accessed only."""
    PUT_UNUSED = 3
    """put the reference that the fault holds, if it holds one."""


class Finish(IntEnum):
    """How a fault ends."""

    RELEASE_UNLOCKED = 0
    """after mmu_lock is dropped: mark accessed, put."""
    MARK_LOCKED = 1
    """under mmu_lock: mark accessed, even if the fault was stale; nothing to put."""
    RELEASE_LOCKED = 2
    """under mmu_lock: mark dirty and accessed unless stale, put."""


class Zap(IntEnum):
    """What removing an SPTE does to the struct page."""

    BY_PFN = 0
    BY_SPTE_BIT = 1
    NOTHING = 2


class PolicyNotFound(KvmlabError):
    """No policy has this name; the message lists those that exist."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One way of taking a pfn from the host.

    Args:
        id: short alias, as in the tables.
        name: the name to use.
        releases: where it is found, in words.
        since, until: first and last release (major, minor) of stock kernels with it, None if never merged.
        early_checks: whether staleness is tested without mmu_lock before and after the lookup (d02c357e5bfa).
        takes_ref: whether the fault keeps the reference of a page that GUP found until it ends (FOLL_GET).
        remapped: see `Remapped`.
        after_check: see `AfterCheck`.
        finish: see `Finish`.
        zap: see `Zap`.
        source: commits and messages.
        in_progress_tested, sequence_tested: the two halves of the retry test under mmu_lock; real policies have both.
        flushes_tlb: whether removing an SPTE flushes TLBs; real policies do.
        stale_exits: whether a stale late check fails with -EFAULT; real policies retry.
        stale_put: whether a stale late check drops one reference more than the policy does: the fault that the kernel
            lab injects to reproduce the reported mechanism.
    """

    id: str
    name: str
    releases: str
    since: tuple[int, int] | None
    until: tuple[int, int] | None
    early_checks: bool
    takes_ref: bool
    remapped: Remapped
    after_check: AfterCheck
    finish: Finish
    zap: Zap
    source: str
    in_progress_tested: bool = True
    sequence_tested: bool = True
    flushes_tlb: bool = True
    stale_exits: bool = False
    stale_put: bool = False

    @property
    def span(self) -> str:
        """The stock kernels that have it, shortly: `6.8 to 6.12`, `6.13 on`, `never merged`."""
        if self.since is None:
            return "never merged"
        first = f"{self.since[0]}.{self.since[1]}"
        return f"{first} on" if self.until is None else f"{first} to {self.until[0]}.{self.until[1]}"


POLICIES: tuple[Policy, ...] = (
    Policy(
        "a", "blind-get", "4.8 to 5.12", (4, 8), (5, 12),
        False, True, Remapped.BLIND_GET, AfterCheck.NO_CHECK, Finish.RELEASE_UNLOCKED, Zap.BY_PFN,
        "add6a0cd1c5b (PFNMAP pfns, blind get); CVE-2021-22543",
    ),
    Policy(
        "b57", "try-get", "5.13 to 6.7", (5, 13), (6, 7),
        False, True, Remapped.TRY_GET, AfterCheck.NO_CHECK, Finish.RELEASE_UNLOCKED, Zap.BY_PFN,
        "f8be156be163 (do not take a reference on a page whose count is 0); read in 6.1.192",
    ),
    Policy(
        "b68", "try-get-early-checks", "6.8 to 6.12", (6, 8), (6, 12),
        True, True, Remapped.TRY_GET, AfterCheck.RELEASE_PFN, Finish.RELEASE_UNLOCKED, Zap.BY_PFN,
        "d02c357e5bfa (retry before and after the lookup without mmu_lock); read in 6.12.117",
    ),
    Policy(
        "c_base", "v11", "the v11 series on its own base, never merged", None, None,
        False, False, Remapped.CLASSIFY, AfterCheck.NO_CHECK, Finish.MARK_LOCKED, Zap.BY_SPTE_BIT,
        "20240229025759.1187910-1-stevensd, patches 4, 6, 7 and 8, on 54be6c6c5ae8",
    ),
    Policy(
        "c_69", "v11-early-checks", "the v11 series on 6.8 and later, as in the reported kernel", None, None,
        True, False, Remapped.CLASSIFY, AfterCheck.RELEASE_PFN, Finish.MARK_LOCKED, Zap.BY_SPTE_BIT,
        "the v11 series on a base with d02c357e5bfa, whose release after the late check v11 does not change",
    ),
    Policy(
        "c_fix", "v11-one-line-fix", "the above with the fix named on the list", None, None,
        True, False, Remapped.CLASSIFY, AfterCheck.MARK_ACCESSED, Finish.MARK_LOCKED, Zap.BY_SPTE_BIT,
        "the author of v11, 15 April 2024: mark accessed instead of releasing",
    ),
    Policy(
        "d", "refcounted-page", "6.13 and later", (6, 13), None,
        True, True, Remapped.UNTOUCHED, AfterCheck.PUT_UNUSED, Finish.RELEASE_LOCKED, Zap.NOTHING,
        "merge 5cb1659f4120: 3dd48ecfac7f, 8dd861cc07e2, dc06193532af, 93b7da404f5b, 8b15c3764c05; read in 7.2.13",
    ),
)  # fmt: skip


def find_policy(name: str) -> Policy:
    """The policy with this name or id.

    Args:
        name: `v11-early-checks`, or its alias `c_69`.

    Raises:
        PolicyNotFound: no policy is called so.

    >>> find_policy("c_69").name
    'v11-early-checks'
    """
    for policy in POLICIES:
        if name in (policy.id, policy.name):
            return policy
    known = ", ".join(f"{p.name} ({p.id})" for p in POLICIES)
    raise PolicyNotFound(f"there is no policy {name!r}; there are {known}")


def stock_policy(version: tuple[int, ...] | None) -> Policy | None:
    """The policy of an unpatched kernel of this release, None if the release is not known.

    Args:
        version: release numbers.

    >>> stock_policy((6, 9, 12)).id, stock_policy((6, 13)).id, stock_policy((5, 10)).id
    ('b68', 'd', 'a')
    """
    if version is None or len(version) < 2:
        return None
    release = (version[0], version[1])
    for policy in POLICIES:
        if policy.since is None and policy.until is None:
            continue
        if (policy.since is None or policy.since <= release) and (policy.until is None or release <= policy.until):
            return policy
    return None
