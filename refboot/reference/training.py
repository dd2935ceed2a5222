"""Training: the loss on the rates of the read-out, and the optimiser's steps on one parameter,
which they change in place.
"""

from __future__ import annotations

import math

import numpy as np

from refboot.arrays import Floats, Ints
from refboot.reference.numbers import exp_negative, log, power, total


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


TINY = np.finfo(np.float32).tiny  # 2^-126


def sgd_step(p: Floats, grad: Floats, velocity: Floats, lr: float, momentum: float) -> None:
    """velocity = momentum * velocity + grad; p -= lr * velocity. In place, float32. Spec: TRN-5."""
    velocity *= np.float32(momentum)
    velocity += grad
    p -= np.float32(lr) * velocity


def adam_constants(
    step: int, lr: float, beta1: float, beta2: float
) -> tuple[np.float32, np.float32]:
    """lr / (1 - beta1^t) and 1 / sqrt(1 - beta2^t) for t = `step` >= 1, each rounded to float32."""
    rate = lr / (1 - power(beta1, step))
    root = 1 / math.sqrt(1 - power(beta2, step))
    return np.float32(rate), np.float32(root)


def adam_step(
    p: Floats,
    grad: Floats,
    m: Floats,
    v: Floats,
    step: int,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
) -> None:
    """Adam step number t = `step` >= 1 (Kingma & Ba, 2015, algorithm 1), in place on p, m and v.

    m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g g; p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 -
    b2^t) + eps). A moment below the smallest normal number becomes 0. float32. Spec: TRN-4.
    """
    rate, root = adam_constants(step, lr, beta1, beta2)
    m *= np.float32(beta1)
    m += np.float32(1 - beta1) * grad
    v *= np.float32(beta2)
    v += np.float32(1 - beta2) * grad * grad
    m[np.abs(m) < TINY] = 0
    v[v < TINY] = 0
    p -= rate * m / (np.sqrt(v) * root + np.float32(eps))
