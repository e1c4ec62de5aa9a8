"""Families that look alike: offered with the functions in which they differ, never merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Generic, Protocol, TypeVar

from kvmlab.inquiry.signatures import Signature

# Two stacks are alike if at least this share of the functions of the shorter one stands in the other, in order.
ALIKE = 0.6
# Families of one log that are compared with each other; beyond that only neighbours by their functions are.
_MOST_COMPARED = 200


class Signed(Protocol):
    """What is compared: a `Family`, or a `Tally` of several sources."""

    @property
    def signature(self) -> Signature:
        """What its reports share."""

    @property
    def title(self) -> str:
        """What people call it."""


S = TypeVar("S", bound=Signed)


@dataclass(frozen=True)
class Similar(Generic[S]):
    """Two families with like stacks.

    Args:
        a, b: the families, the larger first.
        shared: functions that both have, in order.
        only_a, only_b: functions that only one of them has.
        why: one sentence.
    """

    a: S
    b: S
    shared: tuple[str, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    why: str


def similar_families(found: Sequence[S], *, alike: float = ALIKE) -> tuple[Similar[S], ...]:
    """Pairs of families whose stacks are alike, most alike first.

    Args:
        found: the families, as `families` gives them; the two hundred largest are compared.
        alike: share of the shorter stack that must stand in the other one, 0 to 1.
    """
    pairs: list[tuple[float, Similar[S]]] = []
    compared = [family for family in found if len(family.signature.functions) > 1][:_MOST_COMPARED]
    for i, a in enumerate(compared):
        matcher = SequenceMatcher(a=(), b=a.signature.functions, autojunk=False)
        for b in compared[i + 1 :]:
            if a.signature.kind is not b.signature.kind:
                continue
            matcher.set_seq1(b.signature.functions)
            shared: list[str] = []
            only_a: list[str] = []
            only_b: list[str] = []
            for what, b_from, b_to, a_from, a_to in matcher.get_opcodes():
                if what == "equal":
                    shared += b.signature.functions[b_from:b_to]
                else:
                    only_b += b.signature.functions[b_from:b_to]
                    only_a += a.signature.functions[a_from:a_to]
            share = len(shared) / min(len(a.signature.functions), len(b.signature.functions))
            # Free and allocation paths are shared by everything; a common caller must be among what is shared.
            if share >= alike and any(name in shared for name in (a.signature.interesting, b.signature.interesting)):
                why = _sentence(shared, only_a, only_b)
                pairs.append((share, Similar(a, b, tuple(shared), tuple(only_a), tuple(only_b), why)))
    # The order in which they were given decides between equals.
    pairs.sort(key=lambda pair: -pair[0])
    return tuple(pair for _, pair in pairs)


def similar_json(similar: Similar[Any]) -> dict[str, Any]:
    """Two families that look alike, as `kvmlab triage --json` prints them."""
    return {
        "a": similar.a.signature.id,
        "b": similar.b.signature.id,
        "shared": list(similar.shared),
        "only_a": list(similar.only_a),
        "only_b": list(similar.only_b),
        "why": similar.why,
    }


def _sentence(shared: Sequence[str], only_a: Sequence[str], only_b: Sequence[str]) -> str:
    parts = [f"{len(shared)} functions are the same"]
    if only_a:
        parts.append(f"only the first has {', '.join(only_a)}")
    if only_b:
        parts.append(f"only the second has {', '.join(only_b)}")
    return "; ".join(parts)
