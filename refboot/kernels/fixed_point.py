"""Kernels of refboot.reference.fixed_point; equal to it in every bit."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats
from refboot.kernels.jit import jit

STEP = np.float32(2 / 64)
LOW = np.float32(-256 / 64)
HIGH = np.float32(254 / 64)


def quantize_8bit(x: Floats) -> Floats:
    """See reference.quantize_8bit."""
    out = np.empty(x.shape, np.float32)
    _quantize(np.ascontiguousarray(x).reshape(-1), out.reshape(-1))
    return out


def quantize_8bit_backward(grad: Floats, x: Floats) -> Floats:
    """See reference.quantize_8bit_backward."""
    out = np.empty(x.shape, np.float32)
    _quantize_backward(np.ascontiguousarray(grad).reshape(-1), np.ascontiguousarray(x).reshape(-1), out.reshape(-1))
    return out


@jit
def _quantize(x, out):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        out[i] = min(max(np.rint(x[i] / STEP) * STEP, LOW), HIGH)


@jit
def _quantize_backward(grad, x, out):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        rounded = np.rint(x[i] / STEP) * STEP
        out[i] = grad[i] if LOW <= rounded <= HIGH else np.float32(0)
