"""Both gradients of a weight's row in one pass: rows of x by number, their sum and their products
with the row, in registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils

from refboot.kernels.jit import inlined
from refboot.kernels.vectors import (
    DOUBLES,
    INDEX,
    LANES,
    REGISTERS,
    ZERO,
    Row,
    Sum,
    intrinsic,
    plus_product,
    splat,
)

VECTORS = REGISTERS // 4  # of a row at once: with as many of the sum half of the registers
WIDTH = VECTORS * LANES


def _gather(vectors: int, whole: bool) -> Any:
    """The intrinsic for so many vectors of a row, `whole` or with fewer columns."""

    @intrinsic  # type: ignore[untyped-decorator]
    def gather(typing: Any, x: Any, x_at: Any, step: Any, found: Any, by: Any, kinds: Any, count: Any, row: Any, row_at: Any, out: Any, out_at: Any, sums: Any, width: Any) -> Any:  # fmt: skip  # noqa: E501
        """out[c] = sum over j < count of by[j] x[found[j], c]; adds x[found[j], c] row[c] to
        sums[kinds[j]], over all c < width.
        """
        i = types.int64
        return types.void(
            x, i, i, found, by, kinds, i, row, i, out, i, sums, i
        ), lambda *given: _code(vectors, whole, *given)

    return gather


def _code(
    vectors: int,
    whole: bool,
    context: Any,
    builder: ir.IRBuilder,
    signature: Any,
    args: list[ir.Value],
) -> ir.Value:
    width = None if whole else args[12]
    x, row, out = (
        Row(context, builder, signature.args[i], args[i], args[i + 1], width) for i in (0, 7, 9)
    )
    found, by, kinds, sums = (
        context.make_array(signature.args[i])(context, builder, args[i]).data for i in (3, 4, 5, 11)
    )
    own, totals = [row.load(c) for c in range(vectors)], [Sum(builder) for _ in range(vectors)]
    with cgutils.for_range(builder, args[6]) as loop:
        number, factor, kind = (
            builder.load(builder.gep(array, [loop.index])) for array in (found, by, kinds)
        )
        there, factors, along = (
            x.further(builder.mul(number, args[2])),
            splat(builder, factor),
            ZERO,
        )
        for c in range(vectors):
            terms = x.load(c, there)
            totals[c].add(factors, terms)
            along = plus_product(builder, along, terms, own[c])
        place = builder.bitcast(
            builder.gep(sums, [builder.mul(kind, INDEX(LANES))]), DOUBLES.as_pointer()
        )
        builder.store(
            builder.fadd(builder.load(place, align=8), builder.fpext(along, DOUBLES)),
            place,
            align=8,
        )
    for c in range(vectors):
        out.store(totals[c].value, c)
    return context.get_dummy_value()


_wide, _narrow = _gather(VECTORS, True), _gather(1, False)


@inlined
def gather_rows(x, found, by, kinds, count, row, out, sums):  # type: ignore[no-untyped-def]
    """out = sum over j < count of by[j] x[found[j]]; adds x[found[j]] times row to sums[kinds[j]]
    (LANES,), by lane.
    """
    step, c = x.shape[1], 0
    while c + WIDTH <= step:
        _wide(x, c, step, found, by, kinds, count, row, c, out, c, sums, WIDTH)
        c += WIDTH
    while c < step:
        _narrow(x, c, step, found, by, kinds, count, row, c, out, c, sums, step - c)
        c += LANES
