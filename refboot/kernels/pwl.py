"""Twins of refboot.reference.pwl: the rate curve and its gradient, piece by piece."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Doubles, Floats
from refboot.kernels.jit import jit

F = np.float32


def pwl_forward(z: Floats, knots: Doubles, slopes: Doubles) -> Floats:
    """See reference.pwl_forward."""
    edges, bases = knots.astype(F).T
    given = np.ascontiguousarray(z)
    a = np.empty(z.shape, F)
    _forward(given.ravel(), edges.copy(), bases.copy(), slopes.astype(F), a.ravel())
    return a


def pwl_backward(
    grad: Floats, z: Floats, knots: Doubles, slopes: Doubles, scale: float, eps: float
) -> Floats:
    """See reference.pwl_backward."""
    edges, gz = knots[:, 0].astype(F), np.empty(z.shape, F)
    given = np.ascontiguousarray(grad).ravel(), np.ascontiguousarray(z).ravel()
    _backward(*given, edges, slopes.astype(F) * F(scale) + F(eps), F(eps), gz.ravel())
    return gz


@jit
def _forward(z, edges, bases, slopes, a):
    """Pieces in the outer loop: the last whose left edge is below z counts."""
    a[:] = 0
    for k in range(slopes.size):
        left, base, slope = edges[k], bases[k], slopes[k]
        for i in range(z.size):
            a[i] = base + slope * (z[i] - left) if z[i] > left else a[i]
    last, top = edges[-1], bases[-1]
    for i in range(z.size):
        a[i] = top if z[i] > last else a[i]


@jit
def _backward(grad, z, edges, gains, eps, gz):
    gz[:] = eps
    for k in range(gains.size):
        left, gain = edges[k], gains[k]
        for i in range(z.size):
            gz[i] = gain if z[i] > left else gz[i]
    last = edges[-1]
    for i in range(z.size):
        gz[i] = grad[i] * (eps if z[i] > last else gz[i])
