"""Convolution over space: one set of weights, applied at every pixel and every step.

Letters: N samples, C input and O output channels, G groups, H x W pixels, K x L kernel, T steps.
Weights are (O, C/G, K, L) and already quantised. Stride, padding (zeros) and dilation are pairs
(height, width). Output channel o sees the C/G input channels of its own group.
"""

from __future__ import annotations

import itertools

import numpy as np

from refboot.arrays import Floats
from refboot.reference.numbers import product

Pair = tuple[int, int]


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many positions a kernel takes along one axis of `size` pixels. Spec: SYN-8.

    >>> output_size(28, 5, 1, 0, 1), output_size(7, 3, 2, 1, 1)
    (24, 4)
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def conv_forward(
    x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Floats:
    """z[n, o, y, x, t] = sum over c, i, j of weight[o, c, i, j] * x[n, c, y', x', t], in order.

    y' = y * stride + i * dilation - padding, and x' likewise with j; outside the picture lie
    zeros. x (N, C, H, W, T), z (N, O, H', W', T), float32; the kernel is not flipped. Exact for
    spikes and quantised weights with C/G * K * L < 131,072. Spec: SYN-7, SYN-9.
    """
    wide, w = _padded(x, padding, groups), weight.reshape(groups, -1, *weight.shape[1:])
    size = _output(x, weight, stride, padding, dilation)
    z = np.zeros((len(x), groups, w.shape[1], *size, x.shape[-1]), np.float32)
    for c, i, j in itertools.product(*map(range, weight.shape[1:])):
        rows, cols = _pixels(i, j, size, stride, dilation)
        z += w[:, :, c, i, j, None, None, None] * wide[:, :, c, None, rows, cols]
    return z.reshape(len(x), len(weight), *size, -1)


def conv_backward(
    grad: Floats,
    x: Floats,
    weight: Floats,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> tuple[Floats, Floats]:
    """Gradients of `conv_forward` with respect to x (N, C, H, W, T) and weight (O, C/G, K, L).

    `grad` is that of z (N, O, H', W', T). Forward line: z += w * x for each c, i, j. Spec: GRD-10.
    """
    gx = conv_input_backward(grad, weight, x.shape[2:4], stride, padding, dilation, groups)
    wide, size = _padded(x, padding, groups), grad.shape[2:4]
    gz = grad.reshape(len(x), groups, -1, *grad.shape[2:])
    places = [_pixels(i, j, size, stride, dilation) for i, j in np.ndindex(*weight.shape[2:])]
    gw = np.empty((groups, gz.shape[2], *weight.shape[1:]), np.float32)
    for g in range(groups):  # what each weight met, a row for each sample, pixel and step
        met = np.stack([wide[:, g, :, rows, cols] for rows, cols in places], axis=2)
        met = met.reshape(len(x), -1, *size, x.shape[-1])
        met, own = (np.moveaxis(a, 1, -1).reshape(-1, a.shape[1]) for a in (met, gz[:, g]))
        gw[g] = product(met.T, own).T.reshape(gw[g].shape)
    return gx, gw.reshape(weight.shape)


def conv_input_backward(
    grad: Floats,
    weight: Floats,
    size: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Floats:
    """Gradient of `conv_forward` with respect to its x, pictures of H x W = `size` pixels.

    It adds w * gz over output channels, kernel rows and kernel columns, in order. Spec: GRD-10.
    """
    w = weight.reshape(groups, -1, *weight.shape[1:])
    gz = grad.reshape(len(grad), groups, -1, *grad.shape[2:])
    (p, q), (height, width) = padding, size
    shape = len(grad), groups, weight.shape[1], height + 2 * p, width + 2 * q, grad.shape[-1]
    gx = np.zeros(shape, np.float32)
    for o, i, j in itertools.product(range(w.shape[1]), *map(range, weight.shape[2:])):
        rows, cols = _pixels(i, j, grad.shape[2:4], stride, dilation)
        gx[:, :, :, rows, cols] += w[:, o, :, i, j, None, None, None] * gz[:, :, o, None]
    gx = gx[:, :, :, p : p + height, q : q + width]
    return gx.reshape(len(grad), -1, height, width, grad.shape[-1])


def _padded(x: Floats, padding: Pair, groups: int) -> Floats:
    """x as (N, G, C/G, H + 2 p, W + 2 q, T), with `padding` (p, q) zeros around each picture."""
    p, q = padding
    wide = np.pad(x, [(0, 0), (0, 0), (p, p), (q, q), (0, 0)])
    return wide.reshape(len(x), groups, -1, *wide.shape[2:])


def _output(x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair) -> Pair:
    """Height and width of the output."""
    height, width = (
        output_size(x.shape[2 + k], weight.shape[2 + k], stride[k], padding[k], dilation[k])
        for k in range(2)
    )
    return height, width


def _pixels(
    i: int, j: int, size: tuple[int, ...], stride: Pair, dilation: Pair
) -> tuple[slice, slice]:
    """Rows and columns of the padded picture that kernel position (i, j) meets."""
    rows, cols = (
        slice(at * dilation[k], at * dilation[k] + stride[k] * (size[k] - 1) + 1, stride[k])
        for k, at in enumerate((i, j))
    )
    return rows, cols
