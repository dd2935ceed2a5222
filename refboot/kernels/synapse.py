"""Kernels of refboot.reference.synapse.

Sums of spikes and quantised weights are equal to its in every bit, other dense sums to one ulp of the sum of the magnitudes
per term; weight norm and the sums of `input_backward` (in float64) to 4 ulps, gradients to 4 ulps of their terms' magnitudes.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.events import FEW_OUTPUTS, gather_gradient, rows_of, spiking, sum_events
from refboot.kernels.jit import inlined, jit
from refboot.kernels.layout import SMALL, axes_of, empty, flat, over_columns, time_major

PIECES = 4  # of a product: BLAS brings its right side into order anew for each
FEW_ROWS = 64
FEW_PRODUCTS = 1 << 25  # multiplications below which another thread is not worth asking


def dense_forward(x: Floats, weight: Floats) -> Floats:
    """See reference.dense_forward."""
    (z, out), inputs = empty((len(x), len(weight), x.shape[-1])), time_major(x)
    rows = rows_of(weight.T) if len(weight) >= FEW_OUTPUTS and spiking(inputs) else None
    if rows is None:
        product(by_step(inputs), weight.T, by_step(out))
    else:
        spikes, sums = by_step(inputs), by_step(out)
        threads.over(len(spikes), lambda part: sum_events(spikes[part], rows.each, sums[part]), alone=inputs.size < SMALL)
    return z


def dense_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """See reference.dense_backward."""
    (gx, to), gz, inputs = empty(x.shape), by_step(time_major(grad)), by_step(time_major(x))
    gw = memory.empty((x.shape[1], len(weight)))
    tasks = product_tasks(gz, weight, by_step(to)) + gradient_tasks(gz, inputs, gw)
    with threads.blas(1):
        threads.share(tasks, alone=gz.size * x.shape[1] < FEW_PRODUCTS)
    return gx, gw.T


def gradient_tasks(gz: Floats, x: Floats, gw: Floats) -> list[threads.Task]:
    """The sum over rows of x gz into gw (I, O), for gz (R, O) and x (R, I)."""
    if gz.shape[1] < FEW_OUTPUTS or not spiking(x):
        return product_tasks(x.T, gz, gw)
    return [partial(gather_gradient, x, gz, part.start, part.stop, gw) for part in threads.parts(len(gw), 1, PIECES)]


def product(a: Floats, b: Floats, out: Floats) -> None:
    """a b into `out`."""
    with threads.blas(1):
        threads.share(product_tasks(a, b, out), alone=len(a) * b.size < FEW_PRODUCTS)


def product_tasks(a: Floats, b: Floats, out: Floats) -> list[threads.Task]:
    """a b into `out`; if it is large, by its columns, or its rows if these are more, whatever the number of threads."""
    if len(a) <= FEW_ROWS and not b.flags.c_contiguous:
        return [partial(turned_product, a, b, out)]
    if len(a) * b.size < FEW_PRODUCTS:
        return [partial(np.matmul, a, b, out=out)]
    if len(a) > b.shape[1]:
        return [partial(np.matmul, a[part], b, out=out[part]) for part in threads.parts(len(a), 16, PIECES)]
    return [partial(np.matmul, a, b[:, part], out=out[:, part]) for part in threads.parts(b.shape[1], 16, PIECES)]


def turned_product(a: Floats, b: Floats, out: Floats) -> None:
    """a b into `out` as the transpose of b^T a^T: BLAS takes a third less for few rows and a b (I, O) that lies in memory as (O, I)."""
    out[...] = (b.T @ a.T).T


def by_step(x: Floats) -> Floats:
    """x (N, T, C) as (N T, C)."""
    return x.reshape(-1, x.shape[-1])


def weight_norm_forward(v: Floats, g: Floats) -> Floats:
    """See reference.weight_norm_forward."""
    columns = columns_of(v)
    w = memory.empty(columns.shape)
    over_columns(v, lambda part: _weight_norm(columns, g, part.start, part.stop, w))
    return _as_rows(w, v)


def weight_norm_backward(grad: Floats, v: Floats, g: Floats) -> tuple[Floats, Floats]:
    """See reference.weight_norm_backward."""
    columns, grads = columns_of(v), columns_of(grad)
    gv, gg = memory.empty(columns.shape), np.empty(g.shape, np.float32)
    over_columns(v, lambda part: _weight_norm_backward(grads, columns, g, part.start, part.stop, gv, gg))
    return _as_rows(gv, v), gg


def input_forward(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """See reference.input_forward."""
    return x * weight + bias


def input_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """See reference.input_backward."""
    axes = axes_of(grad)
    gw, gb = _input_sums(flat(grad, axes), flat(x, axes))
    return grad * weight, np.array([gw], np.float32), np.array([gb], np.float32)


def columns_of(v: Floats) -> Floats:
    """v (O, ...) as (inputs, O), contiguous."""
    return np.ascontiguousarray(v.reshape(len(v), -1).T)


def _as_rows(w: Floats, v: Floats) -> Floats:
    """w (inputs, O) in the shape of v; contiguous if it has space."""
    return w.T if v.ndim == 2 else np.ascontiguousarray(w.T).reshape(v.shape)


@inlined
def lengths(v, low, high):  # type: ignore[no-untyped-def]
    """The length of the columns of v (inputs, O) in [low, high)."""
    totals = np.zeros(high - low, np.float64)
    for i in range(len(v)):
        row = v[i, low:high]
        for o in range(row.size):
            totals[o] += np.float64(row[o]) * np.float64(row[o])
    length = np.empty(high - low, np.float32)
    for o in range(high - low):
        length[o] = np.float32(np.sqrt(totals[o]))
    return length


@inlined
def ratio(x, y):  # type: ignore[no-untyped-def]
    """x / y, by element. (Numba takes long to compile the division of arrays.)"""
    found = np.empty(x.size, np.float32)
    for o in range(x.size):
        found[o] = x[o] / y[o]
    return found


@jit
def _weight_norm(v, g, low, high, w):  # type: ignore[no-untyped-def]
    factor = ratio(g[low:high], lengths(v, low, high))
    for i in range(len(v)):
        row, out = v[i, low:high], w[i, low:high]
        for o in range(row.size):
            out[o] = row[o] * factor[o]


@jit
def _weight_norm_backward(grad, v, g, low, high, gv, gg):  # type: ignore[no-untyped-def]
    length, totals = lengths(v, low, high), np.zeros(high - low, np.float64)
    for i in range(len(v)):
        row, along = v[i, low:high], grad[i, low:high]
        for o in range(row.size):
            totals[o] += np.float64(along[o]) * np.float64(row[o])
    share, factor = np.empty(high - low, np.float32), ratio(g[low:high], length)
    for o in range(high - low):
        gg[low + o] = np.float32(totals[o] / length[o])
        share[o] = gg[low + o] / length[o]
    for i in range(len(v)):
        row, along, out = v[i, low:high], grad[i, low:high], gv[i, low:high]
        for o in range(row.size):
            out[o] = factor[o] * (along[o] - row[o] * share[o])


@jit
def _input_sums(grad, x):  # type: ignore[no-untyped-def]
    gw = gb = 0.0
    for i in range(grad.size):
        gw += np.float64(grad[i] * x[i])
        gb += np.float64(grad[i])
    return gw, gb
