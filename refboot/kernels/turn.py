"""A quantised weight turned round: from bytes, a row per input, to float32, a row per output, in square blocks within registers."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from refboot.kernels.events import UNIT
from refboot.kernels.jit import helper
from refboot.kernels.vectors import FLOATS, INDEX, LANES, NUMBER, intrinsic, splat

HALF = LANES // 2
# Where neighbours in the lower, and in the upper, half of two vectors come from, one of each in turn.
LOWER, UPPER = ([first + i + side * LANES for i in range(HALF) for side in (0, 1)] for first in (0, HALF))


@intrinsic  # type: ignore[untyped-decorator]
def _block(typing: Any, rows: Any, at: Any, step: Any, out: Any, to: Any, out_step: Any) -> Any:
    """out.flat[to + o out_step + i] = rows.flat[at + i step + o] UNIT, for i and o below LANES."""

    def code(context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]) -> ir.Value:
        first, there = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 3))
        unit, bytes_ = splat(builder, ir.Constant(ir.FloatType(), float(UNIT))), ir.VectorType(ir.IntType(8), LANES)

        def place(start: ir.Value, begin: ir.Value, apart: ir.Value, number: int, kind: ir.Type) -> ir.Value:
            at = builder.add(begin, builder.mul(apart, INDEX(number)))
            return builder.bitcast(builder.gep(start, [at]), kind.as_pointer())

        loaded = [builder.load(place(first, args[1], args[2], i, bytes_), align=1) for i in range(LANES)]
        for o, column in enumerate(_turned(builder, [builder.fmul(builder.sitofp(row, FLOATS), unit) for row in loaded])):
            builder.store(column, place(there, args[4], args[5], o, FLOATS), align=4)
        return context.get_dummy_value()

    i = types.int64
    return types.void(rows, i, i, out, i, i), code


def _turned(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """The columns of a square of LANES rows: each round puts those of two rows that lie half of the square apart side by side."""
    for _ in range(LANES.bit_length() - 1):
        pairs = [(rows[i], rows[i + HALF]) for i in range(HALF)]
        masks = [ir.Constant(ir.VectorType(NUMBER, LANES), mask) for mask in (LOWER, UPPER)]
        rows = [builder.shuffle_vector(*pair, mask) for pair in pairs for mask in masks]
    return rows


@helper
def turn(rows, low, high, turned):  # type: ignore[no-untyped-def]
    """turned (O, I) = rows (I, O) UNIT, for the inputs in [low, high)."""
    (outputs, inputs), width = turned.shape, rows.shape[1]
    beyond, stop = outputs - outputs % LANES, high - (high - low) % LANES
    for i in range(low, stop, LANES):
        for o in range(0, beyond, LANES):
            _block(rows, i * width + o, width, turned, o * inputs + i, inputs)
    for o in range(outputs):
        for i in range(low if o >= beyond else stop, high):
            turned[o, i] = np.float32(rows[i, o]) * UNIT
