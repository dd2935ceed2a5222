"""Synapses: weighted sums, and the weight norm that can stand before them.

Letters: N samples, I inputs, O outputs, T steps. Weights are (O, I) and already quantised when they
come here.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats


def dense_forward(x: Floats, weight: Floats) -> Floats:
    """z[n, o, t] = sum over i of weight[o, i] * x[n, i, t], summed in float64, rounded once to
    float32.

    Exact, in float32 sums too, for spikes and quantised weights with a fan-in below 131,072. Spec:
    SYN-1, SYN-2, SYN-3, SYN-11.
    """
    return np.matmul(weight.astype(np.float64), x).astype(np.float32)


def dense_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Gradients of `dense_forward` for x (N, I, T) and weight (O, I): W^T gz and the sum over n, t
    of gz x, summed in float64.

    Spec: GRD-6.
    """
    gz = grad.astype(np.float64)
    gx, gw = np.matmul(weight.T, gz), np.tensordot(gz, x, axes=((0, 2), (0, 2)))
    return gx.astype(np.float32), gw.astype(np.float32)


def weight_norm_forward(v: Floats, g: Floats) -> Floats:
    """w[o] = v[o] * (g[o] / ||v[o]||) for v (O, ...) and g (O,); the norm is summed in float64, the
    rest is float32. Spec: SYN-5.
    """
    return v * per_row(g / row_norm(v), v.ndim)


def weight_norm_backward(grad: Floats, v: Floats, g: Floats) -> tuple[Floats, Floats]:
    """Gradients of `weight_norm_forward` for v and g.

    Forward line: w = v * g / ||v||, so gg = <gw, v> / ||v|| and gv = g / ||v|| * (gw - v * gg /
    ||v||). Spec: GRD-7.
    """
    norm = row_norm(v)
    gg = (np.einsum("ok,ok->o", _rows(grad), _rows(v), dtype=np.float64) / norm).astype(np.float32)
    gv = per_row(g / norm, v.ndim) * (grad - v * per_row(gg / norm, v.ndim))
    return gv, gg


def row_norm(v: Floats) -> Floats:
    """The length of each row v[o] (O,), summed in float64 and rounded to float32."""
    return np.sqrt(np.einsum("ok,ok->o", _rows(v), _rows(v), dtype=np.float64)).astype(np.float32)


def input_forward(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """z = weight * x + bias for one scalar weight and bias, each of shape (1,), all three already
    quantised; float32. Spec: SYN-6.
    """
    return x * weight + bias


def input_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Gradients of `input_forward` for x (its shape), weight (1,) and bias (1,), summed in float64.
    Spec: GRD-9.
    """
    gw = np.array([np.sum(grad * x, dtype=np.float64)], np.float32)
    gb = np.array([np.sum(grad, dtype=np.float64)], np.float32)
    return grad * weight, gw, gb


def per_row(values: Floats, ndim: int) -> Floats:
    """`values` (O,) reshaped to lie along axis 0 of an array with `ndim` axes."""
    return values.reshape(-1, *[1] * (ndim - 1))


def _rows(v: Floats) -> Floats:
    return v.reshape(len(v), -1)
