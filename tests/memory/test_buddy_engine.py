"""The compiled engine: free of reference counts, tied to the sources that it was made from, equal to its C twin."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from kvmlab.memory.buddy import Buddy
from kvmlab.memory.buddy_engine import MODULES, compiled, engine, plain


def test_both_engines_offer_the_same_functions() -> None:
    assert set(vars(plain())) == set(vars(compiled()))
    assert set(vars(engine("auto"))) < set(vars(plain()))
    assert (plain().name, compiled().name) == ("python", "numba")
    assert len(vars(plain())) > 50
    with pytest.raises(ValueError, match="no engine"):
        engine("fortran")


def test_automatic_engine_compiles_when_there_is_much_to_do() -> None:
    from kvmlab.memory import buddy_engine
    from kvmlab.memory.ttm import TtmPool
    from kvmlab.memory.workload_age import Ageing, age

    seen = []
    auto, simple = (TtmPool(age(Buddy.fresh("128MiB", engine=e), Ageing(0.5, 4, seed=1))) for e in ("auto", "python"))
    assert auto == simple, "32768 requests: compiled on one side, plain on the other"
    for pool in (auto, simple):
        buffer = pool.alloc(3000, "wc")
        pool.buddy.get_page(int(buffer.pfn[0]))
        pool.free(buffer)
        seen.append(pool.alloc(3000, "wc"))
    assert seen[0] == seen[1]
    assert auto == simple
    few = Buddy.fresh("16MiB", engine="auto")
    assert few.alloc(3) == Buddy.fresh("16MiB", engine="python").alloc(3)
    assert buddy_engine.ENOUGH > 1000


def test_cached_machine_code_belongs_to_all_sources() -> None:
    names = {function.py_func.__qualname__ for name, function in vars(compiled()).items() if name != "name"}
    digests = {name.rpartition("_")[2] for name in names}
    assert len(digests) == 1
    assert len(digests.pop()) == 12
    assert len(MODULES) == len(set(MODULES))


def test_compiled_code_counts_no_references() -> None:
    """Numba counts references of arrays that one function hands to another: ten times the work of an allocation."""
    import numba

    njit = numba.njit
    function = compiled().drain_all.py_func
    state = Buddy.fresh("16MiB", engine="python").state
    bare = njit(_nrt=False, nogil=True)(function)  # type: ignore[call-overload]
    bare(state)
    (text,) = bare.inspect_asm().values()
    assert "drain_all" in text
    assert "NRT_incref" not in text


def test_plain_engine_needs_no_compiler() -> None:
    program = (
        "import sys; from kvmlab.memory.buddy import Buddy; from kvmlab.memory.ttm import TtmPool;"
        "TtmPool(Buddy.fresh('64MiB', engine='python')).alloc(100); assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_benchmark_ends_where_its_twins_end(tmp_path: object) -> None:
    from benchmarks.buddy.__main__ import churn_rates, reference

    found = churn_rates(1, 40_000, 1, reference(tmp_path))  # type: ignore[arg-type]
    assert found["1gib_off_over_twin"] > 5
    assert found["1gib_events_lost"] == 0
