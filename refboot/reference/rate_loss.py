"""Losses that ask for rates: the squared distance to wanted rates, and the share of the right class
among all spikes.

Letters: N samples, K classes. Rates (N, K) are means over time; both losses are sums over the
samples.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints

SHARE_EPS = np.float32(1e-6)
RATE_FLOOR = np.float32(1 / 1024)


def rate_error_forward(
    rates: Floats, labels: Ints, true_rate: float, false_rate: float
) -> tuple[float, Floats]:
    """Sum of squares of the error: rates less `true_rate` for the label and `false_rate` for the
    rest; and the error (N, K).
    """
    error = rates - np.float32(false_rate)
    chosen = np.arange(len(labels)), labels
    error[chosen] = rates[chosen] - np.float32(true_rate)
    return float(np.square(error).sum(dtype=np.float64)), error


def rate_error_backward(error: Floats) -> Floats:
    """Gradient of `rate_error_forward` for the rates: twice the error; float32."""
    return 2 * error


def share_forward(rates: Floats, eps: float = 1e-6) -> Floats:
    """Each rate as a share of its sample's sum: r / (sum r + eps), (N, K) float32.

    >>> share_forward(np.float32([[0.5, 0, 0.5]]), 0.0).tolist()
    [[0.5, 0.0, 0.5]]
    """
    return rates / (
        rates.sum(axis=1, keepdims=True, dtype=np.float64).astype(np.float32) + np.float32(eps)
    )


def share_backward(grad: Floats, rates: Floats, eps: float = 1e-6) -> Floats:
    """Gradient of `share_forward` for the rates: (g - <g, share>) / (sum r + eps)."""
    total = rates.sum(axis=1, keepdims=True, dtype=np.float64).astype(np.float32) + np.float32(eps)
    along = (grad * (rates / total)).sum(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    return (grad - along) / total


def share_loss_forward(rates: Floats, labels: Ints) -> float:
    """Sum over N of -log(max(r[label], 1/1024) / (sum r + 1e-6)), computed in float32, summed in
    float64.

    The floor keeps a silent label finite, where lava-dl's loss is infinite; no rate of up to 1,024
    steps is touched by it.
    """
    total = rates.sum(axis=1, dtype=np.float64).astype(np.float32) + SHARE_EPS
    chosen = np.maximum(rates[np.arange(len(labels)), labels], RATE_FLOOR)
    return float(-np.log(chosen / total).sum(dtype=np.float64))


def share_loss_backward(rates: Floats, labels: Ints) -> Floats:
    """Gradient of `share_loss_forward` for the rates: 1 / (sum r + 1e-6), less 1 / max(r, 1/1024)
    for the label; float32.

    The floor counts as a rate in it, so that a class that is silent learns to fire.
    """
    total = rates.sum(axis=1, dtype=np.float64).astype(np.float32) + SHARE_EPS
    grad = np.repeat(1 / total[:, None], rates.shape[1], axis=1)
    chosen = np.arange(len(labels)), labels
    grad[chosen] -= 1 / np.maximum(rates[chosen], RATE_FLOOR)
    return grad
