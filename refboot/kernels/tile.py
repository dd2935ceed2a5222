"""Products of matrices within kernels: a tile of the result stays in registers while its terms are
added up.

A compiler does not find that by itself, and BLAS, which does, cannot be called from a kernel, nor
takes its data as it lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from refboot.kernels.jit import inlined, jit, jit_sum
from refboot.kernels.vectors import INDEX, LANES, REGISTERS, Row, Sum, intrinsic, lanes_sum, splat

ROWS, VECTORS = 8 if REGISTERS > 16 else 4, 2  # of a tile: its sums take half of the registers
WIDTH = VECTORS * LANES
DOTS = 4  # rows of either side whose products `dots` takes at once


def _tile(rows: int, whole: bool) -> Any:
    """The intrinsic for a tile of so many rows, of WIDTH columns, if it is `whole`, or of fewer."""

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(typing: Any, a: Any, a_at: Any, a_row: Any, a_step: Any, b: Any, b_at: Any, b_step: Any, out: Any, out_at: Any, out_row: Any, depth: Any, width: Any) -> Any:  # fmt: skip  # noqa: E501
        """out[r, c] = sum over k < depth of a[r, k] b[k, c] for r < rows, c < width.

        Of each array the place in memory of its first number, and how far apart rows and terms lie;
        those of b and out are neighbours.
        """
        i = types.int64
        return types.void(a, i, i, i, b, i, i, out, i, i, i, i), lambda *given: _tile_code(
            rows, whole, *given
        )

    return tile


def _tile_code(
    rows: int,
    whole: bool,
    context: Any,
    builder: ir.IRBuilder,
    signature: Any,
    args: list[ir.Value],
) -> ir.Value:
    width = None if whole else args[11]
    a, b, out = (
        Row(context, builder, signature.args[i], args[i], args[i + 1], width) for i in (0, 4, 7)
    )
    sums = [[Sum(builder) for _ in range(VECTORS)] for _ in range(rows)]
    with cgutils.for_range(builder, args[10]) as loop:
        here, there = (
            x.further(builder.mul(loop.index, step)) for x, step in ((a, args[3]), (b, args[6]))
        )
        terms = [b.load(c, there) for c in range(VECTORS)]
        for r in range(rows):
            by = splat(builder, builder.load(builder.gep(here, [builder.mul(args[2], INDEX(r))])))
            for c in range(VECTORS):
                sums[r][c].add(by, terms[c])
    for r in range(rows):
        to = out.further(builder.mul(args[9], INDEX(r)))
        for c in range(VECTORS):
            out.store(sums[r][c].value, c, to)
    return context.get_dummy_value()


_part, _whole, _row_part, _row_whole = (
    _tile(ROWS, False),
    _tile(ROWS, True),
    _tile(1, False),
    _tile(1, True),
)


@inlined
def tiles(a, a_at, a_row, a_step, rows, b, depth, low, high, out):  # type: ignore[no-untyped-def]
    """out[r, c] = sum over k < depth of a.flat[a_at + r a_row + k a_step] b[k, c], for r < rows and
    columns c in [low, high).

    Where b holds int8, up to WIDTH - 1 more of them are read behind the last row."""
    b_step, out_row, left = b.shape[1], out.shape[1], rows - rows % ROWS
    for c in range(low, high, WIDTH):
        width = min(high - c, WIDTH)
        for r in range(0, left, ROWS):
            if width == WIDTH:
                _whole(
                    a,
                    a_at + r * a_row,
                    a_row,
                    a_step,
                    b,
                    c,
                    b_step,
                    out,
                    r * out_row + c,
                    out_row,
                    depth,
                    width,
                )
            else:
                _part(
                    a,
                    a_at + r * a_row,
                    a_row,
                    a_step,
                    b,
                    c,
                    b_step,
                    out,
                    r * out_row + c,
                    out_row,
                    depth,
                    width,
                )
        for r in range(left, rows):
            if width == WIDTH:
                _row_whole(
                    a,
                    a_at + r * a_row,
                    a_row,
                    a_step,
                    b,
                    c,
                    b_step,
                    out,
                    r * out_row + c,
                    out_row,
                    depth,
                    width,
                )
            else:
                _row_part(
                    a,
                    a_at + r * a_row,
                    a_row,
                    a_step,
                    b,
                    c,
                    b_step,
                    out,
                    r * out_row + c,
                    out_row,
                    depth,
                    width,
                )


@jit
def product(a, a_at, a_row, a_step, rows, b, depth, low, high, out):  # type: ignore[no-untyped-def]
    """`tiles`, compiled by itself."""
    tiles(a, a_at, a_row, a_step, rows, b, depth, low, high, out)


def _dots(rows: int, columns: int) -> Any:
    """The intrinsic for the products of so many rows of either side."""

    @intrinsic  # type: ignore[untyped-decorator]
    def dots_of(typing: Any, a: Any, n: Any, b: Any, i: Any, out: Any, depth: Any) -> Any:
        """out[n + r, i + c] = sum over k < depth of a[n + r, k] b[i + c, k] for r < rows, c <
        columns.
        """
        index = types.int64
        return types.void(a, index, b, index, out, index), lambda *given: _dots_code(
            rows, columns, *given
        )

    return dots_of


def _dots_code(
    rows: int,
    columns: int,
    context: Any,
    builder: ir.IRBuilder,
    signature: Any,
    args: list[ir.Value],
) -> ir.Value:
    sides, depth = ((0, args[1], rows), (2, args[3], columns)), args[5]
    sums = [[Sum(builder) for _ in range(columns)] for _ in range(rows)]
    whole = builder.sub(depth, builder.srem(depth, INDEX(LANES)))

    def add(k: ir.Value, width: ir.Value | None) -> None:
        """Add the products from number k on."""
        x, y = (
            [
                Row(
                    context,
                    builder,
                    signature.args[i],
                    args[i],
                    builder.add(builder.mul(builder.add(at, INDEX(r)), depth), k),
                    width,
                ).load(0)
                for r in range(count)
            ]
            for i, at, count in sides
        )
        for r in range(rows):
            for c in range(columns):
                sums[r][c].add(x[r], y[c])

    with cgutils.for_range_slice(builder, INDEX(0), whole, INDEX(LANES)) as (k, _):
        add(k, None)
    with cgutils.if_likely(builder, builder.icmp_signed("<", whole, depth)):
        add(whole, builder.sub(depth, whole))
    out = context.make_array(signature.args[4])(context, builder, args[4])
    for r in range(rows):
        first = builder.add(
            builder.mul(builder.add(args[1], INDEX(r)), builder.extract_value(out.shape, 1)),
            args[3],
        )
        for c in range(columns):
            builder.store(
                lanes_sum(builder, sums[r][c].value),
                builder.gep(out.data, [builder.add(first, INDEX(c))]),
            )
    return context.get_dummy_value()


_square, _line, _one = _dots(DOTS, DOTS), _dots(1, DOTS), _dots(1, 1)


@inlined
def dots(a, b, low, high, out):  # type: ignore[no-untyped-def]
    """out[n, i] = sum over k of a[n, k] b[i, k], for i in [low, high)."""
    rows, columns, depth = len(a) - len(a) % DOTS, high - (high - low) % DOTS, a.shape[1]
    for i in range(low, columns, DOTS):
        for n in range(0, rows, DOTS):
            _square(a, n, b, i, out, depth)
        for n in range(rows, len(a)):
            _line(a, n, b, i, out, depth)
    for i in range(columns, high):
        for n in range(len(a)):
            _one(a, n, b, i, out, depth)


@jit_sum
def dot(x, y):  # type: ignore[no-untyped-def]
    """The sum of x y, in an order that the compiler chooses."""
    total = np.float32(0)
    for o in range(x.size):
        total += x[o] * y[o]
    return total
