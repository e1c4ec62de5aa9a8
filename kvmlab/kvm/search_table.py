"""The table of a compiled search: open addressing, cache line by cache line. Import only where Numba is wanted.

A table is a tuple of arrays, one a word of a state. The hash chooses a line; a line is filled from its first place on,
and a state whose line is full goes to the next one. All places of a line are compared at once.
"""

# mypy: disable-error-code="no-untyped-call, untyped-decorator, arg-type, call-arg, return-value, import-untyped"

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from kvmlab.kvm.compiled import INLINED, is_pair
from kvmlab.memory import state

LINE = 8
"""Places in a cache line."""


def _compiled_only() -> NoReturn:
    raise TypeError("this runs in compiled code only; the plain engine is kvmlab.kvm.search_python.")


# What the search does with a state as a whole; each has compiled forms for integers and for pairs (`overload`, below).
def load(table: Any, i: int) -> Any:
    """The state in place `i` of a tuple of arrays, one array a word."""
    _compiled_only()


def store(table: Any, i: int, s: Any) -> None:
    """Put a state into place `i`."""
    _compiled_only()


def spread(s: Any) -> Any:
    """64 well mixed bits of a state."""
    _compiled_only()


def key(s: Any) -> Any:
    """The state as tables hold it: never 0 in the first word."""
    _compiled_only()


def unkey(s: Any) -> Any:
    """The state of a key."""
    _compiled_only()


def holds(table: Any, i: int, wanted: Any) -> bool:
    """Whether place `i` holds exactly this key."""
    _compiled_only()


def line_holds(table: Any, line: int, wanted: Any) -> bool:
    """Whether a line, told by its first place, holds this key."""
    _compiled_only()


def fetch(table: Any, line: int) -> None:
    """Have a line brought into the cache, without waiting for it."""
    _compiled_only()


@overload(load, jit_options=INLINED, strict=False)
def _load(table: Any, i: Any) -> Any:
    if len(table) == 1:
        return lambda table, i: table[0][i]
    return lambda table, i: (table[0][i], table[1][i])


@overload(store, jit_options=INLINED, strict=False)
def _store(table: Any, i: Any, s: Any) -> Any:
    if len(table) == 1:

        def one(table: Any, i: int, s: int) -> None:
            table[0][i] = s

        return one

    def two(table: Any, i: int, s: tuple[int, int]) -> None:
        table[0][i] = s[0]
        table[1][i] = s[1]

    return two


@overload(state.put_state, jit_options=INLINED, strict=False)
def _put_state(states: Any, i: Any, s: Any) -> Any:
    return lambda states, i, s: store(states, i, s)


_A = 0x9E3779B97F4A7C15
_B = 0xD6E8FEB86659FD93


@overload(spread, jit_options=INLINED, strict=False)
def _spread(s: Any) -> Any:
    if not is_pair(s):

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


@overload(key, jit_options=INLINED, strict=False)
def _key(s: Any) -> Any:
    return (lambda s: (s[0] + 1, s[1])) if is_pair(s) else (lambda s: s + 1)


@overload(unkey, jit_options=INLINED, strict=False)
def _unkey(s: Any) -> Any:
    return (lambda s: (s[0] - 1, s[1])) if is_pair(s) else (lambda s: s - 1)


@overload(holds, jit_options=INLINED, strict=False)
def _holds(table: Any, i: Any, wanted: Any) -> Any:
    if len(table) == 1:
        return lambda table, i, wanted: table[0][i] == wanted
    return lambda table, i, wanted: table[0][i] == wanted[0] and table[1][i] == wanted[1]


def _line_mask(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """One bit for each of the eight words of a line that equals a value."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    words, int32 = ir.VectorType(ir.IntType(64), LINE), ir.IntType(32)
    line = builder.load(builder.bitcast(builder.gep(array.data, [arguments[1]]), words.as_pointer()))
    line.align = 8 * LINE
    one = builder.insert_element(ir.Constant(words, ir.Undefined), arguments[2], ir.Constant(int32, 0))
    zeroes = ir.Constant(ir.VectorType(int32, LINE), [0] * LINE)
    equal = builder.icmp_signed("==", line, builder.shuffle_vector(one, ir.Constant(words, ir.Undefined), zeroes))
    return builder.bitcast(equal, ir.IntType(LINE))


@intrinsic
def equal_words(_: Any, array: Any, line: Any, value: Any) -> Any:
    """A bit for each word of a line that equals the value; the array begins with a cache line."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(_line_mask(context, builder, signature, arguments), ir.IntType(64))

    return types.int64(array, types.int64, types.int64), build


@intrinsic
def first_zero(_: Any, array: Any, line: Any) -> Any:
    """Which word of a line is the first that is 0; `LINE` if none is."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        mask = _line_mask(context, builder, signature, [*arguments, ir.Constant(ir.IntType(64), 0)])
        found = builder.cttz(mask, ir.Constant(ir.IntType(1), 0))
        return builder.zext(found, ir.IntType(64))

    return types.int64(array, types.int64), build


@intrinsic
def prefetch(_: Any, array: Any, line: Any) -> Any:
    """Ask for a line of an array."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(held.data, [arguments[1]]), ir.IntType(8).as_pointer())
        int32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, int32, int32, int32])
        # To be read, to stay in the cache, data.
        how = [ir.Constant(int32, value) for value in (0, 3, 1)]
        builder.call(builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind), [place, *how])
        return context.get_dummy_value()

    return types.void(array, types.int64), build


@overload(line_holds, jit_options=INLINED, strict=False)
def _line_holds(table: Any, line: Any, wanted: Any) -> Any:
    if len(table) == 1:
        return lambda table, line, wanted: equal_words(table[0], line, wanted) != 0

    def two(table: Any, line: int, wanted: tuple[int, int]) -> bool:
        return (equal_words(table[0], line, wanted[0]) & equal_words(table[1], line, wanted[1])) != 0

    return two


@overload(fetch, jit_options=INLINED, strict=False)
def _fetch(table: Any, line: Any) -> Any:
    if len(table) == 1:
        return lambda table, line: prefetch(table[0], line)

    def two(table: Any, line: int) -> None:
        prefetch(table[0], line)
        prefetch(table[1], line)

    return two


@njit(nogil=True, forceinline=True)
def first_line(s: Any, size: int) -> Any:
    """The first place of the line where a state is looked for first; `size` is a multiple of `LINE`."""
    return np.int64(((spread(s) >> np.uint64(32)) * np.uint64(size // LINE)) >> np.uint64(32)) * LINE


@njit(nogil=True, forceinline=True)
def free_place(table: Any, size: int, line: int, wanted: Any) -> Any:
    """Where a key would go, from its first line on; -1 if the table holds it."""
    while True:
        if line_holds(table, line, wanted):
            return -1
        free: int = first_zero(table[0], line)
        if free < LINE:
            return line + free
        line += LINE
        if line == size:
            line = 0


@njit(nogil=True, cache=True)
def rehash(old: Any, old_size: int, new: Any, new_size: int) -> None:
    """Put every state of a table into a larger one. Both are in the order of the hash, so this goes from end to end."""
    taken = np.zeros(new_size // LINE, np.uint8)
    for begin in range(0, old_size, LINE):
        for i in range(begin, begin + first_zero(old[0], begin)):
            wanted = load(old, i)
            line = first_line(unkey(wanted), new_size) // LINE
            while taken[line] == LINE:
                line = line + 1 if line + 1 < len(taken) else 0
            store(new, line * LINE + taken[line], wanted)
            taken[line] += 1
