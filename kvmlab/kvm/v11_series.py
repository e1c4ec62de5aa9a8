"""The v11 series as tables: what each patch changes in KVM's answers, and what breaks after it on either base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kvmlab.kvm.config import parse_config
from kvmlab.kvm.explore import explore
from kvmlab.kvm.policy_table import cell
from kvmlab.kvm.v11 import CALLERS, PATCHES, STRUCT_PAGES, answer, v11_policy

if TYPE_CHECKING:
    import pandas as pd

BASES = {False: "6.7", True: "6.8 on"}
"""A base without d02c357e5bfa, and one with it."""


NO_PARAMETER = "-"


def _result(patches: int, caller: str, page: str, unsafe: bool) -> str:
    """An answer; a dash where the parameter does not exist yet."""
    return NO_PARAMETER if unsafe and patches < 4 else answer(patches, caller, page, unsafe=unsafe).result


def df_truth_by_patch() -> pd.DataFrame:
    """What KVM does with a PFNMAP pfn, a row a question, a column a number of patches.

    Rows with and without allow_unsafe_mappings are one where the parameter never matters.

    Returns:
        caller, struct_page, unsafe (`any`, `no`, `yes`), then `base`, `1` ... `8`: `reference`, `no reference`,
        `EFAULT`, or `-` where the parameter does not exist yet.
    """
    import pandas as pd

    columns = ["base", *(str(patch.number) for patch in PATCHES)]
    rows = []
    for caller in CALLERS:
        for page in STRUCT_PAGES:
            answers = {u: [_result(n, caller, page, u) for n in range(len(PATCHES) + 1)] for u in (False, True)}
            same = all(b in (NO_PARAMETER, a) for a, b in zip(answers[False], answers[True], strict=True))
            for unsafe, found in [(False, answers[False])] if same else answers.items():
                said = "any" if same else "yes" if unsafe else "no"
                rows.append(
                    dict(zip(columns, found, strict=True)) | {"caller": caller, "struct_page": page, "unsafe": said}
                )
    return pd.DataFrame(rows, columns=["caller", "struct_page", "unsafe", *columns])


def df_series(configs: Sequence[str] = ("A", "T", "R")) -> pd.DataFrame:
    """What is broken after each patch, on a base without d02c357e5bfa and on one with it.

    Args:
        configs: names or settings of configurations.

    Returns:
        patches int64, title, changes (what the patch changes, in a sentence), base (`6.7`, `6.8 on`), policy (its id),
        then a column a configuration: what is broken in how many steps, `-` if nothing is.
    """
    import pandas as pd

    rows = []
    for early, base in BASES.items():
        for number in range(len(PATCHES) + 1):
            policy = v11_policy(number, early_checks=early)
            patch = PATCHES[number - 1] if number else None
            rows.append(
                {
                    "patches": number,
                    "title": "the base" if patch is None else patch.title,
                    "changes": "" if patch is None else patch.changes,
                    "base": base,
                    "policy": policy.id,
                }
                | {config: cell(explore(parse_config(policy, config))) for config in configs}
            )
    return pd.DataFrame(rows).astype({"patches": "int64"})
