"""A weight of bytes turned round: from a row per input to a row per output, in square blocks within
registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types

from refboot.kernels.jit import helper
from refboot.kernels.vectors import INDEX, LANES, NUMBER, intrinsic

BYTES, HALF = ir.VectorType(ir.IntType(8), LANES), LANES // 2
# Where neighbours in the lower, and in the upper, half of two vectors come from, one of each in
# turn.
LOWER, UPPER = (
    [first + i + side * LANES for i in range(HALF) for side in (0, 1)] for first in (0, HALF)
)


@intrinsic  # type: ignore[untyped-decorator]
def _block(typing: Any, rows: Any, at: Any, step: Any, out: Any, to: Any, out_step: Any) -> Any:
    """out.flat[to + o out_step + i] = rows.flat[at + i step + o], for i and o below LANES."""
    i = types.int64
    return types.void(rows, i, i, out, i, i), _code


def _code(context: Any, builder: ir.IRBuilder, signature: Any, args: list[ir.Value]) -> ir.Value:
    first, there = (
        context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 3)
    )

    def place(start: ir.Value, begin: ir.Value, apart: ir.Value, number: int) -> ir.Value:
        at = builder.gep(start, [builder.add(begin, builder.mul(apart, INDEX(number)))])
        return builder.bitcast(at, BYTES.as_pointer())

    rows = [builder.load(place(first, args[1], args[2], i), align=1) for i in range(LANES)]
    for o, column in enumerate(_turned(builder, rows)):
        builder.store(column, place(there, args[4], args[5], o), align=1)
    return context.get_dummy_value()


def _turned(builder: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """The columns of a square of LANES rows: each round puts those of two rows that lie half of the
    square apart side by side.
    """
    for _ in range(LANES.bit_length() - 1):
        pairs = [(rows[i], rows[i + HALF]) for i in range(HALF)]
        masks = [ir.Constant(ir.VectorType(NUMBER, LANES), mask) for mask in (LOWER, UPPER)]
        rows = [builder.shuffle_vector(*pair, mask) for pair in pairs for mask in masks]
    return rows


@helper
def turn(rows, low, high, turned):  # type: ignore[no-untyped-def]
    """turned (O, I) = rows (I, O), for the inputs in [low, high); either may have more columns."""
    (outputs, inputs), width = turned.shape, rows.shape[1]
    beyond, stop = outputs - outputs % LANES, high - (high - low) % LANES
    for i in range(low, stop, LANES):
        for o in range(0, beyond, LANES):
            _block(rows, i * width + o, width, turned, o * inputs + i, inputs)
    for o in range(outputs):
        for i in range(low if o >= beyond else stop, high):
            turned[o, i] = rows[i, o]
