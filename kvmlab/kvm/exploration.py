"""What an exploration found: counts, the shortest trace to each broken invariant, and how far it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kvmlab.kvm.config import Config
from kvmlab.kvm.host import PAGE
from kvmlab.kvm.invariants import Invariant
from kvmlab.kvm.kernel_names import match_stack
from kvmlab.kvm.scenario import Runner
from kvmlab.kvm.system import Event, System

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step of a counterexample.

    Args:
        step: from 1.
        actor: `vcpu0`, `mm`, `driver`, `nested`, `lru drain`.
        action: name of the action.
        detail: gfn and access, where there are any.
        does: what it did and with what outcome, in a sentence.
        event: the event itself.
        state: the state after it.
    """

    step: int
    actor: str
    action: str
    detail: str
    does: str
    event: Event
    state: int


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that is broken, with a shortest way there.

    Args:
        invariant: which one; `is_bug` is False for mere events.
        depth: number of steps.
        trace: the steps, in the order in which a replay takes them.
    """

    invariant: Invariant
    depth: int
    trace: tuple[TraceStep, ...]


@dataclass(frozen=True, slots=True)
class Exploration:
    """The answer of `explore`.

    Args:
        config: what was explored.
        states: reachable states that break no cutting invariant (with `keep_going`: all).
        transitions: steps between them, those into violations included.
        depth: steps to the farthest state.
        complete: whether everything was seen; if not, a missing violation means nothing.
        bound: states that were allowed.
        violations: the broken invariants by number, each with a shortest trace.
        engine: `python` or `numba`; `threads` of it.
        seconds: how long it took, compilation not included.
        bytes_per_state: memory of table, parents and frontiers, per state; None for the Python engine.
    """

    config: Config
    states: int
    transitions: int
    depth: int
    complete: bool
    bound: int
    violations: tuple[Violation, ...]
    engine: str
    threads: int
    seconds: float
    bytes_per_state: float | None = None

    @property
    def bugs(self) -> tuple[Violation, ...]:
        """The violations that are bugs."""
        return tuple(v for v in self.violations if v.invariant.is_bug)

    def violation(self, invariant: str) -> Violation | None:
        """The violation of one invariant, None if it was not seen (which proves something only if `complete`).

        Args:
            invariant: its id, such as `I3`.
        """
        return next((v for v in self.violations if v.invariant.id == invariant), None)

    def __str__(self) -> str:
        found = ", ".join(f"{v.invariant.id}@{v.depth}" for v in self.violations) or "nothing broken"
        if not self.complete:
            found += f" among the first {self.states:,} states; the bound was reached, so no more can be said"
        return f"{self.config.policy.name}: {self.states:,} states, {self.transitions:,} transitions: {found}"

    def df_violations(self) -> pd.DataFrame:
        """The violations: invariant, name, statement, depth, is_bug."""
        import pandas as pd

        rows = [
            (v.invariant.id, v.invariant.name, v.invariant.statement, v.depth, v.invariant.is_bug)
            for v in self.violations
        ]
        return pd.DataFrame(rows, columns=["invariant", "name", "statement", "depth", "is_bug"])

    def df_trace(self, invariant: str, stack: Sequence[str] = ()) -> pd.DataFrame:
        """A counterexample with the page counts after every step, for swim-lanes.

        Args:
            invariant: id of a violation.
            stack: reliable functions of a reported stack, innermost first (`Replay.stack`), to mark the steps with.

        Returns:
            step, actor, action, detail, does, functions; for each page frame refcount_K, mapcount_K, use_K; for each
            gfn pte_G, spte_G; batch (tuple of frames), in_progress (tuple); holders (tuple of `page K: name`), marks
            (tuple: `stray put`, `bad page`, `in stack`) and frames (tuple: the step's functions that the stack shows).
            Step 0 is the first state. Empty if the invariant was not broken.
        """
        import pandas as pd

        found = self.violation(invariant)
        if found is None:
            return pd.DataFrame()
        system = System(self.config)
        runner = Runner(system)
        rows = [_row(system, 0, "", "", "", "", (), system.first) | {"holders": (), "marks": (), "frames": ()}]
        for step in found.trace:
            taken = runner.take(step.event)
            row = _row(system, step.step, step.actor, step.action, step.detail, step.does, taken.functions, step.state)
            held = [f"page {k}: {name}" for k in range(system.machine.matter.pages) for name in runner.holders(k)]
            frames = match_stack(taken.functions, stack).found
            rows.append(row | {"holders": tuple(held), "marks": taken.marks(stack), "frames": frames})
        return pd.DataFrame(rows)


USES = ("free", "anonymous", "driver", "leaked")


def _row(
    system: System, step: int, actor: str, action: str, detail: str, does: str, functions: tuple[str, ...], s: int
) -> dict[str, Any]:
    fields = system.decode(s)
    row: dict[str, Any] = {
        "step": step, "actor": actor, "action": action, "detail": detail, "does": does, "functions": functions,
    }  # fmt: skip
    for page, count in enumerate(fields["refcount"]):
        row |= {
            f"refcount_{page}": count - 1,
            f"mapcount_{page}": fields["mapcount"][page],
            f"use_{page}": USES[fields["use"][page]],
        }
    for g in range(system.machine.gfns):
        row |= {f"pte_{g}": _what(fields["pte"][g]), f"spte_{g}": _what(fields["spte"][g])}
    row["batch"] = tuple(slot - 1 for slot in fields["batch"] if slot)
    row["in_progress"] = fields["in_progress"]
    return row


def _what(code: int) -> str:
    return "none" if code == 0 else "zero page" if code == 1 else f"page {code - PAGE}"
