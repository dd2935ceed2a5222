"""Sums over a few rows of a matrix, by their numbers, in registers; and the numbers of what is not
zero, 64 at a time.

A compiler loads and stores the sums anew for each row, and looks at one number after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
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


@intrinsic  # type: ignore[untyped-decorator]
def add_rows(typing: Any, rows: Any, found: Any, low: Any, high: Any, total: Any) -> Any:
    """total (O,) += rows[found[j]] for j in [low, high), in this order; rows (R, O).

    Both are of floats, or of integers, those of the rows as wide as the others or less. Numbers of
    rows may be of any width.
    """
    return types.void(rows, found, types.int64, types.int64, total), _add_code


def _add_code(
    context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]
) -> ir.Value:
    """As many columns at once as registers hold, then fewer, then one vector, then what is left,
    number by number.
    """
    total = context.make_array(signature.args[4])(context, builder, args[4])
    width, lanes, begun = (
        builder.extract_value(total.shape, 0),
        ONE * 8 // signature.args[4].dtype.bitwidth,
        INDEX(0),
    )
    for vectors, kind in ((VECTORS, lanes), (VECTORS // 4, lanes), (1, lanes), (1, 1)):
        step = INDEX(vectors * kind)
        end = builder.sub(width, builder.srem(builder.sub(width, begun), step))
        with cgutils.for_range_slice(builder, begun, end, step) as (c, _):
            _add_columns(context, builder, signature, args, (c, vectors, kind))
        begun = end
    return context.get_dummy_value()


def _add_columns(
    context: Any,
    builder: ir.IRBuilder,
    signature: Any,
    args: list[ir.Value],
    columns: tuple[ir.Value, int, int],
) -> None:
    """So many vectors of columns from the first on, their sums in registers while the rows are
    added.
    """
    (first, vectors, lanes), wanted = columns, signature.args[4].dtype
    rows, found, total = (
        context.make_array(signature.args[i])(context, builder, args[i]) for i in (0, 1, 4)
    )
    own, begin, step = (
        builder.gep(total.data, [first]),
        builder.gep(rows.data, [first]),
        builder.extract_value(rows.shape, 1),
    )
    kind = ir.VectorType(total.data.type.pointee, lanes)
    sums = [cgutils.alloca_once(builder, kind) for _ in range(vectors)]
    for c in range(vectors):
        builder.store(
            builder.load(vector_at(builder, own, c, lanes), align=wanted.bitwidth // 8), sums[c]
        )
    with cgutils.for_range_slice(builder, args[2], args[3], INDEX(1)) as (j, _):
        number = builder.load(builder.gep(found.data, [j]))
        row = builder.gep(begin, [builder.mul(_wide(builder, number, builder.sext), step)])
        for c in range(vectors):
            terms = builder.load(vector_at(builder, row, c, lanes), align=1)
            terms = terms if terms.type.element == kind.element else builder.sext(terms, kind)
            add = builder.fadd if isinstance(kind.element, ir.FloatType) else builder.add
            builder.store(add(builder.load(sums[c]), terms), sums[c])
    for c in range(vectors):
        builder.store(
            builder.load(sums[c]), vector_at(builder, own, c, lanes), align=wanted.bitwidth // 8
        )


def vector_at(builder: ir.IRBuilder, first: ir.Value, number: int, lanes: int) -> ir.Value:
    """Where vector `number` of what begins at `first` lies."""
    place = builder.gep(first, [INDEX(lanes * number)])
    return builder.bitcast(place, ir.VectorType(first.type.pointee, lanes).as_pointer())


def _wide(builder: ir.IRBuilder, number: ir.Value, extend: Any) -> ir.Value:
    return number if number.type == INDEX else extend(number, INDEX)


@intrinsic  # type: ignore[untyped-decorator]
def others(typing: Any, x: Any, value: Any, found: Any) -> Any:
    """The numbers of what is not `value` in x (I,) into `found` (I + 1,) int64; how many these are.
    float32 or uint8, `value`, too.
    """
    return types.int64(x, x.dtype, found), _others_code


def _others_code(
    context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]
) -> ir.Value:
    """The bits of 64 comparisons, one after the other; what is left number by number."""
    x, found = (context.make_array(signature.args[i])(context, builder, args[i]) for i in (0, 2))
    size = builder.extract_value(x.shape, 0)
    unlike = partial(
        builder.fcmp_unordered
        if signature.args[0].dtype == types.float32
        else builder.icmp_unsigned,
        "!=",
    )
    count, bits = cgutils.alloca_once_value(builder, INDEX(0)), cgutils.alloca_once(builder, INDEX)
    whole = builder.sub(size, builder.srem(size, INDEX(BITS)))

    def note(number: ir.Value, more: ir.Value) -> None:
        builder.store(number, builder.gep(found.data, [builder.load(count)]))
        builder.store(builder.add(builder.load(count), more), count)

    with cgutils.for_range_slice(builder, INDEX(0), whole, INDEX(BITS)) as (i, _):
        builder.store(bits_of(builder, unlike, builder.gep(x.data, [i]), args[1]), bits)
        with _while_any(builder, bits):
            now = builder.load(bits)
            note(builder.add(i, builder.cttz(now, ir.IntType(1)(1))), INDEX(1))
            builder.store(builder.and_(now, builder.sub(now, INDEX(1))), bits)
    with cgutils.for_range_slice(builder, whole, size, INDEX(1)) as (i, _):
        note(i, builder.zext(unlike(builder.load(builder.gep(x.data, [i])), args[1]), INDEX))
    return builder.load(count)


@contextmanager
def _while_any(builder: ir.IRBuilder, bits: ir.Value) -> Iterator[None]:
    """A loop as long as any of the bits is set."""
    test, body, end = (
        builder.append_basic_block(f"bits.{name}") for name in ("test", "body", "end")
    )
    builder.branch(test)
    builder.position_at_end(test)
    builder.cbranch(builder.icmp_unsigned("!=", builder.load(bits), INDEX(0)), body, end)
    builder.position_at_end(body)
    yield
    builder.branch(test)
    builder.position_at_end(end)


def bits_of(builder: ir.IRBuilder, compare: Any, first: ir.Value, value: ir.Value) -> ir.Value:
    """Which of the 64 numbers from `first` on compare so with `value`: bit i for number i."""
    width, found = (32 if isinstance(value.type, ir.FloatType) else 8), INDEX(0)
    lanes = min(ONE * 8 // width, BITS)
    given = splat(builder, value, ir.VectorType(value.type, lanes))
    for k in range(BITS // lanes):
        own = builder.load(vector_at(builder, first, k, lanes), align=width // 8)
        some = builder.bitcast(compare(own, given), ir.IntType(lanes))
        found = builder.or_(
            found, builder.shl(_wide(builder, some, builder.zext), INDEX(k * lanes))
        )
    return found


@inlined
def active(x, found):  # type: ignore[no-untyped-def]
    """The numbers of what is not zero in x (I,) into `found` (I + 1,); how many these are.
    float32.
    """
    return others(x, np.float32(0), found)


@inlined
def add_at_each(rows, found, count, totals):  # type: ignore[no-untyped-def]
    """totals[t] (O or more) = the sum of rows[found[t, j]] for j < count[t], at each step t; rows
    (R, O).
    """
    for t in range(len(count)):
        own = totals[t, : rows.shape[1]]
        own[:] = 0
        add_rows(rows, found[t], 0, count[t], own)
