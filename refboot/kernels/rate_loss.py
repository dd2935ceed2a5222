"""Kernels of refboot.reference.rate_loss: the error and its gradient equal to it in every bit, the
rest to 4 ulps of its terms.

They are few numbers each: NumPy alone, with nothing to compile.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints

SHARE_EPS = np.float32(1e-6)
RATE_FLOOR = np.float32(1 / 1024)


def rate_error_forward(
    rates: Floats, labels: Ints, true_rate: float, false_rate: float
) -> tuple[float, Floats]:
    """See reference.rate_error_forward."""
    hit = labels[:, None] == np.arange(rates.shape[1])
    error = rates - np.float32(
        false_rate
    )  # lies as the rates do, which decides the order of the sum
    error[hit] = rates[hit] - np.float32(true_rate)
    return float(np.square(error).sum(dtype=np.float64)), error


def rate_error_backward(error: Floats) -> Floats:
    """See reference.rate_error_backward."""
    return error + error


def share_forward(rates: Floats, eps: float = 1e-6) -> Floats:
    """See reference.share_forward."""
    return rates / _total(rates, eps)


def share_backward(grad: Floats, rates: Floats, eps: float = 1e-6) -> Floats:
    """See reference.share_backward."""
    total = _total(rates, eps)
    along = np.einsum("nk,nk->n", grad, rates / total, dtype=np.float64).astype(np.float32)
    return (grad - along[:, None]) / total


def share_loss_forward(rates: Floats, labels: Ints) -> float:
    """See reference.share_loss_forward."""
    chosen = np.maximum(np.take_along_axis(rates, labels[:, None], axis=1), RATE_FLOOR)
    return float(-np.log(chosen / _total(rates, SHARE_EPS)).sum(dtype=np.float64))


def share_loss_backward(rates: Floats, labels: Ints) -> Floats:
    """See reference.share_loss_backward."""
    hit = labels[:, None] == np.arange(rates.shape[1])
    own = np.where(hit, 1 / np.maximum(rates, RATE_FLOOR), np.float32(0))
    return (1 / _total(rates, SHARE_EPS) - own).astype(np.float32, copy=False)


def _total(rates: Floats, eps: float | np.float32) -> Floats:
    return rates.sum(axis=1, keepdims=True, dtype=np.float64).astype(np.float32) + np.float32(eps)
