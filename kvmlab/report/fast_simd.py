"""Sixty-four bytes at a time: the few vector instructions that the compiled engine needs, as Numba intrinsics.

They are plain LLVM vector operations, so that every processor has them; a mask has one bit a byte. After a change here,
touch the modules that call them: Numba's cache looks only at the file of the function that it compiled.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm  # type: ignore[import-untyped]
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils

WIDTH = 64
_BYTE = ir.IntType(8)
_VECTOR = ir.VectorType(_BYTE, WIDTH)
_BITS = ir.VectorType(ir.IntType(1), WIDTH)
_WORD = ir.IntType(64)
_WORDS, _HALVES = ir.VectorType(_WORD, 8), ir.VectorType(ir.IntType(32), 16)
_K = 0x9E3779B97F4A7C15
# Whether the processor looks 64 bytes up in a table of 128 at once.
HAS_LOOKUP = bool(llvm.get_host_cpu_features().get("avx512vbmi"))
# Whether compiled code can read from files: on systems with 64 bits and pread(2).
READS_FILES = hasattr(os, "pread") and sys.maxsize > 1 << 32

_pointer: Any = types.CPointer
_declared: Any = cgutils.get_or_insert_function


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


def _within(builder: Any, data: Any, low: int, n: int) -> Any:
    return builder.icmp_unsigned("<", builder.sub(data, _same(low)), _same(n))


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


def _masking(test: Callable[[Any, Any], Any]) -> Any:
    """An intrinsic `mask(base, at)`: bit i is set where the test holds of byte `at + i`."""

    def masked(typing: Any, base: Any, at: Any) -> Any:
        signature = types.uint64(_pointer(types.uint8), types.int64)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.bitcast(test(builder, _load(builder, args[0], args[1])), _WORD)

        return signature, generate

    return intrinsic(masked)


def _is_odd(builder: Any, data: Any) -> Any:
    text = builder.icmp_unsigned(">", builder.sub(data, _same(0x20)), _same(0x7E - 0x20))
    return builder.and_(text, builder.icmp_unsigned(">", builder.sub(data, _same(9)), _same(12 - 9)))


def _is_hex(builder: Any, data: Any) -> Any:
    return builder.or_(_within(builder, data, 0x30, 10), _within(builder, data, 0x61, 6))


def _is_name(builder: Any, data: Any) -> Any:
    found = builder.or_(_within(builder, data, 0x30, 10), _within(builder, data, 0x61, 26))
    for byte in b"_|=":
        found = builder.or_(found, builder.icmp_unsigned("==", data, _same(byte)))
    return found


# No plain character: a control code other than tab to FF, or beyond ASCII.
odd_mask = _masking(_is_odd)
# A lower-case hexadecimal digit.
hex_mask = _masking(_is_hex)
# What may stand between the parentheses of a flags line: `a-z0-9_|=`.
name_mask = _masking(_is_name)
letter_mask = _masking(lambda builder, data: _within(builder, builder.or_(data, _same(0x20)), 0x61, 26))


@intrinsic
def shape_mask(typing: Any, base: Any, at: Any, shape: Any, where: Any) -> Any:
    """Bit i is set where byte `at + i`, with a zero for every digit, is byte `where + i` of a shape."""
    signature = types.uint64(_pointer(types.uint8), types.int64, _pointer(types.uint8), types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _load(builder, args[0], args[1])
        shown = builder.select(_within(builder, data, 0x30, 10), _same(0x30), data)
        found = builder.icmp_unsigned("==", shown, _load(builder, args[2], args[3]))
        return builder.bitcast(found, _WORD)

    return signature, generate


@intrinsic
def lookup_mask(typing: Any, base: Any, at: Any, tables: Any) -> Any:
    """Bit i is set where three tables of 128 bytes have a common bit for the three bytes from `at + i` on.

    It is set for bytes beyond ASCII, too. Only where `HAS_LOOKUP` says so.
    """
    signature = types.uint64(_pointer(types.uint8), types.int64, _pointer(types.uint8))

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR, _VECTOR, _VECTOR])
        look = _declared(builder.module, kind, "llvm.x86.avx512.vpermi2var.qi.512")
        first = _load(builder, args[0], args[1])
        held = None
        for k in range(3):
            place = builder.add(args[1], ir.Constant(_WORD, k))
            data = first if k == 0 else _load(builder, args[0], place)
            low, high = (_load(builder, args[2], ir.Constant(_WORD, 128 * k + half)) for half in (0, 64))
            seen = builder.call(look, [low, data, high])
            held = seen if held is None else builder.and_(held, seen)
        found = builder.icmp_unsigned("!=", held, _same(0))
        found = builder.or_(found, builder.icmp_signed("<", first, _same(0)))
        return builder.bitcast(found, _WORD)

    return signature, generate


@intrinsic
def read_file(typing: Any, fd: Any, base: Any, at: Any, size: Any, offset: Any) -> Any:
    """pread(2): how many bytes of a file from `offset` on are now at `at`, at most `size`; below zero if it fails.

    Only where `READS_FILES` says so.
    """
    signature = types.int64(types.int64, _pointer(types.uint8), types.int64, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number = ir.IntType(32)
        kind = ir.FunctionType(_WORD, [number, _BYTE.as_pointer(), _WORD, _WORD])
        read = _declared(builder.module, kind, "pread")
        return builder.call(read, [builder.trunc(args[0], number), builder.gep(args[1], [args[2]]), args[3], args[4]])

    return signature, generate


@intrinsic
def same_mask(typing: Any, base: Any, one: Any, two: Any) -> Any:
    """Bit i is set where the bytes `one + i` and `two + i` are the same."""
    signature = types.uint64(_pointer(types.uint8), types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.icmp_unsigned("==", _load(builder, args[0], args[1]), _load(builder, args[0], args[2]))
        return builder.bitcast(found, _WORD)

    return signature, generate


@intrinsic
def window_hash(typing: Any, base: Any, at: Any, zeros: Any, blots: Any, within: Any, salts: Any, value: Any) -> Any:
    """A hash with the bytes from `at` on in it that `within` has bits for, of 64; the others count as NUL.

    A zero stands for every digit if `zeros` is true, and wherever `blots` has a bit. `salts` are 16 words.
    """
    signature = types.uint64(
        _pointer(types.uint8), types.int64, types.boolean, types.uint64, types.uint64, _pointer(types.uint64),
        types.uint64,
    )  # fmt: skip

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _load(builder, args[0], args[1])
        digits = builder.bitcast(_within(builder, data, 0x30, 10), _WORD)
        digits = builder.select(builder.trunc(args[2], ir.IntType(1)), digits, ir.Constant(_WORD, 0))
        blots = builder.bitcast(builder.or_(args[3], digits), _BITS)
        shown = builder.select(blots, _same(0x30), data)
        shown = builder.select(builder.bitcast(args[4], _BITS), shown, _same(0))
        # Twice the sum of products of NH (Black and others, UMAC, 1999): words of 32 bits are added to random ones and
        # multiplied by pairs; each of the two sums is the same for two texts once in 2**32.
        sums = []
        for half in (0, 8):
            where = builder.gep(args[5], [ir.Constant(_WORD, half)])
            salt = builder.load(builder.bitcast(where, _HALVES.as_pointer()), align=1)
            words = builder.bitcast(builder.add(builder.bitcast(shown, _HALVES), salt), _WORDS)
            odd, even = builder.lshr(words, ir.Constant(_WORDS, [32] * 8)), ir.Constant(_WORDS, [0xFFFFFFFF] * 8)
            sums.append(builder.mul(builder.and_(words, even), odd))
        places = ([k + half for k in range(at, 8, 2) for half in (0, 8)] for at in (0, 1))
        pairs = builder.add(*(_shuffled(builder, sums[0], sums[1], picked) for picked in places))
        for n in (4, 2):
            low, high = (_shuffled(builder, pairs, pairs, list(range(at, at + n))) for at in (0, n))
            pairs = builder.add(low, high)
        one, two = (builder.extract_element(pairs, ir.Constant(ir.IntType(32), k)) for k in (0, 1))
        return _folded(builder, builder.xor(one, args[6]), builder.xor(two, ir.Constant(_WORD, _K)))

    return signature, generate


def _shuffled(builder: Any, one: Any, two: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(one, two, ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places))


def _folded(builder: Any, one: Any, two: Any) -> Any:
    """Both halves of the 128-bit product of two words, one xored with the other."""
    wide = ir.IntType(128)
    product = builder.mul(builder.zext(one, wide), builder.zext(two, wide))
    high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), _WORD)
    return builder.xor(builder.trunc(product, _WORD), high)


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


@intrinsic
def count_bits(typing: Any, mask: Any) -> Any:
    """How many bits are set."""
    signature = types.int64(types.uint64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return signature, generate


@intrinsic
def leading_zeros(typing: Any, mask: Any) -> Any:
    """How many of the highest bits are not set."""
    signature = types.int64(types.uint64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return signature, generate
