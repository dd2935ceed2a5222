"""Optimiser steps: pure arithmetic on one parameter, which it changes in place."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Floats

TINY = np.finfo(np.float32).tiny  # 2^-126


def sgd_step(p: Floats, grad: Floats, velocity: Floats, lr: float, momentum: float) -> None:
    """velocity = momentum * velocity + grad; p -= lr * velocity. In place, float32. Spec: TRN-5."""
    velocity *= np.float32(momentum)
    velocity += grad
    p -= np.float32(lr) * velocity


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
    """One Adam step (Kingma & Ba, 2015, algorithm 1) number `step` >= 1, in place on p and its
    moments m and v; float32.

    m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr / (1-b1^t) * m / (sqrt(v) / sqrt(1-b2^t) +
    eps). A moment below the smallest normal number becomes 0. Spec: TRN-4.
    """
    m *= np.float32(beta1)
    m += np.float32(1 - beta1) * grad
    v *= np.float32(beta2)
    v += np.float32(1 - beta2) * grad * grad
    m[np.abs(m) < TINY] = 0
    v[v < TINY] = 0
    root = np.sqrt(v) * np.float32(1 / np.sqrt(1 - beta2**step)) + np.float32(eps)
    p -= np.float32(lr / (1 - beta1**step)) * m / root
