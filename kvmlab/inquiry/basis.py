"""The three kinds of statement that kvmlab makes, never mixed."""

from __future__ import annotations

from enum import StrEnum


class Basis(StrEnum):
    """How a statement is known.

    `OBSERVED`: the text says it. `INFERRED`: it follows from the text by rules of that kernel that are named.
    `ASSUMED`: neither; it is the usual case, and the statement says what would show otherwise.
    """

    OBSERVED = "observed"
    INFERRED = "inferred"
    ASSUMED = "assumed"
