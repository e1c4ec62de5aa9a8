"""The v11 series patch by patch, on a base with and without d02c357e5bfa: which patch changes which answer of KVM."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kvmlab.errors import KvmlabError
from kvmlab.kvm.policies import AfterCheck, Finish, Policy, Remapped, Zap, find_policy

if TYPE_CHECKING:
    import pandas as pd

SERIES = "20240229025759.1187910-1-stevensd"


class NoSuchPatch(KvmlabError):
    """The series has eight patches."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch of the series.

    Args:
        number: 1 to 8.
        title: its subject.
        changes: what it changes, in a sentence.
    """

    number: int
    title: str
    changes: str


PATCHES: tuple[Patch, ...] = (
    Patch(1, "KVM: Assert that a page's refcount is elevated when marking accessed/dirty",
          "marking a page whose count is 0 warns once and does nothing"),
    Patch(2, "KVM: Relax BUG_ON argument validation", "a misuse of atomic and async warns, no BUG"),
    Patch(3, "KVM: mmu: Introduce kvm_follow_pfn()", "arguments in a struct; no change of behaviour is meant"),
    Patch(4, "KVM: mmu: Improve handling of non-refcounted pfns",
          "callers say FOLL_GET, whether they are guarded by the notifier and accept pages without a count; unguarded "
          "callers are refused pfns without struct page unless allow_unsafe_mappings is set"),
    Patch(5, "KVM: Migrate kvm_vcpu_map() to kvm_follow_pfn()",
          "the nested mapping accepts count 0 with allow_unsafe_mappings, and puts only what it got"),
    Patch(6, "KVM: x86: Migrate to kvm_follow_pfn()", "the fault is guarded, takes FOLL_GET, refuses count 0"),
    Patch(7, "KVM: x86/mmu: Track if sptes refer to refcounted pages",
          "an SPTE bit says whether its page is counted; marks at zap time go by it"),
    Patch(8, "KVM: x86/mmu: Handle non-refcounted pages",
          "the fault drops FOLL_GET, accepts count 0, marks the page under mmu_lock, releases nothing"),
)  # fmt: skip


def v11_policy(patches: int, *, early_checks: bool) -> Policy:
    """The fault policy of a kernel with the first so many patches.

    Args:
        patches: 0 to 8.
        early_checks: whether the base has d02c357e5bfa (6.8 and later), as the reported kernel does.

    Raises:
        NoSuchPatch: the series is not that long.

    >>> [v11_policy(n, early_checks=True).takes_ref for n in (0, 7, 8)]
    [True, True, False]
    """
    if not 0 <= patches <= len(PATCHES):
        raise NoSuchPatch(
            f"the v11 series has {len(PATCHES)} patches, so 0 to {len(PATCHES)} can be applied, not {patches}"
        )
    base = find_policy("b68" if early_checks else "b57")
    if patches == 0:
        return base
    policy = replace(
        base,
        id=f"{base.id}+{patches}",
        name=f"{base.name} with {patches} of 8 patches of v11",
        releases=f"{base.releases}, patched; never merged",
        since=None,
        until=None,
        source=f"{SERIES}, patches 1 to {patches}",
        zap=Zap.BY_SPTE_BIT if patches >= 7 else base.zap,
    )
    if patches < 8:
        return policy
    whole = find_policy("c_69" if early_checks else "c_base")
    return replace(
        policy, id=whole.id, name=whole.name, takes_ref=False, remapped=Remapped.CLASSIFY, finish=Finish.MARK_LOCKED,
        after_check=AfterCheck.RELEASE_PFN if early_checks else AfterCheck.NO_CHECK,
    )  # fmt: skip


CALLERS = ("guest fault", "kvm_vcpu_map", "pfn cache")
STRUCT_PAGES = ("none", "count 0", "count above 0")


@dataclass(frozen=True, slots=True)
class Answer:
    """What KVM does with a PFNMAP pfn.

    Args:
        patches: patches of v11 that are applied.
        caller: who asks: `guest fault` is guarded by the notifier, the others are not while they use the mapping.
        struct_page: what the heuristic finds: `none` (or reserved), `count 0`, `count above 0`.
        unsafe: the module parameter allow_unsafe_mappings (patch 4 and later).
        result: `reference`, `no reference` or `EFAULT`.
    """

    patches: int
    caller: str
    struct_page: str
    unsafe: bool
    result: str


def answer(patches: int, caller: str, struct_page: str, *, unsafe: bool = False) -> Answer:
    """One row of the truth table of the remapped path.

    Args:
        patches: 0 to 8.
        caller: one of `CALLERS`.
        struct_page: one of `STRUCT_PAGES`.
        unsafe: allow_unsafe_mappings.

    Raises:
        NoSuchPatch: the series is not that long.

    >>> answer(0, "guest fault", "count 0").result, answer(8, "guest fault", "count 0").result
    ('EFAULT', 'no reference')
    """
    if not 0 <= patches <= len(PATCHES):
        raise NoSuchPatch(
            f"the v11 series has {len(PATCHES)} patches, so 0 to {len(PATCHES)} can be applied, not {patches}"
        )
    keeps_reference = not (caller == "guest fault" and patches >= 8)
    guarded = caller == "guest fault"
    # Legacy callers do not accept pages whose count is 0; the nested mapping does from patch 5, the fault from patch 8.
    accepts_zero = (caller == "kvm_vcpu_map" and patches >= 5) or (guarded and patches >= 8)
    allowed = guarded or unsafe or patches < 4
    if struct_page == "none":
        result = "no reference" if allowed else "EFAULT"
    elif struct_page == "count 0":
        result = "no reference" if accepts_zero and allowed else "EFAULT"
    else:
        result = "reference" if keeps_reference else "no reference"
    return Answer(patches, caller, struct_page, unsafe, result)


def truth_table(patches: int) -> tuple[Answer, ...]:
    """All rows after so many patches.

    Args:
        patches: 0 to 8.
    """
    return tuple(
        answer(patches, caller, page, unsafe=unsafe)
        for caller in CALLERS
        for page in STRUCT_PAGES
        for unsafe in ((False, True) if patches >= 4 else (False,))
    )


def changed_by(number: int) -> tuple[tuple[Answer, Answer], ...]:
    """Rows of the truth table that a patch changes, before and after.

    Args:
        number: 1 to 8.

    Raises:
        NoSuchPatch: the series has no such patch.

    >>> [(before.caller, before.struct_page) for before, _ in changed_by(8)]
    [('guest fault', 'count 0'), ('guest fault', 'count above 0')]
    """
    if not 1 <= number <= len(PATCHES):
        raise NoSuchPatch(f"the v11 series has patches 1 to {len(PATCHES)}, not {number}")
    rows = []
    for caller in CALLERS:
        for page in STRUCT_PAGES:
            before, after = answer(number - 1, caller, page), answer(number, caller, page)
            with_unsafe = answer(number - 1, caller, page, unsafe=True), answer(number, caller, page, unsafe=True)
            if before.result != after.result:
                rows.append((before, after))
            elif number > 4 and with_unsafe[0].result != with_unsafe[1].result:
                rows.append(with_unsafe)
    return tuple(rows)


def df_truth_table() -> pd.DataFrame:
    """The truth table after each number of patches: patches, title, caller, struct_page, unsafe, result, changed."""
    import pandas as pd

    rows = []
    for number in range(len(PATCHES) + 1):
        title = "base" if number == 0 else PATCHES[number - 1].title
        changed = set() if number == 0 else {(a.caller, a.struct_page, a.unsafe) for _, a in changed_by(number)}
        rows += [
            (number, title, row.caller, row.struct_page, row.unsafe, row.result,
             (row.caller, row.struct_page, row.unsafe) in changed)
            for row in truth_table(number)
        ]  # fmt: skip
    return pd.DataFrame(rows, columns=["patches", "title", "caller", "struct_page", "unsafe", "result", "changed"])
