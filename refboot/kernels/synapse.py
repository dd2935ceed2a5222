"""Kernels of refboot.reference.synapse.

Sums of spikes and quantised weights are equal to its in every bit, other dense sums to one ulp of the sum of the magnitudes
per term; weight norm and the sums of `input_backward` (in float64) to 4 ulps, gradients to 4 ulps of their terms' magnitudes.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.kernels.jit import jit


def dense_forward(x: Floats, weight: Floats) -> Floats:
    """See reference.dense_forward."""
    if x.shape[-1] == 1:
        return np.matmul(x[..., 0], weight.T)[..., None]
    return np.matmul(weight, x)


def dense_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """See reference.dense_backward."""
    if x.shape[-1] == 1:
        flat = grad[..., 0]
        return np.matmul(flat, weight)[..., None], np.matmul(flat.T, x[..., 0])
    return np.matmul(weight.T, grad), np.tensordot(grad, x, axes=((0, 2), (0, 2)))


def weight_norm_forward(v: Floats, g: Floats) -> Floats:
    """See reference.weight_norm_forward."""
    w = np.empty(v.shape, np.float32)
    _weight_norm(_rows(v), g, _rows(w))
    return w


def weight_norm_backward(grad: Floats, v: Floats, g: Floats) -> tuple[Floats, Floats]:
    """See reference.weight_norm_backward."""
    gv, gg = np.empty(v.shape, np.float32), np.empty(g.shape, np.float32)
    _weight_norm_backward(_rows(grad), _rows(v), g, _rows(gv), gg)
    return gv, gg


def input_forward(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """See reference.input_forward."""
    return x * weight + bias


def input_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """See reference.input_backward."""
    flat, inputs = np.ascontiguousarray(grad).reshape(-1), np.ascontiguousarray(x).reshape(-1)
    gw, gb = _input_sums(flat, inputs)
    return grad * weight, np.array([gw], np.float32), np.array([gb], np.float32)


def _rows(v: Floats) -> Floats:
    return np.ascontiguousarray(v).reshape(len(v), -1)


@jit
def _length(row):  # type: ignore[no-untyped-def]
    total = 0.0
    for k in range(row.size):
        total += np.float64(row[k]) * np.float64(row[k])
    return np.float32(np.sqrt(total))


@jit
def _weight_norm(v, g, w):  # type: ignore[no-untyped-def]
    for o in range(len(v)):
        factor = g[o] / _length(v[o])
        for k in range(v.shape[1]):
            w[o, k] = v[o, k] * factor


@jit
def _weight_norm_backward(grad, v, g, gv, gg):  # type: ignore[no-untyped-def]
    for o in range(len(v)):
        norm = _length(v[o])
        total = 0.0
        for k in range(v.shape[1]):
            total += np.float64(grad[o, k]) * np.float64(v[o, k])
        gg[o] = np.float32(total / norm)
        factor, along = g[o] / norm, gg[o] / norm
        for k in range(v.shape[1]):
            gv[o, k] = factor * (grad[o, k] - v[o, k] * along)


@jit
def _input_sums(grad, x):  # type: ignore[no-untyped-def]
    gw = gb = 0.0
    for i in range(grad.size):
        gw += np.float64(grad[i] * x[i])
        gb += np.float64(grad[i])
    return gw, gb
