"""Kernels of refboot.reference.spike: spikes equal to it in every bit, gradients to 4 ulps.

Its exponential is NumPy's where that is not below 1.2e-38, the smallest normal number; below, both
are below.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels.exponential import exp_of_negative
from refboot.kernels.jit import inlined, jit
from refboot.kernels.layout import axes_of, empty_like, flat


def spike_forward(voltage: Ints, threshold: int) -> Floats:
    """See reference.spike_forward."""
    return (voltage > threshold).astype(np.float32)


def spike_backward(
    grad: Floats, voltage: Floats, threshold: float, tau: float, scale: float
) -> Floats:
    """See reference.spike_backward."""
    axes = axes_of(voltage)
    out, to = empty_like(voltage, axes)
    _spike_backward(
        flat(grad, axes),
        flat(voltage, axes),
        to,
        np.float32(threshold),
        np.float32(scale / (2 * tau)),
        np.float32(-1 / tau),
    )
    return out


def graded_forward(voltage: Ints, threshold: int) -> Floats:
    """See reference.graded_forward."""
    out = np.empty(voltage.shape, np.float32)
    _graded(np.ascontiguousarray(voltage).reshape(-1), threshold, out.reshape(-1))
    return out


def graded_backward(
    grad: Floats, voltage: Floats, threshold: float, tau: float, scale: float
) -> Floats:
    """See reference.graded_backward."""
    axes = axes_of(voltage)
    out, to = empty_like(voltage, axes)
    _graded_backward(
        flat(grad, axes),
        flat(voltage, axes),
        to,
        np.float32(threshold),
        np.float32(scale),
        np.float32(1 / tau),
    )
    return out


@inlined
def surrogate(voltage, threshold, slope, inverse):  # type: ignore[no-untyped-def]
    """scale / (2 tau) * exp(-|v - threshold| / tau) with slope = scale / (2 tau), inverse = -1 /
    tau; all float32.
    """
    return slope * exp_of_negative(abs(voltage - threshold) * inverse)


@jit
def _spike_backward(grad, voltage, out, threshold, slope, inverse):  # type: ignore[no-untyped-def]
    for i in range(grad.size):
        out[i] = grad[i] * surrogate(voltage[i], threshold, slope, inverse)


@jit
def _graded(voltage, threshold, out):  # type: ignore[no-untyped-def]
    for i in range(voltage.size):
        out[i] = np.float32(voltage[i] / 4096) if voltage[i] > threshold else np.float32(0)


@jit
def _graded_backward(grad, voltage, out, threshold, scale, inverse):  # type: ignore[no-untyped-def]
    for i in range(grad.size):
        below = min(voltage[i] - threshold, np.float32(0))
        out[i] = grad[i] * (scale * exp_of_negative(below * inverse))
