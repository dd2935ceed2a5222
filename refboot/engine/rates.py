"""Kernels of the engine: rate curves, the loss, and the two scalars of the input layer.

Letters: N samples, I inputs, O outputs, T steps.
"""

from __future__ import annotations

import numpy as np

from refboot.kernels.jit import jit
from refboot.kernels.numbers import exp_negative, log

F = np.float32
UNIT = F(1 / 32)


@jit
def curve(z, knots, bases, slopes, scale, eps, a, gain):
    """The rates `a` at z (N, O), and `gain`, by which backward multiplies."""
    for n in range(len(z)):
        x, y, by = z[n], a[n], gain[n]
        y[:] = 0
        by[:] = eps
        for k in range(slopes.size):
            left, base, slope, steep = knots[k], bases[k], slopes[k], slopes[k] * scale + eps
            for i in range(x.size):
                y[i] = base + slope * (x[i] - left) if x[i] > left else y[i]
                by[i] = steep if x[i] > left else by[i]
        last, top = knots[-1], bases[-1]
        for i in range(x.size):
            y[i] = top if x[i] > last else y[i]
            by[i] = eps if x[i] > last else by[i]


@jit
def look_up(codes, table, gains, a, gain):
    """The rates of pixels by their codes (N, I), and their gains."""
    for n in range(len(codes)):
        for i in range(codes.shape[1]):
            a[n, i] = table[codes[n, i]]
            gain[n, i] = gains[codes[n, i]]


@jit
def multiply(x, by):
    """x *= by, both (N, O)."""
    for n in range(len(x)):
        row, factor = x[n], by[n]
        for o in range(row.size):
            row[o] *= factor[o]


@jit
def cross_entropy(z, labels, samples, losses, grad):
    """The loss of each row of z (N, O), and the gradient of their mean over `samples`."""
    for n in range(len(z)):
        top, total = z[n, 0], F(0)
        for o in range(1, z.shape[1]):
            top = max(top, z[n, o])
        for o in range(z.shape[1]):
            grad[n, o] = exp_negative(z[n, o] - top)
            total += grad[n, o]
        losses[n] = log(total) - (z[n, labels[n]] - top)
        for o in range(z.shape[1]):
            wanted = F(1) if o == labels[n] else F(0)
            grad[n, o] = (grad[n, o] / total - wanted) / F(samples)


@jit
def scalars(gz, codes, grads):
    """The gradients (2,) of the input layer's weight and bias, from gz (N, T, I) of pixels.

    For each pixel over samples, then steps; then over pixels.
    """
    weight, bias = np.zeros(codes.shape[1], F), np.zeros(codes.shape[1], F)
    x = np.empty(codes.shape[1], F)
    for n in range(len(gz)):
        for i in range(x.size):
            x[i] = F(np.int32(codes[n, i]) - 128) * UNIT
        for t in range(gz.shape[1]):
            row = gz[n, t]
            for i in range(x.size):
                weight[i] += row[i] * x[i]
                bias[i] += row[i]
    grads[:] = 0
    for i in range(x.size):
        grads[0] += weight[i]
        grads[1] += bias[i]
