"""The model code compiled: the step functions of `memory` and `kvm` as they stand, made known to Numba.

A state of one word is an integer, one of two words a pair; `read` and `write` are the only functions that look inside.
Import this module only where Numba is wanted.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator, arg-type, return-value, assignment, misc"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, typeof, types
from numba.core.imputils import lower_constant, lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    infer_getattr,
    models,
    overload,
    register_jitable,
    register_model,
    typeof_impl,
)

from kvmlab.kvm import driver, events, lookup, nested
from kvmlab.kvm import invariants as _invariants  # noqa: F401  (by now all model code has been imported)
from kvmlab.kvm import symmetry as _symmetry  # noqa: F401
from kvmlab.kvm.machine import Machine
from kvmlab.memory import state
from kvmlab.memory.page import Matter
from kvmlab.memory.state import WORD, Field, all_model_code

_OPTIONS: Any = {"forceinline": True}


def _is_pair(s: Any) -> bool:
    return isinstance(s, types.UniTuple) and s.count == 2


@overload(state.read, jit_options=_OPTIONS, strict=False)
def _read(s: Any, f: Any, i: Any) -> Any:
    if not _is_pair(s):
        return state.read

    def pair(s: tuple[int, int], f: Field, i: int) -> int:
        at = f.at + f.stride * i
        if at < WORD:
            return (s[0] >> at) & ((1 << f.width) - 1)
        return (s[1] >> (at - WORD)) & ((1 << f.width) - 1)

    return pair


@overload(state.write, jit_options=_OPTIONS, strict=False)
def _write(s: Any, f: Any, i: Any, value: Any) -> Any:
    if not _is_pair(s):
        return state.write

    def pair(s: tuple[int, int], f: Field, i: int, value: int) -> tuple[int, int]:
        if f.width == 0:
            return s
        at = f.at + f.stride * i
        if at < WORD:
            return (s[0] & ~(((1 << f.width) - 1) << at)) | (value << at), s[1]
        at -= WORD
        return s[0], (s[1] & ~(((1 << f.width) - 1) << at)) | (value << at)

    return pair


class _Constants(types.Type):
    """The type of one machine (or of its pages): every value in it is a constant to the compiler."""

    def __init__(self, value: Any) -> None:
        self.value = value
        super().__init__(name=f"{type(value).__name__}{tuple(value)!r}")


@typeof_impl.register(Machine)
@typeof_impl.register(Matter)
def _typeof(value: Any, context: Any) -> _Constants:
    return _Constants(value)


register_model(_Constants)(models.OpaqueModel)


@lower_constant(_Constants)
def _constant(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.get_dummy_value()


@infer_getattr
class _Attributes(AttributeTemplate):
    """Its attributes: numbers, fields, and the pages as a whole."""

    key = _Constants

    def generic_resolve(self, kind: Any, name: str) -> Any:  # type: ignore[override]
        """The type of an attribute."""
        value = getattr(kind.value, name, None)
        return None if value is None else types.int64 if isinstance(value, int) else typeof(value)


@lower_getattr_generic(_Constants)
def _attribute(context: Any, builder: Any, kind: Any, value: Any, name: str) -> Any:
    found = getattr(kind.value, name)
    if isinstance(found, int):
        return context.get_constant(types.int64, found)
    return context.get_constant_generic(builder, typeof(found), found)


def _nothing_done(s: Any, action: Any, ledger: Any, c: Any) -> Any:
    return s


def _none_added(s: Any, codes: Any, states: Any, n: Any, c: Any) -> Any:
    return n


# Steps of actors that a machine does not have are never reached; leaving them out saves much of the compiling.
_ABSENT: dict[Any, tuple[Callable[[Machine], bool], Callable[..., Any]]] = {
    driver.driver_step: (lambda c: c.driver == 0, _nothing_done),
    lookup.follow: (lambda c: c.driver == 0, _nothing_done),
    nested.nested_step: (lambda c: c.nested == 0, _nothing_done),
    events.other_successors: (lambda c: c.driver == 0 and c.nested == 0, _none_added),
}


def _register(function: Callable[..., Any]) -> None:
    if function not in _ABSENT:
        register_jitable(**_OPTIONS)(function)
        return
    absent, stand_in = _ABSENT[function]

    @overload(function, strict=False, jit_options=_OPTIONS)
    def choose(*arguments: Any) -> Any:
        return stand_in if absent(arguments[-1].value) else function


for _function in all_model_code():
    if _function not in (state.read, state.write, state.put_state):
        _register(_function)


# What the search does with a state as a whole; replaced by compiled forms for integers and pairs.
def load(table: Any, i: int) -> Any:
    """The state in place `i` of a tuple of arrays, one array a word."""
    raise NotImplementedError


def store(table: Any, i: int, s: Any) -> None:
    """Put a state into place `i`."""
    raise NotImplementedError


def spread(s: Any) -> Any:
    """64 well mixed bits of a state."""
    raise NotImplementedError


def key(s: Any) -> Any:
    """The state as tables hold it: never 0 in the first word."""
    raise NotImplementedError


def unkey(s: Any) -> Any:
    """The state of a key."""
    raise NotImplementedError


def holds(table: Any, i: int, s: Any) -> bool:
    """Whether place `i` holds exactly this."""
    raise NotImplementedError


_A = 0x9E3779B97F4A7C15
_B = 0xD6E8FEB86659FD93


@overload(load, jit_options=_OPTIONS, strict=False)
def _load(table: Any, i: Any) -> Any:
    if len(table) == 1:
        return lambda table, i: table[0][i]
    return lambda table, i: (table[0][i], table[1][i])


@overload(store, jit_options=_OPTIONS, strict=False)
def _store(table: Any, i: Any, s: Any) -> Any:
    if len(table) == 1:

        def one(table: Any, i: int, s: int) -> None:
            table[0][i] = s

        return one

    def two(table: Any, i: int, s: tuple[int, int]) -> None:
        table[0][i] = s[0]
        table[1][i] = s[1]

    return two


@overload(state.put_state, strict=False, jit_options=_OPTIONS)
def _put_state(states: Any, i: Any, s: Any) -> Any:
    return lambda states, i, s: store(states, i, s)


@overload(spread, jit_options=_OPTIONS, strict=False)
def _spread(s: Any) -> Any:
    if not _is_pair(s):

        def one(s: int) -> int:
            h = np.uint64(s) * np.uint64(_A)
            h ^= h >> np.uint64(32)
            return h * np.uint64(_B)

        return one

    def two(s: tuple[int, int]) -> int:
        h = np.uint64(s[0]) * np.uint64(_A)
        h ^= h >> np.uint64(32)
        h = (h + np.uint64(s[1])) * np.uint64(_B)
        h ^= h >> np.uint64(29)
        return h * np.uint64(_A)

    return two


@overload(key, jit_options=_OPTIONS, strict=False)
def _key(s: Any) -> Any:
    return (lambda s: (s[0] + 1, s[1])) if _is_pair(s) else (lambda s: s + 1)


@overload(unkey, jit_options=_OPTIONS, strict=False)
def _unkey(s: Any) -> Any:
    return (lambda s: (s[0] - 1, s[1])) if _is_pair(s) else (lambda s: s - 1)


@overload(holds, jit_options=_OPTIONS, strict=False)
def _holds(table: Any, i: Any, s: Any) -> Any:
    if len(table) == 1:
        return lambda table, i, s: table[0][i] == s
    return lambda table, i, s: table[0][i] == s[0] and table[1][i] == s[1]


LINE = 8
"""Places in a cache line: a table is searched line by line, each from a place that the hash chooses."""


@njit(nogil=True, forceinline=True)
def first_place(s: Any, size: int) -> Any:
    """Where a state is looked for first; `size` is a multiple of `LINE`."""
    h = spread(s)
    line = ((h >> np.uint64(32)) * np.uint64(size // LINE)) >> np.uint64(32)
    return np.int64(line) * LINE + np.int64((h >> np.uint64(8)) & np.uint64(LINE - 1))


@njit(nogil=True, forceinline=True)
def search_from(table: Any, size: int, at: Any, wanted: Any) -> Any:
    """The place of a key, or the free one where it would go: round its line, then on to the next."""
    line = at - at % LINE
    turn = at - line
    while True:
        for i in range(LINE):
            place = line + ((turn + i) & (LINE - 1))
            if table[0][place] == 0 or holds(table, place, wanted):
                return place
        line += LINE
        if line == size:
            line = 0
