"""A normed weight quantised to 8 bits, and back: what norm and quantisation do one after the other, in fewer passes, in the same bits."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.fixed_point import HIGH, LOW, PER_STEP, STEP
from refboot.kernels.jit import inlined, jit
from refboot.kernels.layout import over_columns
from refboot.kernels.synapse import columns_of, lengths, ratio


def normed_8bit(v: Floats, g: Floats) -> tuple[Floats, Floats]:
    """quantize_8bit(weight_norm_forward(v, g)) for v (O, I) and g (O,), and the length of each v[o] (O,); float32."""
    columns, length = columns_of(v), np.empty(len(v), np.float32)
    q = memory.empty(columns.shape)
    over_columns(v, lambda part: _forward(columns, g, part.start, part.stop, q, length))
    return q.T, length


def normed_8bit_backward(grad: Floats, v: Floats, g: Floats, length: Floats) -> tuple[Floats, Floats]:
    """Gradients of `normed_8bit` for v and g, given that of the quantised weight and the lengths it returned; float32."""
    columns, grads = columns_of(v), columns_of(grad)
    gv, gg = memory.empty(columns.shape), np.empty(g.shape, np.float32)
    over_columns(v, lambda part: _backward(grads, columns, g, length, part.start, part.stop, gv, gg))
    return gv.T, gg


@jit
def _forward(v, g, low, high, q, length):  # type: ignore[no-untyped-def]
    own = lengths(v, low, high)
    for o in range(own.size):  # an assignment of arrays would take Numba two seconds to compile
        length[low + o] = own[o]
    factor = ratio(g[low:high], own)
    for i in range(len(v)):
        row, out = v[i, low:high], q[i, low:high]
        for o in range(row.size):
            out[o] = min(max(np.rint(row[o] * factor[o] * PER_STEP) * STEP, LOW), HIGH)


@inlined
def unclipped(grad, weight):  # type: ignore[no-untyped-def]
    """The gradient where the weight, rounded to its grid, is in range, else 0."""
    rounded = np.rint(weight * PER_STEP) * STEP
    return grad if (rounded >= LOW) & (rounded <= HIGH) else np.float32(0)


@jit
def _backward(grad, v, g, length, low, high, gv, gg):  # type: ignore[no-untyped-def]
    totals, share, factor = np.zeros(high - low, np.float64), np.empty(high - low, np.float32), ratio(g[low:high], length[low:high])
    for i in range(len(v)):
        row, along = v[i, low:high], grad[i, low:high]
        for o in range(row.size):
            totals[o] += np.float64(unclipped(along[o], row[o] * factor[o])) * np.float64(row[o])
    for o in range(high - low):
        gg[low + o] = np.float32(totals[o] / length[low + o])
        share[o] = gg[low + o] / length[low + o]
    for i in range(len(v)):
        row, along, out = v[i, low:high], grad[i, low:high], gv[i, low:high]
        for o in range(row.size):
            out[o] = factor[o] * (unclipped(along[o], row[o] * factor[o]) - row[o] * share[o])
