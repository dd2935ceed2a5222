"""Kernels of refboot.reference.loihi; equal to it in every bit."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Ints
from refboot.kernels.jit import jit
from refboot.kernels.leaky import DECAY_SCALE, four, integrate, leaky_step

LIMIT = 1 << 23


def wrapped_forward(drive: Ints, decay: Ints, state: Ints) -> tuple[Ints, Ints]:
    """See reference.wrapped_forward."""
    y, last = np.empty(drive.shape, np.int64), np.ascontiguousarray(state).copy()
    _wrapped(four(drive), decay, four(last[..., None])[..., 0], four(y))
    return y, last


def saturated_forward(
    drive: Ints, decay: Ints, state: Ints, threshold: int | None = None, subtract: bool = False
) -> tuple[Ints, Ints]:
    """See reference.saturated_forward."""
    return integrate(drive, decay, state, threshold, subtract, LIMIT - 1)


@jit
def _wrapped(drive, decay, state, y):  # type: ignore[no-untyped-def]
    samples, channels, space, steps = drive.shape
    for n in range(samples):
        for c in range(channels):
            keep = DECAY_SCALE - decay[c if decay.size > 1 else 0]
            for k in range(space):
                now = state[n, c, k]
                for t in range(steps):
                    now = LIMIT - (LIMIT - leaky_step(now, drive[n, c, k, t], keep)) % (2 * LIMIT)
                    y[n, c, k, t] = now
                state[n, c, k] = now
