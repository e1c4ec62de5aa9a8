"""What KVM makes of a TTM buffer, against the guests that really touched such buffers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from kvmlab.inquiry.ttm_kvm import Outcome, df_kvm_views, kvm_view
from kvmlab.kernel.release import KernelRelease
from kvmlab.kvm.policies import POLICIES, PolicyNotFound, stock_policy
from kvmlab.memory.buddy import Buddy
from kvmlab.memory.ttm import TtmPool
from kvmlab.memory.ttm_buffer import TtmBuffer
from kvmlab.memory.ttm_state import Caching

CAPTURES = Path(__file__).resolve().parents[2].parent / "shared" / "captures"
GUESTS = sorted(CAPTURES.glob("*/kvm/ttm_n*.txt"))
PAGE = re.compile(r"(\d+) pfn=0x([0-9a-f]+) refcount=(-?\d+) .*private=(0x[0-9a-f]+|0) ")


def buffer_of(pages: int, caching: str = "cached") -> TtmBuffer:
    return TtmPool(Buddy.fresh("64MiB", engine="python")).alloc(pages, caching)


@pytest.mark.skipif(not GUESTS, reason="the captures are not beside the checkout")
@pytest.mark.parametrize("path", GUESTS, ids=lambda p: f"{p.parents[1].name}-{p.stem}")
def test_every_page_that_a_guest_touched(path: Path) -> None:
    text = path.read_text()
    heads = [(int(p, 16), int(o, 16), int(c)) for _, p, c, o in PAGE.findall(text)]
    blocks, k = [], 0
    while k < len(heads):
        blocks.append(heads[k][:2])
        k += 1 << heads[k][1]
    buffer = TtmBuffer(
        0,
        Caching.CACHED,
        len(heads),
        np.array([p for p, _ in blocks], dtype=np.uint64),
        np.array([o for _, o in blocks], dtype=np.int8),
        np.zeros(len(blocks), dtype=bool),
    )
    assert buffer.page_pfns().tolist() == [p for p, _, _ in heads]
    assert (~buffer.is_tail()).astype(int).tolist() == [c for _, _, c in heads]
    policy = stock_policy(KernelRelease.parse(path.parents[1].name).version)
    assert policy is not None
    expected = kvm_view(buffer, policy).outcomes()
    touched = 0
    for line in text.splitlines():
        if not line.startswith('{"case"'):
            continue
        row = json.loads(line)
        for run in (s for s in row["seq"] if s.get("run") in ("read", "write")):
            touched += 1
            ended = Outcome.MAPPED if run["ok"] else Outcome.REFUSED
            assert run["errno"] == (14 if ended is Outcome.REFUSED else 0)
            assert expected[row["page"]] == ended
    assert touched >= 4


@pytest.mark.parametrize(
    ("policy", "outcome"),
    [
        ("a", Outcome.FREED),
        ("b57", Outcome.REFUSED),
        ("b68", Outcome.REFUSED),
        ("c_base", Outcome.MAPPED),
        ("c_69", Outcome.MAPPED),
        ("c_fix", Outcome.MAPPED),
        ("d", Outcome.MAPPED),
    ],
)
def test_tails_by_policy(policy: str, outcome: Outcome) -> None:
    view = kvm_view(buffer_of(1000), policy)
    outcomes = view.outcomes()
    assert (outcomes[view.buffer.is_tail()] == outcome).all()
    assert (outcomes[~view.buffer.is_tail()] == Outcome.MAPPED).all()
    assert view.refused == (view.buffer.tails if outcome is Outcome.REFUSED else 0)
    assert view.freed == (view.buffer.tails if outcome is Outcome.FREED else 0)
    assert view.linear() == (1 if outcome is Outcome.REFUSED else 1000)
    frame = view.df_pages()
    assert frame.pfn.dtype == "uint64"
    assert (frame.outcome == outcome.name.lower()).sum() == (1000 if outcome is Outcome.MAPPED else view.buffer.tails)


def test_random_access_meets_its_mean() -> None:
    view = kvm_view(buffer_of(24), "b68")  # blocks of 16 and 8: 2 of 24 pages can be mapped
    draws = [view.random(seed) for seed in range(3000)]
    assert view.random_mean == pytest.approx(2 / 23)
    assert np.mean(draws) == pytest.approx(view.random_mean, abs=0.02)
    assert view.random(7) == view.random(7)
    assert kvm_view(buffer_of(24), "d").random_mean == 24
    assert kvm_view(buffer_of(1), "b68").linear() == 1


def test_one_row_for_each_policy() -> None:
    frame = df_kvm_views(buffer_of(8100, "wc"))
    assert list(frame.policy) == [p.id for p in POLICIES]
    assert set(frame.tails) == {8088}
    assert frame.tail_share.iloc[0] == pytest.approx(1 - 12 / 8100)
    assert frame[frame.policy == "b68"][["mapped", "refused", "linear"]].to_numpy().tolist() == [[12, 8088, 1]]
    with pytest.raises(PolicyNotFound):
        kvm_view(buffer_of(1), "z")
