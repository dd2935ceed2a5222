"""Sums over a few rows of a matrix, by their numbers, in registers; and the numbers of what is not zero, 64 at a time.

A compiler loads and stores the sums anew for each row, and looks at one number after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from refboot.kernels.jit import inlined
from refboot.kernels.vectors import INDEX, LANES, REGISTERS, intrinsic, splat

VECTORS = REGISTERS // 2  # of sums at once
ONE = 4 * LANES  # bytes of a vector
BITS = 64


def _adder(vectors: int) -> Any:
    """The intrinsic for so many vectors."""

    @intrinsic  # type: ignore[untyped-decorator]
    def add(typing: Any, rows: Any, step: Any, at: Any, found: Any, low: Any, high: Any, total: Any) -> Any:
        """Adds rows.flat[step found[j] + c], for j in [low, high), to total[c], for c from `at` on. Numbers of rows may be narrower."""
        i = types.int64
        return types.void(rows, i, i, found, i, i, total), lambda *given: _code(vectors, *given)

    return add


def _code(vectors: int, context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]) -> ir.Value:
    rows, found, total = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 3, 6))
    kind, single = total.type.pointee, signature.args[6].dtype
    lanes = ONE * 8 // single.bitwidth
    sums = [cgutils.alloca_once(builder, ir.VectorType(kind, lanes)) for _ in range(vectors)]

    def vector(first: ir.Value, number: int) -> ir.Value:
        """Where vector `number` of what begins at `first` lies."""
        place = builder.gep(first, [INDEX(lanes * number)])
        return builder.bitcast(place, ir.VectorType(first.type.pointee, lanes).as_pointer())

    begin, own = builder.gep(rows, [args[2]]), builder.gep(total, [args[2]])
    for c in range(vectors):
        builder.store(builder.load(vector(own, c), align=single.bitwidth // 8), sums[c])
    with cgutils.for_range_slice(builder, args[4], args[5], INDEX(1)) as (j, _):
        number = builder.load(builder.gep(found, [j]))
        number = number if number.type == INDEX else builder.sext(number, INDEX)
        row = builder.gep(begin, [builder.mul(number, args[1])])
        for c in range(vectors):
            terms = builder.load(vector(row, c), align=1)
            if isinstance(kind, ir.FloatType):
                builder.store(builder.fadd(builder.load(sums[c]), terms), sums[c])
            else:
                wide = terms if terms.type.element == kind else builder.sext(terms, ir.VectorType(kind, lanes))
                builder.store(builder.add(builder.load(sums[c]), wide), sums[c])
    for c in range(vectors):
        builder.store(builder.load(sums[c]), vector(own, c), align=single.bitwidth // 8)
    return context.get_dummy_value()


_many, _some, _one = _adder(VECTORS), _adder(VECTORS // 4), _adder(1)


@inlined
def add_rows(rows, found, low, high, total):  # type: ignore[no-untyped-def]
    """total (O,) += rows[found[j]] for j in [low, high), in this order; rows (R, O).

    Both are of floats, or of integers, those of the rows as wide as the others or less.
    """
    c, width, one = 0, total.size, ONE // total.itemsize
    while c + VECTORS * one <= width:
        _many(rows, width, c, found, low, high, total)
        c += VECTORS * one
    while c + VECTORS // 4 * one <= width:
        _some(rows, width, c, found, low, high, total)
        c += VECTORS // 4 * one
    while c + one <= width:
        _one(rows, width, c, found, low, high, total)
        c += one
    if c < width:
        for j in range(low, high):
            for o in range(c, width):
                total[o] += rows[found[j], o]


@intrinsic  # type: ignore[untyped-decorator]
def _unlike(typing: Any, x: Any, at: Any, value: Any) -> Any:
    """Which of x[at : at + 64] are not `value`, of their type: bit i for number i."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]) -> ir.Value:
        lanes = min(ONE * 8 // x.dtype.bitwidth, BITS)
        kind = ir.VectorType(args[2].type, lanes)
        first, given, found = context.make_array(x)(context, builder, args[0]).data, splat(builder, args[2], kind), INDEX(0)
        for k in range(0, BITS, lanes):
            place = builder.gep(first, [builder.add(args[1], INDEX(k))])
            own = builder.load(builder.bitcast(place, kind.as_pointer()), align=x.dtype.bitwidth // 8)
            unlike = (builder.fcmp_unordered if x.dtype == types.float32 else builder.icmp_unsigned)("!=", own, given)
            found = builder.or_(found, builder.shl(_wide(builder, builder.bitcast(unlike, ir.IntType(lanes))), INDEX(k)))
        return found

    return types.int64(x, types.int64, x.dtype), code


def _wide(builder: ir.IRBuilder, bits: ir.Value) -> ir.Value:
    return bits if bits.type == INDEX else builder.zext(bits, INDEX)


@intrinsic  # type: ignore[untyped-decorator]
def _lowest(typing: Any, bits: types.Integer) -> Any:
    """The number of the lowest bit that is set."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]) -> ir.Value:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.int64), code


@inlined
def others(x, value, found):  # type: ignore[no-untyped-def]
    """The numbers of what is not `value` in x (I,) into `found` (I + 1,); how many these are. float32 or uint8."""
    count, whole = 0, x.size - x.size % BITS
    for i in range(0, whole, BITS):
        bits = _unlike(x, i, value)
        while bits != 0:
            found[count] = i + _lowest(bits)
            bits &= bits - 1
            count += 1
    for i in range(whole, x.size):
        found[count] = i
        count += int(x[i] != value)
    return count


@inlined
def active(x, found):  # type: ignore[no-untyped-def]
    """The numbers of what is not zero in x (I,) into `found` (I + 1,); how many these are. float32."""
    return others(x, np.float32(0), found)
