"""Twins of refboot.reference.training: each optimiser step in one pass, in place."""

from __future__ import annotations

import numpy as np

from refboot import reference
from refboot.arrays import Floats
from refboot.kernels.jit import inlined, jit
from refboot.reference.training import adam_constants

F = np.float32
TINY = np.finfo(np.float32).tiny


def sgd_step(p: Floats, grad: Floats, velocity: Floats, lr: float, momentum: float) -> None:
    """See reference.sgd_step."""
    arrays = _flat(p, grad, velocity)
    if arrays is None:
        reference.sgd_step(p, grad, velocity, lr, momentum)
    else:
        _sgd(*arrays, F(lr), F(momentum))


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
    """See reference.adam_step."""
    rate, root = adam_constants(step, lr, beta1, beta2)
    betas = F(beta1), F(1 - beta1), F(beta2), F(1 - beta2)
    arrays = _flat(p, grad, m, v)
    if arrays is None:
        reference.adam_step(p, grad, m, v, step, lr, beta1, beta2, eps)
    else:
        adam(*arrays, *betas, rate, root, F(eps))


def _flat(p: Floats, grad: Floats, *moments: Floats) -> list[Floats] | None:
    """All four as flat views in the order in which p lies in memory, or None if one cannot be."""
    changed = (p, *moments)
    if all(array.flags.c_contiguous for array in changed):
        return [array.ravel() for array in (p, grad, *moments)]
    if all(array.flags.f_contiguous for array in changed):
        return [array.ravel("F") for array in (p, grad, *moments)]
    return None


@jit
def _sgd(p, grad, velocity, lr, momentum):
    for i in range(p.size):
        velocity[i] = velocity[i] * momentum + grad[i]
        p[i] -= lr * velocity[i]


@inlined
def adam_row(p, grad, m, v, b1, c1, b2, c2, rate, root, eps):
    """One Adam step on arrays (O,): b1 and b2 are the betas, c1 and c2 what is left of 1."""
    for i in range(p.size):
        x = m[i] * b1 + c1 * grad[i]
        y = v[i] * b2 + c2 * grad[i] * grad[i]
        x = x if abs(x) >= TINY else F(0)
        y = y if y >= TINY else F(0)
        m[i], v[i] = x, y
        p[i] -= rate * x / (np.sqrt(y) * root + eps)


@jit
def adam(p, grad, m, v, b1, c1, b2, c2, rate, root, eps):
    """`adam_row` by itself."""
    adam_row(p, grad, m, v, b1, c1, b2, c2, rate, root, eps)
