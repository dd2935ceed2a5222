"""Twins of refboot.reference.synapse: dense sums and the weight norm."""

from __future__ import annotations

import numpy as np

from refboot import threads
from refboot.arrays import Floats
from refboot.kernels.jit import jit, time_last, time_major
from refboot.kernels.numbers import add_rows, product


def dense_forward(x: Floats, weight: Floats) -> Floats:
    """See reference.dense_forward."""
    rows = time_major(x)
    z = product(rows.reshape(-1, x.shape[1]), weight.T)
    return time_last(z, (x.shape[0], len(weight), x.shape[2]))


def dense_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """See reference.dense_backward."""
    gz = time_major(grad).reshape(-1, grad.shape[1])
    rows = time_major(x).reshape(-1, x.shape[1])
    return time_last(product(gz, weight), x.shape), product(rows.T, gz).T


def weight_norm_forward(v: Floats, g: Floats) -> Floats:
    """See reference.weight_norm_forward."""
    w = np.empty(v.shape, np.float32)
    rows, out = v.reshape(len(v), -1), w.reshape(len(v), -1)
    threads.over_slices(
        len(v), lambda part: _norm(rows[part], g[part], out[part]), v.size < 1 << 16
    )
    return w


def weight_norm_backward(grad: Floats, v: Floats, g: Floats) -> tuple[Floats, Floats]:
    """See reference.weight_norm_backward."""
    gv, gg = np.empty(v.shape, np.float32), np.empty(g.shape, np.float32)
    given, rows, out = (a.reshape(len(v), -1) for a in (np.ascontiguousarray(grad), v, gv))

    def some(part: slice) -> None:
        _norm_backward(given[part], rows[part], g[part], out[part], gg[part])

    threads.over_slices(len(v), some, v.size < 1 << 16)
    return gv, gg


@jit
def lengths(v):
    """The length of each row of v (O, K): eight rows at a time, each sum in order."""
    sums = np.zeros(len(v), np.float32)
    for o in range(0, len(v), 8):
        own = sums[o : o + 8]
        for k in range(v.shape[1]):
            for j in range(own.size):
                own[j] += v[o + j, k] * v[o + j, k]
    return np.sqrt(sums)


@jit
def _norm(v, g, w):
    length = lengths(v)
    for o in range(len(v)):
        ratio = g[o] / length[o] if length[o] != 0 else np.float32(0)
        for k in range(v.shape[1]):
            w[o, k] = v[o, k] * ratio


@jit
def _norm_backward(grad, v, g, gv, gg):
    length, along = lengths(v), np.zeros(len(v), np.float32)
    for o in range(0, len(v), 8):
        own = along[o : o + 8]
        for k in range(v.shape[1]):
            for j in range(own.size):
                own[j] += grad[o + j, k] * v[o + j, k]
    for o in range(len(v)):
        if length[o] == 0:
            gv[o] = 0
            gg[o] = 0
            continue
        ratio = g[o] / length[o]
        gg[o] = along[o] / length[o]
        share = gg[o] / length[o]
        for k in range(v.shape[1]):
            gv[o, k] = ratio * (grad[o, k] - v[o, k] * share)


def input_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """See reference.input_backward."""
    found = []
    for terms in (grad * x, grad):
        rows = time_major(terms).reshape(-1, terms[0, ..., 0].size)
        per_neuron, total = np.zeros(rows.shape[1], np.float32), np.zeros(1, np.float32)
        add_rows(rows, per_neuron)
        add_rows(per_neuron[:, None], total)
        found.append(total)
    return grad * weight, found[0], found[1]
