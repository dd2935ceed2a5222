"""Kernels of refboot.reference.loss: softmax to 4 ulps, loss to 4 ulps of max(1, loss), backward
equal to it in every bit.
"""

from __future__ import annotations

import math

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.kernels.jit import jit


def cross_entropy_forward(logits: Floats, labels: Ints) -> tuple[float, Floats]:
    """See reference.cross_entropy_forward."""
    softmax = np.empty(logits.shape, np.float32)
    return float(_cross_entropy(np.ascontiguousarray(logits), labels, softmax)), softmax


def cross_entropy_backward(softmax: Floats, labels: Ints) -> Floats:
    """See reference.cross_entropy_backward."""
    grad = np.empty(softmax.shape, np.float32)
    _cross_entropy_backward(softmax, labels, grad)
    return grad


@jit
def _cross_entropy(logits, labels, softmax):  # type: ignore[no-untyped-def]
    samples, classes = logits.shape
    loss = 0.0
    for n in range(samples):
        top = logits[n, 0]
        for k in range(1, classes):
            top = max(top, logits[n, k])
        exact = 0.0
        for k in range(classes):
            softmax[n, k] = math.exp(logits[n, k] - top)
            exact += np.float64(softmax[n, k])
        total = np.float32(exact)
        for k in range(classes):
            softmax[n, k] /= total
        loss += np.float64(np.float32(math.log(total)) - (logits[n, labels[n]] - top))
    return loss / samples


@jit
def _cross_entropy_backward(softmax, labels, grad):  # type: ignore[no-untyped-def]
    samples, classes = softmax.shape
    for n in range(samples):
        for k in range(classes):
            hit = np.float32(1) if k == labels[n] else np.float32(0)
            grad[n, k] = (softmax[n, k] - hit) / np.float32(samples)
