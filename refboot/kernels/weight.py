"""A normed weight quantised to 8 bits, and back: what norm and quantisation do one after the other,
in fewer passes, in the same bits.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.fixed_point import PER_STEP, quantised
from refboot.kernels.jit import inlined, jit
from refboot.kernels.layout import over_rows
from refboot.kernels.synapse import along, columns_of, lengths

LOWEST, BEYOND = (
    np.float32(-128.5),
    np.float32(127.5),
)  # steps of the grid that are rounded into its range, and that are not


def normed_8bit(v: Floats, g: Floats) -> tuple[Floats, Floats]:
    """quantize_8bit(weight_norm_forward(v, g)) for v (O, I) and g (O,), and the length of each v[o]
    (O,); float32.
    """
    columns = columns_of(v)
    length, q = lengths(columns), memory.empty(columns.shape)
    factor = g / length
    over_rows(columns, lambda part: _forward(columns[part], factor, q[part]))
    return q.T, length


def normed_8bit_backward(
    grad: Floats, v: Floats, g: Floats, length: Floats
) -> tuple[Floats, Floats]:
    """Gradients of `normed_8bit` for v and g, given that of the quantised weight and the lengths it
    returned; float32.

    The first takes the place of `grad`, where that lies as weights do: memory is what limits this.
    """
    columns, grads, factor = columns_of(v), columns_of(grad), g / length
    gg = along(
        columns, length, lambda part, total: _along(grads[part], columns[part], factor, total)
    )
    share = gg / length
    over_rows(columns, lambda part: _backward(grads[part], columns[part], factor, share))
    return grads.T, gg


@jit
def _forward(v, factor, q):  # type: ignore[no-untyped-def]
    for i in range(len(v)):
        row, out = v[i], q[i]
        for o in range(row.size):
            out[o] = quantised(row[o] * factor[o])


@inlined
def unclipped(grad, weight):  # type: ignore[no-untyped-def]
    """The gradient where the weight, rounded to its grid, is in range, else 0: a half is rounded to
    the even number.
    """
    steps = weight * PER_STEP
    return grad if (steps >= LOWEST) & (steps < BEYOND) else np.float32(0)


@jit
def _along(grad, v, factor, total):  # type: ignore[no-untyped-def]
    for i in range(len(v)):
        row, given = v[i], grad[i]
        for o in range(row.size):
            total[o] += np.float64(unclipped(given[o], row[o] * factor[o])) * np.float64(row[o])


@jit
def _backward(grad, v, factor, share):  # type: ignore[no-untyped-def]
    for i in range(len(v)):
        row, given = v[i], grad[i]
        for o in range(row.size):
            given[o] = factor[o] * (unclipped(given[o], row[o] * factor[o]) - row[o] * share[o])
