"""The loss on the rates of the read-out."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints


def cross_entropy_forward(logits: Floats, labels: Ints) -> tuple[float, Floats]:
    """Mean over N of -log softmax(logits)[label] for logits (N, K), labels (N,), and the softmax
    (N, K); in float32. Spec: TRN-1.

    >>> loss, p = cross_entropy_forward(np.float32([[0, 0]]), np.array([1]))
    >>> round(loss, 6), p.tolist()
    (0.693147, [[0.5, 0.5]])
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    exps = np.exp(shifted)
    total = exps.sum(axis=1, keepdims=True)
    picked = shifted[np.arange(len(labels)), labels]
    losses = np.log(total[:, 0]) - picked
    return float(losses.mean(dtype=np.float64)), exps / total


def cross_entropy_backward(softmax: Floats, labels: Ints) -> Floats:
    """Gradient for the logits (N, K): (softmax - onehot(label)) / N, float32. Spec: TRN-2."""
    grad = softmax.copy()
    grad[np.arange(len(labels)), labels] -= 1
    return grad / np.float32(len(labels))
