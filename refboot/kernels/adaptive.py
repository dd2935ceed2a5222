"""Kernel of refboot.reference.adaptive; equal to it in every bit."""

from __future__ import annotations

import numpy as np

from refboot.arrays import Ints
from refboot.kernels.jit import jit
from refboot.kernels.leaky import DECAY_SCALE, four, leaky_step


def adaptive_forward(
    voltage: Ints, a_decay: Ints, r_decay: Ints, threshold: int, jump: int, a: Ints, r: Ints
) -> tuple[Ints, Ints, Ints]:
    """See reference.adaptive_forward."""
    margin = np.empty(voltage.shape, np.int64)
    a, r = np.ascontiguousarray(a).copy(), np.ascontiguousarray(r).copy()
    state = four(a[..., None])[..., 0], four(r[..., None])[..., 0]
    _adaptive(four(voltage), a_decay, r_decay, threshold, jump, *state, four(margin))
    return margin, a, r


@jit
def _adaptive(voltage, a_decay, r_decay, threshold, jump, a, r, margin):  # type: ignore[no-untyped-def]
    samples, channels, space, steps = voltage.shape
    for n in range(samples):
        for c in range(channels):
            a_keep = DECAY_SCALE - a_decay[c if a_decay.size > 1 else 0]
            r_keep = DECAY_SCALE - r_decay[c if r_decay.size > 1 else 0]
            for k in range(space):
                a_now, r_now = a[n, c, k], r[n, c, k]
                for t in range(steps):
                    a_now, r_now = leaky_step(a_now, 0, a_keep), leaky_step(r_now, 0, r_keep)
                    above = voltage[n, c, k, t] - (threshold + a_now + r_now)
                    margin[n, c, k, t] = above
                    if above > 0:
                        r_now += 2 * (threshold + a_now)
                        a_now += jump
                a[n, c, k], r[n, c, k] = a_now, r_now
