"""Explore every interleaving of a configuration, and tell for each broken invariant a shortest way there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kvmlab.errors import KvmlabError
from kvmlab.kvm.actions import ACTIONS
from kvmlab.kvm.config import Config, parse_config
from kvmlab.kvm.exploration import Exploration, TraceStep, Violation
from kvmlab.kvm.invariants import ALARM_BITS, BY_NUMBER, CUTTING, broken
from kvmlab.kvm.policies import POLICIES, Policy, find_policy
from kvmlab.kvm.search_bound import bound_by_memory
from kvmlab.kvm.search_python import Found, Progress, SearchResult, search
from kvmlab.kvm.symmetry import canonical_by_vcpu
from kvmlab.kvm.system import System
from kvmlab.kvm.telling import tell
from kvmlab.memory.state import read

if TYPE_CHECKING:
    import pandas as pd

ENGINES = ("auto", "python", "numba")
SMALL = 150_000
"""States up to which plain Python is done before Numba has compiled."""


class BadSearch(KvmlabError):
    """An engine or a bound that cannot be used; the message says why."""


def explore(
    config: Config | Policy | str,
    *,
    engine: str = "auto",
    threads: int = 1,
    max_states: int | None = None,
    keep_going: bool = False,
    symmetry: bool = False,
    invariants: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Exploration:
    """Visit every reachable state of a configuration, breadth first.

    Exploration stops at states that break an invariant, so that each is told with a shortest trace of its own;
    `keep_going` goes on behind them, to what happens next.

    Args:
        config: the configuration; a policy or its name stands for configuration A under it.
        engine: `python`, `numba`, or `auto`: Python while the state space is small, then Numba where it is installed.
        threads: of the Numba engine, 1 or 2.
        max_states: states that are kept at most; if there are more, the answer is not `complete`. None stands for 50
            million, or what half of the free memory holds if that is less.
        keep_going: whether to go on behind violations.
        symmetry: whether states that differ only in the names of vCPUs count as one.
        invariants: ids of those that stop the exploration; all that can if None.
        progress: called now and then with the number of states so far (0 while the search is being compiled), and the
            number of steps to the last of them.

    Raises:
        BadSearch: an unknown engine, or a bound or a number of threads out of range.
        kvmlab.kvm.config.BadConfig: the configuration is out of range.

    >>> answer = explore("c_69")
    >>> answer.states, [(v.invariant.id, v.depth) for v in answer.violations if v.invariant.cuts]
    (335, [('I1', 14), ('I2', 9), ('I3', 7), ('I8', 10)])
    """
    if not isinstance(config, Config):
        config = parse_config(find_policy(config) if isinstance(config, str) else config, "A")
    if engine not in ENGINES:
        raise BadSearch(f"there is no engine {engine!r}; there are {', '.join(ENGINES)}")
    if threads not in (1, 2):
        raise BadSearch(f"threads={threads} is out of range: expected 1 or 2")
    if max_states is not None and not 1 <= max_states < 1 << 31:
        raise BadSearch(f"max_states={max_states} is out of range: expected 1 to {(1 << 31) - 1}")
    cutting = CUTTING
    if invariants is not None:
        chosen = [i for i in BY_NUMBER.values() if i.id in invariants]
        if len(chosen) != len(set(invariants)):
            raise BadSearch(f"unknown invariant among {', '.join(invariants)}; there are I1 to I14")
        cutting = sum(1 << i.number for i in chosen)
    system = System(config)
    if max_states is None:
        compiled = engine == "numba" or (engine == "auto" and _compiles(system))
        max_states = bound_by_memory(system.layout.words, compiled=compiled)
    canonical = canonical_by_vcpu(system) if symmetry else None
    used, result = _run(system, engine, threads, max_states, 0 if keep_going else cutting, canonical, progress)
    violations = tuple(
        Violation(BY_NUMBER[number], found.depth, _trace(system, result, number, found, canonical))
        for number, found in sorted(result.found.items())
    )
    return Exploration(
        config, result.states, result.transitions, result.depth, result.complete, max_states, violations,
        used, threads if used == "numba" else 1, result.seconds,
        result.bytes_used / result.states if result.bytes_used else None,
    )  # fmt: skip


def _run(
    system: System,
    engine: str,
    threads: int,
    max_states: int,
    cutting: int,
    canonical: Callable[[int], int] | None,
    progress: Progress | None,
) -> tuple[str, SearchResult]:
    """Choose the engine and search."""

    def in_python(bound: int) -> SearchResult:
        began = time.perf_counter()
        result = search(system, cutting=cutting, max_states=bound, canonical=canonical, progress=progress)
        result.seconds = time.perf_counter() - began
        return result

    if engine == "python":
        return engine, in_python(max_states)
    if engine == "auto":
        if not _compiles(system) or max_states <= SMALL:
            return "python", in_python(max_states)
        if threads == 1:
            result = in_python(SMALL)
            if result.complete:
                return "python", result
    elif not _has_numba():
        raise BadSearch("the engine `numba` needs the package numba, which is not installed; `python` needs nothing")
    from kvmlab.kvm.search_numba import search_compiled

    if progress is not None:
        progress(0, 0)
    return "numba", search_compiled(
        system, cutting=cutting, max_states=max_states, threads=threads, symmetry=canonical is not None,
        progress=progress,
    )  # fmt: skip


def _compiles(system: System) -> bool:
    """Whether the compiled search can run, and takes states that wide."""
    return _has_numba() and system.layout.words <= 2


def _has_numba() -> bool:
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def _trace(
    system: System,
    result: SearchResult,
    number: int,
    found: Found,
    canonical: Callable[[int], int] | None,
) -> tuple[TraceStep, ...]:
    """The events along the path to a violation, found again with the step functions themselves.

    With symmetry the path is one of representatives, so the real states are followed and compared by theirs.
    """
    alarm = system.layout.fields["alarm"][0]
    alarm_mask = ((1 << alarm.width) - 1) << alarm.at
    wanted = [*result.path(found.parent)[1:], found.state]
    same = canonical or (lambda s: s)
    steps, state = [], system.first
    for place, target in enumerate(wanted):
        last = place == len(wanted) - 1
        for event in system.events(state):
            after = system.step(state, event)
            bits = ALARM_BITS[read(after, alarm, 0)]
            after &= ~alarm_mask
            if same(after) != same(target) or (last and not (bits | broken(after, system.machine)) >> number & 1):
                continue
            steps.append(
                TraceStep(place + 1, system.actor(event), ACTIONS[event.action].name, system.detail(event),
                          tell(system, state, event, after), event, after)
            )  # fmt: skip
            state = after
            break
    return tuple(steps)


def policy_matrix(
    configs: Sequence[str] = ("A", "T", "R", "X"), policies: Sequence[Policy] = POLICIES, **options: Any
) -> dict[tuple[str, str], Exploration]:
    """Explore every policy on every named configuration.

    Args:
        configs: names or settings of configurations.
        policies: the policies.
        options: handed to `explore`.
    """
    return {
        (policy.id, name): explore(parse_config(policy, name), **options) for policy in policies for name in configs
    }


def df_policy_matrix(matrix: dict[tuple[str, str], Exploration] | None = None) -> pd.DataFrame:
    """The violation matrix as a long frame, for the chart and the notebook.

    Args:
        matrix: answers of `policy_matrix`; computed if None.

    Returns:
        policy, policy_name, config, states, transitions, complete, invariant, name, depth, is_bug: one row a
        violation, and one with invariant None where nothing is broken.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for (policy, name), answer in (policy_matrix() if matrix is None else matrix).items():
        base = {
            "policy": policy, "policy_name": answer.config.policy.name, "config": name,
            "states": answer.states, "transitions": answer.transitions, "complete": answer.complete,
        }  # fmt: skip
        rows.extend(
            base
            | {"invariant": v.invariant.id, "name": v.invariant.name, "depth": v.depth, "is_bug": v.invariant.is_bug}
            for v in answer.violations
        )
        if not answer.violations:
            rows.append(base | {"invariant": None, "name": None, "depth": None, "is_bug": False})
    return pd.DataFrame(rows).astype({"depth": "Int64"})
