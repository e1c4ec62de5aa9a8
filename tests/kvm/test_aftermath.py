"""What a guest meets after its bad page, and that a policy without bad pages leads to neither."""

from __future__ import annotations

import pytest

from kvmlab.kvm.aftermath import FAILS, HANGS, aftermath, df_aftermath
from kvmlab.kvm.policies import find_policy

pytest.importorskip("pandas")


def test_the_ioctl_fails_or_the_guest_hangs() -> None:
    answers = aftermath(find_policy("c_69"))
    table = df_aftermath(answers).set_index("host")
    assert table["meets"].tolist() == [FAILS, HANGS]
    assert table.loc["with async page faults", "basis"] == "inferred"
    for answer, event in zip(answers.values(), (FAILS, HANGS), strict=True):
        reported, met = answer.violation("I3"), answer.violation(event)
        assert reported is not None
        assert met is not None
        assert met.depth > reported.depth, "it comes after the bad page"
        assert met.trace[-1].action == "grab"
        assert "refcount 0 and takes nothing" in met.trace[-1].does


@pytest.mark.parametrize("policy", ["b68", "c_base", "d"])
def test_a_policy_that_loses_no_page_harms_no_guest(policy: str) -> None:
    table = df_aftermath(aftermath(find_policy(policy)))
    assert table["meets"].isna().all()
    assert table["steps"].isna().all()
