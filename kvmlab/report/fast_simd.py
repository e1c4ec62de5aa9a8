"""Sixty-four bytes at a time: the few vector instructions that the compiled engine needs, as Numba intrinsics.

They are plain LLVM vector operations, so that every processor has them; a mask has one bit a byte. After a change here,
touch fast_numba.py and fast_report.py: Numba's cache looks only at the file of the function that it compiled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, types

WIDTH = 64
_BYTE = ir.IntType(8)
_VECTOR = ir.VectorType(_BYTE, WIDTH)
_WORD = ir.IntType(64)

_pointer: Any = types.CPointer


def intrinsic(function: Callable[..., Any]) -> Any:
    """Numba's `intrinsic`, whose own types do not know that the typing context is left out in calls."""
    return extending.intrinsic(function)


def _same(value: int) -> ir.Constant:
    return ir.Constant(_VECTOR, [value] * WIDTH)


def _load(builder: Any, base: Any, at: Any) -> Any:
    return builder.load(builder.bitcast(builder.gep(base, [at]), _VECTOR.as_pointer()), align=1)


def _spread(builder: Any, byte: Any) -> Any:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), byte, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), lanes)


@intrinsic
def data_of(typing: Any, array: Any) -> Any:
    """Pointer to the first element of an array; it keeps nothing alive and costs no reference count."""
    signature = _pointer(array.dtype)(array)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return signature, generate


@intrinsic
def equal_mask(typing: Any, base: Any, at: Any, byte: Any) -> Any:
    """Bit i is set where byte `at + i` is `byte`."""
    signature = types.uint64(_pointer(types.uint8), types.int64, types.uint8)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.icmp_unsigned("==", _load(builder, args[0], args[1]), _spread(builder, args[2]))
        return builder.bitcast(found, _WORD)

    return signature, generate


@intrinsic
def odd_mask(typing: Any, base: Any, at: Any) -> Any:
    """Bit i is set where byte `at + i` is no plain character: a control code other than tab to FF, or beyond ASCII."""
    signature = types.uint64(_pointer(types.uint8), types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _load(builder, args[0], args[1])
        text = builder.icmp_unsigned(">", builder.sub(data, _same(0x20)), _same(0x7E - 0x20))
        control = builder.icmp_unsigned(">", builder.sub(data, _same(9)), _same(12 - 9))
        return builder.bitcast(builder.and_(text, control), _WORD)

    return signature, generate


@intrinsic
def hex_mask(typing: Any, base: Any, at: Any) -> Any:
    """Bit i is set where byte `at + i` is a lower-case hexadecimal digit."""
    signature = types.uint64(_pointer(types.uint8), types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _load(builder, args[0], args[1])
        digits = builder.icmp_unsigned("<", builder.sub(data, _same(0x30)), _same(10))
        letters = builder.icmp_unsigned("<", builder.sub(data, _same(0x61)), _same(6))
        return builder.bitcast(builder.or_(digits, letters), _WORD)

    return signature, generate


@intrinsic
def shape_mask(typing: Any, base: Any, at: Any, shape: Any, where: Any) -> Any:
    """Bit i is set where byte `at + i`, with a zero for every digit, is byte `where + i` of a shape."""
    signature = types.uint64(_pointer(types.uint8), types.int64, _pointer(types.uint8), types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _load(builder, args[0], args[1])
        digits = builder.icmp_unsigned("<", builder.sub(data, _same(0x30)), _same(10))
        shown = builder.select(digits, _same(0x30), data)
        found = builder.icmp_unsigned("==", shown, _load(builder, args[2], args[3]))
        return builder.bitcast(found, _WORD)

    return signature, generate


@intrinsic
def name_mask(typing: Any, base: Any, at: Any) -> Any:
    """Bit i is set where byte `at + i` may stand between the parentheses of a flags line: `a-z0-9_|=`."""
    signature = types.uint64(_pointer(types.uint8), types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _load(builder, args[0], args[1])
        found = builder.icmp_unsigned("<", builder.sub(data, _same(0x30)), _same(10))
        found = builder.or_(found, builder.icmp_unsigned("<", builder.sub(data, _same(0x61)), _same(26)))
        for byte in b"_|=":
            found = builder.or_(found, builder.icmp_unsigned("==", data, _same(byte)))
        return builder.bitcast(found, _WORD)

    return signature, generate


@intrinsic
def blots_to(typing: Any, base: Any, at: Any, mask: Any, out: Any) -> Any:
    """Writes the 64 bytes from `at` on to `out`, with a zero wherever the mask has a bit."""
    signature = types.void(_pointer(types.uint8), types.int64, types.uint64, _pointer(types.uint8))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _load(builder, args[0], args[1])
        bits = builder.bitcast(args[2], ir.VectorType(ir.IntType(1), WIDTH))
        where = builder.bitcast(args[3], _VECTOR.as_pointer())
        builder.store(builder.select(bits, _same(0x30), data), where, align=1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def folded_product(typing: Any, one: Any, two: Any) -> Any:
    """Both halves of the 128-bit product of two words, one xored with the other."""
    signature = types.uint64(types.uint64, types.uint64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), _WORD)
        return builder.xor(builder.trunc(product, _WORD), high)

    return signature, generate


@intrinsic
def zeros_to(typing: Any, base: Any, at: Any, out: Any) -> Any:
    """Writes the 64 bytes from `at` on to `out`, with a zero for every digit."""
    signature = types.void(_pointer(types.uint8), types.int64, _pointer(types.uint8))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _load(builder, args[0], args[1])
        digits = builder.icmp_unsigned("<", builder.sub(data, _same(0x30)), _same(10))
        where = builder.bitcast(args[2], _VECTOR.as_pointer())
        builder.store(builder.select(digits, _same(0x30), data), where, align=1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def word_at(typing: Any, base: Any, at: Any) -> Any:
    """The eight bytes from `at` on, as a little-endian number."""
    signature = types.uint64(_pointer(types.uint8), types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        where = builder.bitcast(builder.gep(args[0], [args[1]]), _WORD.as_pointer())
        return builder.load(where, align=1)

    return signature, generate


@intrinsic
def lowest_bit(typing: Any, mask: Any) -> Any:
    """Number of the lowest bit that is set; 64 if none is."""
    signature = types.int64(types.uint64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return signature, generate
