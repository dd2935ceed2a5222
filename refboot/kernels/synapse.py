"""Kernels of refboot.reference.synapse.

Sums of spikes and quantised weights are equal to its in every bit, other dense sums to one ulp of
the sum of the magnitudes per term; weight norm and the sums of `input_backward` (in float64) to 4
ulps, gradients to 4 ulps of their terms' magnitudes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels import memory
from refboot.kernels.events import (
    gather_gradient,
    most_backward,
    most_forward,
    rows_of,
    spiking,
    sum_events,
)
from refboot.kernels.jit import jit
from refboot.kernels.layout import SMALL, axes_of, empty, flat, over_rows, time_major
from refboot.pool import Task

PIECES = 4  # of a product: BLAS brings its right side into order anew for each
FEW_ROWS = 64
FEW_PRODUCTS = 1 << 21  # multiplications below which another thread is not worth asking


def dense_forward(x: Floats, weight: Floats) -> Floats:
    """See reference.dense_forward."""
    (z, out), inputs = empty((len(x), len(weight), x.shape[-1])), time_major(x)
    rows = rows_of(weight.T) if spiking(inputs, most_forward(len(weight))) else None
    if rows is None:
        product(by_step(inputs), weight.T, by_step(out))
    else:
        spikes, sums = by_step(inputs), by_step(out)
        threads.over(
            len(spikes),
            lambda part: sum_events(spikes[part], rows.each, sums[part]),
            alone=inputs.size < SMALL,
        )
    return z


def dense_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """See reference.dense_backward."""
    (gx, to), gz, inputs = empty(x.shape), by_step(time_major(grad)), by_step(time_major(x))
    gw = memory.empty((x.shape[1], len(weight)))
    tasks = product_tasks(gz, weight, by_step(to)) + gradient_tasks(gz, inputs, gw)
    with threads.blas(1):
        threads.share(tasks, alone=gz.size * x.shape[1] < FEW_PRODUCTS)
    return gx, gw.T


def gradient_tasks(gz: Floats, x: Floats, gw: Floats) -> list[Task]:
    """The sum over rows of x gz into gw (I, O), for gz (R, O) and x (R, I)."""
    if not spiking(x, most_backward(gz.shape[1])):
        return product_tasks(x.T, gz, gw)
    return [
        partial(gather_gradient, x, gz, part.start, part.stop, gw)
        for part in threads.parts(len(gw), 1, PIECES)
    ]


def product(a: Floats, b: Floats, out: Floats) -> None:
    """a b into `out`."""
    with threads.blas(1):
        threads.share(product_tasks(a, b, out), alone=len(a) * b.size < FEW_PRODUCTS)


def product_tasks(a: Floats, b: Floats, out: Floats) -> list[Task]:
    """a b into `out`; if it is large, by its columns, or its rows if these are more, whatever the
    number of threads.
    """
    if len(a) <= FEW_ROWS and not b.flags.c_contiguous:
        return [partial(turned_product, a, b, out)]
    if len(a) * b.size < FEW_PRODUCTS:
        return [partial(np.matmul, a, b, out=out)]
    if len(a) > b.shape[1]:
        return [
            partial(np.matmul, a[part], b, out=out[part])
            for part in threads.parts(len(a), 16, PIECES)
        ]
    return [
        partial(np.matmul, a, b[:, part], out=out[:, part])
        for part in threads.parts(b.shape[1], 16, PIECES)
    ]


def turned_product(a: Floats, b: Floats, out: Floats) -> None:
    """a b into `out` as the transpose of b^T a^T: BLAS takes a third less for few rows and a b (I,
    O) that lies in memory as (O, I).
    """
    out[...] = (b.T @ a.T).T


def by_step(x: Floats) -> Floats:
    """x (N, T, C) as (N T, C)."""
    return x.reshape(-1, x.shape[-1])


def weight_norm_forward(v: Floats, g: Floats) -> Floats:
    """See reference.weight_norm_forward."""
    columns = columns_of(v)
    factor, w = g / lengths(columns), memory.empty(columns.shape)
    over_rows(columns, lambda part: np.multiply(columns[part], factor, out=w[part]))
    return _as_rows(w, v)


def weight_norm_backward(grad: Floats, v: Floats, g: Floats) -> tuple[Floats, Floats]:
    """See reference.weight_norm_backward."""
    columns, grads = columns_of(v), columns_of(grad)
    gv, length = memory.empty(columns.shape), lengths(columns)
    gg = along(columns, length, lambda part, total: _along(grads[part], columns[part], total))
    factor, share = g / length, gg / length
    over_rows(
        columns,
        lambda part: _weight_norm_backward(grads[part], columns[part], factor, share, gv[part]),
    )
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


def lengths(columns: Floats) -> Floats:
    """The length of each column (O,) of (inputs, O), summed in float64."""
    return np.sqrt(
        totals(columns, lambda part, total: _along(columns[part], columns[part], total))
    ).astype(np.float32)


def along(columns: Floats, length: Floats, work: Callable[[slice, np.ndarray], None]) -> Floats:
    """The gradient along each column, whose product with it `work` adds up; float32."""
    return (totals(columns, work) / length).astype(np.float32)


def totals(columns: Floats, work: Callable[[slice, np.ndarray], None]) -> np.ndarray:
    """What `work(part, total)` adds to a total of each column (O,), over all parts of the rows;
    float64.
    """
    parts: dict[int, np.ndarray] = {}

    def summed(part: slice) -> None:
        total = np.zeros(columns.shape[1])
        work(part, total)
        parts[part.start] = total

    over_rows(columns, summed, fixed=True)
    return np.sum([parts[start] for start in sorted(parts)], axis=0)


@jit
def _along(grad, v, total):  # type: ignore[no-untyped-def]
    for i in range(len(v)):
        row, given = v[i], grad[i]
        for o in range(row.size):
            total[o] += np.float64(given[o]) * np.float64(row[o])


@jit
def _weight_norm_backward(grad, v, factor, share, gv):  # type: ignore[no-untyped-def]
    for i in range(len(v)):
        row, given, out = v[i], grad[i], gv[i]
        for o in range(row.size):
            out[o] = factor[o] * (given[o] - row[o] * share[o])


@jit
def _input_sums(grad, x):  # type: ignore[no-untyped-def]
    gw = gb = 0.0
    for i in range(grad.size):
        gw += np.float64(grad[i] * x[i])
        gb += np.float64(grad[i])
    return gw, gb
