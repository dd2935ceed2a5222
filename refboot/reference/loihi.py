"""Loihi's own limits: a current of 24 bits that wraps round, a voltage of 24 bits that saturates.

State units are Loihi's integers. As long as no limit is reached these are the functions of `leaky`,
in every bit.
"""

from __future__ import annotations

import numpy as np

from refboot.arrays import Ints
from refboot.reference.leaky import leaky_step, per_channel, reset

LIMIT = 1 << 23


def wrap(u: Ints) -> Ints:
    """u brought into (-2^23, 2^23] by multiples of 2^24; int64.

    >>> wrap(np.array([2**23, 2**23 + 5, -(2**23), -(2**23) - 5])).tolist()
    [8388608, -8388603, 8388608, 8388603]
    """
    return LIMIT - (LIMIT - u) % (2 * LIMIT)


def saturate(v: Ints) -> Ints:
    """v clipped to [-(2^23 - 1), 2^23 - 1]; int64."""
    return np.clip(v, 1 - LIMIT, LIMIT - 1)


def wrapped_forward(drive: Ints, decay: Ints, state: Ints) -> tuple[Ints, Ints]:
    """`leaky_forward` without a threshold, the state of each step wrapped: the current of Loihi's
    neuron.
    """
    decay = per_channel(decay, state.ndim)
    y = np.empty_like(drive)
    for t in range(drive.shape[-1]):
        state = y[..., t] = wrap(leaky_step(state, drive[..., t], decay))
    return y, state.copy()


def saturated_forward(
    drive: Ints, decay: Ints, state: Ints, threshold: int | None = None, subtract: bool = False
) -> tuple[Ints, Ints]:
    """`leaky_forward`, the state of each step saturated before it is compared and reset: the
    voltage of Loihi's neuron.
    """
    decay = per_channel(decay, state.ndim)
    y = np.empty_like(drive)
    for t in range(drive.shape[-1]):
        y[..., t] = saturate(leaky_step(state, drive[..., t], decay))
        state = y[..., t] if threshold is None else reset(y[..., t], threshold, subtract)
    return y, state.copy()
