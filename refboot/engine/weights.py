"""Kernels of the engine: weights with a norm and 8 bits, and their gradients.

Letters: I inputs, O outputs. Weights are (I, O) here: all outputs of an input lie together. `low`
and `high` are the outputs that a call treats. Sums of a neuron's weights are over inputs, in order.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.jit import inlined, jit

F = np.float32
UNIT = F(1 / 32)  # weights are whole numbers of it


@jit
def quantise(v, g, low, high, length, factor, weight, turned, whole, total):
    """v * (g / length) on the grid of 1/32: `weight` (I, O), `turned` (O, I), `whole` in units.

    Also the length of each v[:, o], factor = g / length, and the sum of units, `total`. `turned`
    may be empty, or `whole`, then with `total`: they are left out. Returns the largest sum of a
    neuron's |units|, or -1 where a number is not finite.
    """
    by, size, sums, finite = factor[low:high], np.zeros(high - low, np.int32), total[low:high], True
    lengths(v, low, high, length[low:high])
    for o in range(by.size):
        by[o] = g[low + o] / length[low + o] if length[low + o] != 0 else F(0)
        finite &= np.isfinite(by[o]) and np.isfinite(length[low + o])
    if not finite:
        return -1
    sums[:] = 0
    for first in range(0, len(v), 8):
        last = min(first + 8, len(v))
        for i in range(first, last):
            row, out = v[i, low:high], weight[i, low:high]
            for o in range(by.size):
                out[o] = min(max(np.rint(row[o] * by[o] * F(32)), F(-128)), F(127)) * UNIT
        if len(turned):
            turn(weight, first, last, low, high, turned)
        for i in range(first, min(last, len(whole))):
            out, units = weight[i, low:high], whole[i, low:high]
            for o in range(by.size):
                unit = np.int32(out[o] * F(32))
                units[o] = np.int8(unit)
                sums[o] += unit
                size[o] += np.int32(abs(unit))
    return np.int64(size.max())


@jit
def lengths(v, low, high, length):
    """length = the root of the sum of squares of each v[:, o], four terms at a time."""
    length[:] = 0
    fours = len(v) - len(v) % 4
    for i in range(0, fours, 4):
        a, b, c, d = v[i, low:high], v[i + 1, low:high], v[i + 2, low:high], v[i + 3, low:high]
        for o in range(length.size):
            length[o] = (((length[o] + a[o] * a[o]) + b[o] * b[o]) + c[o] * c[o]) + d[o] * d[o]
    for i in range(fours, len(v)):
        a = v[i, low:high]
        for o in range(length.size):
            length[o] += a[o] * a[o]
    for o in range(length.size):
        length[o] = np.sqrt(length[o])


@jit
def turn(weight, first, last, low, high, turned):
    """turned (O, I) = weight (I, O), for the inputs in [first, last), eight of them if possible."""
    if last < first + 8:
        for i in range(first, last):
            for o in range(low, high):
                turned[o, i] = weight[i, o]
        return
    a, b, c, d = weight[first], weight[first + 1], weight[first + 2], weight[first + 3]
    e, f, g, h = weight[first + 4], weight[first + 5], weight[first + 6], weight[first + 7]
    for o in range(low, high):
        out = turned[o, first:last]
        out[0], out[1], out[2], out[3] = a[o], b[o], c[o], d[o]
        out[4], out[5], out[6], out[7] = e[o], f[o], g[o], h[o]


@jit
def add_events(gz, begins, ends, steps, low, high, gw):
    """gw[i, low:high] = the sum of the rows of gz (N, T, O) at which input i spikes, in order.

    Input i of sample n spikes at the steps steps[begins[n, i]:ends[n, i]].
    """
    for i in range(len(gw)):
        own = gw[i, low:high]
        own[:] = 0
    for n in range(len(gz)):  # whose rows stay near while they are added to those of gw
        for i in range(len(gw)):
            if begins[n, i] < ends[n, i]:
                add_rows(gz[n], steps, begins[n, i], ends[n, i], low, gw[i, low:high])


@inlined
def add_rows(rows, at, begin, end, low, total):
    """total += rows[at[j], low:] for j in [begin, end), in order, four at a time."""
    j, high = begin, low + total.size
    while j + 4 <= end:
        a, b = rows[at[j], low:high], rows[at[j + 1], low:high]
        c, d = rows[at[j + 2], low:high], rows[at[j + 3], low:high]
        for o in range(total.size):
            total[o] = (((total[o] + a[o]) + b[o]) + c[o]) + d[o]
        j += 4
    while j < end:
        a = rows[at[j], low:high]
        for o in range(total.size):
            total[o] += a[o]
        j += 1


@jit
def through_norm(gw, v, low, high, length, factor, gg, squares):
    """The gradients of v, in place of gw, and of g, given those of the quantised weight.

    `squares` (2, O): the squares of gg, and the sums of the squares of the gradients of v.
    """
    by, own, along = factor[low:high], gg[low:high], np.zeros(high - low, F)
    for i in range(len(v)):
        grad, row = gw[i, low:high], v[i, low:high]
        for o in range(by.size):  # nothing passes where the weight was clipped
            steps = row[o] * by[o] * F(32)
            grad[o] = grad[o] if (steps >= F(-128.5)) & (steps < F(127.5)) else F(0)
            along[o] += grad[o] * row[o]
    for o in range(by.size):
        size = length[low + o]
        own[o] = along[o] / size if size != 0 else F(0)
        along[o] = own[o] / size if size != 0 else F(0)
    of_v, of_g = squares[1, low:high], squares[0, low:high]
    of_v[:] = 0
    for i in range(len(v)):
        grad, row = gw[i, low:high], v[i, low:high]
        for o in range(by.size):
            grad[o] = by[o] * (grad[o] - row[o] * along[o])
            of_v[o] += grad[o] * grad[o]
    for o in range(by.size):
        of_g[o] = own[o] * own[o]
