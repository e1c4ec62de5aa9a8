"""The violation matrix as people read it: a row a configuration, a column a policy, a cell what is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvmlab.kvm.config import CONFIG_WORDS
from kvmlab.kvm.exploration import Exploration
from kvmlab.kvm.explore import policy_matrix

if TYPE_CHECKING:
    import pandas as pd

NOTHING = "-"


def cell(answer: Exploration, *, events: bool = True) -> str:
    """What one exploration broke: `I3@7 I2@9`, `-` if it saw everything and nothing was broken.

    Args:
        answer: the exploration.
        events: whether mere events, such as a refused page, are told too.

    >>> from kvmlab.kvm.explore import explore
    >>> cell(explore("c_base")), cell(explore("d"))
    ('I8@8', '-')
    """
    shown = [v for v in answer.violations if events or v.invariant.is_bug]
    told = " ".join(f"{v.invariant.id}@{v.depth}" for v in sorted(shown, key=lambda v: (v.depth, v.invariant.number)))
    if answer.complete:
        return told or NOTHING
    return f"{told} and maybe more: bound reached".strip()


def df_policy_table(matrix: dict[tuple[str, str], Exploration] | None = None, *, events: bool = True) -> pd.DataFrame:
    """The violation matrix with a row for each configuration and a column for each policy.

    A number behind `@` is the length of a shortest trace, in steps; the shortest comes first.

    Args:
        matrix: answers of `policy_matrix`; every policy on the four named configurations if None.
        events: whether mere events, such as a refused page, are told too.

    Returns:
        config, memory (what the configuration is, in words), then a column a policy id.
    """
    import pandas as pd

    answers = policy_matrix() if matrix is None else matrix
    policies = list(dict.fromkeys(policy for policy, _ in answers))
    rows = []
    for config in dict.fromkeys(name for _, name in answers):
        found = {p: cell(answers[p, config], events=events) for p in policies if (p, config) in answers}
        rows.append({"config": config, "memory": CONFIG_WORDS.get(config, config)} | found)
    return pd.DataFrame(rows, columns=["config", "memory", *policies])
