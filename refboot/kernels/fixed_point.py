"""Kernels of refboot.reference.fixed_point; equal to it in every bit."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.kernels.jit import inlined, jit
from refboot.kernels.layout import axes_of, empty_like, flat, over_elements

STEP = np.float32(2 / 64)
PER_STEP = np.float32(
    64 / 2
)  # a power of two: to multiply by it is to divide by the step, in every bit
LOW = np.float32(-256 / 64)
HIGH = np.float32(254 / 64)


def quantize_8bit(x: Floats) -> Floats:
    """See reference.quantize_8bit."""
    axes = axes_of(x)
    (out, to), values = empty_like(x, axes), flat(x, axes)
    over_elements(x.size, lambda part: _quantize(values[part], to[part]))
    return out


def quantize_8bit_backward(grad: Floats, x: Floats) -> Floats:
    """See reference.quantize_8bit_backward."""
    axes = axes_of(x)
    (out, to), values, grads = empty_like(x, axes), flat(x, axes), flat(grad, axes)
    over_elements(x.size, lambda part: _quantize_backward(grads[part], values[part], to[part]))
    return out


@inlined
def quantised(x):  # type: ignore[no-untyped-def]
    """One number to 8 bits."""
    return min(max(np.rint(x * PER_STEP) * STEP, LOW), HIGH)


@jit
def _quantize(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        out[i] = quantised(x[i])


@jit
def _quantize_backward(grad, x, out):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        rounded = np.rint(x[i] * PER_STEP) * STEP
        out[i] = grad[i] if (rounded >= LOW) & (rounded <= HIGH) else np.float32(0)
