"""Optimiser steps: pure arithmetic on one parameter, which it changes in place."""

from __future__ import annotations

import math

import numpy as np

from refboot.arrays import Floats
from refboot.reference.elementary import power

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
