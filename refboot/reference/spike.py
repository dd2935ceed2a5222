"""The spike: a strict threshold going forward, a smooth surrogate going back."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.reference.numbers import exp_negative


def surrogate_constants(
    threshold: float, tau_grad: float = 1, scale_grad: float = 1
) -> tuple[float, float]:
    """tau = 100 * tau_grad * threshold and scale = 0.1 * scale_grad, the surrogate's constants.

    With tau = tau_grad instead, hidden gradients are hundreds of times too large. Spec: SPK-5.

    >>> surrogate_constants(1.25)
    (125.0, 0.1)
    """
    return 100 * tau_grad * threshold, 0.1 * scale_grad


def spike_forward(voltage: Ints, threshold: int) -> Floats:
    """1 where the voltage is strictly above the threshold (int64 state units), else 0; float32.

    Spec: SPK-1, SPK-3, LIF-5.

    >>> spike_forward(np.array([5119, 5120, 5121]), 5120).tolist()
    [0.0, 0.0, 1.0]
    """
    return (voltage > threshold).astype(np.float32)


def spike_backward(
    grad: Floats, voltage: Floats, threshold: float, tau: float, scale: float
) -> Floats:
    """Gradient with respect to the real voltage, float32.

    grad * scale / (2 tau) * exp(-|v - threshold| / tau). Forward line: s = v > threshold, whose
    derivative is zero; this exponential stands in for it. scale / (2 tau) and -1 / tau are rounded
    to float32 first. Spec: SPK-6.
    """
    slope, inverse = np.float32(scale / (2 * tau)), np.float32(-1 / tau)
    return grad * (slope * exp_negative(np.abs(voltage - np.float32(threshold)) * inverse))


def graded_forward(voltage: Ints, threshold: int) -> Floats:
    """The real voltage where it is strictly above the threshold (int64 state units), else 0.

    float32. Spec: SPK-2.
    """
    return np.where(voltage > threshold, voltage / 4096, 0).astype(np.float32)


def graded_backward(
    grad: Floats, voltage: Floats, threshold: float, tau: float, scale: float
) -> Floats:
    """Gradient of `graded_forward` with respect to the real voltage, float32.

    grad * scale * exp(min(v - threshold, 0) / tau). Spec: SPK-7.
    """
    below = np.minimum(voltage - np.float32(threshold), np.float32(0))
    return grad * (np.float32(scale) * exp_negative(below * np.float32(1 / tau)))
