"""Losses that ask for rates: the squared distance to wanted rates, and the share of the right class
among all spikes.

Letters: N samples, K classes. Rates (N, K) are means over time; both losses are sums over the
samples, in order. Sums over classes are in order, too.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.reference.numbers import log, total

SHARE_EPS = np.float32(1e-6)
RATE_FLOOR = np.float32(1 / 1024)


def rate_error_forward(
    rates: Floats, labels: Ints, true_rate: float, false_rate: float
) -> tuple[float, Floats]:
    """The sum of the squared errors, and the error (N, K).

    The error is the rate minus `true_rate` for the label and minus `false_rate` for the others.
    """
    error = rates - np.float32(false_rate)
    chosen = np.arange(len(labels)), labels
    error[chosen] = rates[chosen] - np.float32(true_rate)
    return float(total((error * error).ravel())), error


def rate_error_backward(error: Floats) -> Floats:
    """Gradient of `rate_error_forward` with respect to the rates: twice the error; float32."""
    return 2 * error


def share_forward(rates: Floats, eps: float = 1e-6) -> Floats:
    """Each rate as a share of its sample's sum: r / (sum r + eps), (N, K) float32.

    >>> share_forward(np.float32([[0.5, 0, 0.5]]), 0.0).tolist()
    [[0.5, 0.0, 0.5]]
    """
    return rates / (total(rates.T) + np.float32(eps))[:, None]


def share_backward(grad: Floats, rates: Floats, eps: float = 1e-6) -> Floats:
    """Gradient of `share_forward` with respect to the rates: (g - <g, share>) / (sum r + eps)."""
    sums = (total(rates.T) + np.float32(eps))[:, None]
    along = total((grad * (rates / sums)).T)[:, None]
    return (grad - along) / sums


def share_loss_forward(rates: Floats, labels: Ints) -> float:
    """The sum over N of -log(max(r[label], 1/1024) / (sum r + 1e-6)), float32.

    The floor keeps a silent label finite, where lava-dl's loss is infinite. It touches no rate of
    up to 1,024 steps.
    """
    chosen = np.maximum(rates[np.arange(len(labels)), labels], RATE_FLOOR)
    return float(-total(log(chosen / (total(rates.T) + SHARE_EPS))))


def share_loss_backward(rates: Floats, labels: Ints) -> Floats:
    """Gradient of `share_loss_forward` with respect to the rates, float32.

    1 / (sum r + 1e-6), minus 1 / max(r, 1/1024) for the label. The floor counts as a rate, so that
    a silent class learns to fire.
    """
    sums = total(rates.T) + SHARE_EPS
    grad = np.repeat(np.float32(1) / sums[:, None], rates.shape[1], axis=1)
    chosen = np.arange(len(labels)), labels
    grad[chosen] -= 1 / np.maximum(rates[chosen], RATE_FLOOR)
    return grad
