"""Kernels of refboot.reference.pool; equal to it in every bit."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.kernels.conv import visible
from refboot.kernels.jit import jit

Pair = tuple[int, int]


def pool_forward(x: Floats, weight: Floats, stride: Pair, padding: Pair, dilation: Pair) -> Floats:
    """See reference.pool_forward."""
    whole = [-(-x.shape[2 + k] // weight.shape[k]) * weight.shape[k] for k in range(2)]
    height, width = (
        (whole[k] + 2 * padding[k] - dilation[k] * (weight.shape[k] - 1) - 1) // stride[k] + 1
        for k in range(2)
    )
    z = np.zeros((*x.shape[:2], height, width, x.shape[-1]), np.float32)
    _pool(np.ascontiguousarray(x), np.ascontiguousarray(weight), stride, padding, dilation, z)
    return z


def pool_backward(
    grad: Floats, weight: Floats, size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Floats:
    """See reference.pool_backward."""
    gx = np.zeros((*grad.shape[:2], *size, grad.shape[-1]), np.float32)
    _pool_backward(
        np.ascontiguousarray(grad), np.ascontiguousarray(weight), stride, padding, dilation, gx
    )
    return gx


def average_forward(x: Floats, groups: int) -> Floats:
    """See reference.average_forward."""
    return x.reshape(len(x), groups, -1, x.shape[-1]).mean(axis=2)


def average_backward(grad: Floats, shape: tuple[int, ...]) -> Floats:
    """See reference.average_backward."""
    members = int(np.prod(shape[1:-1])) // grad.shape[1]
    return np.repeat(grad / np.float32(members), members, axis=1).reshape(shape)


@jit
def _pool(x, weight, stride, padding, dilation, z):  # type: ignore[no-untyped-def]
    samples, channels, rows, across, steps = z.shape
    for n in range(samples):
        for c in range(channels):
            for i in range(weight.shape[0]):
                for j in range(weight.shape[1]):
                    w = weight[i, j]
                    left = j * dilation[1] - padding[1]
                    low, high = visible(left, stride[1], x.shape[3], across)
                    for r in range(rows):
                        y = r * stride[0] - padding[0] + i * dilation[0]
                        if y < 0 or y >= x.shape[2]:
                            continue
                        for q in range(low, high):
                            for t in range(steps):
                                z[n, c, r, q, t] += w * x[n, c, y, left + q * stride[1], t]


@jit
def _pool_backward(grad, weight, stride, padding, dilation, gx):  # type: ignore[no-untyped-def]
    samples, channels, rows, across, steps = grad.shape
    for n in range(samples):
        for c in range(channels):
            for i in range(weight.shape[0]):
                for j in range(weight.shape[1]):
                    w = weight[i, j]
                    left = j * dilation[1] - padding[1]
                    low, high = visible(left, stride[1], gx.shape[3], across)
                    for r in range(rows):
                        y = r * stride[0] - padding[0] + i * dilation[0]
                        if y < 0 or y >= gx.shape[2]:
                            continue
                        for q in range(low, high):
                            for t in range(steps):
                                gx[n, c, y, left + q * stride[1], t] += w * grad[n, c, r, q, t]
