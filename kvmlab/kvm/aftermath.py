"""What a guest meets after a bad page of its own: an ioctl that fails, or faults without end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvmlab.kvm.config import parse_config
from kvmlab.kvm.exploration import Exploration
from kvmlab.kvm.explore import explore
from kvmlab.kvm.policies import Policy

if TYPE_CHECKING:
    import pandas as pd

FAILS, HANGS = "EFAULT after bad page", "hung guest"
"""Ids of the two events."""

_BASIS = {
    FAILS: ("observed elsewhere", "\"Bad address\", reported on the list: same series, 6.8, a warning in GUP"),
    HANGS: ("inferred", "read from the code of async page faults; no trace of it is known"),
}  # fmt: skip


def aftermath(policy: Policy) -> dict[str, Exploration]:
    """Explore on behind the first bad page, without and with asynchronous page faults on the host.

    Args:
        policy: how KVM takes pfns.

    >>> from kvmlab.kvm.policies import find_policy
    >>> [answer.violation(FAILS) is not None for answer in aftermath(find_policy("c_69")).values()]
    [True, False]
    """
    hosts = {"without async page faults": "no", "with async page faults": "yes"}
    return {
        host: explore(parse_config(policy, f"zaps=0,follow_up=yes,async_pf={async_pf}"), keep_going=True)
        for host, async_pf in hosts.items()
    }


def df_aftermath(answers: dict[str, Exploration]) -> pd.DataFrame:
    """What the guest meets, one row a host.

    Args:
        answers: as `aftermath` returns them.

    Returns:
        host, meets (id of the event, None if the guest is never harmed), steps Int64 (of the shortest way), what,
        basis (`observed elsewhere`, `inferred`), why (what that rests on).
    """
    import pandas as pd

    rows: list[tuple[str | int | None, ...]] = []
    for host, answer in answers.items():
        met = [v for v in answer.violations if v.invariant.id in _BASIS]
        rows += [(host, v.invariant.id, v.depth, v.invariant.statement, *_BASIS[v.invariant.id]) for v in met]
        if not met:
            rows.append((host, None, None, "nothing: no page of its own is lost", "the model", ""))
    frame = pd.DataFrame(rows, columns=["host", "meets", "steps", "what", "basis", "why"])
    return frame.astype({"steps": "Int64"})
