"""Products of matrices within kernels: a tile of the result stays in registers while its terms are added up.

A compiler does not find that by itself, and BLAS, which does, cannot be called from a kernel, nor takes its data as it lies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from refboot.kernels.jit import inlined, jit, jit_sum
from refboot.kernels.vectors import INDEX, LANES, REGISTERS, Row, Sum, intrinsic, splat

ROWS, VECTORS = 8 if REGISTERS > 16 else 4, 2  # of a tile: its sums take half of the registers
WIDTH = VECTORS * LANES
DOTS = 4  # rows of either side whose products `dots` takes at once


def _tile(rows: int, whole: bool) -> Any:
    """The intrinsic for a tile of so many rows, of WIDTH columns, if it is `whole`, or of fewer."""

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(typing: Any, a: Any, a_at: Any, a_row: Any, a_step: Any, b: Any, b_at: Any, b_step: Any, out: Any, out_at: Any, out_row: Any, depth: Any, width: Any) -> Any:  # fmt: skip  # noqa: E501
        """out[r, c] = sum over k < depth of a[r, k] b[k, c] for r < rows, c < width.

        Of each array the place in memory of its first number, and how far apart rows and terms lie; those of b and out are neighbours.
        """
        i = types.int64
        return types.void(a, i, i, i, b, i, i, out, i, i, i, i), lambda *given: _tile_code(rows, whole, *given)

    return tile


def _tile_code(rows: int, whole: bool, context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]) -> ir.Value:
    width = None if whole else args[11]
    a, b, out = (Row(context, builder, signature.args[i], args[i], args[i + 1], width) for i in (0, 4, 7))
    sums = [[Sum(builder) for _ in range(VECTORS)] for _ in range(rows)]
    with cgutils.for_range(builder, args[10]) as loop:
        here, there = (x.further(builder.mul(loop.index, step)) for x, step in ((a, args[3]), (b, args[6])))
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


_part, _whole, _row_part, _row_whole = _tile(ROWS, False), _tile(ROWS, True), _tile(1, False), _tile(1, True)


@inlined
def tiles(a, a_at, a_row, a_step, rows, b, depth, low, high, out):  # type: ignore[no-untyped-def]
    """out[r, c] = sum over k < depth of a.flat[a_at + r a_row + k a_step] b[k, c], for r < rows and columns c in [low, high).

    Where b holds int8, WIDTH - 1 more of them are read behind its last column."""
    b_step, out_row, left = b.shape[1], out.shape[1], rows - rows % ROWS
    for c in range(low, high, WIDTH):
        width = min(high - c, WIDTH)
        for r in range(0, left, ROWS):
            if width == WIDTH:
                _whole(a, a_at + r * a_row, a_row, a_step, b, c, b_step, out, r * out_row + c, out_row, depth, width)
            else:
                _part(a, a_at + r * a_row, a_row, a_step, b, c, b_step, out, r * out_row + c, out_row, depth, width)
        for r in range(left, rows):
            if width == WIDTH:
                _row_whole(a, a_at + r * a_row, a_row, a_step, b, c, b_step, out, r * out_row + c, out_row, depth, width)
            else:
                _row_part(a, a_at + r * a_row, a_row, a_step, b, c, b_step, out, r * out_row + c, out_row, depth, width)


@jit
def product(a, a_at, a_row, a_step, rows, b, depth, low, high, out):  # type: ignore[no-untyped-def]
    """`tiles`, compiled by itself."""
    tiles(a, a_at, a_row, a_step, rows, b, depth, low, high, out)


@jit
def dots(a, b, low, high, out):  # type: ignore[no-untyped-def]
    """out[n, i] = sum over k of a[n, k] b[i, k], for i in [low, high)."""
    rows, columns = len(a) - len(a) % DOTS, high - (high - low) % DOTS
    _dots(a, b, rows, low, columns, out)
    for n in range(len(a)):
        for i in range(low if n >= rows else columns, high):
            out[n, i] = dot(a[n], b[i])


@jit_sum
def dot(x, y):  # type: ignore[no-untyped-def]
    """The sum of x y, in an order that the compiler chooses."""
    total = np.float32(0)
    for o in range(x.size):
        total += x[o] * y[o]
    return total


@jit_sum
def _dots(a, b, rows, low, high, out):  # type: ignore[no-untyped-def]
    """DOTS rows of each side at once: 8 numbers are read for 16 products."""
    for i in range(low, high, DOTS):
        b0, b1, b2, b3 = b[i], b[i + 1], b[i + 2], b[i + 3]
        for n in range(0, rows, DOTS):
            a0, a1, a2, a3 = a[n], a[n + 1], a[n + 2], a[n + 3]
            s00 = s01 = s02 = s03 = s10 = s11 = s12 = s13 = np.float32(0)
            s20 = s21 = s22 = s23 = s30 = s31 = s32 = s33 = np.float32(0)
            for k in range(b0.size):
                w, x, y, z = b0[k], b1[k], b2[k], b3[k]
                s00, s01, s02, s03 = s00 + a0[k] * w, s01 + a0[k] * x, s02 + a0[k] * y, s03 + a0[k] * z
                s10, s11, s12, s13 = s10 + a1[k] * w, s11 + a1[k] * x, s12 + a1[k] * y, s13 + a1[k] * z
                s20, s21, s22, s23 = s20 + a2[k] * w, s21 + a2[k] * x, s22 + a2[k] * y, s23 + a2[k] * z
                s30, s31, s32, s33 = s30 + a3[k] * w, s31 + a3[k] * x, s32 + a3[k] * y, s33 + a3[k] * z
            out[n, i], out[n, i + 1], out[n, i + 2], out[n, i + 3] = s00, s01, s02, s03
            out[n + 1, i], out[n + 1, i + 1], out[n + 1, i + 2], out[n + 1, i + 3] = s10, s11, s12, s13
            out[n + 2, i], out[n + 2, i + 1], out[n + 2, i + 2], out[n + 2, i + 3] = s20, s21, s22, s23
            out[n + 3, i], out[n + 3, i + 1], out[n + 3, i + 2], out[n + 3, i + 3] = s30, s31, s32, s33
