"""The model code compiled: the step functions of `memory` and `kvm` as they stand, made known to Numba.

A state of one word is an integer, one of two words a pair; `read` and `write` are the only functions that look inside.
Import this module only where Numba is wanted.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator, arg-type, return-value, assignment, misc"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import typeof, types
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

INLINED: Any = {"forceinline": True}
"""How model code is compiled: into the loop that calls it, where the machine is a constant."""


def is_pair(s: Any) -> bool:
    """Whether a state of this type has two words."""
    return isinstance(s, types.UniTuple) and s.count == 2


@overload(state.read, jit_options=INLINED, strict=False)
def _read(s: Any, f: Any, i: Any) -> Any:
    if not is_pair(s):
        return state.read

    def pair(s: tuple[int, int], f: Field, i: int) -> int:
        at = f.at + f.stride * i
        if at < WORD:
            return (s[0] >> at) & ((1 << f.width) - 1)
        return (s[1] >> (at - WORD)) & ((1 << f.width) - 1)

    return pair


@overload(state.write, jit_options=INLINED, strict=False)
def _write(s: Any, f: Any, i: Any, value: Any) -> Any:
    if not is_pair(s):
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
        register_jitable(**INLINED)(function)
        return
    absent, stand_in = _ABSENT[function]

    @overload(function, strict=False, jit_options=INLINED)
    def choose(*arguments: Any) -> Any:
        return stand_in if absent(arguments[-1].value) else function


for _function in all_model_code():
    if _function not in (state.read, state.write, state.put_state):
        _register(_function)
