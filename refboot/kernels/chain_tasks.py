"""The tasks of `chain`: one kernel goes through those of a forward pass, one through those of a backward pass.

Letters: N samples, I inputs, K codes, O outputs.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.coded_rates import _forward as _coded
from refboot.kernels.coded_rates import learn, with_sum
from refboot.kernels.fixed_point import quantised
from refboot.kernels.jit import helper, jit
from refboot.kernels.pwl import _pwl, _pwl_backward
from refboot.kernels.synapse import _along as _products
from refboot.kernels.synapse import _input_sums
from refboot.kernels.tile import ROWS, dots, product
from refboot.kernels.together import FIRST, done, next_task
from refboot.kernels.weight import _along, unclipped
from refboot.kernels.weight import _backward as _unnorm
from refboot.kernels.weight import _forward as _quantised

LENGTHS, QUANTISE, CODED, DENSE = range(4)  # kinds of tasks, forward
GIVE, LEARN, FINISH = range(3)  # and backward
MANY = 64  # samples at once: what a product reads again for each tile stays in the second cache
NONE, ONE = np.int64(0), np.int64(1)  # of one type with what is computed: so there is one `product`


@jit
def enter(values, weight, bias, edges, bases, slopes):  # type: ignore[no-untyped-def]
    """Weighted input and rate of each code (K,)."""
    w, b = quantised(weight[0]), quantised(bias[0])
    drive, rates = np.empty(values.size, np.float32), np.empty(values.size, np.float32)
    for k in range(values.size):
        drive[k] = values[k] * w
        drive[k] += b
    _pwl(drive, edges, bases, slopes, rates)
    return drive, rates


@jit
def leave(grad, values, weight, bias):  # type: ignore[no-untyped-def]
    """Gradients of weight and bias, given that of the weighted input of each code (K,)."""
    gw, gb = np.empty(1, np.float32), np.empty(1, np.float32)
    along, total = _input_sums(grad, values)
    gw[0], gb[0] = unclipped(np.float32(along), weight[0]), unclipped(np.float32(total), bias[0])
    return gw, gb


@jit
def forward(plan, cells, side, codes, usual, rates, background, sums, v, g, totals, length, q, z, a, edges, bases, slopes):  # type: ignore[no-untyped-def]
    """The tasks of a forward pass; `rates` are without that of background."""
    k, at = next_task(plan, cells, side, FIRST)
    while k < len(plan):
        kind, i, part, low, high = plan[k, 0], plan[k, 1], plan[k, 2], plan[k, 3], plan[k, 4]
        if kind == LENGTHS:
            _products(v[i][low:high], v[i][low:high], totals[i][part])
        elif kind == QUANTISE:
            _quantise(v[i], g[i], totals[i], low, high, length[i], q[i])
            if i == 0 and background != 0:
                _column_sums(q[0][low:high], sums[part])
        elif kind == CODED:
            base = np.zeros(len(g[0]), np.float32)
            for s in range(len(sums)):
                for o in range(len(base)):
                    base[o] += sums[s, o] * background
            _coded(codes[low:high], usual, rates, q[0], base, z[0][low:high])
            for n in range(low, high):
                _activate(z[0][n], edges[0], bases[0], slopes[0], a[0][n])
        else:
            below, inputs = a[i - 1], a[i - 1].shape[1]
            for n in range(0, len(below), MANY):
                product(below, n * inputs, inputs, ONE, min(MANY, len(below) - n), q[i], inputs, low, high, z[i][n:])
            for n in range(len(below)):
                _activate(z[i][n][low:high], edges[i], bases[i], slopes[i], a[i][n][low:high])
        done(plan, cells, k)
        k, at = next_task(plan, cells, side, at)


@jit
def _activate(z, edges, bases, slopes, a):  # type: ignore[no-untyped-def]
    """The curve, or, where there is none, z itself."""
    if edges.size:
        _pwl(z, edges, bases, slopes, a)
    else:
        for o in range(z.size):
            a[o] = z[o]


@jit
def _column_sums(q, total):  # type: ignore[no-untyped-def]
    for i in range(len(q)):
        row = q[i]
        for o in range(row.size):
            total[o] += row[o]


@helper
def _total(totals, o):  # type: ignore[no-untyped-def]
    total = 0.0
    for part in range(len(totals)):
        total += totals[part, o]
    return total


@jit
def _quantise(v, g, totals, low, high, length, q):  # type: ignore[no-untyped-def]
    """As weight.normed_8bit, for the inputs in [low, high)."""
    factor = np.empty(g.size, np.float32)
    for o in range(g.size):
        own = np.float32(np.sqrt(_total(totals, o)))
        factor[o] = g[o] / own
        if low == 0:
            length[o] = own
    _quantised(v[low:high], factor, q[low:high])


@jit
def backward(plan, cells, side, codes, usual, rates, edges, slopes, steep, v, g, length, q, z, a, ga, gz, totals, gv, gg, sums):  # type: ignore[no-untyped-def]  # fmt: skip
    """The tasks of a backward pass."""
    k, at = next_task(plan, cells, side, FIRST)
    while k < len(plan):
        kind, i, part, low, high = plan[k, 0], plan[k, 1], plan[k, 2], plan[k, 3], plan[k, 4]
        if kind == GIVE:
            for n in range(0, len(z[i]), MANY):
                dots(gz[i][n : n + MANY], q[i], low, high, ga[i - 1][n : n + MANY])
            _bend(ga[i - 1], z[i - 1], low, high, edges[i - 1], slopes[i - 1], steep[i - 1], gz[i - 1])
        elif kind == LEARN:
            factor, given = _over(g[i], length[i]), with_sum(gz[0]) if i == 0 else gz[i]
            for r in range(low, high, ROWS):
                stop = min(r + ROWS, high)
                if i:
                    product(a[i - 1], r, ONE, a[i - 1].shape[1], stop - r, given, len(given), NONE, g[i].size, gv[i][r:])
                else:
                    learn(codes, usual, rates, given, q[0], r, stop, gv[0], sums[part])
                _along(gv[i][r:stop], v[i][r:stop], factor, totals[i][part])
        else:
            _finish(totals[i], v[i], g[i], length[i], low, high, gv[i], gg[i])
        done(plan, cells, k)
        k, at = next_task(plan, cells, side, at)


@jit
def _bend(ga, z, low, high, edges, slopes, steep, gz):  # type: ignore[no-untyped-def]
    for n in range(len(z)):
        _pwl_backward(ga[n][low:high], z[n][low:high], gz[n][low:high], edges, slopes, steep[0], steep[1])


@helper
def _over(x, y):  # type: ignore[no-untyped-def]
    out = np.empty(x.size, np.float32)
    for o in range(x.size):
        out[o] = x[o] / y[o]
    return out


@helper
def _finish(totals, v, g, length, low, high, gv, gg):  # type: ignore[no-untyped-def]
    """As weight.normed_8bit_backward, for the inputs in [low, high)."""
    along = np.empty(g.size, np.float32)
    for o in range(g.size):
        along[o] = _total(totals, o) / length[o]
        if low == 0:
            gg[o] = along[o]
    _unnorm(gv[low:high], v[low:high], _over(g, length), _over(along, length))
