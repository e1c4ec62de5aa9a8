"""What KVM sees when a guest touches a buffer of TTM: page by page, by policy, in order and at random.

TTM maps its pages with PFN mappings, 4 KiB each. The first page of a block has one reference, the others none; a policy
that asks for a reference first refuses those others, and the guest's access ends in EFAULT.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from kvmlab.kvm.policies import POLICIES, Policy, Remapped, find_policy
from kvmlab.memory.ttm_buffer import TtmBuffer, highest_tail_share

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class Outcome(IntEnum):
    """How a guest's first access to a page of the buffer ends."""

    MAPPED = 0
    """the page is mapped"""
    REFUSED = 1
    """KVM_RUN fails with EFAULT"""
    FREED = 2
    """the page is mapped, and putting the reference that was taken blindly frees a page that the driver still owns"""


# By what the lookup does to a page without a reference; a page with one is mapped by every policy.
_TAILS = {
    Remapped.BLIND_GET: Outcome.FREED,
    Remapped.TRY_GET: Outcome.REFUSED,
    Remapped.CLASSIFY: Outcome.MAPPED,
    Remapped.UNTOUCHED: Outcome.MAPPED,
}


@dataclass(frozen=True, slots=True)
class KvmView:
    """A buffer under one policy.

    Args:
        buffer: the buffer.
        policy: the policy.
    """

    buffer: TtmBuffer
    policy: Policy

    @property
    def tail_outcome(self) -> Outcome:
        """What happens to every page that is not the first of its block."""
        return _TAILS[self.policy.remapped]

    def outcomes(self) -> NDArray[np.uint8]:
        """The outcome (`Outcome`) of a first access to each page of the vector, uint8."""
        import numpy as np

        tails = self.buffer.is_tail()
        return np.where(tails, np.uint8(self.tail_outcome), np.uint8(Outcome.MAPPED))

    @property
    def refused(self) -> int:
        """Pages whose access fails."""
        return self.buffer.tails if self.tail_outcome is Outcome.REFUSED else 0

    @property
    def freed(self) -> int:
        """Pages that are freed under the driver."""
        return self.buffer.tails if self.tail_outcome is Outcome.FREED else 0

    def linear(self) -> int:
        """Pages that a guest can touch from the first on before one is refused; all of them if none is."""
        import numpy as np

        bad = np.flatnonzero(self.outcomes() == Outcome.REFUSED)
        return int(bad[0]) if len(bad) else self.buffer.pages

    def random(self, seed: int) -> int:
        """The same for pages touched in random order, each once.

        Args:
            seed: of the order.
        """
        import numpy as np

        order = np.random.default_rng(seed).permutation(self.buffer.pages)
        bad = np.flatnonzero(self.outcomes()[order] == Outcome.REFUSED)
        return int(bad[0]) if len(bad) else self.buffer.pages

    @property
    def random_mean(self) -> float:
        """Mean of `random` over all orders: (N - R) / (R + 1) for R refused pages of N."""
        return (self.buffer.pages - self.refused) / (self.refused + 1) if self.refused else float(self.buffer.pages)

    def df_pages(self) -> pd.DataFrame:
        """One row a page of the vector: page, pfn (uint64), order of its block, tail, refcount, outcome."""
        import numpy as np
        import pandas as pd

        tails = self.buffer.is_tail()
        sizes = np.int64(1) << self.buffer.order.astype(np.int64)
        names = np.array([o.name.lower() for o in Outcome])
        return pd.DataFrame(
            {
                "page": np.arange(self.buffer.pages),
                "pfn": self.buffer.page_pfns(),
                "order": np.repeat(self.buffer.order, sizes),
                "tail": tails,
                "refcount": (~tails).astype(np.int8),
                "outcome": pd.Categorical(names[self.outcomes()], categories=list(names)),
            }
        )


def kvm_view(buffer: TtmBuffer, policy: Policy | str) -> KvmView:
    """A buffer as one policy sees it.

    Args:
        buffer: the buffer.
        policy: the policy, its name or alias.

    Raises:
        PolicyNotFound: no policy is called so.
    """
    return KvmView(buffer, find_policy(policy) if isinstance(policy, str) else policy)


def df_kvm_views(buffer: TtmBuffer, *, seed: int = 0) -> pd.DataFrame:
    """One row a policy: how many pages of the buffer are mapped, refused and freed, and how far a guest gets.

    Args:
        buffer: the buffer.
        seed: of the order in which the random guest touches the pages.

    Returns:
        policy, name, releases, pages, heads, tails, tail_share, highest_tail_share (1 - B_min / N, memory without
        fragmentation), mapped, refused, freed, linear, random, random_mean.
    """
    import pandas as pd

    rows = []
    for policy in POLICIES:
        view = KvmView(buffer, policy)
        rows.append(
            {
                "policy": policy.id,
                "name": policy.name,
                "releases": policy.releases,
                "pages": buffer.pages,
                "heads": buffer.blocks,
                "tails": buffer.tails,
                "tail_share": buffer.tail_share,
                "highest_tail_share": highest_tail_share(buffer.pages),
                "mapped": buffer.pages - view.refused,
                "refused": view.refused,
                "freed": view.freed,
                "linear": view.linear(),
                "random": view.random(seed),
                "random_mean": view.random_mean,
            }
        )
    return pd.DataFrame(rows)
