"""The loss on the rates of the read-out."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.reference.elementary import exp_negative, log
from refboot.reference.sums import total


def cross_entropy_forward(logits: Floats, labels: Ints) -> tuple[float, Floats]:
    """The mean over N of -log softmax(logits)[label], and the softmax (N, K); float32.

    `logits` (N, K), `labels` (N,). The sums over classes and over samples are in order.
    Spec: TRN-1.

    >>> loss, p = cross_entropy_forward(np.float32([[0, 0]]), np.array([1]))
    >>> round(loss, 6), p.tolist()
    (0.693147, [[0.5, 0.5]])
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    exps = exp_negative(shifted)
    sums = total(exps.T)
    losses = log(sums) - shifted[np.arange(len(labels)), labels]
    return float(total(losses) / np.float32(len(labels))), exps / sums[:, None]


def cross_entropy_backward(softmax: Floats, labels: Ints) -> Floats:
    """Gradient with respect to the logits (N, K): (softmax - onehot(label)) / N, float32.

    Spec: TRN-2.
    """
    grad = softmax.copy()
    grad[np.arange(len(labels)), labels] -= 1
    return grad / np.float32(len(labels))
