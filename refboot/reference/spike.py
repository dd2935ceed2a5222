"""The spike: a strict threshold going forward, a smooth surrogate going back."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints


def spike_forward(voltage: Ints, threshold: int) -> Floats:
    """1 where the voltage is strictly above the threshold (both int64 state units), else 0;
    float32. Spec: SPK-1, SPK-3, LIF-5.

    >>> spike_forward(np.array([5119, 5120, 5121]), 5120).tolist()
    [0.0, 0.0, 1.0]
    """
    return (voltage > threshold).astype(np.float32)


def spike_backward(
    grad: Floats, voltage: Floats, threshold: float, tau: float, scale: float
) -> Floats:
    """Gradient for the real voltage: grad * scale / (2 tau) * exp(-|v - threshold| / tau), float32.

    Forward line: s = v > threshold, whose derivative is zero; this exponential stands in for it.
    Spec: SPK-6.
    """
    slope, inverse = np.float32(scale / (2 * tau)), np.float32(-1 / tau)
    return grad * (slope * np.exp(np.abs(voltage - np.float32(threshold)) * inverse))


def graded_forward(voltage: Ints, threshold: int) -> Floats:
    """The real voltage where it is strictly above the threshold (int64 state units), else 0;
    float32. Spec: SPK-2.
    """
    return np.where(voltage > threshold, voltage / 4096, 0).astype(np.float32)


def graded_backward(
    grad: Floats, voltage: Floats, threshold: float, tau: float, scale: float
) -> Floats:
    """Gradient of `graded_forward` for the real voltage: grad * scale * exp(min(v - threshold, 0) /
    tau), float32. Spec: SPK-7.
    """
    below = np.minimum(voltage - np.float32(threshold), np.float32(0))
    return grad * (np.float32(scale) * np.exp(below * np.float32(1 / tau)))
