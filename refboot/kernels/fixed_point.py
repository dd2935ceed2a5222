"""Twins of refboot.reference.fixed_point: quantisation in one pass."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.kernels.jit import jit

F = np.float32


def quantize_8bit(x: Floats) -> Floats:
    """See reference.quantize_8bit."""
    x = np.ascontiguousarray(x)
    out = np.empty(x.shape, np.float32)
    _quantize(x.ravel(), out.ravel())
    return out


def quantize_8bit_backward(grad: Floats, x: Floats) -> Floats:
    """See reference.quantize_8bit_backward."""
    out = np.empty(x.shape, np.float32)
    _backward(np.ascontiguousarray(grad).ravel(), np.ascontiguousarray(x).ravel(), out.ravel())
    return out


@jit
def _quantize(x, out):
    for i in range(x.size):
        out[i] = min(max(np.rint(x[i] * F(32)) * F(1 / 32), F(-4)), F(3.96875)) + F(0)


@jit
def _backward(grad, x, out):
    for i in range(x.size):
        rounded = np.rint(x[i] * F(32)) * F(1 / 32)
        inside = (rounded >= F(-4)) & (rounded <= F(3.96875))
        out[i] = grad[i] if inside else F(0)
