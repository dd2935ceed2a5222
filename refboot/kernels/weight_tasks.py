"""Tasks on the weights of dense layers, as `chain` and `spiking_chain` share them; and how tasks
are told what there is to do.

Each is compiled by itself, and given whole numbers: those of the pass, then a row for each layer,
its sizes and where its arrays are. Letters: N samples, I inputs, K codes, O outputs, L layers.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels import tile
from refboot.kernels.adding import ONE
from refboot.kernels.fixed_point import PER_STEP, quantised
from refboot.kernels.jit import helper, inlined
from refboot.kernels.layout import FEW
from refboot.kernels.memory import LINE
from refboot.kernels.places import (
    doubles2,
    floats,
    floats2,
    new_floats,
    new_ints,
    numbers,
    signed_bytes2,
)
from refboot.kernels.synapse import _along as _products
from refboot.kernels.together import Work
from refboot.kernels.turn import turn
from refboot.kernels.weight import _along
from refboot.kernels.weight import _backward as _unnorm

# Of a pass: its sizes, the address of `along`, and where the codes (N, I) uint8 are; then what each
# chain needs.
SAMPLES, PIXELS, LAYERS, ALONG, CODES, OWN_NUMBERS = range(6)
HEAD = 20  # numbers of a pass
# Of a layer: its sizes (WIDTH: its outputs, of the last layer with what fills up a vector), in how
# many parts of the inputs lengths are
# summed, as layout.over_rows cuts them, and in how many all else; the places of v (I, O), g (O,),
# their gradients, the lengths of v (O,),
# the quantised weight as bytes (I, WIDTH) and (O, turned_width), sums over parts of the inputs
# (FEW, O) in float64, sums of quantised
# weights (FEW, O) and the largest of their sizes (FEW,) in int64; then what each chain needs.
(
    INPUTS,
    OUTPUTS,
    WIDTH,
    NORMED,
    PARTS,
    V,
    G,
    GV,
    GG,
    LENGTH,
    BYTES,
    TURNED,
    SUMS,
    TOTALS,
    MOST,
    OWN_PLACES,
) = range(16)
KNOWN = 24  # numbers of a layer
WIDE = ONE // 2  # sums of 16 bits in a vector
FINITE, ODD = (
    np.float32(np.finfo(np.float32).max),
    np.int64(1 << 40),
)  # more than the sum of any sizes


@inlined
def of_pass(work):  # type: ignore[no-untyped-def]
    """The numbers of a pass."""
    return numbers(work, (HEAD,))


@inlined
def turned_width(inputs):  # type: ignore[no-untyped-def]
    """Bytes from row to row of a turned weight: an odd number of lines, so that rows do not share a
    few lines of the cache, and behind the
    inputs what `tile.tiles` may read."""
    lines = (inputs + tile.WIDTH - 1) // LINE + 1
    return LINE * (lines + 1 - lines % 2)


@inlined
def of_layer(work, i):  # type: ignore[no-untyped-def]
    """The numbers of layer i."""
    return numbers(work + 8 * (HEAD + i * KNOWN), (KNOWN,))


@Work
def lengths(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """The squares of the weights v, summed over the inputs in [low, high)."""
    own = of_layer(work, i)
    v, total = (
        floats2(own[V] + 4 * low * own[OUTPUTS], (high - low, own[OUTPUTS])),
        doubles2(own[SUMS], (FEW, own[OUTPUTS]))[part],
    )
    total[:] = 0
    _products(v, v, total)


@Work
def quantise(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """As weight.normed_8bit, for the inputs in [low, high), into bytes, and, where there is a place
    for it, turned round.
    """
    own = of_layer(work, i)
    inputs, outputs, width = own[INPUTS], own[OUTPUTS], own[WIDTH]
    v, rows, totals = (
        floats2(own[V], (inputs, outputs)),
        signed_bytes2(own[BYTES], (inputs, width)),
        doubles2(own[SUMS], (FEW, outputs)),
    )
    g, length, whole = (
        floats(own[G], (outputs,)),
        floats(own[LENGTH], (outputs,)),
        numbers(own[TOTALS] + 8 * part * outputs, (outputs,)),
    )
    factor, total, size, most = (
        new_floats((outputs,)),
        new_ints((outputs,)),
        new_ints((outputs,)),
        np.int32(0),
    )
    odd = False
    for o in range(outputs):
        total[o] = size[o] = 0
        norm = np.float32(np.sqrt(_total(totals, own[NORMED], o)))
        factor[o] = g[o] / norm
        if low == 0:
            length[o] = norm
        odd |= not (norm <= FINITE and abs(factor[o]) <= FINITE)  # else no weight is NaN
    for r in range(low, high):
        row, out = v[r], rows[r]
        for o in range(outputs):
            steps = np.int32(quantised(row[o] * factor[o]) * PER_STEP)
            out[o] = np.int8(steps)
            total[o] += steps
            size[o] += np.int32(abs(steps))
        for o in range(outputs, width):
            out[o] = 0
    for o in range(outputs):
        whole[o], most = total[o], max(most, size[o])
    numbers(own[MOST], (FEW,))[part] = ODD if odd else np.int64(most)
    if own[TURNED] > 0:
        turn(rows, low, high, signed_bytes2(own[TURNED], (outputs, turned_width(inputs))))


@Work
def along(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """Adds the gradient along the weights v of the inputs in [low, high)."""
    own = of_layer(work, i)
    outputs, at = own[OUTPUTS], 4 * low * own[OUTPUTS]
    factor, total = (
        _over(floats(own[G], (outputs,)), floats(own[LENGTH], (outputs,))),
        doubles2(own[SUMS], (FEW, outputs))[part],
    )
    _along(
        floats2(own[GV] + at, (high - low, outputs)),
        floats2(own[V] + at, (high - low, outputs)),
        factor,
        total,
    )


@Work
def finish(work, i, part, low, high):  # type: ignore[no-untyped-def]
    """As weight.normed_8bit_backward, once all is along: the gradients of v, for the inputs in
    [low, high), and of g.
    """
    own = of_layer(work, i)
    outputs, at, count = own[OUTPUTS], 4 * low * own[OUTPUTS], high - low
    g, length, gg, totals = (
        floats(own[G], (outputs,)),
        floats(own[LENGTH], (outputs,)),
        floats(own[GG], (outputs,)),
        doubles2(own[SUMS], (FEW, outputs)),
    )
    share = new_floats((outputs,))
    for o in range(outputs):
        share[o] = _total(totals, own[PARTS], o) / length[o]
        if low == 0:
            gg[o] = share[o]
    _unnorm(
        floats2(own[GV] + at, (count, outputs)),
        floats2(own[V] + at, (count, outputs)),
        _over(g, length),
        _over(share, length),
    )


@helper
def _over(x, y):  # type: ignore[no-untyped-def]
    out = new_floats((x.size,))
    for o in range(x.size):
        out[o] = x[o] / y[o]
    return out


@inlined
def _total(totals, parts, o):  # type: ignore[no-untyped-def]
    total = 0.0
    for part in range(parts):
        total += totals[part, o]
    return total
