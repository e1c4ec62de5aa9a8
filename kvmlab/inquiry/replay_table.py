"""The same events under every policy as one table: who ends in the reported state, who in a healthy page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from kvmlab.inquiry.replay import Replay

COLUMNS = (
    "policy", "policy_name", "releases", "ends", "refcount", "mapcount", "reason", "stray_put", "agrees", "differs",
)  # fmt: skip


def ending(one: Replay) -> str:
    """How a replay ends: `as reported`, `bad page`, `healthy page` or `damaged page` (a reference is missing)."""
    if one.explained:
        return "as reported"
    if one.healthy:
        return "healthy page"
    return "bad page" if one.run is not None and one.run.bad_pages else "damaged page"


def df_policies(replays: Mapping[str, Replay]) -> pd.DataFrame:
    """One row a policy.

    Args:
        replays: replays by policy id, as `same_events` returns them.

    Returns:
        policy, policy_name, releases; ends (`as reported`, `bad page`, `healthy page`, `damaged page`); refcount,
        mapcount Int64 and reason of the followed page at the end; stray_put Int64 (number of the first step that drops
        a reference nobody there holds); agrees int64 (fields that agree with the report) and differs (tuple of those
        that do not).
    """
    import pandas as pd

    rows = []
    for policy in replays:
        one = replays[policy]
        stray = next((step.number for step in one.steps if step.stray_put), None)
        end = one.predicted
        rows.append(
            (
                policy, one.policy.name if one.policy else policy, one.policy.releases if one.policy else "",
                ending(one), end.get("refcount"), end.get("mapcount"), end.get("reason"), stray,
                sum(a.agrees is True for a in one.agreement),
                tuple(a.field for a in one.agreement if a.agrees is False),
            )
        )  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"refcount": "Int64", "mapcount": "Int64", "stray_put": "Int64", "agrees": "int64"})
