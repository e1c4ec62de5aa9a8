"""One set of step functions, run two ways: as plain Python, or compiled by Numba from the very same source.

A step function is marked with `@step`. The functions of the modules, called as they are, are the plain engine.
`compiled()` gives the same functions compiled; nothing here imports Numba before that is asked for.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from types import FunctionType, SimpleNamespace
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

# Modules that hold step functions; their functions share one namespace when compiled, so names are unique.
MODULES = (
    "buddy_state",
    "buddy_lists",
    "buddy_core",
    "buddy_blocks",
    "buddy_fallback",
    "pcp_lists",
    "pcp_free",
    "zone_search",
    "zone_alloc",
    "ttm_state",
    "ttm_lists",
    "ttm_steps",
    "workload_steps",
)

_STEPS: dict[str, tuple[Callable[..., Any], str]] = {}


def hot(function: F) -> F:
    """Mark a small function of the inner loops: compiled into its callers."""
    _STEPS[function.__name__] = (function, "hot")
    return function


def step(function: F) -> F:
    """Mark a function that other step functions call: compiled as a function of its own."""
    _STEPS[function.__name__] = (function, "step")
    return function


def entry(function: F) -> F:
    """Mark a function that is called from Python; its machine code is cached on disk."""
    _STEPS[function.__name__] = (function, "entry")
    return function


def i64(value: int) -> int:
    """A number read from an array, as a 64-bit signed integer (the compiled engine uses `numpy.int64`)."""
    return int(value)


def u64(value: int) -> int:
    """A position that is known not to be below 0, to index an array with (the compiled engine uses `numpy.uint64`).

    Numba looks at the sign of every signed index, which costs a tenth of the speed here. Not for arithmetic: with
    signed numbers it would give floats.
    """
    return value


def _load() -> dict[str, Any]:
    names: dict[str, Any] = {}
    for module in MODULES:
        found = importlib.import_module(f"kvmlab.memory.{module}")
        names.update({k: v for k, v in vars(found).items() if not k.startswith("__")})
    return names


@cache
def plain() -> SimpleNamespace:
    """The step functions as plain Python: no compiler, no start-up time, some hundred times slower."""
    _load()
    return SimpleNamespace(name="python", **{name: function for name, (function, _) in _STEPS.items()})


@cache
def compiled() -> SimpleNamespace:
    """The step functions compiled by Numba; the machine code is kept in the cache of the installation.

    Passing arrays from one compiled function to another costs an atomic reference count for each of them, ten times
    the work itself here. `_nrt=False` leaves those counts out; it holds as long as no step function makes an array,
    which a test checks in the machine code.
    """
    import numba
    import numpy as np

    njit: Any = numba.njit  # its stubs know nothing of _nrt
    namespace: dict[str, Any] = {**_load(), "__name__": __name__, "i64": np.int64, "u64": np.uint64}
    options: dict[str, dict[str, Any]] = {
        "hot": {"inline": "always", "no_cpython_wrapper": True, "no_cfunc_wrapper": True},
        "step": {"no_cpython_wrapper": True, "no_cfunc_wrapper": True},
        "entry": {"cache": True, "no_cfunc_wrapper": True},
    }
    for name, (function, role) in _STEPS.items():
        plain_function = cast("FunctionType", function)
        copy = FunctionType(plain_function.__code__, namespace, name, plain_function.__defaults__)
        # Numba looks for changes in the file of this function only; the digest stands for those that it calls.
        copy.__qualname__ = f"{name}_{_digest()}"
        namespace[name] = njit(_nrt=False, nogil=True, **options[role])(copy)
    return SimpleNamespace(name="numba", **{name: namespace[name] for name in _STEPS})


@cache
def _digest() -> str:
    text = hashlib.sha256()
    for module in ("buddy_engine", *MODULES):
        text.update(files("kvmlab.memory").joinpath(f"{module}.py").read_bytes())
    return text.hexdigest()[:12]


# Single requests after which the automatic engine compiles: by then that costs less than going on without.
ENOUGH = 20_000


def automatic() -> SimpleNamespace:
    """Begins as the plain engine and compiles when there is much to do; both do the same, so it can change at any time.

    Functions that take rows of requests count each of them, a buffer counts as sixteen blocks.
    """
    simple = plain()
    done = 0
    fast: SimpleNamespace | None = None

    def chosen(function: str, weight: int) -> Callable[..., Any]:
        nonlocal done, fast
        done += weight
        if fast is None and done >= ENOUGH:
            try:
                fast = compiled()
            except ImportError:
                fast = simple
        found: Callable[..., Any] = getattr(fast or simple, function)
        return found

    def routed(function: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            weight = len(args[_ROWS[function]]) if function in _ROWS else 16 if function.startswith("ttm_") else 1
            return chosen(function, weight)(*args)

        return call

    entries = [name for name, (_, role) in _STEPS.items() if role == "entry"]
    return SimpleNamespace(name="auto", **{name: routed(name) for name in entries})


# Entries that take a row of requests, and which argument that is.
_ROWS = {"alloc_many": 2, "free_many": 1, "churn": 4, "ttm_cycle": 2}


def engine(name: str) -> SimpleNamespace:
    """The engine by name: `numba`, `python`, or `auto` (plain first, compiled for long work where Numba is installed).

    Raises:
        ValueError: the name is none of these.
    """
    if name == "python":
        return plain()
    if name == "numba":
        return compiled()
    if name != "auto":
        raise ValueError(f"no engine is called {name!r}; there are numba, python and auto")
    return automatic()
