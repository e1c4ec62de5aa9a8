"""The compiled search against the interpreted one: the same states, the same depths, the same steps."""

from __future__ import annotations

from typing import Any

import pytest

from kvmlab.kvm.config import Config, parse_config
from kvmlab.kvm.explore import explore
from kvmlab.kvm.invariants import CUTTING
from kvmlab.kvm.policies import find_policy
from kvmlab.kvm.search_python import search
from kvmlab.kvm.system import System

pytest.importorskip("numba")


def _same(system: System, *, cutting: int = CUTTING, **options: Any) -> None:
    from kvmlab.kvm.search_numba import search_compiled

    expected = search(system, cutting=cutting, max_states=200_000, keep_states=True)
    compiled = search_compiled(system, cutting=cutting, max_states=200_000, keep_states=True, **options)
    assert set(compiled.seen) == set(expected.seen)
    assert len(compiled.seen) == compiled.states == expected.states
    assert (compiled.transitions, compiled.depth) == (expected.transitions, expected.depth)
    assert {n: f.depth for n, f in compiled.found.items()} == {n: f.depth for n, f in expected.found.items()}
    # The very same counterexamples, whatever the engine and the number of threads.
    for number, found in expected.found.items():
        path = expected.path(found.parent)
        assert path[0] == system.first
        assert len(path) == found.depth
        assert compiled.path(compiled.found[number].parent) == path
        assert compiled.found[number].state == found.state


def test_one_word_one_thread_with_growing_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    _small_tables(monkeypatch)
    _same(System(parse_config(find_policy("c_69"), "A,vcpus=2")))


def test_one_word_two_threads_with_growing_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    _small_tables(monkeypatch)
    _same(System(parse_config(find_policy("c_69"), "A,vcpus=2")), threads=2)


def _small_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    from kvmlab.kvm import search_levels

    monkeypatch.setattr(search_levels, "_AT_ONCE", 8)
    monkeypatch.setattr(search_levels, "_DOUBLED", 1 << 10)
    monkeypatch.setattr(search_levels, "_STRETCH", {1: 64, 2: 32})


@pytest.mark.slow
def test_two_words_and_growing_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything at once: driver, nested mapping, TLBs, writeback, going on behind violations, tables that grow."""
    _small_tables(monkeypatch)
    text = "driver=good,nested=yes,unsafe=yes,tlb=yes,writebacks=1,follow_up=yes,zaps=0,pages=1,batch=4"
    system = System(parse_config(find_policy("c_69"), text))
    assert system.layout.words == 2
    _same(system, cutting=0)


@pytest.mark.slow
def test_two_words_two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    _small_tables(monkeypatch)
    text = "driver=good,nested=yes,unsafe=yes,tlb=yes,writebacks=1,follow_up=yes,zaps=0,pages=1,batch=4"
    _same(System(parse_config(find_policy("c_69"), text)), cutting=0, threads=2)


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_symmetry_compiled(threads: int) -> None:
    config = parse_config(find_policy("c_69"), "A,vcpus=2")
    compiled = explore(config, engine="numba", symmetry=True, max_states=50_000, threads=threads)
    interpreted = explore(config, engine="python", symmetry=True)
    full = explore(config, engine="python")
    assert (compiled.states, compiled.transitions) == (interpreted.states, interpreted.transitions)
    assert compiled.violations == interpreted.violations
    assert [(v.invariant.id, v.depth) for v in compiled.violations] == [
        (v.invariant.id, v.depth) for v in full.violations
    ]
    assert compiled.states < full.states <= 2 * compiled.states


def test_a_bound_that_is_reached_is_said() -> None:
    config = parse_config(find_policy("c_69"), "A,vcpus=2")
    answer = explore(config, engine="numba", max_states=3_000)
    assert not answer.complete
    assert answer.states > 3_000
    assert explore(config, engine="numba", max_states=9_760).complete


def test_two_threads_are_not_forgotten_by_the_automatic_choice() -> None:
    answer = explore(parse_config(find_policy("c_69"), "A,vcpus=2"), threads=2, max_states=200_000)
    assert (answer.engine, answer.threads, answer.states) == ("numba", 2, 9_760)


def test_progress_is_told_and_the_bound_never_hides_a_state() -> None:
    told: list[tuple[int, int]] = []
    config = parse_config(find_policy("c_69"), "A,vcpus=2")
    answer = explore(config, engine="numba", max_states=9_759, progress=lambda n, depth: told.append((n, depth)))
    assert not answer.complete
    assert told[0] == (0, 0)
    assert told == sorted(told)
    assert told[-1][0] == answer.states


def test_the_same_question_has_the_same_answer() -> None:
    config = parse_config(find_policy("c_69"), "A,vcpus=2")
    interpreted = explore(config, engine="python")
    for threads in (1, 2):
        first, second = (explore(config, engine="numba", threads=threads, max_states=200_000) for _ in range(2))
        assert first.violations == second.violations == interpreted.violations
        assert (first.states, first.transitions) == (interpreted.states, interpreted.transitions)


def test_a_state_that_is_too_wide_is_refused_in_one_sentence() -> None:
    from kvmlab.kvm.search_numba import TooLarge

    config = Config(find_policy("d"), vcpus=8, gfns=4, pages=7, batch=15)
    with pytest.raises(TooLarge, match="bits; the compiled search takes at most 126"):
        explore(config, engine="numba", max_states=1000)


def test_automatic_choice_takes_python_for_small_and_goes_on_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    from kvmlab.kvm import explore as module

    assert explore("d").engine == "python"
    monkeypatch.setattr(module, "SMALL", 100)
    config = parse_config(find_policy("c_69"), "A,vcpus=2")
    assert explore(config, max_states=200_000).engine == "numba"
    monkeypatch.setattr(module, "_has_numba", lambda: False)
    answer = explore(config, max_states=200_000)
    assert (answer.engine, answer.complete, answer.states) == ("python", True, 9_760)


def test_random_walks_of_the_compiled_stepper_agree_with_the_interpreted_one() -> None:
    """States of many bits, of which the search visits only a few: every step of 400 walks."""
    import numpy as np
    from numba import njit

    import kvmlab.kvm.compiled  # noqa: F401
    from kvmlab.kvm.events import apply, successors

    system = System(parse_config(find_policy("c_69"), "gfns=2,vcpus=2,pages=3,zaps=2,follow_up=yes"))
    assert system.layout.words == 2
    c, word = system.machine, (1 << 63) - 1

    @njit
    def walk(low: int, high: int, choices: Any, out: Any) -> int:
        s = (low, high)
        codes, states = np.empty(64, np.int64), (np.empty(64, np.int64), np.empty(64, np.int64))
        for i in range(len(choices)):
            n = successors(s, codes, states, c)
            if n == 0:
                return i
            s = apply(s, codes[choices[i] % n], None, c)
            out[i, 0], out[i, 1] = s
        return len(choices)

    rng = np.random.default_rng(11)
    for _ in range(400):
        choices = rng.integers(0, 1 << 30, 40)
        out = np.zeros((40, 2), np.int64)
        taken = walk(system.first & word, system.first >> 63, choices, out)
        state = system.first
        for i in range(40):
            events = system.events(state)
            if not events:
                assert taken == i
                break
            state = system.step(state, events[int(choices[i]) % len(events)])
            assert state == int(out[i, 0]) | int(out[i, 1]) << 63
