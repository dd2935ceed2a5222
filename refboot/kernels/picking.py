"""How many bytes are of a value, 64 at a time; and the numbers whose bytes are, one behind the
other, without a branch for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from refboot.kernels.adding import BITS, bits_of, vector_at
from refboot.kernels.vectors import INDEX, LANES, NUMBER, PICKS, intrinsic, splat

AHEAD = 1 << 10  # numbers, how far is looked ahead
TOGETHER = 4  # times 64 bytes counted before a loop goes on
BYTE = ir.IntType(8)

Load: TypeAlias = Callable[
    [Any, ir.Value], ir.Value
]  # of an array, from a number on, one or a vector
Wide: TypeAlias = Callable[[ir.Value], ir.Value]  # as many of one value


@intrinsic  # type: ignore[untyped-decorator]
def how_many(typing: Any, x: Any, value: Any) -> Any:
    """How many of x (I,) uint8 are `value`, uint8."""
    return types.int64(x, types.uint8), _how_many_code


def _how_many_code(
    context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]
) -> ir.Value:
    x = context.make_array(signature.args[0])(context, builder, args[0])
    size, begun = builder.extract_value(x.shape, 0), INDEX(0)
    equal, count = (
        partial(builder.icmp_unsigned, "=="),
        cgutils.alloca_once_value(builder, INDEX(0)),
    )
    for groups in (TOGETHER, 1):
        step = INDEX(groups * BITS)
        end = builder.sub(size, builder.srem(size, step))
        with cgutils.for_range_slice(builder, begun, end, step) as (i, _):
            for k in range(groups):
                first = builder.gep(x.data, [builder.add(i, INDEX(k * BITS))])
                _add(builder, count, builder.ctpop(bits_of(builder, equal, first, args[1])))
        begun = end
    with cgutils.for_range_slice(builder, begun, size, INDEX(1)) as (i, _):
        _add(
            builder,
            count,
            builder.zext(equal(builder.load(builder.gep(x.data, [i])), args[1]), INDEX),
        )
    return builder.load(count)


def _add(builder: ir.IRBuilder, count: ir.Value, more: ir.Value) -> None:
    builder.store(builder.add(builder.load(count), more), count)


@intrinsic  # type: ignore[untyped-decorator]
def pick(typing: Any, x: Any, marks: Any, value: Any, found: Any) -> Any:
    """Of x (I,) those whose `marks` (I,) uint8 are `value`, one behind the other into `found`, or
    to the start of x; how many these are.

    float32. `found` has I numbers, or LANES more than are found, of which those behind the found
    may be anything afterwards.
    """
    return types.int64(x, marks, types.uint8, found), partial(_pick_code, "==")


@intrinsic  # type: ignore[untyped-decorator]
def pick_from(typing: Any, x: Any, marks: Any, value: Any, found: Any) -> Any:
    """The same of those whose marks are `value` or more; float32 or uint8."""
    return types.int64(x, marks, types.uint8, found), partial(_pick_code, ">=")


@intrinsic  # type: ignore[untyped-decorator]
def pick_within(
    typing: Any, z: Any, a: Any, low: Any, high: Any, found_z: Any, found_a: Any
) -> Any:
    """The same of points z and a (I,), float32: those with `low` < a <= `high`."""
    return types.int64(z, a, types.float32, types.float32, found_z, found_a), _within_code


def _pick_code(
    sign: str, context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]
) -> ir.Value:
    x, marks, found = (
        context.make_array(signature.args[i])(context, builder, args[i]) for i in (0, 1, 3)
    )

    def own(load: Load, i: ir.Value, wide: Wide) -> ir.Value:
        return builder.icmp_unsigned(sign, load(marks, i), wide(args[2]))

    return _move(builder, own, marks, [(x, found)])


def _within_code(
    context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]
) -> ir.Value:
    z, a, found_z, found_a = (
        context.make_array(signature.args[i])(context, builder, args[i]) for i in (0, 1, 4, 5)
    )

    def own(load: Load, i: ir.Value, wide: Wide) -> ir.Value:
        rates = load(a, i)
        return builder.and_(
            builder.fcmp_ordered(">", rates, wide(args[2])),
            builder.fcmp_ordered("<=", rates, wide(args[3])),
        )

    return _move(builder, own, a, [(z, found_z), (a, found_a)])


def _move(
    builder: ir.IRBuilder,
    own: Callable[[Load, ir.Value, Wide], ir.Value],
    first: Any,
    moves: Sequence[tuple[Any, Any]],
) -> ir.Value:
    """A vector at once where the processor moves some of its lanes together; else, and at the end,
    number by number.
    """
    size, count, begun = (
        builder.extract_value(first.shape, 0),
        cgutils.alloca_once_value(builder, INDEX(0)),
        INDEX(0),
    )
    if PICKS:
        begun = builder.sub(size, builder.srem(size, INDEX(LANES)))
        with cgutils.for_range_slice(builder, INDEX(0), begun, INDEX(LANES)) as (i, _):
            mine = own(
                partial(_vector, builder),
                i,
                lambda value: splat(builder, value, ir.VectorType(value.type, LANES)),
            )
            for x, found in moves:
                _fetch(builder, x, i)
                some, place = (
                    _together(builder, _vector(builder, x, i), mine),
                    builder.gep(found.data, [builder.load(count)]),
                )
                builder.store(some, vector_at(builder, place, 0, LANES), align=1)
            _add(
                builder,
                count,
                builder.zext(builder.ctpop(builder.bitcast(mine, ir.IntType(LANES))), INDEX),
            )
    with cgutils.for_range_slice(builder, begun, size, INDEX(1)) as (i, _):
        for x, found in moves:
            builder.store(_number(builder, x, i), builder.gep(found.data, [builder.load(count)]))
        _add(
            builder,
            count,
            builder.zext(own(partial(_number, builder), i, lambda value: value), INDEX),
        )
    return builder.load(count)


def _number(builder: ir.IRBuilder, x: Any, i: ir.Value) -> ir.Value:
    return builder.load(builder.gep(x.data, [i]))


def _vector(builder: ir.IRBuilder, x: Any, i: ir.Value) -> ir.Value:
    """A vector of neighbours from number i on."""
    return builder.load(vector_at(builder, builder.gep(x.data, [i]), 0, LANES), align=1)


def _fetch(builder: ir.IRBuilder, x: Any, i: ir.Value) -> None:
    """Ask the memory for what will be loaded soon: by itself a processor does so up to the end of a
    page.
    """
    place = builder.bitcast(builder.gep(x.data, [builder.add(i, INDEX(AHEAD))]), BYTE.as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [place.type, NUMBER, NUMBER, NUMBER])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [place, NUMBER(0), NUMBER(3), NUMBER(1)])  # to be read, to be kept, data


def _together(builder: ir.IRBuilder, x: ir.Value, own: ir.Value) -> ir.Value:
    """The lanes of x that are `own`, one behind the other, then zeros."""
    wide = ir.VectorType(NUMBER, LANES)
    numbers = builder.zext(x, wide) if x.type.element == BYTE else builder.bitcast(x, wide)
    kind = ir.FunctionType(wide, [wide, wide, own.type])
    function = cgutils.get_or_insert_function(
        builder.module, kind, f"llvm.x86.avx512.mask.compress.v{LANES}i32"
    )
    moved = builder.call(function, [numbers, ir.Constant(wide, [0] * LANES), own])
    return (
        builder.trunc(moved, x.type) if x.type.element == BYTE else builder.bitcast(moved, x.type)
    )
