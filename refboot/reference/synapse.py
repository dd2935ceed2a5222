"""Synapses: weighted sums, and the weight norm before them.

Letters: N samples, I inputs, O outputs, T steps. Weights are (O, I) and already quantised.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.reference.numbers import product, total


def dense_forward(x: Floats, weight: Floats) -> Floats:
    """z[n, o, t] = sum over i of weight[o, i] * x[n, i, t], in order; float32.

    Exact for spikes and quantised weights with a fan-in below 131,072.
    Spec: SYN-1, SYN-2, SYN-3, SYN-11.
    """
    return _as_columns(product(_as_rows(x), weight.T), x.shape)


def dense_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Gradients of `dense_forward` with respect to x (N, I, T) and weight (O, I).

    Forward line: z += w x for each i. So gx adds w gz over outputs, and gw adds gz x over samples,
    then steps, in order. Spec: GRD-6.
    """
    gz = _as_rows(grad)
    gx, gw = product(gz, weight), product(_as_rows(x).T, gz).T
    return _as_columns(gx, x.shape), np.ascontiguousarray(gw)


def _as_rows(x: Floats) -> Floats:
    """x (N, C, T) as (N T, C): a row for each sample and step."""
    return x.transpose(0, 2, 1).reshape(-1, x.shape[1])


def _as_columns(rows: Floats, shape: tuple[int, ...]) -> Floats:
    """Rows (N T, C) as (N, C, T), N and T those of `shape`."""
    return np.ascontiguousarray(rows.reshape(shape[0], shape[-1], -1).transpose(0, 2, 1))


def weight_norm_forward(v: Floats, g: Floats) -> Floats:
    """w[o] = v[o] * (g[o] / ||v[o]||) for v (O, ...) and g (O,), float32.

    A row of zeros gives zeros. Spec: SYN-5.
    """
    return v * _per_row(_ratio(g, row_norm(v)), v.ndim)


def weight_norm_backward(grad: Floats, v: Floats, g: Floats) -> tuple[Floats, Floats]:
    """Gradients of `weight_norm_forward` with respect to v and g.

    Forward line: w = v * g / ||v||. So gg = <gw, v> / ||v|| and gv = g / ||v|| * (gw - v * gg /
    ||v||), both 0 for a row of zeros. Spec: GRD-7.
    """
    norm = row_norm(v)
    gg = _ratio(total((grad * v).reshape(len(v), -1).T), norm)
    gv = _per_row(_ratio(g, norm), v.ndim) * (grad - v * _per_row(_ratio(gg, norm), v.ndim))
    return gv, gg


def row_norm(v: Floats) -> Floats:
    """The length of each row v[o] (O,): the root of the sum of squares over inputs, in order."""
    rows = v.reshape(len(v), -1)
    return np.sqrt(total((rows * rows).T))


def _ratio(values: Floats, norm: Floats) -> Floats:
    """values / norm, and 0 where the norm is 0."""
    return np.divide(values, norm, out=np.zeros_like(values), where=norm != 0)


def _per_row(values: Floats, ndim: int) -> Floats:
    """`values` (O,) reshaped to lie along axis 0 of an array with `ndim` axes."""
    return values.reshape(-1, *[1] * (ndim - 1))


def input_forward(x: Floats, weight: Floats, bias: Floats) -> Floats:
    """z = x * weight + bias for one scalar weight and bias (1,), all three quantised; float32.

    Spec: SYN-6.
    """
    return x * weight + bias


def input_backward(grad: Floats, x: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Gradients of `input_forward` with respect to x (N, C, ..., T), weight (1,) and bias (1,).

    Forward line: z = x * weight + bias. gw adds gz x, and gb adds gz: for each neuron over
    samples, then steps; then over neurons. Spec: GRD-9.
    """
    flat = len(x), -1, x.shape[-1]
    gw, gb = (total(total(_as_rows(a.reshape(flat)))) for a in (grad * x, grad))
    return grad * weight, gw.reshape(1), gb.reshape(1)
