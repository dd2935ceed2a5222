"""Kernels of refboot.reference.norm: forward equal to it in every bit, sums (in float64) to 4 ulps
of the sum of the magnitudes.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.kernels.jit import jit
from refboot.kernels.leaky import four


def norm_statistics(x: Floats) -> tuple[Floats, Floats]:
    """See reference.norm_statistics."""
    x = four(x)
    sums = np.zeros(x.shape[1])
    _sums(x, sums)
    spread = _spread(x, sums.sum() / x.size) / x.size
    return (sums * x.shape[1] / x.size).astype(np.float32), np.array([spread], np.float32)


def norm_forward(x: Floats, mean: Floats, std: Floats) -> Floats:
    """See reference.norm_forward."""
    y = np.empty(x.shape, np.float32)
    _norm(four(x), mean, std[0], four(y))
    return y


def norm_backward(grad: Floats, std: Floats, through: Floats) -> Floats:
    """See reference.norm_backward."""
    gx, sums = np.empty(grad.shape, np.float32), np.zeros(grad.shape[1])
    g = four(grad)
    _sums(g, sums)
    mean = (sums / np.float64(std[0]) * g.shape[1] / g.size).astype(np.float32)
    _norm_backward(g, through * mean, std[0], four(gx))
    return gx


@jit
def _sums(x, sums):  # type: ignore[no-untyped-def]
    samples, channels, space, steps = x.shape
    for n in range(samples):
        for c in range(channels):
            total = 0.0
            for k in range(space):
                for t in range(steps):
                    total += np.float64(x[n, c, k, t])
            sums[c] += total


@jit
def _spread(x, mean):  # type: ignore[no-untyped-def]
    total = 0.0
    for value in x.reshape(-1):
        total += (np.float64(value) - mean) ** 2
    return total


@jit
def _norm(x, mean, std, y):  # type: ignore[no-untyped-def]
    samples, channels, space, steps = x.shape
    for n in range(samples):
        for c in range(channels):
            for k in range(space):
                for t in range(steps):
                    y[n, c, k, t] = (x[n, c, k, t] - mean[c]) / std


@jit
def _norm_backward(grad, mean, std, gx):  # type: ignore[no-untyped-def]
    samples, channels, space, steps = grad.shape
    for n in range(samples):
        for c in range(channels):
            for k in range(space):
                for t in range(steps):
                    gx[n, c, k, t] = grad[n, c, k, t] / std - mean[c]
